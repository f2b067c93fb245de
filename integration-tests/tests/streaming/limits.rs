// SPDX-License-Identifier: Apache-2.0
//! Responses that take too long: at Lambda's deadline, or at a limit of the user's.
//!
//! The times here only have to pass; each test waits for what follows from them, and measures nothing.

use std::time::{Duration, Instant};

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Exchange, FakeLambda, Fault};
use integration_tests::gate::{Gate, Keeper};
use integration_tests::http::End;
use integration_tests::process::Program;
use integration_tests::waiting::eventually;
use serde_json::json;

use crate::breaks::{ended_with_error, is_served};

/// Long enough for a loaded machine to deliver an event that still has most of it left.
const DEADLINE: Duration = Duration::from_secs(2);

struct Stage {
    lambda: FakeLambda,
    gate: Gate,
    _app: App,
    adapter: Program,
}

fn started(settings: &[(&str, &str)]) -> Stage {
    let lambda = FakeLambda::bind();
    let gate = Gate::bind();
    let app = App::start(&[gate.variable()]);
    let mut adapter = Adapter::extension(&lambda, app.address());
    for (name, value) in settings {
        adapter = adapter.env(name, value);
    }
    let adapter = adapter.start();
    lambda.wait_for_poll();
    Stage {
        lambda,
        gate,
        _app: app,
        adapter,
    }
}

impl Stage {
    /// Queues an event with a deadline that the app will miss, and waits until it is in the app.
    fn late(&self, event: Event) -> (String, Keeper) {
        let id = self.lambda.queue(event.deadline_in(DEADLINE));
        (id, self.gate.accept())
    }

    fn wait_for_payload(&self, id: &str, end: &[u8]) {
        self.lambda.wait("the payload", |exchanges| {
            let mut replies = exchanges.iter().filter(|exchange| exchange.is_reply_to(id));
            replies.next()?.body().ends_with(end).then_some(())
        });
    }

    /// The one error line about an invocation: it names the route without the query, and the time.
    fn error_line(&self, id: &str, route: &str) -> String {
        let line = self.adapter.any_line(&error_of(id));
        let lines = self.adapter.stderr();
        let errors = lines
            .iter()
            .filter(|line| line.contains(id) && line.contains("ERROR"));
        assert_eq!(errors.count(), 1, "{lines:?}");
        assert!(
            line.contains(&format!("route={route} ")) && line.contains("elapsed_ms="),
            "{line}"
        );
        assert!(!line.contains("secret"), "{line}");
        line
    }
}

/// How an error line about an invocation begins.
fn error_of(id: &str) -> String {
    format!("ERROR invocation{{request_id={id}}}")
}

fn status(reply: &Exchange) -> u64 {
    reply.streamed().prelude["statusCode"].as_u64().unwrap()
}

#[test]
fn an_app_that_gives_no_head_is_a_504_before_the_deadline_and_its_request_is_cancelled() {
    let stage = started(&[]);
    let (id, mut keeper) = stage.late(Event::get("/slow-head?token=secret"));
    let reply = stage.lambda.reply(&id);
    assert_eq!(status(&reply), 504);
    let text = String::from_utf8(reply.streamed().payload).unwrap();
    assert!(text.contains("deadline"), "{text}");
    keeper.wait_until_abandoned();
    let line = stage.error_line(&id, "GET /slow-head");
    assert!(line.contains("no response"), "{line}");
    is_served(&stage.lambda, "a 504");
}

#[test]
fn a_buffered_response_that_is_not_complete_is_a_504_before_the_deadline() {
    let stage = started(&[("STREAMGATE_INVOKE_MODE", "buffered")]);
    let (id, mut keeper) = stage.late(Event::get("/gated?token=secret"));
    keeper.open();
    let reply = stage.lambda.reply(&id);
    assert_eq!(reply.json()["statusCode"], 504, "{reply:?}");
    keeper.wait_until_abandoned();
    let line = stage.error_line(&id, "GET /gated");
    assert!(line.contains("8 bytes"), "{line}");
    let next = stage.lambda.invoke(Event::get("/"));
    assert_eq!(next.json()["body"], "ready");
}

