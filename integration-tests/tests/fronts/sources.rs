// SPDX-License-Identifier: Apache-2.0
//! Events that are no HTTP requests: where they go, what marks them, what becomes of the answer.

use integration_tests::adapter::Adapter;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use serde_json::{Value, json};

use crate::samples::{bytes, sample};
use crate::stage::{SECRET, Stage};

fn answer(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} As Asked\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn is_failure(reply: &Exchange, error_type: &str, of: &str) {
    assert_eq!(reply.verb(), "error", "{of}: {reply:?}");
    assert_eq!(reply.json()["errorType"], error_type, "{of}");
    assert_eq!(
        reply.head.header("lambda-runtime-function-error-type"),
        Some(error_type),
        "{of}"
    );
}

#[test]
fn any_json_is_posted_as_it_is() {
    let stage = Stage::start();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let values = [
        "null",
        "true",
        "false",
        "0",
        "-0.0e-10",
        "12345678901234567890.123456789",
        "\"\"",
        "\"text \\ud83d\\ude00\"",
        "[]",
        "{}",
        " { \"a\" :\n1 , \"a\": 2 } ",
        "[1, 2, {\"b\": []}]",
        "{\"Records\":[]}",
        "{\"Records\":{}}",
        "{\"Records\":[{}]}",
        "{\"Records\":[{\"eventSource\":\"aws:mq\"}]}",
        "{\"version\":\"2.0\"}",
        "{\"version\":\"2.0\",\"requestContext\":{}}",
        "{\"httpMethod\":\"GET\",\"path\":\"/\"}",
        "{\"requestContext\":{\"connectionId\":\"a\",\"eventType\":\"OTHER\"}}",
        "{\"headers\":{},\"body\":\"\"}",
        "{\"source\":\"x\",\"detail\":{}}",
        "{\"messageVersion\":\"1.0\"}",
        "{\"rawPath\":\"/\",\"rawQueryString\":\"\"}",
        &deep,
    ];
    for value in values {
        let shown = &value[..value.len().min(80)];
        let seen = stage.seen(Event::raw(value));
        assert_eq!(seen.head.start, "POST /events HTTP/1.1", "{shown}");
        assert_eq!(
            seen.head.all("content-type"),
            ["application/json"],
            "{shown}"
        );
        assert_eq!(seen.head.all("x-streamgate-event"), ["direct"], "{shown}");
        assert!(seen.body == value.as_bytes(), "{shown}");
    }
}

#[test]
fn a_list_is_never_taken_for_the_fields_of_a_front() {
    let stage = Stage::start();
    let http = json!({ "http": { "method": "GET" }, "domainName": "x.lambda-url.x" });
    let values = [
        json!(["2.0", http]),
        json!(["1.0", { "elb": {} }, "GET"]),
        json!(["2.0", { "elb": {} }]),
        json!([null, null, "GET", null, "/"]),
        json!([null, null, null, null, null, "/", {}, false]),
        json!({ "version": "2.0", "requestContext": [{}, { "method": "GET" }] }),
        json!({ "version": "2.0", "requestContext": [null, {}, {}] }),
    ];
    for value in values {
        let seen = stage.seen(Event::json(&value));
        assert_eq!(seen.head.start, "POST /events HTTP/1.1", "{value}");
        assert_eq!(seen.body, value.to_string().as_bytes(), "{value}");
    }
}

#[test]
fn the_answer_is_the_result_byte_for_byte() {
    let stage = Stage::start();
    for (body, result) in [
        (
            "{\"batchItemFailures\":[{\"itemIdentifier\":\"7f1d\"}]}",
            "{\"batchItemFailures\":[{\"itemIdentifier\":\"7f1d\"}]}",
        ),
        (
            " { \"n\": 12345678901234567890.10, \"n\": 1e400 }\n",
            " { \"n\": 12345678901234567890.10, \"n\": 1e400 }\n",
        ),
        ("[]", "[]"),
        ("null", "null"),
        ("\"text\"", "\"text\""),
        ("", "null"),
        ("done\n", "\"done\\n\""),
        ("{\"cut\":", "\"{\\\"cut\\\":\""),
        ("na\u{ef}ve", "\"na\u{ef}ve\""),
    ] {
        stage.app.answer(answer(200, body));
        let (reply, _) = stage.invoke(Event::raw(bytes("sqs")));
        assert_eq!(reply.verb(), "response");
        assert_eq!(String::from_utf8(reply.body()).unwrap(), result, "{body:?}");
    }
}

#[test]
fn a_server_error_fails_the_invocation_and_no_other_status_does() {
    let stage = Stage::start();
    for status in [500, 502, 503, 599] {
        stage.app.answer(answer(status, "out of order"));
        let (reply, _) = stage.invoke(Event::raw(bytes("sqs")));
        is_failure(&reply, "Function.AppStatus", &status.to_string());
        let message = reply.json()["errorMessage"].as_str().unwrap().to_owned();
        assert!(
            message.contains(&status.to_string()) && message.contains("out of order"),
            "{message}"
        );
    }
    for status in [200, 202, 302, 404, 429] {
        stage.app.answer(answer(status, "{}"));
        let (reply, _) = stage.invoke(Event::raw(bytes("sqs")));
        assert_eq!(
            (reply.verb(), reply.body()),
            ("response", b"{}".to_vec()),
            "{status}"
        );
    }
    stage.serves("failed invocations");
}

