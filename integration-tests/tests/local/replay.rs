// SPDX-License-Identifier: Apache-2.0
//! Recorded traffic that is played again.

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::app::Diary;
use integration_tests::gate::Gate;
use integration_tests::http::{self, Request};
use integration_tests::local::{Builder, Local, Shape};
use integration_tests::raw_app::{Conversation, RawApp, Seen};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Bytes that are no text.
const BINARY: &[u8] = b"\x89PNG\r\n\x1a\n\x00\xff\xfe";

/// A file with this in it.
fn file(content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("recording");
    fs::write(&path, content).expect("a file can be written");
    (directory, path)
}

/// An archive of GETs with the statuses that were recorded.
fn archive(requests: &[(&str, u16)]) -> (TempDir, PathBuf) {
    let entries: Vec<Value> = requests
        .iter()
        .map(|(target, status)| {
            json!({
                "request": { "method": "GET", "url": format!("http://h{target}"), "headers": [] },
                "response": { "status": status },
            })
        })
        .collect();
    file(json!({ "log": { "version": "1.2", "entries": entries } }).to_string())
}

/// An app inside the test, which sees what the adapter sends it.
fn app() -> RawApp {
    RawApp::start(|conversation: &mut Conversation| {
        while let Some(head) = conversation.request() {
            let status = if head.method() == "POST" { 201 } else { 200 };
            if !conversation.answer(status, "seen") {
                return;
            }
        }
    })
}

fn in_front_of(app: &RawApp) -> Builder {
    Local::shape(Shape::ImageAttach)
        .env("PORT", &app.address().port().to_string())
        .command(&["sleep", "1000"])
}

/// Of each line its status and what stands behind the measures; of the last one everything.
fn told(stdout: &[String]) -> Vec<String> {
    let brief = |line: &String| match line.split_once(" bytes  ") {
        Some((measures, rest)) => {
            let status = measures.split(' ').next().unwrap_or_default();
            format!("{status} {rest}")
        }
        None => line.clone(),
    };
    stdout.iter().map(brief).collect()
}

/// What a client had to say, which is to be the same the second time.
fn said(seen: &Seen) -> (Vec<(String, String)>, &[u8]) {
    let of_client = |name: &str| {
        let made = ["x-amzn-", "x-forwarded-", "x-streamgate-", "traceparent"];
        !made.iter().any(|prefix| name.starts_with(prefix))
    };
    let headers = seen.head.headers.iter();
    let headers = headers.filter(|(name, _)| of_client(name)).cloned();
    (headers.collect(), &seen.body)
}

#[test]
fn an_archive_of_the_inspector_is_played_again_and_the_app_sees_the_same() {
    let app = app();
    let mut local = in_front_of(&app).start();
    let requests = [
        Request::get("/list?a=1&b=%20c&a=2")
            .header("cookie", "id=1; theme=dark")
            .header("accept", "text/html")
            .header("x-note", "gr\u{fc}n"),
        Request::post(
            "/text",
            "text/plain; charset=utf-8",
            "gr\u{fc}ne W\u{f6}rter",
        ),
        Request::post("/binary", "image/png", BINARY),
        Request::new("DELETE", "/nothing").header("content-length", "0"),
    ];
    for request in &requests {
        let status = local.exchange(request).status();
        assert!([200, 201].contains(&status), "{request:?}");
    }
    let invoke = local.program().stdout_line("Invoke API");
    let invoke = invoke.strip_prefix("Invoke API  http://").expect("a URL");
    let invoke = invoke.trim_end_matches('/').parse().expect("an address");
    let event = json!({ "source": "aws.events", "detail-type": "Scheduled Event" }).to_string();
    let call = Request::post(
        "/2015-03-31/functions/local/invocations",
        "application/json",
        event,
    );
    assert_eq!(http::exchange(invoke, &call).status(), 200);

    let inspector = local.program().stdout_line("Inspector");
    let inspector = inspector
        .strip_prefix("Inspector   http://")
        .expect("a URL");
    let inspector = inspector.trim_end_matches('/').parse().expect("an address");
    let exported = http::get(inspector, "/archive.har").body();
    assert_eq!(local.stop().code(), Some(0));

    let (_directory, recording) = file(exported);
    let (program, code) = in_front_of(&app).replay(&recording);
    assert_eq!(code, Some(0), "{}", program.transcript());
    assert_eq!(
        told(&program.stdout()),
        [
            "200 GET /list?a=1&b=%20c&a=2",
            "201 POST /text",
            "201 POST /binary",
            "200 DELETE /nothing",
            "ok POST /2015-03-31/functions/local/invocations",
            "5 replayed, 0 differ",
        ]
    );
    for target in [
        "/list?a=1&b=%20c&a=2",
        "/text",
        "/binary",
        "/nothing",
        "/events",
    ] {
        let seen = app.seen(target);
        let [then, now] = &seen[..] else {
            panic!("{target}: {seen:?}");
        };
        assert_eq!(then.head.start, now.head.start);
        assert_eq!(said(then), said(now), "{target}");
    }
    assert_eq!(app.seen("/binary")[1].body, BINARY);
}