#[test]
fn an_event_that_the_app_does_not_finish_by_the_deadline_is_a_failure_with_a_type_of_its_own() {
    for (path, opens) in [("/slow-head", false), ("/gated", true)] {
        let stage = started(&[("STREAMGATE_EVENTS_PATH", path)]);
        let (id, mut keeper) = stage.late(Event::json(&json!({ "n": 1 })));
        if opens {
            keeper.open();
        }
        let reply = stage.lambda.reply(&id);
        assert_eq!(reply.verb(), "error", "{reply:?}");
        assert_eq!(reply.json()["errorType"], "Function.AppTimeout");
        keeper.wait_until_abandoned();
        is_served(&stage.lambda, path);
    }
}

#[test]
fn a_stream_that_is_open_at_the_deadline_ends_with_error_trailers() {
    let stage = started(&[]);
    let (id, mut keeper) = stage.late(Event::get("/gated?token=secret"));
    keeper.open();
    let reply = stage.lambda.reply(&id);
    ended_with_error(&reply, b"chunk 0\n", "a stream at its deadline");
    assert_eq!(
        reply.trailer("Lambda-Runtime-Function-Error-Type"),
        Some("Function.AppTimeout")
    );
    keeper.wait_until_abandoned();
    let line = stage.error_line(&id, "GET /gated");
    assert!(line.contains("body.bytes=8"), "{line}");
    is_served(&stage.lambda, "a stream at its deadline");
}

#[test]
fn a_reply_that_lambda_does_not_take_is_cut_before_the_deadline() {
    let stage = started(&[]);
    let event = Event::get("/bytes?n=200000000").deadline_in(DEADLINE);
    let id = stage.lambda.queue_with_fault(event, Fault::Stall);
    let line = stage.adapter.any_line(&error_of(&id));
    assert!(line.contains("reply is cut"), "{line}");
    is_served(&stage.lambda, "a reply that was cut");
    stage.lambda.release(&id);
    assert_eq!(stage.lambda.replies(&id).len(), 1);
}

#[test]
fn a_deadline_that_cannot_be_true_is_none() {
    let stage = started(&[]);
    for deadline in ["soon", "", "-5", "1", "18446744073709551615"] {
        let event = Event::get("/slow-head").header("Lambda-Runtime-Deadline-Ms", deadline);
        let id = stage.lambda.queue(event);
        stage.gate.accept().open();
        let reply = stage.lambda.reply(&id);
        assert_eq!(reply.streamed().payload, b"at last", "{deadline:?}");
    }
}

#[test]
fn without_a_margin_the_app_may_take_its_time() {
    let stage = started(&[("STREAMGATE_DEADLINE_MARGIN", "off")]);
    let deadline = Duration::from_millis(100);
    let id = stage
        .lambda
        .queue(Event::get("/slow-head").deadline_in(deadline));
    let queued_at = Instant::now();
    let mut keeper = stage.gate.accept();
    eventually("the deadline", || {
        (queued_at.elapsed() > deadline).then_some(())
    });
    keeper.open();
    assert_eq!(stage.lambda.reply(&id).streamed().payload, b"at last");
}

#[test]
fn a_silent_stream_ends_at_the_idle_timeout() {
    let stage = started(&[("STREAMGATE_STREAM_IDLE_TIMEOUT", "200ms")]);
    let id = stage.lambda.queue(Event::get("/gated?token=secret"));
    let mut keeper = stage.gate.accept();
    let reply = stage.lambda.reply(&id);
    ended_with_error(&reply, b"", "a silent stream");
    assert_eq!(
        reply.trailer("Lambda-Runtime-Function-Error-Type"),
        Some("Function.StreamLimit")
    );
    keeper.wait_until_abandoned();
    let line = stage.error_line(&id, "GET /gated");
    assert!(line.contains("STREAM_IDLE_TIMEOUT"), "{line}");
    is_served(&stage.lambda, "a silent stream");
}

