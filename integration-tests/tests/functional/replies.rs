// SPDX-License-Identifier: Apache-2.0
//! From the app's answer to Lambda, streamed: head, body and end as the documentation wants them.

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::http::{End, Request};
use integration_tests::local::Local;
use integration_tests::pattern::Pattern;
use integration_tests::process::Program;
use serde_json::{Value, json};

fn started() -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    (lambda, app, adapter)
}

/// A reply that is streamed as it should be, whatever it says.
fn well_formed(reply: &Exchange) {
    let head = &reply.head;
    assert!(head.target().ends_with("/response"), "{reply:?}");
    assert_eq!(
        head.header("lambda-runtime-function-response-mode"),
        Some("streaming")
    );
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(head.header("content-length"), None);
    let content_type = head.header("content-type");
    assert_eq!(
        content_type,
        Some("application/vnd.awslambda.http-integration-response")
    );
    let declared: Vec<String> = head
        .all("trailer")
        .iter()
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    assert!(
        declared.contains(&"lambda-runtime-function-error-type".to_owned()),
        "{declared:?}"
    );
    assert!(
        declared.contains(&"lambda-runtime-function-error-body".to_owned()),
        "{declared:?}"
    );
    assert_eq!(reply.end, Some(End::Complete));
    assert_eq!(reply.trailers, [], "a reply that went well has no trailers");
    assert!(
        reply.raw().ends_with(b"\r\n0\r\n\r\n"),
        "the terminating chunk is the end"
    );
    let prelude = reply.streamed().prelude;
    for (name, value) in prelude["headers"].as_object().into_iter().flatten() {
        assert!(
            value.is_string(),
            "prelude header {name} is {value}, no string"
        );
        assert_ne!(name, "set-cookie", "cookies have a place of their own");
    }
    let keys: Vec<_> = prelude.as_object().unwrap().keys().cloned().collect();
    assert!(
        keys.iter()
            .all(|key| ["statusCode", "headers", "cookies"].contains(&key.as_str())),
        "{keys:?}"
    );
}

fn invoke(lambda: &FakeLambda, event: Event) -> (Value, Vec<u8>) {
    let reply = lambda.invoke(event);
    well_formed(&reply);
    let streamed = reply.streamed();
    (streamed.prelude, streamed.payload)
}

#[test]
fn a_streamed_reply_is_prelude_delimiter_and_body() {
    let (lambda, _app, _adapter) = started();
    let (prelude, payload) = invoke(&lambda, Event::get("/"));
    assert_eq!(prelude["statusCode"], 200);
    assert_eq!(prelude["headers"]["content-type"], "text/plain");
    assert_eq!(payload, b"ready");
}

#[test]
fn status_codes_are_handed_on() {
    let (lambda, _app, _adapter) = started();
    for code in [200, 201, 202, 206, 400, 401, 404, 418, 429, 500, 503, 599] {
        let (prelude, payload) = invoke(&lambda, Event::get(&format!("/status?code={code}")));
        assert_eq!(prelude["statusCode"], code);
        assert_eq!(payload, b"as asked");
    }
}

#[test]
fn the_length_of_a_streamed_body_is_not_announced() {
    let (lambda, _app, _adapter) = started();
    let (prelude, _) = invoke(&lambda, Event::get("/"));
    assert_eq!(prelude["headers"]["content-length"], Value::Null);
    let (prelude, _) = invoke(&lambda, Event::get("/bytes?n=10"));
    assert_eq!(prelude["headers"]["transfer-encoding"], Value::Null);
}

#[test]
fn cookies_stand_in_the_prelude_one_by_one() {
    let (lambda, _app, _adapter) = started();
    let (prelude, _) = invoke(&lambda, Event::get("/cookies"));
    let wanted = [
        "id=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        "theme=dark; HttpOnly",
        "empty=",
    ];
    assert_eq!(prelude["cookies"], json!(wanted));
}

