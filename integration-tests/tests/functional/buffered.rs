// SPDX-License-Identifier: Apache-2.0
//! Replies that are not streamed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::http::{End, Request};
use integration_tests::local::Local;
use integration_tests::process::Program;
use serde_json::{Value, json};

fn started(setting: (&str, &str)) -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address())
        .env(setting.0, setting.1)
        .start();
    (lambda, app, adapter)
}

const BUFFERED: (&str, &str) = ("STREAMGATE_INVOKE_MODE", "buffered");

#[test]
fn a_buffered_reply_is_one_object() {
    let (lambda, _app, _adapter) = started(BUFFERED);
    let reply = lambda.invoke(Event::get("/cookies"));
    assert_eq!(
        reply.head.header("lambda-runtime-function-response-mode"),
        None
    );
    assert_eq!(reply.end, Some(End::Complete));
    let object = reply.json();
    assert_eq!(object["statusCode"], 200);
    assert_eq!(object["body"], "three cookies");
    assert_eq!(object["isBase64Encoded"], false);
    assert_eq!(object["headers"]["content-type"], "text/plain");
    assert_eq!(object["cookies"].as_array().unwrap().len(), 3);
    assert_eq!(object["headers"]["set-cookie"], Value::Null);
}

#[test]
fn a_buffered_binary_body_is_base64() {
    let (lambda, _app, _adapter) = started(BUFFERED);
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut event = function_url("POST", "/echo");
    event["headers"]["content-type"] = json!("application/octet-stream");
    event["body"] = json!(BASE64.encode(&every_byte));
    event["isBase64Encoded"] = json!(true);
    let object = lambda.invoke(Event::json(&event)).json();
    assert_eq!(object["isBase64Encoded"], true);
    assert_eq!(
        BASE64.decode(object["body"].as_str().unwrap()).unwrap(),
        every_byte
    );
}

#[test]
fn a_text_that_is_no_utf8_is_base64_too() {
    let (lambda, _app, _adapter) = started(BUFFERED);
    let mut event = function_url("POST", "/echo");
    event["headers"]["content-type"] = json!("text/plain; charset=latin1");
    event["body"] = json!(BASE64.encode(b"caf\xe9"));
    event["isBase64Encoded"] = json!(true);
    let object = lambda.invoke(Event::json(&event)).json();
    assert_eq!(object["isBase64Encoded"], true);
    assert_eq!(
        BASE64.decode(object["body"].as_str().unwrap()).unwrap(),
        b"caf\xe9"
    );
}

#[test]
fn buffered_headers_are_joined_strings_without_hop_by_hop_ones() {
    let (lambda, _app, _adapter) = started(BUFFERED);
    let object = lambda.invoke(Event::get("/repeated")).json();
    assert_eq!(object["headers"]["vary"], "accept-encoding, origin");
    for (name, value) in object["headers"].as_object().unwrap() {
        assert!(value.is_string(), "{name} is {value}");
    }
    for name in [
        "connection",
        "keep-alive",
        "x-hop",
        "proxy-authenticate",
        "transfer-encoding",
    ] {
        assert_eq!(
            object["headers"][name],
            Value::Null,
            "{name} is not for Lambda"
        );
    }
}

#[test]
fn buffered_answers_without_a_body_have_an_empty_one() {
    let (lambda, _app, _adapter) = started(BUFFERED);
    for (method, target, status) in [
        ("GET", "/status?code=204", 204),
        ("GET", "/status?code=304", 304),
        ("GET", "/status?code=302", 302),
        ("HEAD", "/", 200),
        ("GET", "/empty-chunked", 200),
    ] {
        let object = lambda.invoke(Event::request(method, target)).json();
        assert_eq!(object["statusCode"], status, "{method} {target}");
        assert_eq!(
            object["body"].as_str().unwrap_or_default(),
            "",
            "{method} {target}"
        );
    }
}

#[test]
fn a_buffered_app_that_breaks_off_is_a_502_that_names_it() {
    let (lambda, _app, _adapter) = started(BUFFERED);
    for target in ["/cut", "/short"] {
        let object = lambda.invoke(Event::get(target)).json();
        assert_eq!(object["statusCode"], 502, "{target}: {object}");
        let body = object["body"].as_str().unwrap();
        assert!(
            !body.contains("chunk 0") && !body.contains("only this"),
            "half an answer is no answer: {body}"
        );
    }
    assert_eq!(lambda.invoke(Event::get("/")).json()["body"], "ready");
}

#[test]
fn a_function_moved_over_from_lwa_stays_buffered() {
    let (lambda, _app, _adapter) = started(("AWS_LWA_READINESS_CHECK_PATH", "/ready"));
    let reply = lambda.invoke(Event::get("/"));
    assert_eq!(
        reply.head.header("lambda-runtime-function-response-mode"),
        None
    );
    assert_eq!(reply.json()["body"], "ready");
}

#[test]
fn the_invoke_mode_of_lwa_is_understood() {
    let (lambda, _app, _adapter) = started(("AWS_LWA_INVOKE_MODE", "response_stream"));
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    let (lambda, _app, _adapter) = started(("AWS_LWA_INVOKE_MODE", "buffered"));
    assert_eq!(lambda.invoke(Event::get("/")).json()["body"], "ready");
}

#[test]
fn a_buffered_function_url_carries_every_byte_both_ways() {
    let local = Local::builder()
        .buffered()
        .env("STREAMGATE_INVOKE_MODE", "buffered")
        .start();
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let response = local.exchange(&Request::post("/echo", "image/png", every_byte.clone()));
    assert_eq!(response.status(), 200);
    assert!(response.body() == every_byte);
    assert_eq!(response.end, End::Complete);
    let text = "na\u{ef}ve \u{3bb}";
    assert_eq!(
        local
            .exchange(&Request::post("/echo", "text/plain", text))
            .text(),
        text
    );
    assert_eq!(local.get("/cookies").head.all("set-cookie").len(), 3);
    let response = local.get("/status?code=304");
    assert_eq!((response.status(), response.body()), (304, Vec::new()));
}
