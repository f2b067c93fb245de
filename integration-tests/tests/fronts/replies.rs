// SPDX-License-Identifier: Apache-2.0
//! What each front gets of the app's answer, whole objects compared; limits and the mode of each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::event::Event;
use integration_tests::fake_lambda::Exchange;
use serde_json::{Value, json};

use crate::fronts::{ClientRequest, FRONTS, Front};
use crate::samples::{bytes, sample};
use crate::stage::Stage;

const MIB: usize = 1024 * 1024;

const ANSWER: &[u8] = b"HTTP/1.1 203 As The App Says\r\n\
    content-type: text/html; charset=utf-8\r\n\
    set-cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n\
    vary: accept\r\n\
    Set-Cookie: b=2; HttpOnly\r\n\
    Vary: origin\r\n\
    set-cookie: c=\r\n\
    x-number: 5\r\n\
    x-latin: caf\xe9\r\n\
    x-utf8: na\xc3\xafve\r\n\
    x-quoted: say \"hi\" \\ there\r\n\
    connection: keep-alive, x-hop\r\n\
    x-hop: 1\r\n\
    keep-alive: timeout=5\r\n\
    proxy-authenticate: Basic\r\n\
    content-length: 12\r\n\r\n\
    na\xc3\xafve \"\x01\\\n>";

const TEXT: &str = "na\u{ef}ve \"\u{1}\\\n>";

fn reply_of(stage: &Stage, sample: &str) -> Exchange {
    stage.invoke(Event::raw(bytes(sample))).0
}

/// The headers of the answer that stand alone, in each front's form.
fn strings(more: &Value) -> Value {
    let mut headers = json!({
        "content-type": "text/html; charset=utf-8",
        "vary": "accept, origin",
        "x-number": "5",
        "x-latin": "caf\u{e9}",
        "x-utf8": "na\u{ef}ve",
        "x-quoted": "say \"hi\" \\ there",
    });
    headers
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    headers
}

fn cookies() -> Value {
    json!([
        "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        "b=2; HttpOnly",
        "c="
    ])
}

fn lists() -> Value {
    let strings = strings(&json!({}));
    let mut lists = Value::Object(
        strings
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), json!([value])))
            .collect(),
    );
    lists["vary"] = json!(["accept", "origin"]);
    lists["set-cookie"] = cookies();
    lists
}

#[test]
fn payload_2_takes_joined_strings_and_a_list_of_cookies() {
    let stage = Stage::with(&[("STREAMGATE_INVOKE_MODE", "buffered")]);
    stage.app.answer(ANSWER);
    for sample in ["function-url-get", "http-api-v2-get"] {
        let wanted = json!({
            "statusCode": 203,
            "headers": strings(&json!({})),
            "cookies": cookies(),
            "body": TEXT,
            "isBase64Encoded": false,
        });
        assert_eq!(reply_of(&stage, sample).json(), wanted, "{sample}");
    }
}

#[test]
fn a_streamed_prelude_takes_joined_strings_and_a_list_of_cookies() {
    let stage = Stage::with(&[("STREAMGATE_INVOKE_MODE", "response_stream")]);
    stage.app.answer(ANSWER);
    for sample in ["function-url-get", "rest-v1-get-multivalue"] {
        let streamed = reply_of(&stage, sample).streamed();
        let wanted =
            json!({ "statusCode": 203, "headers": strings(&json!({})), "cookies": cookies() });
        assert_eq!(streamed.prelude, wanted, "{sample}");
        assert_eq!(streamed.payload, TEXT.as_bytes(), "{sample}");
    }
}

#[test]
fn payload_1_takes_lists_and_no_key_that_it_does_not_know() {
    let stage = Stage::start();
    stage.app.answer(ANSWER);
    for sample in ["rest-v1-get-multivalue", "http-api-v1-payload"] {
        let wanted = json!({
            "statusCode": 203, "multiValueHeaders": lists(), "body": TEXT, "isBase64Encoded": false,
        });
        assert_eq!(reply_of(&stage, sample).json(), wanted, "{sample}");
    }
}

#[test]
fn a_load_balancer_gets_the_form_of_its_request_and_a_status_description() {
    let stage = Stage::start();
    stage.app.answer(ANSWER);
    let wanted = json!({
        "statusCode": 203,
        "statusDescription": "203 Non Authoritative Information",
        "multiValueHeaders": lists(),
        "body": TEXT,
        "isBase64Encoded": false,
    });
    assert_eq!(reply_of(&stage, "alb-multi-value").json(), wanted);

    let reply = reply_of(&stage, "alb-single-value").json();
    assert_eq!(
        reply["statusDescription"],
        "203 Non Authoritative Information"
    );
    carries_cookies_by_letter_case(&reply);
}