#[test]
fn cookies_reach_the_client_one_by_one() {
    let local = Local::builder().start();
    let response = local.get("/cookies");
    let wanted = [
        "id=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        "theme=dark; HttpOnly",
        "empty=",
    ];
    assert_eq!(response.head.all("set-cookie"), wanted);
    assert_eq!(response.text(), "three cookies");
}

#[test]
fn repeated_headers_are_joined_into_strings() {
    let (lambda, _app, _adapter) = started();
    let (prelude, _) = invoke(&lambda, Event::get("/repeated"));
    let headers = &prelude["headers"];
    assert_eq!(headers["vary"], "accept-encoding, origin");
    assert_eq!(
        headers["link"],
        "</a.css>; rel=preload, </b.js>; rel=preload"
    );
    assert_eq!(headers["x-number"], "5");
}

#[test]
fn hop_by_hop_headers_stop_before_lambda() {
    let (lambda, _app, _adapter) = started();
    let (prelude, _) = invoke(&lambda, Event::get("/repeated"));
    for name in [
        "connection",
        "keep-alive",
        "x-hop",
        "proxy-authenticate",
        "transfer-encoding",
    ] {
        assert_eq!(
            prelude["headers"][name],
            Value::Null,
            "{name} is not for Lambda"
        );
    }
}

#[test]
fn header_values_are_escaped_for_json() {
    let (lambda, _app, _adapter) = started();
    let (prelude, payload) = invoke(&lambda, Event::get("/binary-headers"));
    let headers = &prelude["headers"];
    assert_eq!(headers["x-quoted"], "say \"hi\" \\ there");
    assert_eq!(headers["x-tab"], "a\tb");
    assert_eq!(headers["x-utf8"], "na\u{ef}ve");
    assert!(
        headers["x-latin"].is_string() || headers["x-latin"].is_null(),
        "{headers}"
    );
    assert_eq!(payload, b"ok");
}

#[test]
fn a_binary_body_is_streamed_as_it_is() {
    let (lambda, _app, _adapter) = started();
    let every_byte: Vec<u8> = (0..=255)
        .chain(*b"\0\0\0\0\0\0\0\0 \xc3\x28 \xff")
        .collect();
    let mut event = function_url("POST", "/echo");
    event["headers"]["content-type"] = json!("image/png");
    event["body"] = json!(base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        &every_byte
    ));
    event["isBase64Encoded"] = json!(true);
    let (prelude, payload) = invoke(&lambda, Event::json(&event));
    assert_eq!(payload, every_byte);
    assert_eq!(prelude["headers"]["content-type"], "image/png");
    assert_eq!(prelude["isBase64Encoded"], Value::Null);
    let (_, payload) = invoke(&lambda, Event::get("/bytes?n=1000000&chunk=1000"));
    assert!(payload == Pattern::bytes(1_000_000));
}

/// Method, target, status, and the content type that the app itself gave.
const BODYLESS: &[(&str, &str, u16, Option<&str>)] = &[
    ("GET", "/status?code=204", 204, None),
    ("GET", "/status?code=304", 304, None),
    ("GET", "/status?code=302", 302, None),
    ("HEAD", "/", 200, Some("text/plain")),
    ("HEAD", "/status?code=204", 204, None),
    ("GET", "/empty-chunked", 200, None),
    ("GET", "/empty-length", 200, None),
];

#[test]
fn an_answer_without_a_body_ends_properly_and_says_so() {
    let (lambda, _app, _adapter) = started();
    for &(method, target, status, content_type) in BODYLESS {
        let reply = lambda.invoke(Event::request(method, target));
        well_formed(&reply);
        let streamed = reply.streamed();
        assert_eq!(streamed.prelude["statusCode"], status, "{method} {target}");
        assert!(streamed.payload.is_empty(), "{method} {target}");
        let headers = &streamed.prelude["headers"];
        if status != 204 || headers.get("content-length").is_some() {
            assert_eq!(headers["content-length"], "0", "{method} {target}");
        }
        assert_eq!(
            headers["content-type"].as_str(),
            content_type,
            "{method} {target}: nothing is invented"
        );
    }
}

