// SPDX-License-Identifier: Apache-2.0
//! A local Lambda whose function is a custom runtime.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::binaries::{repository, streamgate_local};
use integration_tests::gate::Gate;
use integration_tests::process::{Mark, Program};
use rustix::process::Signal;

/// The folder of this test and of its scripts.
pub(crate) fn script(name: &str) -> PathBuf {
    repository()
        .join("integration-tests/tests/invoke_apis")
        .join(name)
}

/// A running local Lambda.
#[derive(Debug)]
pub(crate) struct Function {
    program: Program,
    /// The address of the Invoke APIs.
    pub(crate) api: SocketAddr,
    directory: tempfile::TempDir,
}

impl Function {
    /// With `runtime.py` as the function.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::gated(options, None)
    }

    /// The same, with a gate.
    pub(crate) fn gated(options: &[&str], gate: Option<&Gate>) -> Self {
        let runtime = script("runtime.py");
        let mut words = vec!["--adapter", runtime.to_str().unwrap()];
        words.extend(options);
        Self::with(&words, gate)
    }

    /// With these arguments, behind `--port 0`.
    pub(crate) fn with(arguments: &[&str], gate: Option<&Gate>) -> Self {
        let mark = Mark::unique();
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(streamgate_local());
        command.args(["--port", "0", "--env"]);
        command.arg(format!(
            "NOTES={}",
            directory.path().join("notes").display()
        ));
        let (name, value) = mark.variable();
        command.arg("--env").arg(format!("{name}={value}"));
        if let Some(gate) = gate {
            let (name, value) = gate.variable();
            command.arg("--env").arg(format!("{name}={value}"));
        }
        let program = Program::start(
            {
                command.args(arguments);
                command
            },
            &mark,
        );
        let json = arguments.contains(&"--json");
        let api = if json {
            let ready: serde_json::Value =
                serde_json::from_str(&program.stdout_line("\"event\":\"ready\"")).unwrap();
            address(ready["invoke_api_url"].as_str().unwrap())
        } else {
            let line = program.stdout_line("Invoke API  ");
            address(line.strip_prefix("Invoke API  ").unwrap())
        };
        Self {
            program,
            api,
            directory,
        }
    }

    /// The `endpoint_url`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.api)
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// The lines that the function, or its extension, has noted.
    pub(crate) fn notes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.notes_file()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    fn notes_file(&self) -> PathBuf {
        Path::new(self.directory.path()).join("notes")
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        self.program.signal(Signal::TERM);
        let status = self.program.finish();
        assert_eq!(status.code(), Some(0), "{}", self.program.transcript());
    }
}

fn address(url: &str) -> SocketAddr {
    let rest = url.strip_prefix("http://").unwrap();
    rest.trim_end_matches('/').parse().unwrap()
}