#[test]
fn the_path_of_events_can_be_set_by_our_name_and_by_that_of_lwa() {
    for name in ["STREAMGATE_EVENTS_PATH", "AWS_LWA_PASS_THROUGH_PATH"] {
        let stage = Stage::with(&[(name, "/hooks/aws"), ("STREAMGATE_BASE_PATH", "/hooks")]);
        let seen = stage.seen(Event::raw(bytes("sns")));
        assert_eq!(seen.head.target(), "/hooks/aws", "{name}");
    }
}

#[test]
fn the_path_of_websocket_events_can_be_set() {
    let stage = Stage::with(&[("STREAMGATE_WEBSOCKET_PATH", "/ws/in")]);
    for (name, target) in [
        ("websocket-connect", "/ws/in?room=blue"),
        ("websocket-message", "/ws/in"),
        ("websocket-disconnect", "/ws/in"),
    ] {
        let seen = stage.seen(Event::raw(bytes(name)));
        assert_eq!(seen.head.start, format!("POST {target} HTTP/1.1"));
    }
}

#[test]
fn a_secret_is_made_at_each_start_and_told_to_the_app_that_is_launched() {
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let lambda = FakeLambda::bind();
        let _adapter = Adapter::entrypoint(&lambda)
            .env("STREAMGATE_EVENTS_PATH", "/process")
            .start();
        let environment = lambda.invoke(Event::json(&json!({}))).json()["env"].clone();
        let secret = environment["STREAMGATE_EVENT_SECRET"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(secret.len() >= 16, "{secret:?} can be guessed");
        secrets.push(secret);
    }
    assert_ne!(secrets[0], secrets[1]);
}

#[test]
fn the_secret_of_the_app_is_the_secret_of_its_events() {
    for (variables, wanted) in [
        (None, None),
        (Some(("STREAMGATE_EVENT_SECRET", SECRET)), Some(SECRET)),
    ] {
        let lambda = FakeLambda::bind();
        let mut adapter = Adapter::entrypoint(&lambda).env("STREAMGATE_EVENTS_PATH", "/inspect");
        if let Some((name, value)) = variables {
            adapter = adapter.env(name, value);
        }
        let _adapter = adapter.start();
        let mut request = function_url("GET", "/process");
        request["headers"]["x-behave"] = json!("/process");
        let payload = lambda.invoke(Event::json(&request)).streamed().payload;
        let process: Value = serde_json::from_slice(&payload).unwrap();
        let secret = process["env"]["STREAMGATE_EVENT_SECRET"]
            .as_str()
            .unwrap()
            .to_owned();
        if let Some(wanted) = wanted {
            assert_eq!(secret, wanted);
        }
        let seen = lambda.invoke(Event::raw(bytes("sqs"))).json();
        let line = format!("x-streamgate-event-secret: {secret}\r\n");
        assert!(
            seen.as_str().unwrap().contains(&line),
            "{line:?} is not in {seen}"
        );
    }
}

#[test]
fn the_secret_is_in_no_log_line() {
    let stage = Stage::with(&[
        ("STREAMGATE_EVENT_SECRET", SECRET),
        ("STREAMGATE_LOG_LEVEL", "trace"),
    ]);
    stage.app.answer(answer(500, "x"));
    let _ = stage.invoke(Event::raw(bytes("sqs")));
    stage.serves("an event");
    assert!(!stage.adapter.transcript().contains(SECRET));
}

#[test]
fn a_message_that_claims_to_be_of_a_front_keeps_the_secret_to_itself() {
    // Whoever may invoke directly can send any shape; what looks like a request is one, without the secret.
    let stage = Stage::with(&[("STREAMGATE_EVENT_SECRET", SECRET)]);
    for name in [
        "function-url-get",
        "http-api-v2-get",
        "rest-v1-post-json",
        "alb-multi-value",
        "vpc-lattice-v1",
    ] {
        let mut event = sample(name);
        event["Records"] = json!([{ "eventSource": "aws:sqs" }]);
        let seen = stage.seen_of(&event);
        assert_ne!(seen.head.target(), "/events", "{name}");
        assert_eq!(
            seen.head.header("x-streamgate-event-secret"),
            None,
            "{name}"
        );
        assert_eq!(seen.head.header("x-streamgate-event"), None, "{name}");
    }
}

#[test]
fn an_event_that_the_app_did_not_finish_is_a_failure_and_never_a_result() {
    let stage = Stage::start();
    for given in ["", "no HTTP\r\n\r\n"] {
        stage.app.answer(given);
        let (reply, _) = stage.invoke(Event::raw(bytes("sqs")));
        assert_eq!(reply.verb(), "error", "{given:?}: {reply:?}");
        stage.serves("an app that did not answer");
    }
}

#[test]
fn a_result_over_the_limit_is_a_failure_and_never_a_result() {
    let stage = Stage::start();
    for size in [6 * 1024 * 1024 - 1, 6 * 1024 * 1024 + 1] {
        stage.app.answer(answer(200, &"x".repeat(size)));
        let (reply, _) = stage.invoke(Event::raw(bytes("sqs")));
        assert_eq!(reply.verb(), "error", "{size}");
        stage.serves("a result over the limit");
    }
}
