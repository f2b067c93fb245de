// SPDX-License-Identifier: Apache-2.0
//! The built binary: its ready line, its errors, its end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_streamgate-local");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn error_of(output: &Output) -> (Option<i32>, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Starts the binary with a runtime process that ignores SIGTERM and polls nothing.
fn serving(script: &str) -> (Child, String) {
    let opt = env!("CARGO_TARGET_TMPDIR");
    let mut child = Command::new(PROGRAM)
        .args([
            "--image-attach",
            "--opt",
            opt,
            "--port",
            "0",
            "--",
            "sh",
            "-c",
            script,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("stdout is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a line comes");
    (child, line)
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).expect("the program is there");
}

#[test]
fn the_ready_line_has_the_url_and_the_mode() {
    let (mut child, line) = serving("exec sleep 1000");
    let rest = line
        .strip_prefix("Function URL  http://127.0.0.1:")
        .unwrap();
    let (port, rest) = rest.split_once('/').unwrap();
    assert!(port.parse::<u16>().unwrap() > 0);
    assert_eq!(rest, "  (RESPONSE_STREAM)\n");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn sigterm_ends_it_in_order() {
    let (mut child, _) = serving("exec sleep 1000");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_work_is_one_line_that_names_the_value() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let plain = tempfile::NamedTempFile::new().unwrap();
    let plain = plain.path().to_str().unwrap();
    let variables = tempfile::NamedTempFile::new().unwrap();
    fs::write(variables.path(), "GOOD=1\n2BAD=x\n").unwrap();
    let variables = variables.path().to_str().unwrap();
    let api_is_taken = format!("Invoke API (--api-port) cannot listen on 127.0.0.1:{port}: ");
    let after_port = format!("--adapter /bin/sh --port {port} -- x");
    let api_port = format!("--adapter /bin/sh --port 0 --api-port {port}");
    let runtime_api_port = format!("--adapter /bin/sh --port 0 --runtime-api-port {port} -- x");
    for (line, code, words) in [
        ("", 2, "no command given"),
        (
            "--adapter /nowhere/adapter -- x",
            2,
            "--adapter /nowhere/adapter is not an executable file",
        ),
        (
            &format!("--adapter {plain} -- x"),
            2,
            "is not an executable file",
        ),
        (
            "--event /nowhere -- x",
            2,
            "--event /nowhere cannot be read",
        ),
        (
            "--zip /nowhere --handler run.sh --adapter /bin/sh",
            2,
            "--zip /nowhere is not a directory",
        ),
        (
            "--watch /nowhere --adapter /bin/sh -- x",
            2,
            "--watch /nowhere cannot be read: No such file or directory",
        ),
        (
            "--image-attach --opt /nowhere -- x",
            2,
            "--opt /nowhere is not a directory",
        ),
        (
            &format!("--adapter /bin/sh --extension {plain} -- x"),
            2,
            plain,
        ),
        (
            "--adapter /bin/sh --snapstart -- x",
            2,
            "SnapStart is for zip functions with a managed runtime, not for container images",
        ),
        (&after_port, 1, port.as_str()),
        (&api_port, 1, &api_is_taken),
        (
            &format!("--adapter /bin/sh --env-file {variables}"),
            2,
            "line 2: \"2BAD\" is no name of a variable",
        ),
        (&runtime_api_port, 1, port.as_str()),
    ] {
        let arguments: Vec<_> = line.split_whitespace().collect();
        let (status, error) = error_of(&run(&arguments));
        assert_eq!(status, Some(code), "{line}: {error}");
        assert!(error.contains(words), "{line}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_handler_that_lambda_refuses_is_refused() {
    let handler = ["--zip", "/tmp", "--opt", "/tmp", "--handler"];
    for refused in ["node server.js", "", &"h".repeat(129)] {
        let (status, error) = error_of(&run(&[&handler[..], &[refused]].concat()));
        assert_eq!(status, Some(2));
        let words = format!("handler {refused:?} is none that Lambda takes");
        assert!(error.contains(&words), "{error}");
    }
}

#[test]
fn an_adapter_that_is_nowhere_is_told_with_the_places() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("streamgate-local");
    fs::copy(PROGRAM, &program).unwrap();
    let output = Command::new(program)
        .env("PATH", "")
        .args(["--", "x"])
        .output()
        .unwrap();
    let (status, error) = error_of(&output);
    assert_eq!(status, Some(2));
    let beside = directory.path().join("streamgate");
    assert!(
        error.contains(&format!(
            "tried {} and streamgate on PATH",
            beside.display()
        )),
        "{error}"
    );
}

const RUNTIME: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/custom_runtime.py"
);

/// Sends these bytes as one event, from a file or from standard input.
fn send_event(event: &[u8], from_stdin: bool) -> Output {
    run_with_file("--event", event, from_stdin)
}

fn run_with_file(option: &str, event: &[u8], from_stdin: bool) -> Output {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), event).expect("it can be written");
    let path = if from_stdin {
        "-".as_ref()
    } else {
        file.path().as_os_str()
    };
    let opt = env!("CARGO_TARGET_TMPDIR");
    Command::new(PROGRAM)
        .args(["--image-attach", "--opt", opt, option])
        .arg(path)
        .args(["--", "python3", RUNTIME])
        .stdin(fs::File::open(file.path()).expect("it is there"))
        .output()
        .expect("the binary runs")
}

