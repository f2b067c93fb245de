// SPDX-License-Identifier: Apache-2.0
//! What linters of templates say.

use std::fs;
use std::process::{Child, Command, Stdio};

use integration_tests::binaries::repository;
use integration_tests::process::run;

use crate::{files, tool};

fn templates() -> Vec<String> {
    let mut templates = files("deploy/cloudformation", "yaml");
    templates.extend(files("deploy/sam", "yaml"));
    let examples = fs::read_dir(repository().join("examples")).unwrap();
    let names = examples.map(|entry| entry.unwrap().file_name());
    let of_examples = names
        .map(|name| format!("examples/{}/template.yaml", name.display()))
        .filter(|path| repository().join(path).is_file());
    let before = templates.len();
    templates.extend(of_examples);
    assert!(templates.len() > before, "no example has a template");
    templates
}

#[test]
fn the_linter_of_cloudformation_has_no_objection() {
    run(Command::new(tool("deploy/bin/cfn-lint"))
        .current_dir(repository())
        .args(["--include-checks", "I", "--"])
        .args(templates()));
}

#[test]
fn sam_finds_its_templates_valid() {
    let home = tempfile::tempdir().unwrap();
    let started: Vec<(String, Child)> = files("deploy/sam", "yaml")
        .into_iter()
        .map(|path| {
            let child = Command::new(tool("deploy/bin/sam"))
                .current_dir(repository())
                // Without a region it would look for one in the user's settings.
                .env("AWS_DEFAULT_REGION", "us-east-1")
                .env("SAM_CLI_TELEMETRY", "0")
                .env("__SAM_CLI_APP_DIR", home.path())
                .args(["validate", "--lint", "--template-file", &path])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            (path, child.unwrap())
        })
        .collect();
    for (path, child) in started {
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{path}:\n{stdout}{stderr}");
        assert!(stdout.contains("is a valid SAM Template"), "{stdout}");
    }
}
