// SPDX-License-Identifier: Apache-2.0
//! `streamgate-local doctor`: what it finds in packages that would fail on Lambda, and that it finds nothing in others.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod archive;
mod healthy;
mod layers;
mod machine;
mod report;
mod start;
mod variables;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use integration_tests::binaries;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A script that starts, and starts nothing else.
const SCRIPT: &[u8] = b"#!/bin/sh\necho here\n";
/// A small program of this machine's: linked dynamically, for `x86_64`, against a glibc of 2.34 or later.
const PROGRAM: &str = "/usr/bin/env";

/// A zip in the making.
struct Zip(ZipWriter<Cursor<Vec<u8>>>);

impl Zip {
    fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }

    fn options(mode: u32) -> SimpleFileOptions {
        SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(mode)
    }

    fn file(mut self, name: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Self {
        self.0.start_file(name, Self::options(mode)).unwrap();
        self.0.write_all(bytes.as_ref()).unwrap();
        self
    }

    fn link(mut self, name: &str, target: &str) -> Self {
        self.0
            .add_symlink(name, target, Self::options(0o777))
            .unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.finish().unwrap().into_inner()
    }
}

/// A function in which nothing is wrong: a script and the program that it starts.
fn healthy() -> Zip {
    Zip::new()
        .file("run.sh", 0o755, "#!/bin/sh\nexec ./server\n")
        .file("server", 0o755, program())
}

fn program() -> Vec<u8> {
    fs::read(PROGRAM).unwrap()
}

/// What the doctor has said.
struct Said {
    code: Option<i32>,
    report: Value,
}

impl Said {
    /// Severity and id of each finding.
    fn ids(&self) -> Vec<(&str, &str)> {
        let findings = self.report["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|finding| {
                (
                    finding["severity"].as_str().unwrap(),
                    finding["id"].as_str().unwrap(),
                )
            })
            .collect()
    }

    /// The only finding, which has to be this one; all of its parts say something.
    #[track_caller]
    fn only(&self, severity: &str, id: &str) -> &Value {
        assert_eq!(self.ids(), [(severity, id)], "{:#}", self.report);
        assert_eq!(self.code, Some(i32::from(severity == "error")));
        let finding = &self.report["findings"][0];
        for part in ["where", "what", "why", "mend"] {
            assert!(
                !finding[part].as_str().unwrap().is_empty(),
                "{part}: {finding:#}"
            );
        }
        finding
    }

    /// A finding, among others it may be.
    #[track_caller]
    fn one(&self, severity: &str, id: &str) -> &Value {
        let findings = self.report["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["severity"] == severity && finding["id"] == id)
            .unwrap_or_else(|| panic!("no {severity} {id} in {:#}", self.report))
    }

    #[track_caller]
    fn nothing(&self) {
        assert_eq!(self.ids(), [], "{:#}", self.report);
        assert_eq!(self.code, Some(0));
    }
}

/// A question to the doctor: by default about a function with an OS-only runtime and one harmless variable.
struct Question {
    folder: tempfile::TempDir,
    package: Option<PathBuf>,
    options: Vec<String>,
    handler: Option<&'static str>,
    runtime: &'static str,
    variables: Vec<String>,
}

fn about(zip: Zip) -> Question {
    about_bytes(&zip.bytes())
}

fn about_bytes(zip: &[u8]) -> Question {
    let mut question = Question::new();
    let path = question.folder.path().join("function.zip");
    fs::write(&path, zip).unwrap();
    question.package = Some(path);
    question
}

impl Question {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            package: None,
            options: Vec::new(),
            handler: Some("run.sh"),
            runtime: "provided.al2023",
            variables: vec!["COLOUR=blue".to_owned()],
        }
    }

    fn package(mut self, path: &Path) -> Self {
        self.package = Some(path.to_owned());
        self
    }

    fn handler(mut self, handler: &'static str) -> Self {
        self.handler = Some(handler);
        self
    }

    fn runtime(mut self, runtime: &'static str) -> Self {
        self.runtime = runtime;
        self
    }

    /// A managed runtime with the wrapper set.
    fn managed(self, runtime: &'static str) -> Self {
        self.runtime(runtime)
            .env("AWS_LAMBDA_EXEC_WRAPPER=/opt/bootstrap")
    }

    fn env(mut self, variable: &str) -> Self {
        self.variables.push(variable.to_owned());
        self
    }

    fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    fn layer(self, layer: Zip) -> Self {
        let path = self.folder.path().join("layer.zip");
        fs::write(&path, layer.bytes()).unwrap();
        self.option("--layer").option(path.to_str().unwrap())
    }

    fn command(&self) -> Command {
        let mut command = doctor();
        command.args(&self.package);
        if let Some(handler) = self.handler {
            command.args(["--handler", handler]);
        }
        if !self.runtime.is_empty() {
            command.args(["--runtime", self.runtime]);
        }
        for variable in &self.variables {
            command.args(["--env", variable]);
        }
        command.arg("--adapter").arg(binaries::streamgate());
        command.args(&self.options);
        command
    }

    fn ask(&self) -> Said {
        let output = self.command().arg("--json").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, "", "it says nothing else");
        Said {
            code: output.status.code(),
            report: serde_json::from_slice(&output.stdout).unwrap(),
        }
    }
}

fn doctor() -> Command {
    let mut command = Command::new(binaries::streamgate_local());
    command.arg("doctor");
    command
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// Puts other bytes in the place of the first that are these.
fn replaced(bytes: &[u8], these: &[u8], others: &[u8]) -> Vec<u8> {
    assert_eq!(these.len(), others.len());
    let mut bytes = bytes.to_vec();
    let at = bytes.windows(these.len()).position(|part| part == these);
    let at = at.unwrap_or_else(|| panic!("no {:?}", String::from_utf8_lossy(these)));
    bytes[at..at + these.len()].copy_from_slice(others);
    bytes
}
