// SPDX-License-Identifier: Apache-2.0
//! Apps that fail while they serve.

use integration_tests::adapter::Adapter;
use integration_tests::app::{App, Diary};
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::gate::Gate;
use integration_tests::http::{Next, Request};
use integration_tests::local::Local;

/// The text of a 502 that the adapter made itself.
fn bad_gateway(reply: &Exchange) -> String {
    assert_eq!(reply.verb(), "response");
    let streamed = reply.streamed();
    assert_eq!(streamed.prelude["statusCode"], 502, "{reply:?}");
    String::from_utf8(streamed.payload).unwrap()
}

#[test]
fn an_app_that_gives_no_answer_is_a_502_that_names_the_cause() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let _adapter = Adapter::extension(&lambda, app.address()).start();
    for target in ["/no-answer", "/garbage"] {
        let text = bad_gateway(&lambda.invoke(Event::get(target)));
        assert!(text.contains("app"), "{target}: {text:?}");
        assert_eq!(
            lambda.invoke(Event::get("/")).streamed().payload,
            b"ready",
            "after {target}"
        );
    }
}

#[test]
fn an_attached_app_that_is_gone_is_a_502_that_names_its_address() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let address = app.address();
    let _adapter = Adapter::extension(&lambda, address).start();
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    drop(app);
    let text = bad_gateway(&lambda.invoke(Event::get("/")));
    assert!(text.contains(&address.port().to_string()), "{text:?}");
    let _app = App::start_on(address.port(), &[]);
    assert_eq!(
        lambda.invoke(Event::get("/")).streamed().payload,
        b"ready",
        "when it is back, it is found"
    );
}

#[test]
fn a_timeout_cuts_the_transfer_and_the_next_request_is_served() {
    let gate = Gate::bind();
    let diary = Diary::default();
    let ((key, value), (gate_key, gate_value)) = (diary.variable(), gate.variable());
    let local = Local::builder()
        .env(key, &value)
        .env(gate_key, gate_value)
        .env("STREAMGATE_DEADLINE_MARGIN", "off")
        .option("--timeout")
        .option("1")
        .start();
    let mut client = local.client();
    client.send(&Request::get("/gated?chunks=2"));
    let mut keeper = gate.accept();
    keeper.open();
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.data(), b"chunk 0\n");
    // The second chunk is never let through.
    assert!(
        matches!(client.step(), Next::Cut(_)),
        "the client must see that something is missing"
    );
    let _ = local.program().any_line("imed out");
    assert_eq!(local.get("/").text(), "ready");
    assert_eq!(diary.count("started"), 2, "by an app of a new environment");
}

#[test]
fn a_timeout_before_the_head_is_an_error_for_the_client() {
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let local = Local::builder()
        .env(key, value)
        .env("STREAMGATE_DEADLINE_MARGIN", "off")
        .option("--timeout")
        .option("1")
        .start();
    let response = local.get("/slow-head");
    assert_eq!(response.status(), 502, "{response:?}");
    assert_eq!(local.get("/").text(), "ready");
}

#[test]
fn an_app_that_is_late_costs_no_environment() {
    let gate = Gate::bind();
    let diary = Diary::default();
    let ((key, value), (gate_key, gate_value)) = (diary.variable(), gate.variable());
    let local = Local::builder()
        .env(key, &value)
        .env(gate_key, gate_value)
        .option("--timeout")
        .option("2")
        .start();
    assert_eq!(local.get("/slow-head").status(), 504);
    let mut client = local.client();
    client.send(&Request::get("/gated?chunks=2"));
    let _slow_head = gate.accept();
    let mut keeper = gate.accept();
    keeper.open();
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.data(), b"chunk 0\n");
    // Trailers, which a function URL hides.
    assert_eq!(client.step(), Next::Complete(Vec::new()));
    assert_eq!(local.get("/").text(), "ready");
    assert_eq!(diary.count("started"), 1, "by the app that was late");
}

#[test]
fn a_connection_that_the_app_has_closed_is_not_used_again() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let _adapter = Adapter::extension(&lambda, app.address()).start();
    for _ in 0..20 {
        assert_eq!(
            lambda
                .invoke(Event::get("/close-delimited"))
                .streamed()
                .payload,
            b"until the end"
        );
        assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    }
}
