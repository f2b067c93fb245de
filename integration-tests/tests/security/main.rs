// SPDX-License-Identifier: Apache-2.0
//! What a client, an app or a stranger on the machine must not be able to do, and what the log must not tell.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use integration_tests::adapter::Adapter;
use integration_tests::app::{App, free_port};
use integration_tests::binaries;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::http::{End, Request};
use integration_tests::local::Local;
use integration_tests::process::{Mark, Program, copy_program};
use serde_json::json;

fn started() -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    (lambda, app, adapter)
}

#[test]
fn a_header_of_an_event_cannot_inject_another() {
    let (lambda, _app, _adapter) = started();
    let hostile = [
        ("x-value", "a\r\nx-injected: 1"),
        ("x-value", "a\nx-injected: 1"),
        ("x-value", "a\rx-injected: 1"),
        ("x-value", "a\0b"),
        ("x-name\r\nx-injected", "1"),
        ("x-name: 1\r\nx-injected", "1"),
        ("x name", "1"),
        ("", "1"),
        ("x-injected\u{e9}", "1"),
        ("host", "a\r\nx-injected: 1"),
        ("cookie", "a=1\r\nx-injected: 1"),
    ];
    for (name, value) in hostile {
        let mut event = function_url("GET", "/inspect");
        event["headers"][name] = json!(value);
        let reply = lambda.invoke(Event::json(&event));
        assert_eq!(reply.end, Some(End::Complete), "{name:?}: {value:?}");
        let seen = String::from_utf8_lossy(&reply.body()).to_ascii_lowercase();
        let lines = seen.split(['\r', '\n']);
        let injected = lines
            .clone()
            .any(|line| line.trim_start().starts_with("x-injected"));
        assert!(!injected, "{name:?}: {value:?} gave {seen:?}");
        assert_eq!(
            lambda.invoke(Event::get("/")).streamed().payload,
            b"ready",
            "after {name:?}: {value:?}"
        );
    }
}

#[test]
fn a_cookie_of_an_event_cannot_inject_a_header() {
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("GET", "/inspect");
    event["cookies"] = json!(["a=1\r\nx-injected: 1"]);
    let reply = lambda.invoke(Event::json(&event));
    let seen = String::from_utf8_lossy(&reply.body()).into_owned();
    assert!(!seen.contains("\nx-injected"), "{seen:?}");
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
}

#[test]
fn a_body_cannot_smuggle_a_second_request() {
    let (lambda, _app, _adapter) = started();
    let body = "0\r\n\r\nGET /exit?code=1 HTTP/1.1\r\nhost: a\r\n\r\n";
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("content-length", "0"),
        ("Content-Length", "3"),
    ] {
        let mut event = function_url("POST", "/echo");
        event["headers"][name] = json!(value);
        event["body"] = json!(body);
        let reply = lambda.invoke(Event::json(&event));
        assert_eq!(
            String::from_utf8(reply.streamed().payload).unwrap(),
            body,
            "{name}: {value}"
        );
        assert_eq!(
            lambda.invoke(Event::get("/")).streamed().payload,
            b"ready",
            "after {name}: {value}"
        );
    }
}

#[test]
fn secrets_of_a_request_and_its_answer_are_not_logged() {
    for format in ["text", "json"] {
        let lambda = FakeLambda::bind();
        let app = App::start(&[]);
        let adapter = Adapter::extension(&lambda, app.address())
            .env("STREAMGATE_LOG_LEVEL", "trace")
            .env("STREAMGATE_LOG_FORMAT", format)
            .env("FUNCTION_SECRET", "secret-in-variable");
        let mut adapter = adapter.start();
        let mut event = function_url("POST", "/echo?token=secret-in-query");
        event["headers"]["authorization"] = json!("Bearer secret-in-header");
        event["headers"]["content-type"] = json!("text/plain; secret-in-answer-header");
        event["cookies"] = json!(["session=secret-in-cookie"]);
        event["body"] = json!("secret-in-body");
        assert_eq!(
            lambda.invoke(Event::json(&event)).streamed().payload,
            b"secret-in-body"
        );
        // Broken ones are where a careless message shows its input.
        event["headers"]["x-broken\r\n"] = json!("secret-in-broken-header");
        lambda.invoke(Event::json(&event));
        lambda.shut_down("spindown");
        let _ = adapter.finish();
        let output = [adapter.stdout(), adapter.stderr()].concat().join("\n");
        assert!(
            output.contains("invocation"),
            "{format}: the log says something at this level: {output}"
        );
        assert!(!output.contains("secret-in"), "{format}: {output}");
    }
}

#[test]
fn the_local_lambda_does_not_log_header_values_either() {
    let mut local = Local::builder()
        .env("FUNCTION_SECRET", "secret-in-variable")
        .start();
    let request = Request::post("/echo", "text/plain", "secret-in-body")
        .header("authorization", "Bearer secret-in-header")
        .header("cookie", "session=secret-in-cookie");
    assert_eq!(local.exchange(&request).text(), "secret-in-body");
    let _ = local.stop();
    let output = [local.program().stdout(), local.program().stderr()]
        .concat()
        .join("\n");
    assert!(!output.contains("secret-in"), "{output}");
}

#[test]
fn the_stub_gives_nothing_to_an_adapter_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("only root can run a program as another user: this test has looked at nothing");
        return;
    }
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::layer_extension(&lambda)
        .env("STREAMGATE_PORT", &free_port().to_string())
        .start();
    lambda.wait("the registration", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.verb() == "register" && exchange.answered.is_some())
            .map(|_| ())
    });
    // Copies that the other user may execute, wherever the originals are.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let [program, app] = [binaries::streamgate(), binaries::misbehave()].map(|original| {
        let copy = directory.path().join(original.file_name().unwrap());
        copy_program(original, &copy);
        copy
    });
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .arg("stub")
        .env("AWS_LAMBDA_RUNTIME_API", lambda.address().to_string())
        .env("_HANDLER", app)
        .env("LAMBDA_TASK_ROOT", directory.path())
        .env("PORT", free_port().to_string())
        .current_dir(directory.path());
    let stub = Program::start(command, &Mark::unique());
    // It becomes the app itself: nobody else has got its environment.
    let _ = stub.stderr_line(&format!("misbehave {}: listening", stub.pid()));
    assert!(
        stub.stderr()
            .iter()
            .any(|line| line.contains("another user")),
        "{}",
        stub.transcript()
    );
}
