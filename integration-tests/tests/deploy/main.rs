// SPDX-License-Identifier: Apache-2.0
//! `deploy/` and `.github/`: linters have no objection, and what they cannot know is so.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod cdk;
mod fronts;
mod functions;
mod linters;
mod starts;
mod template;
mod terraform;
mod workflows;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::binaries::repository;
use integration_tests::process::run;
use serde_json::Value;

/// A program that the setup script puts below Cargo's target folder.
fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("tools")
        .join(name);
    assert!(
        path.exists(),
        "there is no {}: integration-tests/setup/install installs it",
        path.display()
    );
    path
}

/// The files of this kind in a folder of the repository, as paths from its root, in order.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(repository().join(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some(OsStr::new(extension)))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            format!("{folder}/{name}")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no {extension} files");
    files
}

/// YAML files of the repository by path, as `read.py` gives them.
fn documents(paths: &[String]) -> Value {
    let script = repository().join("integration-tests/tests/deploy/read.py");
    let json = run(Command::new(tool("deploy/bin/python"))
        .current_dir(repository())
        // SAM's transform wants to know for which region, and asks nobody.
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .arg(script)
        .args(paths));
    serde_json::from_str(&json).unwrap()
}
