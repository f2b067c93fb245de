// SPDX-License-Identifier: Apache-2.0
//! What the book makes of entries, without a clock.

use std::time::Duration;

use serde_json::json;

use super::book::{Book, Message};
use super::is_from_here;
use crate::journal::{Access, AccessEnd, Called, Entry, InitPhase, LogSource, LogStream};
use bytes::Bytes;
use http::HeaderMap;

fn called(request_id: &str, event: usize) -> Entry {
    Entry::Called(Called {
        request_id: request_id.to_owned(),
        front: "Function URL",
        method: "GET".to_owned(),
        target: "/".to_owned(),
        headers: Vec::new(),
        event: Bytes::from(vec![b' '; event]),
    })
}

fn start(request_id: &str) -> Entry {
    Entry::Start {
        request_id: request_id.to_owned(),
        trace_id: String::new(),
    }
}

fn end(request_id: &str) -> Entry {
    Entry::End {
        request_id: request_id.to_owned(),
    }
}

fn init_start() -> Entry {
    Entry::InitStart {
        runtime: "app".to_owned(),
        phase: InitPhase::Init,
    }
}

fn init_done() -> Entry {
    Entry::InitDone {
        duration: Duration::ZERO,
        phase: InitPhase::Init,
        reported: false,
    }
}

fn line(text: &str) -> Entry {
    Entry::Log {
        source: LogSource::Function,
        stream: LogStream::Stderr,
        line: text.to_owned(),
    }
}