#[test]
fn an_archive_of_chrome_is_played_as_far_as_it_was_kept() {
    let app = app();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/local/chrome.har");
    let (program, code) = in_front_of(&app).replay(&recording);
    assert_eq!(code, Some(1), "{}", program.transcript());
    assert_eq!(
        told(&program.stdout()),
        [
            "200 GET /cart?item=7&note=a%20b",
            "skipped GET data:  (no request of HTTP)",
            "201 POST /orders",
            "skipped GET wss:  (no request of HTTP)",
            "skipped PUT /photo  (its body was not kept)",
            "2 replayed, 0 differ, 3 skipped",
        ]
    );
    let [cart] = &app.seen("/cart?item=7&note=a%20b")[..] else {
        panic!("it is seen once");
    };
    assert_eq!(cart.head.header("host"), Some("shop.example"));
    assert_eq!(cart.head.header("cookie"), Some("session=5f2a; theme=dark"));
    assert_eq!(cart.head.header("priority"), Some("u=0, i"));
    assert!(
        cart.head
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with(':'))
    );
    let [order] = &app.seen("/orders")[..] else {
        panic!("it is seen once");
    };
    assert_eq!(order.body, b"item=7&note=gr%C3%BCn+und+gelb");
    assert_eq!(app.seen("/photo").len(), 0);
}

#[test]
fn a_status_that_is_not_the_recorded_one_is_told() {
    let (_directory, recording) = archive(&[
        ("/status?code=404", 404),
        ("/status?code=503", 200),
        ("/", 0),
    ]);
    let (program, code) = Local::builder().replay(&recording);
    assert_eq!(
        told(&program.stdout()),
        [
            "404 GET /status?code=404",
            "503 GET /status?code=503  (recorded 200)",
            "200 GET /",
            "3 replayed, 1 differs",
        ]
    );
    assert_eq!(code, Some(1));
}

#[test]
fn a_reply_that_breaks_off_is_told() {
    // Too much to be held back, so that it is no 502.
    let (_directory, recording) = archive(&[("/cut?chunks=3", 200), ("/bytes?n=20000000", 200)]);
    let (program, code) = Local::builder().replay(&recording);
    let told = told(&program.stdout());
    assert!(
        told[0].starts_with("200 GET /cut?chunks=3  (broke off: "),
        "{told:?}"
    );
    assert_eq!(
        told[1..],
        [
            "200 GET /bytes?n=20000000",
            "2 replayed, 0 differ, 1 failed"
        ]
    );
    assert!(
        program.stdout()[1].contains("  20000000 bytes  "),
        "{told:?}"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn events_are_invoked_in_their_order() {
    let event = |path: &str, query: &str| {
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": { "host": "shop.example" },
            "requestContext": {
                "domainName": "abc.lambda-url.us-east-1.on.aws",
                "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
                "requestId": "r",
            },
            "isBase64Encoded": false,
        })
    };
    let (first, second) = (event("/counted", "id=1"), event("/counted", "id=2"));
    let third = event("/status", "code=503");
    // One over several lines, one behind another without any line end, and one that is no request.
    let text = format!("{first:#}\n{second}{third}\n\n{{\"Records\":[]}}\n");
    let (_directory, recording) = file(text);
    for mode in ["RESPONSE_STREAM", "BUFFERED"] {
        let diary = Diary::default();
        let (name, value) = diary.variable();
        let (program, code) = Local::builder()
            .option("--invoke-mode")
            .option(mode)
            .env("STREAMGATE_INVOKE_MODE", mode)
            .env(name, &value)
            .replay(&recording);
        let told = told(&program.stdout());
        assert_eq!(
            told[..3],
            ["200 event 1", "200 event 2", "503 event 3"],
            "{mode}"
        );
        assert_eq!(told[3..], ["ok event 4", "4 replayed"], "{mode}");
        assert_eq!(code, Some(0));
        let lines = diary.lines();
        let counted: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("counted"))
            .collect();
        assert_eq!(counted, ["counted 1", "counted 2"]);
    }
}

