// SPDX-License-Identifier: Apache-2.0
//! What lies beside each example's app.

use std::fs;
use std::process::Command;

use integration_tests::{binaries, examples};

#[test]
fn every_example_tells_how_to_run_and_deploy_it() {
    let wanted = [
        ("README.md", "```sh"),
        ("README.md", "\n## Deploy\n"),
        ("Dockerfile", "COPY --from=streamgate /opt/extensions/"),
        ("template.yaml", "Type: AWS::Serverless::Function"),
    ];
    let examples = examples::all();
    let missing = examples.iter().flat_map(|example| {
        wanted.iter().filter_map(|(file, part)| {
            let path = example.folder().join(file);
            let text = fs::read_to_string(&path).unwrap_or_default();
            (!text.contains(part)).then(|| format!("{} without {part:?}", path.display()))
        })
    });
    let missing: Vec<String> = missing.collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_linter_of_dockerfiles_has_no_objection_to_the_examples() {
    let mut lint = Command::new(binaries::tool(env!("CARGO_TARGET_TMPDIR"), "hadolint"));
    for example in examples::all() {
        lint.arg(example.folder().join("Dockerfile"));
    }
    let output = lint.output().expect("the linter can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
