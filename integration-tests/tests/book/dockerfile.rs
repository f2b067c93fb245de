// SPDX-License-Identifier: Apache-2.0
//! Does what an engine does for the Dockerfiles of the pages, as far as that goes without one: a base image is this
//! machine, and its own files are not in the image's root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was made of a Dockerfile.
pub(crate) struct Image {
    /// Where its files are.
    pub(crate) root: PathBuf,
    /// Its working directory, below the root.
    pub(crate) directory: PathBuf,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
}

/// Carries out a Dockerfile, of which every instruction has to be known. `streamgate` is the folder that plays the root
/// of the image of this name.
pub(crate) fn carry_out(dockerfile: &str, streamgate: &Path, context: &Path, root: &Path) -> Image {
    let mut image = Image {
        root: root.to_owned(),
        directory: root.to_owned(),
        entrypoint: Vec::new(),
        command: Vec::new(),
    };
    let mut bases = 0;
    for line in dockerfile.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["FROM", "streamgate", "AS", "streamgate"] => {}
            ["FROM", "node:22-slim"] => bases += 1,
            ["COPY", "--from=streamgate", from, to] => {
                copy(
                    &streamgate.join(from.trim_start_matches('/')),
                    from,
                    &image.at(to),
                    to,
                );
            }
            ["COPY", from, to] => copy(&context.join(from), from, &image.at(to), to),
            ["WORKDIR", path] => {
                image.directory = image.at(path);
                fs::create_dir_all(&image.directory).unwrap();
            }
            ["ENTRYPOINT", ..] => image.entrypoint = list(line),
            ["CMD", ..] => image.command = list(line),
            _ => panic!("this test does not know: {line}"),
        }
    }
    assert_eq!(bases, 1, "an app's image has one base");
    image
}

impl Image {
    /// A path of the image, here.
    fn at(&self, path: &str) -> PathBuf {
        match path.strip_prefix('/') {
            Some(path) => self.root.join(path),
            None => self.directory.join(path),
        }
    }
}

/// A file goes to where is said, or into the folder that is said; of a folder the contents go there.
fn copy(from: &Path, from_word: &str, to: &Path, to_word: &str) {
    let target = if from_word.ends_with('/') {
        assert!(
            to_word.ends_with('/'),
            "contents of {from_word} to {to_word}"
        );
        fs::create_dir_all(to).unwrap();
        to.to_owned()
    } else if to_word.ends_with('/') {
        fs::create_dir_all(to).unwrap();
        to.join(from.file_name().unwrap())
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        to.to_owned()
    };
    let from = if from_word.ends_with('/') {
        from.join(".")
    } else {
        from.to_owned()
    };
    let copied = Command::new("cp")
        .args(["-R", "--preserve=mode"])
        .args([&from, &target])
        .status()
        .unwrap();
    assert!(
        copied.success(),
        "cp {} {}",
        from.display(),
        target.display()
    );
}

/// The words of an instruction in JSON.
fn list(line: &str) -> Vec<String> {
    let (_, json) = line.split_once(' ').unwrap();
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{line}: {error}"))
}
