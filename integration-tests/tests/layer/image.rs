// SPDX-License-Identifier: Apache-2.0
//! `layer/Dockerfile`, looked at by a linter and carried out without an engine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use integration_tests::binaries::{repository, tool};
use integration_tests::process::run;

use crate::{ARCHITECTURES, layer, packed};

#[test]
fn the_image_has_the_files_of_the_layer_and_nothing_else() {
    let text = fs::read_to_string(repository().join("layer/Dockerfile")).unwrap();
    for (architecture, of_images) in ARCHITECTURES {
        let image = tempfile::tempdir().unwrap();
        carry_out(&text, of_images, &packed().images, image.path());
        let mut files = BTreeMap::new();
        collect(image.path(), image.path(), &mut files);
        let expected: BTreeMap<_, _> = layer(architecture)
            .into_iter()
            .map(|member| (format!("opt/{}", member.name), (member.mode, member.bytes)))
            .collect();
        assert!(
            files == expected,
            "{architecture}: {:?} in the image, {:?} in the layer",
            files.keys(),
            expected.keys()
        );
    }
}

/// Does what an engine does for this Dockerfile, of which it has to know every instruction.
fn carry_out(dockerfile: &str, architecture: &str, context: &Path, root: &Path) {
    let text = dockerfile.replace("\\\n", " ");
    let mut instructions = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(instructions.next(), Some("FROM scratch"));
    for instruction in instructions {
        let instruction = instruction.replace("${TARGETARCH}", architecture);
        let words: Vec<&str> = instruction.split_whitespace().collect();
        match words[..] {
            ["ARG", "TARGETARCH"] | ["LABEL", ..] => {}
            // A folder's contents go into the folder that is named.
            ["COPY", from, to] if from.ends_with('/') && to.ends_with('/') => {
                let to = root.join(to.trim_start_matches('/'));
                fs::create_dir_all(&to).unwrap();
                run(Command::new("cp")
                    .args(["-R", "--preserve=mode"])
                    .args([context.join(from).join("."), to]));
            }
            _ => panic!("this test does not know: {instruction}"),
        }
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let mode = path.metadata().unwrap().permissions().mode();
            files.insert(name, (mode, fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn the_dockerfile_is_clean() {
    run(Command::new(tool(env!("CARGO_TARGET_TMPDIR"), "hadolint"))
        .arg(repository().join("layer/Dockerfile")));
}
