// SPDX-License-Identifier: Apache-2.0
//! The SDKs, as programs that print a line of JSON for each thing that they get.

use std::process::Command;

use integration_tests::binaries::tool;
use integration_tests::process::{Mark, Program};
use serde_json::Value;

use crate::function::{Function, script};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Sdk {
    Boto3,
    JavaScript,
}

pub(crate) const SDKS: [Sdk; 2] = [Sdk::Boto3, Sdk::JavaScript];

pub(crate) const INVOKE: &str = "invoke";
pub(crate) const STREAM: &str = "invoke_with_response_stream";

/// A call under way.
pub(crate) struct Call {
    program: Program,
}

impl Sdk {
    /// Begins a call.
    pub(crate) fn begin(self, function: &Function, operation: &str, input: &Value) -> Call {
        let python = tool(env!("CARGO_TARGET_TMPDIR"), "python3");
        let mut command = match self {
            Self::Boto3 => {
                let mut command = Command::new(python);
                command.arg(script("client.py"));
                command
            }
            Self::JavaScript => {
                let tools = python.ancestors().nth(3).unwrap();
                let mut command = Command::new("node");
                command.env("SDK", tools.join("node"));
                command.arg(script("client.mjs"));
                command
            }
        };
        command.args([&function.endpoint(), operation, &input.to_string()]);
        Call {
            program: Program::start(command, &Mark::unique()),
        }
    }

    /// A call whose answer is one line.
    pub(crate) fn call(self, function: &Function, operation: &str, input: &Value) -> Value {
        let mut call = self.begin(function, operation, input);
        let lines = call.finish();
        assert_eq!(lines.len(), 1, "{self:?}: {lines:?}");
        lines.into_iter().next().unwrap()
    }

    /// `Invoke` with this event.
    pub(crate) fn invoke(self, function: &Function, event: &Value) -> Value {
        let input = serde_json::json!({ "FunctionName": "local", "Payload": event.to_string() });
        self.call(function, INVOKE, &input)
    }
}

impl Call {
    /// Waits for the line with this text.
    pub(crate) fn line(&self, text: &str) -> Value {
        serde_json::from_str(&self.program.stdout_line(text)).unwrap()
    }

    /// What has come by now.
    pub(crate) fn so_far(&self) -> Vec<Value> {
        let lines = self.program.stdout();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits for the end and gives all lines.
    pub(crate) fn finish(&mut self) -> Vec<Value> {
        let status = self.program.finish();
        assert!(status.success(), "{}", self.program.transcript());
        self.so_far()
    }
}
