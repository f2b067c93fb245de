// SPDX-License-Identifier: Apache-2.0
//! Connections: which are used again, and what happens where one ends in the wrong moment.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod again;
mod bodies;
mod early;
mod interim;
mod peer_gone;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::adapter::Adapter;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::process::Program;
use integration_tests::raw_app::{Conversation, RawApp};
use serde_json::json;

/// Both ways to reply.
const MODES: [&str; 2] = ["response_stream", "buffered"];

fn started(
    serve: impl Fn(&mut Conversation) + Send + Sync + 'static,
) -> (FakeLambda, RawApp, Program) {
    started_in_mode(MODES[0], serve)
}

fn started_in_mode(
    mode: &str,
    serve: impl Fn(&mut Conversation) + Send + Sync + 'static,
) -> (FakeLambda, RawApp, Program) {
    let lambda = FakeLambda::bind();
    let app = RawApp::start(serve);
    let adapter = Adapter::extension(&lambda, app.address())
        // A check that sends nothing: each request that the app sees is a client's.
        .env("STREAMGATE_READINESS_PROTOCOL", "tcp")
        .env("STREAMGATE_INVOKE_MODE", mode)
        .start();
    (lambda, app, adapter)
}

/// A POST with this body, which need not be text.
fn post(target: &str, body: &[u8]) -> Event {
    let mut event = function_url("POST", target);
    event["body"] = json!(BASE64.encode(body));
    event["isBase64Encoded"] = json!(true);
    Event::json(&event)
}

/// Status and body of a reply in either mode.
fn outcome(reply: &Exchange) -> (u64, String) {
    if reply.head.header("lambda-runtime-function-response-mode") == Some("streaming") {
        let streamed = reply.streamed();
        let status = streamed.prelude["statusCode"].as_u64().unwrap();
        let body = String::from_utf8_lossy(&streamed.payload).into_owned();
        return (status, body);
    }
    let reply = reply.json();
    let body = reply["body"].as_str().unwrap();
    let body = if reply["isBase64Encoded"] == json!(true) {
        String::from_utf8_lossy(&BASE64.decode(body).unwrap()).into_owned()
    } else {
        body.to_owned()
    };
    (reply["statusCode"].as_u64().unwrap(), body)
}
