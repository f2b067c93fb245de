// SPDX-License-Identifier: Apache-2.0
//! The adapter in AWS's Runtime Interface Emulator, a second Lambda that shares nothing with ours.
//!
//! It hands out whole replies only, so the mode here is `buffered`, but for one test that looks at what a streamed reply
//! is made of. The tests are ignored unless they are asked for, `-- --ignored`, because not every network hands the
//! emulator out.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use integration_tests::binaries;
use integration_tests::event::function_url;
use integration_tests::rie::{self, Rie, SHAPES, Shape};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BUFFERED: (&str, &str) = ("STREAMGATE_INVOKE_MODE", "buffered");

#[test]
#[ignore = "needs AWS's emulator: integration-tests/setup/install"]
fn an_invocation_returns_the_answer_of_the_app_in_every_shape() {
    let rie = installed();
    for shape in SHAPES {
        let lambda = demo(&rie, shape, &[BUFFERED]);
        let text = lambda.document(&function_url("GET", "/stream"));
        assert_eq!(text["statusCode"], 200, "{shape:?}: {text}");
        assert_eq!(text["headers"]["content-type"], "text/plain; charset=utf-8");
        assert_eq!(text["isBase64Encoded"], false, "{shape:?}");
        let words = text["body"].as_str().unwrap();
        assert!(words.starts_with("You are watching"), "{shape:?}: {words}");

        let file = lambda.document(&function_url("GET", "/file"));
        assert_eq!(file["isBase64Encoded"], true, "{shape:?}");
        let bytes = STANDARD.decode(file["body"].as_str().unwrap()).unwrap();
        let expected = file["headers"]["x-content-sha256"].as_str().unwrap();
        assert_eq!(hex(&Sha256::digest(bytes)), expected, "{shape:?}");

        let echo = lambda.document(&post("/echo", b"\x00\xff\x80\xc3\x28"));
        let bytes = STANDARD.decode(echo["body"].as_str().unwrap()).unwrap();
        assert_eq!(bytes, b"\x00\xff\x80\xc3\x28", "{shape:?}");

        let missing = lambda.document(&function_url("GET", "/nowhere"));
        assert_eq!(missing["statusCode"], 404, "{shape:?}: {missing}");
    }
}

#[test]
#[ignore = "needs AWS's emulator: integration-tests/setup/install"]
fn a_streamed_reply_is_its_prelude_eight_nuls_and_the_body() {
    let rie = installed();
    for shape in SHAPES {
        let lambda = demo(&rie, shape, &[]);
        let reply = lambda.invoke(function_url("GET", "/stream").to_string());
        let body = reply.body();
        let end = body.windows(8).position(|window| window == [0; 8]).unwrap();
        let prelude: Value = serde_json::from_slice(&body[..end]).unwrap();
        assert_eq!(prelude["statusCode"], 200, "{shape:?}: {prelude}");
        assert!(
            body[end + 8..].starts_with(b"You are watching"),
            "{shape:?}"
        );
    }
}

#[test]
#[ignore = "needs AWS's emulator: integration-tests/setup/install"]
fn an_event_that_cannot_be_decoded_is_an_error_and_the_next_one_is_served() {
    let rie = installed();
    for shape in SHAPES {
        let lambda = demo(&rie, shape, &[BUFFERED]);
        let error = lambda.invoke("this is no JSON").json();
        assert!(error["errorType"].is_string(), "{shape:?}: {error}");
        assert!(error["errorMessage"].is_string(), "{shape:?}: {error}");
        let next = lambda.document(&function_url("GET", "/"));
        assert_eq!(next["statusCode"], 200, "{shape:?}: {next}");
    }
}

#[test]
#[ignore = "needs AWS's emulator: integration-tests/setup/install"]
fn an_app_that_exits_before_it_is_ready_is_named_in_the_init_error() {
    let rie = installed();
    // Where the app is its own runtime process, its exit is the emulator's to report.
    for shape in [Shape::Zip, Shape::ImageEntrypoint] {
        let lambda = Rie::start(&rie, shape, &["false"], &[BUFFERED]);
        let answer = lambda.invoke(function_url("GET", "/").to_string()).text();
        assert!(answer.contains("errorType"), "{shape:?}: {answer}");
        let _ = lambda
            .program
            .any_line("app exited with code 1 before it was ready");
    }
}

#[test]
#[ignore = "needs AWS's emulator: integration-tests/setup/install"]
fn at_the_end_the_app_is_told_and_nothing_is_left() {
    let rie = installed();
    for shape in SHAPES {
        let mut lambda = demo(&rie, shape, &[BUFFERED]);
        let first = lambda.document(&function_url("GET", "/"));
        assert_eq!(first["statusCode"], 200, "{shape:?}: {first}");
        lambda.stop();
        let _ = lambda.program.any_line("stopping");
        lambda.program.mark().wait_until_gone();
    }
}

fn installed() -> PathBuf {
    rie::installed(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

fn demo(rie: &Path, shape: Shape, variables: &[(&str, &str)]) -> Rie {
    let program = binaries::demo().display().to_string();
    Rie::start(rie, shape, &[&program], variables)
}

fn post(target: &str, body: &[u8]) -> Value {
    let mut event = function_url("POST", target);
    event["headers"]["content-type"] = json!("application/octet-stream");
    event["body"] = json!(STANDARD.encode(body));
    event["isBase64Encoded"] = json!(true);
    event
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
