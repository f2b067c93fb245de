// SPDX-License-Identifier: Apache-2.0
//! What the templates say of a zip function, carried out by the local Lambda: the app starts, and each front gets its
//! answer in the form that it takes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use integration_tests::binaries;
use integration_tests::http::{self, End};
use integration_tests::process::{Mark, Program};
use integration_tests::waiting;

use crate::template::template;

const FUNCTION: &str = "deploy/cloudformation/function.yaml";

#[test]
fn apps_start_as_the_templates_say_and_are_reached_through_each_front() {
    waiting::watchdog();
    for (path, parameters, front) in [
        (FUNCTION, &[][..], "url"),
        (FUNCTION, &[("Runtime", "provided.al2023")], "url"),
        (
            FUNCTION,
            &[("InvokeMode", "response_stream")],
            "rest-stream",
        ),
        (FUNCTION, &[], "http-api"),
        (FUNCTION, &[], "alb-multi"),
        ("deploy/sam/zip.yaml", &[], "url"),
        ("deploy/sam/rest-api.yaml", &[], "rest-stream"),
        ("deploy/sam/http-api.yaml", &[], "http-api"),
    ] {
        let (program, address) = start(path, parameters, front);
        let response = http::get(address, "/word.txt");
        let name = format!("{path} {parameters:?} {front}");
        assert_eq!(response.status(), 200, "{name}: {}", program.transcript());
        assert_eq!(response.end, End::Complete, "{name}");
        assert_eq!(response.body(), b"streamgate", "{name}");
    }
}

/// A function of this template, whose zip has a script that serves its folder.
fn start(path: &str, parameters: &[(&str, &str)], front: &str) -> (Program, SocketAddr) {
    let zip = tempfile::tempdir().unwrap();
    fs::write(zip.path().join("word.txt"), "streamgate").unwrap();
    let script = zip.path().join("run.sh");
    fs::write(
        &script,
        "#!/bin/sh\nexec python3 -m http.server \"$PORT\"\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();

    let function = template(path).with(parameters).the("AWS::Lambda::Function");
    let mut command = Command::new(binaries::streamgate_local());
    command
        .args(["--port", "0", "--front", front, "--adapter"])
        .arg(binaries::streamgate())
        .arg("--zip")
        .arg(zip.path())
        .args(["--handler", function["Handler"].as_str().unwrap()]);
    if function["Runtime"] == "provided.al2023" {
        command.arg("--os-only");
    }
    let variables = function["Environment"]["Variables"].as_object().unwrap();
    for (name, value) in variables {
        // The local Lambda's /opt is elsewhere, and it names the wrapper there by itself.
        if name != "AWS_LAMBDA_EXEC_WRAPPER" {
            let value = value.as_str().unwrap();
            command.arg("--env").arg(format!("{name}={value}"));
        }
    }
    let program = Program::start(command, &Mark::unique()).keeping(vec![zip]);
    let line = program.stdout_line("  http://");
    let (_, rest) = line.split_once("http://").unwrap();
    let address = rest.split('/').next().unwrap().parse().unwrap();
    (program, address)
}