#[test]
fn a_stream_that_speaks_all_the_time_ends_at_its_longest_duration() {
    let stage = started(&[
        ("STREAMGATE_STREAM_IDLE_TIMEOUT", "30s"),
        ("STREAMGATE_STREAM_MAX_DURATION", "500ms"),
    ]);
    let id = stage.lambda.queue(Event::get("/gated?chunks=100000000"));
    let mut keeper = stage.gate.accept();
    keeper.open_until_abandoned();
    let reply = stage.lambda.reply(&id);
    assert_eq!(reply.end, Some(End::Complete));
    assert_eq!(
        reply.trailer("Lambda-Runtime-Function-Error-Type"),
        Some("Function.StreamLimit")
    );
    let line = stage.error_line(&id, "GET /gated");
    assert!(line.contains("STREAM_MAX_DURATION"), "{line}");
    is_served(&stage.lambda, "a stream that was too long");
}

#[test]
fn a_stream_that_lambda_does_not_take_is_cut_after_its_longest_duration() {
    let stage = started(&[("STREAMGATE_STREAM_MAX_DURATION", "100ms")]);
    let event = Event::get("/bytes?n=200000000");
    let id = stage.lambda.queue_with_fault(event, Fault::Stall);
    let line = stage.adapter.any_line(&error_of(&id));
    assert!(line.contains("reply is cut"), "{line}");
    is_served(&stage.lambda, "a stream that was cut");
    stage.lambda.release(&id);
}

#[test]
fn a_stream_at_its_limit_is_cut_if_asked_for_and_told_of_once() {
    let stage = started(&[
        ("STREAMGATE_STREAM_ERRORS", "abort"),
        ("STREAMGATE_STREAM_IDLE_TIMEOUT", "500ms"),
    ]);
    let id = stage.lambda.queue(Event::get("/gated?token=secret"));
    let mut keeper = stage.gate.accept();
    keeper.open();
    let reply = stage.lambda.reply(&id);
    assert_eq!(reply.streamed().payload, b"chunk 0\n");
    assert!(matches!(reply.end, Some(End::Cut(_))), "{reply:?}");
    keeper.wait_until_abandoned();
    is_served(&stage.lambda, "a stream that was cut");
    let line = stage.error_line(&id, "GET /gated");
    assert!(line.contains("reply=\"is cut\""), "{line}");
}

#[test]
fn a_quiet_event_stream_is_kept_alive_between_its_events_and_no_other_stream_is() {
    const COMMENT: &str = ": keep-alive\n\n";
    let stage = started(&[
        ("STREAMGATE_SSE_KEEPALIVE", "100ms"),
        ("STREAMGATE_STREAM_IDLE_TIMEOUT", "2s"),
    ]);
    let id = stage.lambda.queue(Event::get("/sse?chunks=2"));
    let mut keeper = stage.gate.accept();
    stage.wait_for_payload(&id, COMMENT.repeat(2).as_bytes());
    keeper.open();
    stage.wait_for_payload(&id, format!("data: token 0\n\n{COMMENT}").as_bytes());
    // The app is silent from here on, and the comments do not count.
    let reply = stage.lambda.reply(&id);
    let payload = String::from_utf8(reply.streamed().payload).unwrap();
    assert_eq!(payload.replace(COMMENT, ""), "id: 0\ndata: token 0\n\n");
    ended_with_error(&reply, payload.as_bytes(), "a silent event stream");
    keeper.wait_until_abandoned();

    let id = stage.lambda.queue(Event::get("/gated"));
    let mut keeper = stage.gate.accept();
    keeper.open();
    let reply = stage.lambda.reply(&id);
    ended_with_error(&reply, b"chunk 0\n", "a silent stream of text");
    is_served(&stage.lambda, "silent streams");
}