#[test]
fn an_event_from_a_file_gives_the_raw_result_and_ends() {
    for from_stdin in [false, true] {
        let output = send_event(b"\xff{ no json", from_stdin);
        let (status, log) = error_of(&output);
        assert_eq!(status, Some(0), "{log}");
        assert_eq!(output.stdout, b"\xff{ no json");
        assert!(log.contains("SHUTDOWN Reason: spindown"), "{log}");
    }
}

#[test]
fn a_recording_may_come_from_standard_input() {
    for from_stdin in [false, true] {
        let events = br#"{"rawPath":"/"} {"rawPath":"/trailers"} {"rawPath":"/error"}"#;
        let output = run_with_file("--replay", events, from_stdin);
        let told = String::from_utf8(output.stdout).expect("lines of text");
        let told: Vec<_> = told.lines().collect();
        let [first, second, third, sum] = told[..] else {
            panic!("{told:?}");
        };
        assert!(
            first.starts_with("200 ") && first.ends_with("  event 1"),
            "{first}"
        );
        let broken = "  event 2  (broke off: Runtime.StreamError)";
        assert!(second.ends_with(broken), "{second}");
        assert!(
            third.starts_with("failed ") && third.ends_with("  event 3  (Function.Demo)"),
            "{third}"
        );
        assert_eq!(sum, "3 replayed, 2 failed");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn what_an_app_prints_is_no_part_of_the_result_of_an_event() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), b"{}").expect("it can be written");
    let output = Command::new(PROGRAM)
        .args(["--image-attach", "--opt", env!("CARGO_TARGET_TMPDIR")])
        .arg("--event")
        .arg(file.path())
        .args([
            "--",
            "sh",
            "-c",
            "echo chatter; exec python3 \"$0\"",
            RUNTIME,
        ])
        .output()
        .expect("the binary runs");
    let (status, log) = error_of(&output);
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(output.stdout, b"{}");
    assert!(log.contains("chatter"), "{log}");
}

#[test]
fn an_event_that_is_answered_with_a_stream_gives_prelude_and_payload() {
    let event = br#"{"rawPath":"/"}"#;
    let output = send_event(event, false);
    assert_eq!(output.status.code(), Some(0));
    let delimiter = output.stdout.windows(8).position(|window| window == [0; 8]);
    let delimiter = delimiter.expect("the delimiter is part of the result");
    assert!(output.stdout.starts_with(br#"{"statusCode": 200"#));
    assert_eq!(&output.stdout[delimiter + 8..], event);
}

#[test]
fn an_event_that_fails_is_exit_status_1() {
    for (path, words, so_far) in [
        ("/error", "streamgate-local: Function.Demo: on purpose", 0),
        (
            "/trailers",
            "streamgate-local: Runtime.StreamError: app broke off",
            7,
        ),
        (
            "/reset",
            "streamgate-local: Runtime.TruncatedResponse: the runtime's POST",
            7,
        ),
    ] {
        let output = send_event(format!(r#"{{"rawPath":"{path}"}}"#).as_bytes(), false);
        let (status, log) = error_of(&output);
        assert_eq!(status, Some(1), "{path}: {log}");
        assert!(log.contains(words), "{path}: {log}");
        assert!(output.stdout.ends_with(&b"so far\n"[..so_far]), "{path}");
    }
}

#[test]
fn the_ready_line_names_another_front_end() {
    let mut child = Command::new(PROGRAM)
        .args(["--image-attach", "--opt", env!("CARGO_TARGET_TMPDIR")])
        .args(["--port", "0", "--front", "rest-stream"])
        .args(["--", "sleep", "1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert!(line.starts_with("REST API  http://127.0.0.1:"), "{line}");
    assert!(line.ends_with("/  (RESPONSE_STREAM)\n"), "{line}");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_kills_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let extensions = directory.path().join("extensions");
    fs::create_dir(&extensions).unwrap();
    // Registers, takes SHUTDOWN and never leaves.
    let extension = extensions.join("stays.py");
    fs::write(&extension, STAYS).unwrap();
    fs::set_permissions(
        &extension,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["--image-attach", "--port", "0", "--opt"])
        .arg(directory.path())
        .args(["--", "python3", RUNTIME])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut wait_for = |words: &str| {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "{words} is logged");
        }
    };
    wait_for("INIT_DONE");
    signal(&child, Signal::INT);
    wait_for("stays: got SHUTDOWN");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // The extension held the pipe open; its end says that nobody is left.
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("SIGKILL"), "{rest}");
}

const STAYS: &str = r#"#!/usr/bin/env python3
import http.client, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2020-01-01/extension"
api.request("POST", base + "/register", '{"events":["SHUTDOWN"]}', {"Lambda-Extension-Name": "stays.py"})
answer = api.getresponse()
answer.read()
identifier = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
api.request("GET", base + "/event/next", headers=identifier)
api.getresponse().read()
print("stays: got SHUTDOWN", file=sys.stderr, flush=True)
time.sleep(1000)
"#;
