// SPDX-License-Identifier: Apache-2.0
//! Events that are broken: each costs its own invocation, nothing else.

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::http::End;
use integration_tests::process::Program;
use serde_json::{Value, json};

fn started() -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    (lambda, app, adapter)
}

/// Asserts that the reply is an error for this invocation: on the error path, or a 4xx or 5xx for the client.
fn is_refusal(reply: &Exchange, of: &str) {
    assert_eq!(reply.end, Some(End::Complete), "{of}: {reply:?}");
    if reply.verb() == "error" {
        let error = reply.json();
        let message = error["errorMessage"].as_str().unwrap_or_default();
        assert!(
            !message.is_empty() && error["errorType"].is_string(),
            "{of}: {error}"
        );
    } else {
        let streamed = reply.head.header("transfer-encoding").is_some();
        assert!(
            streamed,
            "{of} was taken for a request that is none of HTTP: {reply:?}"
        );
        let status = &reply.streamed().prelude["statusCode"];
        assert!(
            status.as_u64().is_some_and(|status| status >= 400),
            "{of}: {reply:?}"
        );
    }
}

fn is_served(lambda: &FakeLambda, after: &str) {
    let reply = lambda.invoke(Event::get("/"));
    assert_eq!(reply.streamed().payload, b"ready", "after {after}");
}

#[test]
fn an_event_that_is_no_json_is_an_error_that_says_so() {
    let (lambda, _app, _adapter) = started();
    for body in [
        "",
        "this is no JSON",
        "{\"version\":\"2.0\"",
        "{\"version\":\"2.0\",}",
        "\u{0}",
        "nul",
    ] {
        let reply = lambda.invoke(Event::raw(body));
        assert_eq!(reply.verb(), "error", "{body:?}");
        is_refusal(&reply, body);
        let message = reply.json()["errorMessage"].as_str().unwrap().to_owned();
        assert!(
            message.contains("JSON"),
            "{body:?}: {message:?} does not say what is wrong"
        );
        // The value is named, as far as it can be printed.
        let printable = body.split(|c: char| c == '"' || c.is_control());
        let longest = printable.max_by_key(|part| part.len()).unwrap();
        assert!(message.contains(longest), "{body:?} is not in {message:?}");
        assert!(
            reply
                .head
                .header("lambda-runtime-function-error-type")
                .is_some()
        );
        is_served(&lambda, body);
    }
}

#[test]
fn an_event_of_invalid_utf8_is_an_error() {
    let (lambda, _app, _adapter) = started();
    let reply = lambda.invoke(Event::raw(
        *b"{\"version\":\"2.0\",\"rawPath\":\"/\xff\xfe\"}",
    ));
    is_refusal(&reply, "invalid UTF-8");
    is_served(&lambda, "invalid UTF-8");
}

#[test]
fn an_event_of_the_wrong_shape_is_an_error_for_that_invocation_only() {
    let (lambda, _app, _adapter) = started();
    let changes = [
        ("/rawPath", json!(7)),
        ("/rawPath", Value::Null),
        ("/headers", json!(["a", "b"])),
        ("/headers/accept", json!({})),
        ("/body", json!({ "a": 1 })),
        ("/isBase64Encoded", json!("yes")),
        ("/requestContext/http/method", json!(1)),
        ("/requestContext/http", json!({ "path": "/" })),
        ("/cookies", json!(1)),
    ];
    for (place, value) in changes {
        let mut event = function_url("GET", "/");
        event["body"] = json!("");
        event["cookies"] = json!([]);
        *event.pointer_mut(place).unwrap() = value.clone();
        let name = format!("{place} as {value}");
        is_refusal(&lambda.invoke(Event::json(&event)), &name);
        is_served(&lambda, &name);
    }
}

#[test]
fn a_body_that_is_no_base64_is_refused() {
    let (lambda, _app, _adapter) = started();
    for body in ["%%%", "abc=def", "a", "\u{e9}"] {
        let mut event = function_url("POST", "/echo");
        event["body"] = json!(body);
        event["isBase64Encoded"] = json!(true);
        is_refusal(&lambda.invoke(Event::json(&event)), body);
        is_served(&lambda, body);
    }
}

#[test]
fn a_hostile_method_is_refused() {
    let (lambda, _app, _adapter) = started();
    for method in [
        "",
        "GE T",
        "GET / HTTP/1.1\r\nx-injected: 1\r\n\r\nGET",
        "G\u{e9}T",
        "GET\0",
    ] {
        let mut event = function_url("GET", "/inspect");
        event["requestContext"]["http"]["method"] = json!(method);
        is_refusal(&lambda.invoke(Event::json(&event)), method);
        is_served(&lambda, method);
    }
}

#[test]
fn events_that_are_json_but_no_http_request_cost_their_own_invocation_only() {
    let (lambda, _app, _adapter) = started();
    let values = [
        json!(null),
        json!(true),
        json!(12),
        json!("text"),
        json!([]),
        json!({}),
        json!({ "Records": [] }),
    ];
    for value in values {
        let reply = lambda.invoke(Event::json(&value));
        assert_eq!(reply.end, Some(End::Complete), "{value}");
        is_served(&lambda, &value.to_string());
    }
}

#[test]
fn a_deeply_nested_event_does_not_end_the_adapter() {
    let (lambda, _app, _adapter) = started();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let reply = lambda.invoke(Event::raw(deep));
    assert_eq!(reply.end, Some(End::Complete));
    is_served(&lambda, "a deeply nested event");
}

#[test]
fn a_client_context_that_is_no_json_does_no_harm() {
    // lambda_runtime ends its loop here.
    let (lambda, _app, _adapter) = started();
    for context in ["", "no JSON", "[]", "7"] {
        let event = Event::get("/").header("Lambda-Runtime-Client-Context", context);
        let event = event.header("Lambda-Runtime-Cognito-Identity", context);
        assert_eq!(
            lambda.invoke(event).streamed().payload,
            b"ready",
            "{context:?}"
        );
    }
}

#[test]
fn a_deadline_that_is_no_number_or_long_past_does_not_end_the_adapter() {
    let (lambda, _app, _adapter) = started();
    for deadline in ["", "soon", "-1", "0", "1", "99999999999999999999999"] {
        let reply = lambda.invoke(Event::get("/").header("Lambda-Runtime-Deadline-Ms", deadline));
        assert_eq!(reply.end, Some(End::Complete), "{deadline:?}");
        is_served(&lambda, deadline);
    }
}
