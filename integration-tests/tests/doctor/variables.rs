// SPDX-License-Identifier: Apache-2.0
//! The function's variables and the adapter's settings among them.

use std::fs;
use std::process::Command;

use integration_tests::binaries::{self, repository};

use crate::{about, healthy};

#[test]
fn a_bad_value_is_an_error_and_an_unknown_name_a_warning_in_the_adapters_own_words() {
    let said = about(healthy())
        .env("STREAMGATE_INVOKE_MODE=streaming")
        .env("STREAMGATE_READYNESS_PATH=/")
        .ask();
    assert_eq!(
        said.ids(),
        [("error", "setting-value"), ("warning", "setting-name")]
    );
    let error = said.one("error", "setting-value");
    assert_eq!(error["where"], "STREAMGATE_INVOKE_MODE");
    assert_eq!(
        error["what"],
        "STREAMGATE_INVOKE_MODE=`streaming` is not valid: expected auto, response_stream or buffered"
    );
    let warning = said.one("warning", "setting-name");
    assert_eq!(
        warning["what"],
        "unknown setting STREAMGATE_READYNESS_PATH has no effect; did you mean STREAMGATE_READINESS_PATH?"
    );
}

#[test]
fn an_adapter_that_cannot_be_asked_is_told() {
    for adapter in ["/bin/false", "/bin/echo", "/nowhere"] {
        let said = about(healthy()).option("--adapter").option(adapter);
        let mut command = said.command();
        // Clap takes the last of an option that is given once; so it is given once.
        command = {
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            let mut other = Command::new(command.get_program());
            let first = arguments
                .iter()
                .position(|word| word == "--adapter")
                .unwrap();
            other
                .args(&arguments[..first])
                .args(&arguments[first + 2..])
                .arg("--json");
            other
        };
        let output = command.output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            report["findings"][0]["id"], "settings-not-checked",
            "{report:#}"
        );
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_setting_under_two_names_is_a_warning() {
    let said = about(healthy())
        .env("STREAMGATE_READINESS_PATH=/ready")
        .env("AWS_LWA_READINESS_CHECK_PATH=/health")
        .ask();
    said.only("warning", "setting-name");
}

#[test]
fn settings_that_contradict_each_other_are_told() {
    for (variables, severity, id) in [
        (
            [
                "STREAMGATE_INVOKE_MODE=buffered",
                "STREAMGATE_SSE_KEEPALIVE=15s",
            ],
            "warning",
            "settings-contradict",
        ),
        (
            [
                "STREAMGATE_READINESS_PROTOCOL=tcp",
                "STREAMGATE_READINESS_PATH=/ready",
            ],
            "warning",
            "settings-contradict",
        ),
        (
            ["STREAMGATE_PORT=8081", "STREAMGATE_CONTROL_PORT=8081"],
            "error",
            "settings-contradict",
        ),
        (
            ["STREAMGATE_WRAPPER_NEXT=/opt/bootstrap", "A1=1"],
            "error",
            "settings-contradict",
        ),
        (
            ["STREAMGATE_SNAPSTART_BEFORE_PATH=/before", "A1=1"],
            "warning",
            "settings-contradict",
        ),
        (
            ["STREAMGATE_HOST_FROM=x-forwarded-host", "A1=1"],
            "error",
            "setting-value",
        ),
    ] {
        let mut question = about(healthy());
        for variable in variables {
            question = question.env(variable);
        }
        question.ask().only(severity, id);
    }
}

#[test]
fn ports_that_cannot_be_listened_on_are_errors() {
    for (variable, severity, id) in [
        ("PORT=9001", "error", "port-taken"),
        ("AWS_LWA_PORT=80", "error", "port-privileged"),
        ("STREAMGATE_CONTROL_PORT=9001", "error", "port-taken"),
        ("STREAMGATE_PORT=3000", "note", "port-taken"),
    ] {
        about(healthy()).env(variable).ask().only(severity, id);
    }
    about(healthy()).env("STREAMGATE_PORT=8000").ask().nothing();
}

#[test]
fn a_port_that_stands_in_the_app_is_a_note() {
    let fixed = || {
        healthy().file(
            "index.js",
            0o644,
            "http.createServer(serve).listen(5000);\n",
        )
    };
    let said = about(fixed()).ask();
    let finding = said.only("note", "port-visible");
    assert!(
        finding["mend"]
            .as_str()
            .unwrap()
            .contains("STREAMGATE_PORT=5000")
    );
    about(fixed()).env("STREAMGATE_PORT=5000").ask().nothing();
    let reads = healthy().file(
        "index.js",
        0o644,
        "server.listen(process.env.PORT ?? 5000);\n",
    );
    about(reads).ask().nothing();
}

#[test]
fn variables_that_lambda_refuses_are_errors() {
    for (variable, id) in [
        ("AWS_REGION=eu-central-1", "variable-reserved"),
        ("_HANDLER=run.sh", "variable-reserved"),
        ("9LIVES=1", "variable-name"),
        ("A=1", "variable-name"),
        ("WITH-DASH=1", "variable-name"),
    ] {
        about(healthy()).env(variable).ask().only("error", id);
    }
    let long = format!("LONG={}", "x".repeat(4096));
    about(healthy())
        .env(&long)
        .ask()
        .only("error", "variables-size");
}

#[test]
fn a_file_of_variables_is_read_and_the_command_line_goes_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("variables");
    fs::write(
        &file,
        "# the function's\r\n\r\nPORT=9001\r\nCOLOUR=blue\r\n",
    )
    .unwrap();
    let question = || {
        about(healthy())
            .option("--env-file")
            .option(file.to_str().unwrap())
    };
    question().ask().only("error", "port-taken");
    question().env("PORT=8080").ask().nothing();
}

#[test]
fn the_adapter_knows_every_setting_that_the_doctor_names() {
    let source = repository().join("crates/emulator/src/doctor/variables.rs");
    let source = fs::read_to_string(source).unwrap();
    let is_name = |text: &&str| {
        let ours = text.starts_with("STREAMGATE_") || text.starts_with("AWS_LWA_");
        ours && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    let names: Vec<&str> = source.split('"').filter(is_name).collect();
    assert!(names.len() > 10, "{names:?}");
    let output = Command::new(binaries::streamgate())
        .arg("--check-settings")
        .env_clear()
        .envs(names.iter().map(|name| (name, "1")))
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(!stdout.contains("unknown setting"), "{stdout}");
    // So that this test would see one.
    assert!(
        stdout.contains("STREAMGATE_INVOKE_MODE=`1` is not valid"),
        "{stdout}"
    );
}
