// SPDX-License-Identifier: Apache-2.0
//! Streams that break off, on each side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::adapter::Adapter;
use integration_tests::app::{App, Diary};
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Exchange, FakeLambda, Fault, Flaw};
use integration_tests::gate::Gate;
use integration_tests::http::{End, Next, Request};
use integration_tests::local::{Builder, Local};
use integration_tests::process::Program;
use integration_tests::wire::find;
use serde_json::Value;

fn started(environment: &[(&str, &str)]) -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(environment);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    (lambda, app, adapter)
}

const ERROR_TYPE: &str = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY: &str = "Lambda-Runtime-Function-Error-Body";

/// Asserts that a reply ended with the error trailers after `payload`, and nothing else.
pub(crate) fn ended_with_error(reply: &Exchange, payload: &[u8], of: &str) {
    assert_eq!(
        reply.end,
        Some(End::Complete),
        "{of}: the chunked body itself is well-formed"
    );
    let streamed = reply.streamed();
    assert_eq!(
        String::from_utf8_lossy(&streamed.payload),
        String::from_utf8_lossy(payload),
        "{of}: nothing but the app's bytes is in the body"
    );
    // In the bytes: the terminating chunk's line, then the two trailers, then the empty line.
    let raw = reply.raw();
    let end = find(&raw, b"\r\n0\r\n").unwrap_or_else(|| panic!("{of}: no terminating chunk"));
    let tail = String::from_utf8_lossy(&raw[end + 5..]).into_owned();
    let lines: Vec<&str> = tail
        .strip_suffix("\r\n\r\n")
        .unwrap_or_else(|| panic!("{of}: {tail:?}"))
        .split("\r\n")
        .collect();
    assert_eq!(lines.len(), 2, "{of}: {tail:?}");
    let error_type = reply
        .trailer(ERROR_TYPE)
        .unwrap_or_else(|| panic!("{of}: {tail:?}"));
    let (family, name) = error_type.split_once('.').unwrap_or_default();
    // Anything else is logged by Lambda as unknown.
    assert!(
        ["Runtime", "Function"].contains(&family),
        "{of}: {error_type}"
    );
    assert!(
        name.chars().all(|letter| letter.is_ascii_alphabetic()),
        "{of}: {error_type}"
    );
    let body = BASE64
        .decode(reply.trailer(ERROR_BODY).unwrap_or_default())
        .unwrap();
    let error: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(error["errorType"], error_type, "{of}");
    assert!(
        error["errorMessage"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{of}: {error}"
    );
}

pub(crate) fn is_served(lambda: &FakeLambda, after: &str) {
    assert_eq!(
        lambda.invoke(Event::get("/")).streamed().payload,
        b"ready",
        "after {after}"
    );
}

#[test]
fn an_app_that_resets_in_mid_body_ends_the_reply_with_error_trailers() {
    let gate = Gate::bind();
    let (lambda, _app, _adapter) = started(&[gate.variable()]);
    let id = lambda.queue(Event::get("/reset?chunks=3"));
    let payload = b"chunk 0\nchunk 1\nchunk 2\n";
    let mut keeper = gate.accept();
    lambda.wait("the three chunks", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.is_reply_to(&id) && exchange.body().ends_with(payload))
            .map(|_| ())
    });
    keeper.open();
    ended_with_error(&lambda.reply(&id), payload, "reset");
    is_served(&lambda, "a reset");
}

#[test]
fn an_app_that_breaks_off_ends_the_reply_with_error_trailers() {
    let (lambda, _app, _adapter) = started(&[]);
    for (target, payload) in [
        ("/cut?chunks=2", "chunk 0\nchunk 1\n"),
        ("/short", "only this"),
        ("/cut?chunks=0", ""),
    ] {
        ended_with_error(
            &lambda.invoke(Event::get(target)),
            payload.as_bytes(),
            target,
        );
        is_served(&lambda, target);
    }
}

#[test]
fn an_app_that_exits_in_mid_body_ends_the_reply_with_error_trailers() {
    let gate = Gate::bind();
    let lambda = FakeLambda::bind();
    let (key, value) = gate.variable();
    let _adapter = Adapter::entrypoint(&lambda).env(key, value).start();
    let id = lambda.queue(Event::get("/exit-in-body?code=7&chunks=1"));
    let mut keeper = gate.accept();
    lambda.wait("the chunk", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.is_reply_to(&id) && exchange.body().ends_with(b"chunk 0\n"))
            .map(|_| ())
    });
    keeper.open();
    ended_with_error(&lambda.reply(&id), b"chunk 0\n", "exit");
}

/// Sends a request whose answer the app resets after two chunks; reads the client's side of it.
fn reset_through(builder: Builder) -> (Local, Vec<u8>, Next) {
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let local = builder.env(key, value).start();
    let mut client = local.client();
    client.send(&Request::get("/reset?chunks=2"));
    assert_eq!(client.head().status(), 200);
    let mut keeper = gate.accept();
    let mut body = Vec::new();
    while !body.ends_with(b"chunk 1\n") {
        body.extend(client.data());
    }
    keeper.open();
    let end = client.step();
    (local, body, end)
}

#[test]
fn a_broken_stream_ends_cleanly_at_the_function_url_and_is_shouted_in_its_log() {
    // As on the service, where nothing tells a function URL's client that data is missing.
    let (local, body, end) = reset_through(Local::builder());
    assert_eq!(String::from_utf8_lossy(&body), "chunk 0\nchunk 1\n");
    assert_eq!(end, Next::Complete(Vec::new()));
    let _ = local.program().any_line("Function.");
    assert_eq!(local.get("/").text(), "ready");
}