#[test]
fn lattice_takes_strings_and_each_cookie_under_a_name_of_its_own() {
    let stage = Stage::start();
    stage.app.answer(ANSWER);
    for sample in ["vpc-lattice-v1", "vpc-lattice-v2"] {
        let reply = reply_of(&stage, sample).json();
        assert_eq!(reply.as_object().unwrap().len(), 4, "{reply}");
        carries_cookies_by_letter_case(&reply);
    }
}

fn carries_cookies_by_letter_case(reply: &Value) {
    let mut headers = reply["headers"].as_object().unwrap().clone();
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("set-cookie");
    let mut came: Vec<Value> = headers
        .iter()
        .filter(|(name, _)| is_cookie(name))
        .map(|(_, value)| value.clone())
        .collect();
    came.sort_by_key(Value::to_string);
    assert_eq!(Value::Array(came), cookies());
    headers.retain(|name, _| !is_cookie(name));
    assert_eq!(Value::Object(headers), strings(&json!({})));
    assert_eq!(reply["body"], TEXT);
}

#[test]
fn an_unknown_status_has_a_description_too() {
    let stage = Stage::start();
    stage
        .app
        .answer(*b"HTTP/1.1 599 Odd\r\ncontent-length: 0\r\n\r\n");
    for sample in ["alb-single-value", "alb-multi-value"] {
        let reply = reply_of(&stage, sample).json();
        assert_eq!(reply["statusCode"], 599, "{reply}");
        let description = reply["statusDescription"].as_str().unwrap();
        assert!(
            description.starts_with("599 ") && description.len() > 4,
            "{reply}"
        );
    }
}

#[test]
fn a_body_is_text_where_its_bytes_are_and_base64_elsewhere_whatever_its_type_says() {
    let stage = Stage::start();
    let cases: [(&str, &[u8], bool); 6] = [
        ("text/plain; charset=latin1", b"caf\xe9", true),
        ("application/octet-stream", b"plain", false),
        ("image/svg+xml", b"<svg/>", false),
        ("application/json", b"\xef\xbb\xbf{}", false),
        ("text/plain\r\ncontent-encoding: br", b"plain", true),
        ("text/plain; charset=utf-16", b"\xff\xfea\0", true),
    ];
    for (content_type, body, is_base64) in cases {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stage.app.answer([head.as_bytes(), body].concat());
        for front in FRONTS.iter().filter(|&&front| front != Front::Url) {
            let reply = reply_of(&stage, front.sample()).json();
            assert_eq!(
                reply["isBase64Encoded"], is_base64,
                "{front:?}: {content_type}"
            );
            let text = reply["body"].as_str().unwrap();
            let came = if is_base64 {
                BASE64.decode(text).unwrap()
            } else {
                text.as_bytes().to_vec()
            };
            assert_eq!(came, body, "{front:?}: {content_type}");
        }
    }
}

