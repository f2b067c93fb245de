// SPDX-License-Identifier: Apache-2.0
//! A Runtime API that resets, stalls or answers nonsense.

use integration_tests::adapter::Adapter;
use integration_tests::app::{App, free_port};
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Call, Exchange, FakeLambda, Fault, Flaw};
use integration_tests::process::Program;

fn started() -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    (lambda, app, adapter)
}

fn is_served(lambda: &FakeLambda, after: &str) {
    let id = lambda.queue(Event::get("/"));
    assert_eq!(
        lambda.reply(&id).streamed().payload,
        b"ready",
        "after {after}"
    );
    assert_eq!(lambda.replies(&id).len(), 1, "after {after}");
}

#[test]
fn a_poll_that_is_answered_with_an_error_is_repeated() {
    let (lambda, _app, _adapter) = started();
    for status in [500, 502, 503] {
        lambda.queue_poll_status(status);
        is_served(&lambda, &format!("a poll answered with {status}"));
    }
}

#[test]
fn a_poll_that_is_reset_is_repeated() {
    let (lambda, _app, _adapter) = started();
    for _ in 0..3 {
        lambda.queue_poll_reset();
    }
    is_served(&lambda, "three resets in a row");
}

#[test]
fn a_poll_that_is_answered_with_nonsense_is_repeated() {
    let (lambda, _app, _adapter) = started();
    let answers = [
        "this is no HTTP\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: \r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a/../b c\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: cut\r\ncontent-length: 1000\r\n\r\n{",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "",
    ];
    for answer in answers {
        lambda.queue_poll_raw(answer);
        is_served(&lambda, answer);
    }
}

#[test]
fn a_reply_that_is_reset_is_not_sent_again() {
    let (lambda, _app, _adapter) = started();
    for after in [0, 1, 100, 10_000] {
        let id = lambda.queue_with_fault(Event::get("/bytes?n=1000000"), Fault::ResetAfter(after));
        let _ = lambda.reply(&id);
        is_served(&lambda, &format!("a reset after {after} bytes"));
        let replies = lambda.replies(&id);
        let verbs: Vec<_> = replies.iter().map(Exchange::verb).collect();
        // Left open, it would be handed out again, and the app would do its work twice.
        assert_eq!(verbs, ["response", "error"], "{after}");
    }
}

#[test]
fn an_error_report_that_is_reset_costs_nothing_more() {
    let (lambda, _app, _adapter) = started();
    let id = lambda.queue_with_fault(Event::raw("no JSON"), Fault::ResetAfter(0));
    let _ = lambda.reply(&id);
    is_served(&lambda, "a reset of the error");
}

#[test]
fn a_stalled_reply_goes_on_where_it_was() {
    let (lambda, _app, _adapter) = started();
    let id = lambda.queue_with_fault(Event::get("/bytes?n=5000000"), Fault::Stall);
    lambda.wait("the stalled reply", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.is_reply_to(&id))
            .map(|_| ())
    });
    lambda.release(&id);
    let payload = lambda.reply(&id).streamed().payload;
    assert!(payload == integration_tests::pattern::Pattern::bytes(5_000_000));
    is_served(&lambda, "a stall");
}

#[test]
fn a_thousand_invocations_pass_one_after_another() {
    let (lambda, _app, _adapter) = started();
    let ids: Vec<String> = (0..1000).map(|_| lambda.queue(Event::get("/"))).collect();
    for id in &ids {
        assert_eq!(lambda.reply(id).streamed().payload, b"ready");
    }
    // One for each, and the one that waits.
    assert!(lambda.polls() <= 1001, "{} polls", lambda.polls());
    assert!(
        lambda.connections() < 10,
        "{} connections to Lambda",
        lambda.connections()
    );
}

#[test]
fn a_refusal_is_logged_with_what_lambda_means_by_it() {
    let (lambda, _app, adapter) = started();
    for (event, status, meaning) in [
        (Event::get("/"), 400, "knows no open invocation"),
        (Event::get("/"), 403, "answered already"),
        (Event::get("/"), 410, "no longer open"),
        (Event::get("/"), 413, "over lambda's limit"),
        (Event::raw("no JSON"), 410, "no longer open"),
    ] {
        let id = lambda.queue_with_fault(event, Fault::Answer(Flaw::Status(status)));
        let _ = lambda.reply(&id);
        is_served(&lambda, &format!("a {status}"));
        // A reply that Lambda has refused for good is neither repeated nor followed by another.
        assert_eq!(lambda.replies(&id).len(), 1, "{status}");
        let text = format!("with {status}");
        let line = adapter.any_line(&text);
        assert!(line.contains(meaning), "{line}");
        assert!(line.contains("scripted"), "Lambda's own text: {line}");
    }
    lambda.queue_poll_status(500);
    let line = adapter.any_line("refused next with 500");
    assert!(line.contains("cannot recover"), "{line}");
    is_served(&lambda, "a 500");
}

#[test]
fn an_answer_of_lambda_that_does_not_come_holds_nothing_beyond_the_deadline() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_INVOKE_MODE", "buffered")
        .start();
    for (event, call) in [
        (Event::get("/"), "response"),
        (Event::raw("no JSON"), "error"),
    ] {
        let event = event.deadline_in(std::time::Duration::from_secs(2));
        let _ = lambda.queue_with_fault(event, Fault::Answer(Flaw::Stall));
        let line = adapter.any_line(&format!("did not answer {call} in time"));
        assert!(line.contains("not taken"), "{line}");
        let id = lambda.queue(Event::get("/"));
        assert_eq!(lambda.reply(&id).json()["statusCode"], 200);
    }
}

#[test]
fn a_proxy_of_the_runtime_api_gets_its_calls_alone_and_may_come_later() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let port = free_port();
    let adapter = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_RUNTIME_API_PROXY", &format!("127.0.0.1:{port}"))
        .start();
    let _ = adapter.any_line("repeating a poll");
    let proxy = FakeLambda::bind_at(port);
    is_served(&proxy, "a proxy that came late");
    assert_eq!(lambda.polls(), 0);
    assert_eq!(lambda.requests("/register").len(), 1);
    assert!(proxy.requests("/register").is_empty());
}

#[test]
fn a_registration_that_is_refused_ends_the_extension_with_the_reason() {
    let lambda = FakeLambda::bind();
    lambda.flaw_always(Call::Register, Flaw::Status(403));
    let app = App::start(&[]);
    let mut adapter = Adapter::extension(&lambda, app.address()).start();
    assert_eq!(adapter.finish().code(), Some(1));
    let line = adapter.any_line("refused register with 403");
    assert!(line.contains("/opt/extensions"), "{line}");
}
