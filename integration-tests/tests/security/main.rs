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
        for mode in ["response_stream", "buffered"] {
            no_secret_is_logged(format, mode);
        }
    }
}

fn no_secret_is_logged(format: &str, mode: &str) {
    let lambda = FakeLambda::bind();
    let adapter = Adapter::entrypoint(&lambda)
        .env("STREAMGATE_LOG_LEVEL", "trace")
        .env("STREAMGATE_LOG_FORMAT", format)
        .env("STREAMGATE_INVOKE_MODE", mode)
        .env("STREAMGATE_METRICS", "emf")
        .env("STREAMGATE_EVENT_SECRET", "secret-in-event-header")
        .env("STREAMGATE_REQUIRE_HEADER", "x-key:secret-in-required")
        .env("STREAMGATE_ORIGIN_SECRET", "x-origin:secret-in-origin")
        .env("STREAMGATE_HOST_FROM", "x-forwarded-host")
        .env("STREAMGATE_AUTHORIZATION_SOURCE", "x-auth")
        .env("FUNCTION_SECRET", "secret-in-variable");
    let mut adapter = adapter.start();
    let event = |target| {
        let mut event = function_url("POST", target);
        event["headers"]["authorization"] = json!("Bearer secret-in-header");
        event["headers"]["x-auth"] = json!("Bearer secret-in-other-header");
        event["headers"]["x-key"] = json!("secret-in-required");
        event["headers"]["x-origin"] = json!("secret-in-origin");
        event["headers"]["content-type"] = json!("text/plain; secret-in-answer-header");
        event["cookies"] = json!(["session=secret-in-cookie"]);
        event["body"] = json!("secret-in-body");
        event
    };
    let answer = lambda.invoke(Event::json(&event("/echo?token=secret-in-query")));
    let answer = String::from_utf8(answer.body()).unwrap();
    assert!(answer.contains("secret-in-body"), "{mode}: {answer}");
    // The adapter's own: what the app was handed.
    let seen = lambda.invoke(Event::json(&event("/inspect?token=secret-in-query")));
    let seen = String::from_utf8(seen.body()).unwrap();
    let token = seen.split("x-streamgate-token: ").nth(1).unwrap();
    let token: String = token
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    assert!(token.len() >= 16, "{seen}");
    lambda.invoke(Event::raw(r#"{"password": "secret-in-document"}"#));
    // Broken ones are where a careless message shows its input.
    let mut broken = event("/echo");
    broken["headers"]["x-broken\r\n"] = json!("secret-in-broken-header");
    lambda.invoke(Event::json(&broken));
    let mut refused = event("/echo");
    refused["headers"]["x-key"] = json!("secret-in-wrong-key");
    lambda.invoke(Event::json(&refused));
    for target in ["/garbage", "/cut", "/no-answer", "/exit?code=1"] {
        lambda.invoke(Event::json(&event(target)));
    }
    lambda.shut_down("spindown");
    let _ = adapter.finish();
    let output = [adapter.stdout(), adapter.stderr()].concat().join("\n");
    for told in ["invocation ended", "/garbage", "lacks the header", "_aws"] {
        assert!(
            output.contains(told),
            "{format}: {told} is not in the log: {output}"
        );
    }
    for secret in ["secret-in", &token] {
        assert!(!output.contains(secret), "{format}, {mode}: {output}");
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