#[test]
fn an_answer_without_a_body_leaves_the_connection_usable() {
    let local = Local::builder().start();
    let mut client = local.client();
    for &(method, target, status, _) in BODYLESS {
        let response = client.exchange(&Request::new(method, target));
        assert_eq!(
            (response.status(), response.body()),
            (status, Vec::new()),
            "{method} {target}"
        );
        assert_eq!(response.end, End::Complete, "{method} {target}");
        // The same connection serves the next request: nothing of the last answer is left on it.
        assert_eq!(
            client.exchange(&Request::get("/")).text(),
            "ready",
            "after {method} {target}"
        );
    }
}

#[test]
fn a_redirect_keeps_its_location() {
    let local = Local::builder().start();
    let response = local.get("/status?code=302");
    assert_eq!(response.head.header("location"), Some("/elsewhere"));
}

#[test]
fn interim_answers_are_not_the_answer() {
    let (lambda, _app, _adapter) = started();
    let (prelude, payload) = invoke(&lambda, Event::get("/interim"));
    assert_eq!(prelude["statusCode"], 200);
    assert_eq!(payload, b"final");
}

#[test]
fn a_body_that_ends_with_the_connection_is_complete() {
    let (lambda, _app, _adapter) = started();
    let (_, payload) = invoke(&lambda, Event::get("/close-delimited"));
    assert_eq!(payload, b"until the end");
    // The app closed that connection; the next invocation does not trip over it.
    assert_eq!(invoke(&lambda, Event::get("/")).1, b"ready");
}

#[test]
fn trailers_of_the_app_are_not_taken_for_an_error() {
    let (lambda, _app, _adapter) = started();
    assert_eq!(invoke(&lambda, Event::get("/trailers")).1, b"body");
}

#[test]
fn an_answer_before_the_body_was_read_is_an_answer() {
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("POST", "/early");
    event["body"] = json!("x".repeat(1024 * 1024));
    assert_eq!(invoke(&lambda, Event::json(&event)).1, b"early");
    assert_eq!(invoke(&lambda, Event::get("/")).1, b"ready");
}

#[test]
fn the_invocation_id_is_echoed_when_there_is_one() {
    let (lambda, _app, _adapter) = started();
    let reply = lambda.invoke(Event::get("/").header("Lambda-Runtime-Invocation-Id", "nonce-1"));
    assert_eq!(
        reply.head.header("lambda-runtime-invocation-id"),
        Some("nonce-1")
    );
    let reply = lambda.invoke(Event::get("/"));
    assert_eq!(reply.head.header("lambda-runtime-invocation-id"), None);
    let reply =
        lambda.invoke(Event::raw("no JSON").header("Lambda-Runtime-Invocation-Id", "nonce-2"));
    assert_eq!(
        reply.head.header("lambda-runtime-invocation-id"),
        Some("nonce-2")
    );
}

#[test]
fn there_is_no_second_poll_while_an_invocation_is_open() {
    // The service would hand out the same event again.
    let gate = integration_tests::gate::Gate::bind();
    let lambda = FakeLambda::bind();
    let app = App::start(&[gate.variable()]);
    let _adapter = Adapter::extension(&lambda, app.address()).start();
    let id = lambda.queue(Event::get("/gated?chunks=1"));
    let mut keeper = gate.accept();
    lambda.wait("the prelude", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.head.target().contains(&id) && !exchange.chunks.is_empty())
            .map(|_| ())
    });
    assert_eq!(lambda.polls(), 1);
    keeper.open();
    let reply = lambda.reply(&id);
    well_formed(&reply);
    lambda.wait("the second poll", |exchanges| {
        (exchanges
            .iter()
            .filter(|exchange| exchange.is_poll())
            .count()
            == 2)
            .then_some(())
    });
}