/// An answer with a body that needs this many bytes of JSON in base64.
fn of_json_size(size: usize) -> Vec<u8> {
    let body = vec![0xff; size / 4 * 3];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

#[test]
fn a_reply_over_the_limit_of_its_front_is_a_502_that_names_the_sizes() {
    let stage = Stage::with(&[("STREAMGATE_INVOKE_MODE", "buffered")]);
    let six: Vec<&str> = FRONTS
        .iter()
        .filter(|front| !matches!(front, Front::Alb | Front::AlbMulti))
        .map(|front| front.sample())
        .collect();
    let limits = [
        (128 * 1024, vec!["websocket-message"]),
        (MIB, vec!["alb-single-value", "alb-multi-value"]),
        (6 * MIB, six),
    ];
    for (limit, samples) in limits {
        for sample in samples {
            stage.app.answer(of_json_size(limit - 1024));
            let reply = reply_of(&stage, sample);
            assert_eq!(reply.json()["statusCode"], 200, "{sample}");
            assert!(reply.body().len() <= limit);
            stage.app.answer(of_json_size(limit));
            let reply = reply_of(&stage, sample).json();
            assert_eq!(reply["statusCode"], 502, "{sample}");
            let body = reply["body"].as_str().unwrap();
            assert!(body.contains(&limit.to_string()), "{sample}: {body}");
            let _ = stage.adapter.any_line(&limit.to_string());
        }
    }
    stage.serves_buffered();
}

#[test]
fn a_reply_that_grows_by_its_escapes_is_measured_as_json() {
    let stage = Stage::start();
    // Each byte becomes six: 200 KiB are more than an ALB takes.
    let body = vec![1; 200 * 1024];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stage.app.answer([head.into_bytes(), body].concat());
    assert_eq!(
        reply_of(&stage, "alb-single-value").json()["statusCode"],
        502
    );
    assert_eq!(reply_of(&stage, "vpc-lattice-v1").json()["statusCode"], 200);
}

#[test]
fn only_function_urls_and_rest_apis_stream_and_rest_only_when_asked() {
    for (mode, streams) in [
        ("auto", vec!["function-url-get"]),
        (
            "response_stream",
            vec!["function-url-get", "rest-v1-get-multivalue"],
        ),
        ("buffered", vec![]),
    ] {
        let stage = Stage::with(&[("STREAMGATE_INVOKE_MODE", mode)]);
        for sample in crate::samples::names() {
            // All samples of one kind are treated alike; one of each will do.
            let streams = streams
                .iter()
                .any(|name| name.split('-').next() == sample.split('-').next());
            let header = reply_of(&stage, &sample)
                .head
                .header("lambda-runtime-function-response-mode")
                .map(str::to_owned);
            assert_eq!(
                header.as_deref(),
                streams.then_some("streaming"),
                "{sample} in mode {mode}"
            );
        }
    }
}

#[test]
fn an_answer_without_a_body_is_an_empty_string() {
    let stage = Stage::start();
    let no_content = "HTTP/1.1 204 No Content\r\n\r\n";
    let not_modified = "HTTP/1.1 304 Not Modified\r\netag: \"v1\"\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 500\r\n\r\n";
    for (method, answer) in [("GET", no_content), ("GET", not_modified), ("HEAD", head)] {
        stage.app.answer(answer);
        for front in FRONTS.iter().filter(|&&front| front != Front::Url) {
            let request = ClientRequest {
                method: method.to_owned(),
                ..ClientRequest::get("/")
            };
            let reply = stage.invoke(Event::json(&front.event(&request))).0.json();
            assert_eq!(
                (&reply["body"], &reply["isBase64Encoded"]),
                (&json!(""), &json!(false)),
                "{front:?}: {answer}"
            );
        }
    }
}

#[test]
fn a_prelude_over_its_limit_is_a_502_that_says_so() {
    let stage = Stage::with(&[("STREAMGATE_INVOKE_MODE", "response_stream")]);
    let value = "x".repeat(17 * 1024);
    stage.app.answer(format!(
        "HTTP/1.1 200 OK\r\nx-large: {value}\r\ncontent-length: 2\r\n\r\nok"
    ));
    for sample in ["function-url-get", "rest-v1-get-multivalue"] {
        let streamed = reply_of(&stage, sample).streamed();
        assert_eq!(streamed.prelude["statusCode"], 502, "{sample}");
        let text = String::from_utf8(streamed.payload).unwrap();
        assert!(text.contains("16384"), "{sample}: {text}");
    }
    stage.serves("a prelude over its limit");
}

#[test]
fn an_app_that_breaks_off_is_a_502_in_the_form_of_each_front() {
    let stage = Stage::start();
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        "no HTTP\r\n\r\n",
    ] {
        for front in FRONTS.iter().filter(|&&front| front != Front::Url) {
            stage.app.answer(answer);
            let received = front.received(&reply_of(&stage, front.sample()));
            assert_eq!(received.status, 502, "{front:?}: {answer:?}");
        }
    }
    stage.serves("answers that are none");
}

#[test]
fn a_websocket_event_is_answered_with_a_status_and_a_body() {
    let stage = Stage::start();
    for (name, answer, status, body) in [
        (
            "websocket-connect",
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
            403,
            "no",
        ),
        (
            "websocket-message",
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong",
            200,
            "pong",
        ),
        (
            "websocket-disconnect",
            "HTTP/1.1 204 No Content\r\n\r\n",
            204,
            "",
        ),
    ] {
        stage.app.answer(answer);
        let wanted =
            json!({ "statusCode": status, "headers": {}, "body": body, "isBase64Encoded": false });
        assert_eq!(reply_of(&stage, name).json(), wanted, "{name}");
    }
}

#[test]
fn a_websocket_message_of_any_bytes_reaches_the_app() {
    let stage = Stage::start();
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut event = sample("websocket-message");
    event["body"] = json!(BASE64.encode(&every_byte));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(stage.seen_of(&event).body, every_byte);
}
