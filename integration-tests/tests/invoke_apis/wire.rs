// SPDX-License-Identifier: Apache-2.0
//! The Invoke APIs in bytes: what SDKs do not show.

use integration_tests::gate::Gate;
use integration_tests::http::{Client, Next, Request};
use serde_json::{Value, json};

use crate::function::Function;

const INVOKE: &str = "/2015-03-31/functions/local/invocations";
const STREAM: &str = "/2021-11-15/functions/local/response-streaming-invocations";

fn post(target: &str, body: &Value) -> Request {
    Request::post(target, "application/json", body.to_string())
}

#[test]
fn an_error_has_the_services_type_in_a_header() {
    let function = Function::start(&[]);
    let mut client = Client::connect(function.api);
    for (request, status, error_type) in [
        (
            post("/2015-03-31/functions/other/invocations", &json!({})),
            404,
            "ResourceNotFoundException",
        ),
        (Request::get(INVOKE), 404, "UnknownOperationException"),
        (Request::get("/"), 404, "UnknownOperationException"),
        (
            post(INVOKE, &json!({})).header("x-amz-invocation-type", "Later"),
            400,
            "ValidationException",
        ),
        (
            post(STREAM, &json!({})).header("x-amz-invocation-type", "Event"),
            400,
            "ValidationException",
        ),
        (
            post(INVOKE, &json!({})).header("x-amz-client-context", "e30"),
            400,
            "InvalidRequestContentException",
        ),
        (
            post("/2015-03-31/functions/a%20b/invocations", &json!({})),
            400,
            "ValidationException",
        ),
    ] {
        let response = client.exchange(&request);
        assert_eq!(response.status(), status, "{request:?}");
        assert_eq!(response.head.header("x-amzn-errortype"), Some(error_type));
        assert!(response.head.header("x-amzn-requestid").is_some());
        assert_eq!(response.json()["Type"], "User");
        assert!(response.json()["Message"].is_string());
    }
}

#[test]
fn an_empty_stream_is_one_event() {
    let function = Function::start(&[]);
    let mut client = Client::connect(function.api);
    let response = client.exchange(&post(STREAM, &json!({ "do": "stream", "chunks": [] })));
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.head.header("content-type"),
        Some("application/vnd.amazon.eventstream")
    );
    assert_eq!(response.chunks.len(), 1);
    let body = response.body();
    assert_eq!(body[..4], u32::try_from(body.len()).unwrap().to_be_bytes());
    assert!(integration_tests::wire::find(&body, b"InvokeComplete").is_some());
    assert_eq!(body[body.len() - 6..body.len() - 4], *b"{}");
}

#[test]
fn a_client_that_leaves_does_not_end_the_function() {
    let gate = Gate::bind();
    let mut function = Function::gated(&[], Some(&gate));
    let mut client = Client::connect(function.api);
    client.send(&post(
        STREAM,
        &json!({ "do": "stream", "gated": true, "chunks": ["one", "two"] }),
    ));
    let mut keeper = gate.accept();
    assert_eq!(client.head().status(), 200);
    assert!(matches!(client.step(), Next::Data(_)));
    drop(client);
    keeper.open();
    keeper.open();
    let _ = function.program().stderr_line("client gone");
    let mut client = Client::connect(function.api);
    let answer = client.exchange(&post(INVOKE, &json!({ "do": "echo" })));
    assert_eq!(answer.status(), 200);
    drop(client);
    function.stop();
}

#[test]
fn a_thousand_events_may_wait_and_one_more_is_refused() {
    let gate = Gate::bind();
    let function = Function::gated(&[], Some(&gate));
    let mut client = Client::connect(function.api);
    let event = post(INVOKE, &json!({ "do": "wait" })).header("x-amz-invocation-type", "Event");
    for number in 0..1000 {
        assert_eq!(client.exchange(&event).status(), 202, "event {number}");
    }
    let refused = client.exchange(&event);
    assert_eq!(refused.status(), 429);
    let error_type = refused.head.header("x-amzn-errortype");
    assert_eq!(error_type, Some("TooManyRequestsException"));
    // Room is made as soon as one is done.
    gate.accept().open();
    let _next = gate.accept();
    integration_tests::waiting::eventually("an event to be taken again", || {
        (client.exchange(&event).status() == 202).then_some(())
    });
}