#[test]
fn an_event_without_a_reply_is_told_with_its_error() {
    let (_directory, recording) = file(format!("{{}}\n{:?}", "x".repeat(7 * 1024 * 1024)));
    let (program, code) = Local::builder().replay(&recording);
    let told = told(&program.stdout());
    assert_eq!(
        told[1..],
        [
            "failed event 2  (RequestTooLargeException)",
            "2 replayed, 1 failed"
        ]
    );
    assert_eq!(code, Some(1));
}

#[test]
fn each_item_waits_until_the_environment_is_done_with_the_one_before() {
    let (_directory, recording) = archive(&[
        ("/background?seconds=2", 200),
        ("/background?seconds=2", 200),
    ]);
    let (program, code) = Local::builder().environments(3).replay(&recording);
    assert_eq!(code, Some(0), "{}", program.transcript());
    let log = program.stderr();
    let of = |words: &str| log.iter().filter(|line| line.starts_with(words)).count();
    assert_eq!((of("END RequestId: "), of("INIT_DONE")), (2, 1), "{log:?}");
}

#[test]
fn what_cannot_be_played_is_exit_status_2_and_starts_nothing() {
    let bad_entry = r#"{"log":{"entries":[{"request":{"method":"GET"}}]}}"#;
    for (content, words) in [
        (
            Some("hello"),
            "is no JSON: expected value at line 1 column 1",
        ),
        (Some("{}\n{\"a\":}"), "line 2 column 6"),
        (Some(""), "there is nothing in it"),
        (Some(bad_entry), "entry 1: request.url is missing"),
        (None, "cannot be read: No such file or directory"),
    ] {
        let (_directory, recording) = file(content.unwrap_or_default());
        if content.is_none() {
            fs::remove_file(&recording).expect("it is there");
        }
        let diary = Diary::default();
        let (name, value) = diary.variable();
        let (program, code) = Local::builder().env(name, &value).replay(&recording);
        let log = program.stderr();
        assert_eq!((code, log.len()), (Some(2), 1), "{log:?}");
        let named = format!("streamgate-local: --replay {}", recording.display());
        assert!(
            log[0].starts_with(&named) && log[0].contains(words),
            "{log:?}"
        );
        assert_eq!((program.stdout().len(), diary.lines().len()), (0, 0));
    }
}

#[test]
fn what_an_app_prints_is_no_part_of_what_is_told() {
    let (_directory, recording) = archive(&[("/process", 200)]);
    let (program, code) = Local::builder().replay(&recording);
    assert_eq!(
        told(&program.stdout()),
        ["200 GET /process", "1 replayed, 0 differ"]
    );
    let _ = program.stderr_line("app writes to its stdout");
    assert_eq!(code, Some(0));
}

#[test]
fn a_signal_ends_a_replay_with_130() {
    let gate = Gate::bind();
    let (name, value) = gate.variable();
    let (_directory, recording) = archive(&[("/", 200), ("/gated", 200)]);
    let path = recording.to_str().expect("a path in UTF-8");
    let (mut program, _) = Local::builder()
        .env(name, value)
        .option("--replay")
        .option(path)
        .spawn();
    let _open = gate.accept();
    program.signal(Signal::INT);
    assert_eq!(program.finish().code(), Some(130));
    assert_eq!(told(&program.stdout()), ["200 GET /"]);
}

#[test]
fn a_front_end_of_choice_makes_the_events() {
    let app = app();
    let (_directory, recording) = archive(&[("/list?a=1", 200)]);
    let (program, code) = in_front_of(&app)
        .option("--front")
        .option("alb")
        .replay(&recording);
    assert_eq!(code, Some(0), "{}", program.transcript());
    let seen = app.seen("/list?a=1");
    let context = seen[0]
        .head
        .header("x-amzn-request-context")
        .unwrap_or_default();
    assert!(context.contains("targetgroup"), "{context}");
}