/// Kinds and times of the last message about an environment.
fn spans(messages: &[Message]) -> Vec<(String, f64, Option<f64>)> {
    let environment = messages
        .iter()
        .rfind(|one| one.name == "environment")
        .unwrap();
    let span = |span: &serde_json::Value| {
        let kind = span["kind"].as_str().unwrap().to_owned();
        (kind, span["from"].as_f64().unwrap(), span["to"].as_f64())
    };
    environment.data["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(span)
        .collect()
}

#[test]
fn an_environment_is_a_row_of_spans() {
    let mut book = Book::default();
    book.take(1, 0.0, &init_start());
    book.take(1, 10.0, &init_done());
    book.take(1, 20.0, &called("a", 1));
    book.take(1, 20.0, &start("a"));
    let runtime_done = Entry::RuntimeDone {
        request_id: "a".to_owned(),
        duration: Duration::from_millis(60),
        latency: Some(Duration::from_millis(10)),
        response: Some(Duration::from_millis(20)),
        bytes: 0,
        status: None,
    };
    // What is behind the response began 30 ms before.
    book.take(1, 80.0, &runtime_done);
    let messages = book.take(1, 90.0, &end("a"));
    let span = |kind: &str, from, to| (kind.to_owned(), from, to);
    assert_eq!(
        spans(&messages),
        [
            span("init", 0.0, Some(10.0)),
            span("idle", 10.0, Some(20.0)),
            span("busy", 20.0, Some(50.0)),
            span("after", 50.0, Some(90.0)),
            span("idle", 90.0, None),
        ]
    );
}

#[test]
fn an_environment_that_is_stopped_stays_so_until_it_starts_again() {
    let mut book = Book::default();
    book.take(1, 0.0, &init_start());
    book.take(1, 10.0, &init_done());
    let frozen = Entry::Frozen {
        stopped: 3,
        running: 0,
    };
    book.take(1, 20.0, &frozen);
    let stopping = Entry::Stopping {
        reason: "spindown",
        message: None,
    };
    book.take(1, 30.0, &stopping);
    let after = Duration::from_millis(10);
    book.take(1, 31.0, &Entry::Thawed { after });
    let messages = book.take(1, 40.0, &init_start());
    let span = |kind: &str, from, to| (kind.to_owned(), from, to);
    assert_eq!(
        spans(&messages),
        [
            span("init", 0.0, Some(10.0)),
            span("idle", 10.0, Some(20.0)),
            span("frozen", 20.0, Some(30.0)),
            span("init", 40.0, None),
        ]
    );
}

#[test]
fn only_the_invocation_that_waited_for_the_start_is_cold() {
    let mut book = Book::default();
    book.take(1, 0.0, &init_start());
    book.take(1, 5.0, &called("a", 1));
    book.take(1, 10.0, &init_done());
    let cold = |messages: Vec<Message>| {
        let invocation = messages.into_iter().find(|one| one.name == "invocation");
        invocation.unwrap().data["cold"].clone()
    };
    assert_eq!(cold(book.take(1, 11.0, &start("a"))), json!(true));
    book.take(1, 12.0, &end("a"));
    book.take(1, 13.0, &called("b", 1));
    assert_eq!(cold(book.take(1, 14.0, &start("b"))), json!(false));
}

#[test]
fn a_line_belongs_to_the_one_invocation_that_is_open() {
    let mut book = Book::default();
    book.take(1, 0.0, &init_start());
    let marked = book.take(
        1,
        1.0,
        &line("app is ready spawned_ms=2 listening_ms=8 ready_ms=9.5 first_poll_ms=9"),
    );
    assert_eq!(
        marked[0].data["marks"],
        json!([
            { "name": "app spawned", "at": 2.0 },
            { "name": "app listens", "at": 8.0 },
            { "name": "app ready", "at": 9.5 },
        ])
    );
    book.take(1, 2.0, &init_done());
    book.take(1, 3.0, &called("a", 1));
    book.take(1, 3.0, &start("a"));
    book.take(1, 4.0, &line("hello"));
    book.take(1, 5.0, &end("a"));
    book.take(1, 6.0, &line("too late"));
    assert_eq!(
        book.invocation("a").unwrap().details()["log"],
        json!(["hello"])
    );
}

#[test]
fn of_several_open_invocations_a_line_belongs_to_the_one_that_it_names() {
    let mut book = Book::default();
    book.take(1, 0.0, &init_start());
    book.take(1, 1.0, &init_done());
    let ids = ["id-one", "id-two"];
    for id in ids {
        book.take(1, 2.0, &called(id, 1));
        book.take(1, 2.0, &start(id));
    }
    let named = r#"{"requestId":"id-two","message":"hello"}"#;
    book.take(1, 3.0, &line(named));
    book.take(1, 4.0, &line("whose is this"));
    let log = |id| book.invocation(id).unwrap().details()["log"].clone();
    assert_eq!(ids.map(log), [json!([]), json!([named])]);
}

#[test]
fn the_oldest_are_forgotten_by_number_and_by_size() {
    let mut book = Book::default();
    for number in 0..501 {
        book.take(1, 0.0, &called(&format!("few {number}"), 1));
    }
    assert!(book.invocation("few 0").is_none());
    assert!(book.invocation("few 1").is_some());
    let large = 40 * 1024 * 1024;
    book.take(1, 0.0, &called("large", large));
    let messages = book.take(1, 0.0, &called("larger", large));
    assert!(messages.iter().any(|one| one.name == "forgotten"));
    let kept: Vec<_> = book.invocations().map(|one| one.id.as_str()).collect();
    assert_eq!(kept, ["larger"]);
}

#[test]
fn a_page_that_comes_later_gets_all_that_one_before_it_got() {
    let mut book = Book::default();
    book.take(1, 1.0, &called("a", 1));
    let piece = Entry::Piece {
        request_id: "a".to_owned(),
        data: Bytes::from_static(b"four"),
    };
    book.take(1, 2.0, &piece);
    let access = Entry::Access(Access {
        request_id: Some("a".to_owned()),
        method: "GET".to_owned(),
        target: "/".to_owned(),
        status: Some(200),
        first_byte: None,
        duration: Duration::ZERO,
        bytes: 4,
        end: AccessEnd::Complete,
    });
    book.take(1, 3.0, &access);
    let all = book.all();
    assert_eq!(
        (all[0].name, all[1].name, all.len()),
        ("invocation", "chunk", 2)
    );
    // The page adds the chunks up.
    assert_eq!(
        (&all[0].data["bytes"], &all[0].data["end"]),
        (&json!(0), &json!(3.0))
    );
    assert_eq!(all[1].data, json!({ "id": "a", "at": 2.0, "bytes": 4 }));
}

#[test]
fn an_archive_has_the_bodies_of_requests() {
    let post_data = |front: &'static str, event: serde_json::Value| {
        let mut book = Book::default();
        book.take(
            1,
            0.0,
            &Entry::Called(Called {
                request_id: "a".to_owned(),
                front,
                method: "POST".to_owned(),
                target: "/".to_owned(),
                headers: vec![("content-type".to_owned(), "a/b".to_owned())],
                event: event.to_string().into(),
            }),
        );
        let archive = super::archive::har(book.invocations());
        let request = &archive["log"]["entries"][0]["request"];
        (request["postData"].clone(), request["bodySize"].clone())
    };
    let text = |text: &str| json!({ "mimeType": "a/b", "text": text });
    let binary = json!({ "mimeType": "a/b", "text": "AP8=", "_encoding": "base64" });
    for (front, event, expected) in [
        (
            "Function URL",
            json!({ "body": "gr\u{fc}n", "isBase64Encoded": false }),
            (text("gr\u{fc}n"), json!(5)),
        ),
        (
            "REST API",
            json!({ "body": "YQ==", "isBase64Encoded": true }),
            (text("a"), json!(1)),
        ),
        (
            "VPC Lattice V1",
            json!({ "body": "AP8=", "is_base64_encoded": true }),
            (binary, json!(2)),
        ),
        // Says nothing where it is text.
        (
            "VPC Lattice V2",
            json!({ "body": "b" }),
            (text("b"), json!(1)),
        ),
        ("REST API", json!({ "body": null }), (json!(null), json!(0))),
        ("Function URL", json!({}), (json!(null), json!(0))),
        (
            "Invoke API",
            json!({ "body": "c" }),
            (text(r#"{"body":"c"}"#), json!(12)),
        ),
    ] {
        assert_eq!(
            post_data(front, event.clone()),
            expected,
            "{front}: {event}"
        );
    }
}

#[test]
fn only_this_machines_names_are_its_own() {
    let headers = |pairs: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    };
    for own in [
        headers(&[("host", "127.0.0.1:9001")]),
        headers(&[("host", "localhost:9001")]),
        headers(&[("host", "[::1]:9001")]),
        headers(&[
            ("host", "localhost:9001"),
            ("origin", "http://localhost:9001"),
        ]),
    ] {
        assert!(is_from_here(&own), "{own:?}");
    }
    for foreign in [
        headers(&[]),
        headers(&[("host", "rebound.example:9001")]),
        headers(&[("host", "localhost.example")]),
        headers(&[
            ("host", "localhost:9001"),
            ("origin", "http://localhost:3000"),
        ]),
        headers(&[("host", "localhost:9001"), ("origin", "null")]),
    ] {
        assert!(!is_from_here(&foreign), "{foreign:?}");
    }
}
