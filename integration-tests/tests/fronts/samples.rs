// SPDX-License-Identifier: Apache-2.0
//! Each sample event against the request that it stands for, written down beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::event::Event;
use integration_tests::fake_lambda::Exchange;
use serde_json::{Value, json};

use crate::stage::{SECRET, Stage};
use crate::witness::Seen;

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

/// Where the samples lie.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fronts/events")
}

/// The names of all samples.
pub(crate) fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().flatten();
    let names = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        name.strip_suffix(".json").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A sample, byte for byte.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{name}.json"))).unwrap()
}

pub(crate) fn sample(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

fn is_http(name: &str) -> bool {
    [
        "function-url",
        "http-api",
        "rest",
        "alb",
        "vpc-lattice",
        "websocket",
    ]
    .iter()
    .any(|front| name.starts_with(front))
}

/// The request in the form of the `.http` files; the two context headers are looked at apart.
fn written(seen: &Seen, app: &str) -> String {
    let mut lines: Vec<(String, &str)> = seen
        .head
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .filter(|(name, _)| name != "x-amzn-request-context" && name != "x-amzn-lambda-context")
        .collect();
    // Stable: lines of one name stay in their order.
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    let mut text = format!("{}\n", seen.head.start);
    for (name, value) in lines {
        let value = if value == app { "<app>" } else { value };
        let _ = writeln!(text, "{name}: {value}");
    }
    format!("{text}\n{}\n", seen.body.escape_ascii())
}

fn invoke(stage: &Stage, name: &str) -> (Exchange, Vec<Seen>) {
    stage.invoke(Event::raw(bytes(name)).header("Lambda-Runtime-Trace-Id", TRACE))
}

#[test]
fn each_sample_event_reaches_the_app_as_the_request_it_stands_for() {
    let stage = Stage::with(&[("STREAMGATE_EVENT_SECRET", SECRET)]);
    let app = stage.app.address().to_string();
    let names = names();
    assert!(names.len() >= 29, "samples are missing: {names:?}");
    for name in names {
        let wanted = fs::read_to_string(folder().join(format!("{name}.http"))).unwrap();
        let (reply, seen) = invoke(&stage, &name);
        assert_eq!(seen.len(), 1, "{name}: {reply:?}");
        assert_eq!(written(&seen[0], &app), wanted, "{name}");
    }
}

#[test]
fn the_app_gets_the_whole_request_context_as_printable_json() {
    let stage = Stage::start();
    for name in names().iter().filter(|name| is_http(name)) {
        let mut event = sample(name);
        if event["requestContext"].is_object() {
            event["requestContext"]["unknownField"] =
                json!({ "kept": ["na\u{ef}ve \u{1f600}", 1] });
        }
        let seen = stage.seen_of(&event);
        let contexts = seen.head.all("x-amzn-request-context");
        if event["requestContext"].is_null() {
            assert!(contexts.is_empty(), "{name}: {contexts:?}");
            continue;
        }
        assert_eq!(contexts.len(), 1, "{name}");
        assert!(
            contexts[0].bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{name}"
        );
        let context: Value = serde_json::from_str(contexts[0]).unwrap();
        assert_eq!(context, event["requestContext"], "{name}");
    }
}

#[test]
fn a_request_context_keeps_numbers_that_no_float_holds() {
    let stage = Stage::start();
    let text = sample("function-url-get").to_string();
    let event = text.replacen("1783670400123", "12345678901234567890.123456789", 1);
    let seen = stage.seen(Event::raw(event));
    let context = seen.head.header("x-amzn-request-context").unwrap();
    assert!(
        context.contains("12345678901234567890.123456789"),
        "{context}"
    );
}

#[test]
fn an_event_that_is_no_http_has_no_request_context() {
    let stage = Stage::start();
    for name in names().iter().filter(|name| !is_http(name)) {
        let seen = stage.seen(Event::raw(bytes(name)));
        assert_eq!(seen.head.header("x-amzn-request-context"), None, "{name}");
    }
}

#[test]
fn each_sample_gets_a_reply_in_the_form_of_its_front() {
    let stage = Stage::start();
    for name in names() {
        stage.app.answer(
            *b"HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n42",
        );
        let (reply, _) = invoke(&stage, &name);
        let headers = json!({ "content-type": "text/plain" });
        let lists = json!({ "content-type": ["text/plain"] });
        let wanted = match name.split('-').next().unwrap() {
            "function" => {
                let streamed = reply.streamed();
                assert_eq!(
                    streamed.prelude,
                    json!({ "statusCode": 201, "headers": headers }),
                    "{name}"
                );
                assert_eq!(streamed.payload, b"42", "{name}");
                continue;
            }
            "http" if name.contains("v2") => json!({ "headers": headers }),
            "http" | "rest" => json!({ "multiValueHeaders": lists }),
            "alb" if name.contains("multi") => {
                json!({ "multiValueHeaders": lists, "statusDescription": "201 Created" })
            }
            "alb" => json!({ "headers": headers, "statusDescription": "201 Created" }),
            "vpc" | "websocket" => json!({ "headers": headers }),
            // The app's JSON is the result.
            _ => {
                assert_eq!(reply.body(), b"42", "{name}");
                continue;
            }
        };
        let mut whole = json!({ "statusCode": 201, "isBase64Encoded": false, "body": "42" });
        whole
            .as_object_mut()
            .unwrap()
            .extend(wanted.as_object().unwrap().clone());
        assert_eq!(reply.json(), whole, "{name}");
        assert_eq!(
            reply.head.header("lambda-runtime-function-response-mode"),
            None,
            "{name}"
        );
    }
}