#[test]
fn a_broken_stream_is_cut_at_the_client_if_asked_for() {
    let (local, body, end) = reset_through(Local::builder().option("--cut-broken-streams"));
    assert_eq!(String::from_utf8_lossy(&body), "chunk 0\nchunk 1\n");
    assert!(matches!(end, Next::Cut(_)), "{end:?}");
    assert_eq!(local.get("/").text(), "ready");
}

#[test]
fn a_broken_stream_is_cut_on_the_way_to_lambda_if_asked_for() {
    let gate = Gate::bind();
    let lambda = FakeLambda::bind();
    let app = App::start(&[gate.variable()]);
    let adapter = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_STREAM_ERRORS", "abort")
        .start();
    for time in 1..=3 {
        let id = lambda.queue(Event::get("/reset?chunks=2"));
        let mut keeper = gate.accept();
        lambda.wait("both chunks", |exchanges| {
            let mut replies = exchanges
                .iter()
                .filter(|exchange| exchange.is_reply_to(&id));
            let reply = replies.next()?;
            reply.body().ends_with(b"chunk 1\n").then_some(())
        });
        let connections = lambda.connections();
        keeper.open();
        let reply = lambda.reply(&id);
        assert!(matches!(reply.end, Some(End::Cut(_))), "{reply:?}");
        assert!(reply.trailers.is_empty(), "{reply:?}");
        // No terminating chunk, and nothing else behind the app's bytes.
        let raw = reply.raw();
        let end = String::from_utf8_lossy(&raw[raw.len() - 10..]).into_owned();
        assert!(end.ends_with("chunk 1\n\r\n"), "{end:?}");
        is_served(&lambda, "a stream that was cut");
        assert_eq!(lambda.connections(), connections + 1, "time {time}");
        assert_eq!(lambda.replies(&id).len(), 1);
        let lines = adapter.stderr();
        let errors = lines
            .iter()
            .filter(|line| line.contains(&id) && line.contains("ERROR"));
        assert_eq!(errors.count(), 1, "{lines:?}");
    }
}

#[test]
fn what_came_with_the_break_is_sent_before_the_cut() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let _adapter = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_STREAM_ERRORS", "abort")
        .start();
    // One write of the app, whose end is the break.
    let reply = lambda.invoke(Event::get("/short"));
    assert!(matches!(reply.end, Some(End::Cut(_))), "{reply:?}");
    assert_eq!(reply.streamed().payload, b"only this");
    is_served(&lambda, "a short response");
}

#[test]
fn a_function_urls_client_sees_the_cut_on_the_way_to_lambda() {
    let (local, body, end) =
        reset_through(Local::builder().env("STREAMGATE_STREAM_ERRORS", "abort"));
    assert_eq!(String::from_utf8_lossy(&body), "chunk 0\nchunk 1\n");
    assert!(matches!(end, Next::Cut(_)), "{end:?}");
    assert_eq!(local.get("/").text(), "ready");
}

#[test]
fn a_whole_stream_is_not_cut_when_broken_ones_are() {
    let local = Local::builder().option("--cut-broken-streams").start();
    let response = local.get("/bytes?n=100000&chunk=1000");
    assert_eq!(
        (response.body().len(), response.end),
        (100_000, End::Complete)
    );
}

/// How often an invocation's reply was sent.
fn responses(lambda: &FakeLambda, id: &str) -> usize {
    let replies = lambda.replies(id);
    replies
        .iter()
        .filter(|reply| reply.verb() == "response")
        .count()
}

#[test]
fn a_reply_that_lambda_resets_costs_its_own_invocation_and_cancels_the_apps_work() {
    let gate = Gate::bind();
    let diary = Diary::default();
    let (key, value) = diary.variable();
    let (lambda, _app, _adapter) = started(&[gate.variable(), (key, &value)]);
    let id = lambda.queue_with_fault(Event::get("/gated?chunks=1000"), Fault::ResetAfter(60));
    let mut keeper = gate.accept();
    // Chunks go out until Lambda's end has broken; the app is not kept working for nobody.
    keeper.open_until_abandoned();
    assert_eq!(
        responses(&lambda, &id),
        1,
        "a reply that was begun is not sent again"
    );
    is_served(&lambda, "a reset of the reply");
    assert_eq!(responses(&lambda, &id), 1);
}

#[test]
fn a_reply_that_lambda_refuses_costs_its_own_invocation() {
    let (lambda, _app, _adapter) = started(&[]);
    for fault in [
        Fault::Answer(Flaw::Status(400)),
        Fault::Answer(Flaw::Status(403)),
        Fault::Answer(Flaw::Status(410)),
        Fault::Answer(Flaw::Status(413)),
        Fault::Answer(Flaw::Close),
    ] {
        let name = format!("{fault:?}");
        let id = lambda.queue_with_fault(Event::get("/"), fault);
        assert_eq!(lambda.reply(&id).streamed().payload, b"ready");
        is_served(&lambda, &name);
        assert_eq!(
            responses(&lambda, &id),
            1,
            "{name}: the reply is not doubled"
        );
    }
}

#[test]
fn a_client_that_leaves_does_not_disturb_the_next_one() {
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let local = Local::builder().env(key, value).start();
    let mut client = local.client();
    client.send(&Request::get("/gated?chunks=2"));
    let mut keeper = gate.accept();
    keeper.open();
    assert_eq!(client.head().status(), 200);
    let _ = client.data();
    drop(client);
    // The function is not told: it goes on to its end, and only then takes the next request.
    keeper.open();
    assert_eq!(local.get("/").text(), "ready");
}
