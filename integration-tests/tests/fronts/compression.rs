// SPDX-License-Identifier: Apache-2.0
//! What is compressed for whom, in both forms of reply, and what is left alone.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::coding::{CODINGS, decoded};
use integration_tests::event::Event;
use integration_tests::pattern::Pattern;
use serde_json::json;

use crate::fronts::{ClientRequest, FRONTS, Front, Received};
use crate::samples::sample;
use crate::stage::Stage;

const MODES: [&str; 2] = ["buffered", "response_stream"];

fn stage(compression: &str, mode: &str) -> Stage {
    Stage::with(&[
        ("STREAMGATE_COMPRESSION", compression),
        ("STREAMGATE_INVOKE_MODE", mode),
    ])
}

/// A text of this many bytes that can be made much shorter.
fn text(length: usize) -> String {
    let lines = (0..).map(|number| format!("{{\"line\": {number}, \"says\": \"na\u{ef}ve\"}}\n"));
    let mut text: String = lines.take(length / 20 + 1).collect();
    while text.len() > length {
        text.pop();
    }
    text
}

/// An answer of the app with these header lines and a length.
fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn asking(method: &str, headers: &[(&str, &str)]) -> ClientRequest {
    ClientRequest {
        method: method.to_owned(),
        headers: headers
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..ClientRequest::get("/")
    }
}

fn get(stage: &Stage, front: Front, request: &ClientRequest) -> Received {
    let (reply, _) = stage.invoke(Event::json(&front.event(request)));
    front.received(&reply)
}

fn get_with(stage: &Stage, accepted: &str) -> Received {
    get(
        stage,
        Front::Url,
        &asking("GET", &[("accept-encoding", accepted)]),
    )
}

#[test]
fn a_client_gets_the_coding_that_it_likes_best_and_a_head_that_is_true() {
    let text = text(5000);
    let headers = "content-type: text/html; charset=utf-8\r\netag: \"v1\"\r\naccept-ranges: bytes\r\n\
                   vary: Origin\r\nset-cookie: a=1\r\n";
    for mode in MODES {
        let stage = stage("on", mode);
        stage.app.answer(answer("200 OK", headers, text.as_bytes()));
        for (accepted, coding) in [
            ("gzip, deflate, br, zstd", "zstd"),
            ("gzip, deflate, br", "gzip"),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", "br"),
            ("br", "br"),
            ("identity;q=0, gzip;q=0.2", "gzip"),
            ("*", "zstd"),
        ] {
            let got = get_with(&stage, accepted);
            assert_eq!(got.status, 200);
            let wanted = json!({
                "content-type": "text/html; charset=utf-8",
                "content-encoding": coding,
                "etag": "W/\"v1\"",
                "vary": "Origin, Accept-Encoding",
            });
            assert_eq!(json!(got.headers), wanted, "{mode}: {accepted}");
            assert_eq!(got.cookies, ["a=1"]);
            assert!(got.body.len() < text.len() / 2);
            assert_eq!(
                decoded(coding, &got.body),
                text.as_bytes(),
                "{mode}: {accepted}"
            );
        }
    }
}

#[test]
fn a_client_that_does_not_ask_gets_the_apps_bytes_and_caches_are_told() {
    let text = text(5000);
    for mode in MODES {
        let stage = stage("on", mode);
        let headers = "content-type: application/json\r\netag: \"v1\"\r\naccept-ranges: bytes\r\n";
        stage.app.answer(answer("200 OK", headers, text.as_bytes()));
        for headers in [
            &[][..],
            &[("accept-encoding", "deflate")],
            &[("accept-encoding", "gzip;q=0, br;q=0.0")],
            &[("accept-encoding", "identity, gzip;q=0.9")],
            &[("accept-encoding", "*;q=0")],
            &[
                ("accept-encoding", "gzip"),
                ("cache-control", "no-transform"),
            ],
        ] {
            let got = get(&stage, Front::Url, &asking("GET", headers));
            let wanted = json!({
                "content-type": "application/json",
                "etag": "\"v1\"",
                "accept-ranges": "bytes",
                "vary": "Accept-Encoding",
            });
            assert_eq!(json!(got.headers), wanted, "{mode}: {headers:?}");
            assert_eq!(got.body, text.as_bytes());
        }
    }
}

#[test]
fn what_may_not_be_compressed_passes_as_the_app_sent_it() {
    let text = text(5000);
    for mode in MODES {
        let stage = stage("on", mode);
        for (status, more) in [
            (
                "200 OK",
                "content-type: text/plain\r\ncache-control: max-age=5, no-transform\r\n",
            ),
            (
                "200 OK",
                "content-type: text/plain\r\ncontent-encoding: deflate\r\n",
            ),
            (
                "200 OK",
                "content-type: text/plain\r\ncontent-digest: sha-256=:AA==:\r\n",
            ),
            (
                "206 Partial Content",
                "content-type: text/plain\r\ncontent-range: bytes 0-4999/9000\r\n",
            ),
            ("200 OK", "content-type: image/png\r\n"),
            ("200 OK", "content-type: text/event-stream\r\n"),
            ("200 OK", ""),
        ] {
            let headers = format!("{more}etag: \"v1\"\r\n");
            stage.app.answer(answer(status, &headers, text.as_bytes()));
            let got = get_with(&stage, "gzip, br, zstd");
            let wanted: serde_json::Map<_, _> = headers
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect();
            assert_eq!(json!(got.headers), json!(wanted), "{mode}: {status} {more}");
            assert_eq!(got.body, text.as_bytes(), "{mode}: {status} {more}");
        }
    }
}

#[test]
fn a_tiny_body_and_none_at_all_are_not_compressed() {
    let tiny = text(1023);
    let plain = "content-type: text/plain\r\n";
    for mode in MODES {
        let stage = stage("on", mode);
        let head = format!("HTTP/1.1 200 OK\r\n{plain}content-length: 5000\r\n\r\n");
        for (method, answer) in [
            ("GET", answer("200 OK", plain, tiny.as_bytes())),
            ("GET", answer("200 OK", plain, b"")),
            (
                "GET",
                format!("HTTP/1.1 204 No Content\r\n{plain}\r\n").into_bytes(),
            ),
            (
                "GET",
                format!("HTTP/1.1 304 Not Modified\r\n{plain}etag: \"v1\"\r\n\r\n").into_bytes(),
            ),
            ("HEAD", head.into_bytes()),
        ] {
            let says = String::from_utf8_lossy(&answer).into_owned();
            stage.app.answer(answer);
            let got = get(
                &stage,
                Front::Url,
                &asking(method, &[("accept-encoding", "gzip")]),
            );
            assert_eq!(got.headers.get("content-encoding"), None, "{mode}: {says}");
            assert!(
                says.ends_with(std::str::from_utf8(&got.body).unwrap()),
                "{mode}: {says}"
            );
        }
    }
    // Where the reply is whole, its length is known though the app gave none.
    let stage = stage("on", "buffered");
    let chunked = format!(
        "HTTP/1.1 200 OK\r\n{plain}transfer-encoding: chunked\r\n\r\n3ff\r\n{tiny}\r\n0\r\n\r\n"
    );
    stage.app.answer(chunked);
    let got = get_with(&stage, "gzip");
    assert_eq!(got.headers.get("content-encoding"), None);
    assert_eq!(got.body, tiny.as_bytes());
}

#[test]
fn event_streams_are_compressed_where_that_was_said() {
    let text = text(5000);
    for mode in MODES {
        let stage = stage("sse", mode);
        for media_type in ["text/event-stream", "text/plain"] {
            let headers = format!("content-type: {media_type}\r\n");
            stage
                .app
                .answer(answer("200 OK", &headers, text.as_bytes()));
            let got = get_with(&stage, "br");
            assert_eq!(
                got.headers["content-encoding"], "br",
                "{mode}: {media_type}"
            );
            assert_eq!(decoded("br", &got.body), text.as_bytes());
        }
    }
}

#[test]
fn nothing_is_compressed_unless_the_user_wants_it() {
    let text = text(5000);
    for variables in [
        &[][..],
        &[("STREAMGATE_COMPRESSION", "off")],
        &[("AWS_LWA_ENABLE_COMPRESSION", "false")],
        &[
            ("AWS_LWA_ENABLE_COMPRESSION", "true"),
            ("STREAMGATE_COMPRESSION", "off"),
        ],
    ] {
        let stage = Stage::with(variables);
        let headers = "content-type: text/plain\r\netag: \"v1\"\r\n";
        stage.app.answer(answer("200 OK", headers, text.as_bytes()));
        let got = get_with(&stage, "gzip, br, zstd");
        let wanted = json!({ "content-type": "text/plain", "etag": "\"v1\"" });
        assert_eq!(json!(got.headers), wanted, "{variables:?}");
        assert_eq!(got.body, text.as_bytes(), "{variables:?}");
    }
    let stage = Stage::with(&[("AWS_LWA_ENABLE_COMPRESSION", "true")]);
    stage.app.answer(answer(
        "200 OK",
        "content-type: text/plain\r\n",
        text.as_bytes(),
    ));
    assert_eq!(get_with(&stage, "gzip").headers["content-encoding"], "gzip");
}

#[test]
fn what_counts_is_what_the_client_sent_and_not_what_the_app_is_told() {
    let stage = Stage::with(&[
        ("STREAMGATE_COMPRESSION", "on"),
        ("STREAMGATE_HEADER_MAP", "drop:accept-encoding"),
    ]);
    let plain = "content-type: text/plain\r\n";
    stage
        .app
        .answer(answer("200 OK", plain, text(5000).as_bytes()));
    let event = Front::Url.event(&asking("GET", &[("accept-encoding", "gzip")]));
    let (reply, seen) = stage.invoke(Event::json(&event));
    assert_eq!(seen[0].head.header("accept-encoding"), None);
    assert_eq!(
        Front::Url.received(&reply).headers["content-encoding"],
        "gzip"
    );
}

#[test]
fn every_front_that_speaks_http_gets_compressed_bytes() {
    let text = text(5000);
    let stage = stage("on", "auto");
    stage.app.answer(answer(
        "200 OK",
        "content-type: text/plain\r\n",
        text.as_bytes(),
    ));
    for front in FRONTS {
        for coding in CODINGS {
            let got = get(
                &stage,
                front,
                &asking("GET", &[("accept-encoding", coding)]),
            );
            assert_eq!(got.headers["content-encoding"], coding, "{front:?}");
            assert_eq!(got.headers["vary"], "Accept-Encoding", "{front:?}");
            assert_eq!(decoded(coding, &got.body), text.as_bytes(), "{front:?}");
        }
    }
}

#[test]
fn what_is_no_http_response_is_never_compressed() {
    let text = text(5000);
    let stage = stage("on", "auto");
    stage.app.answer(answer(
        "200 OK",
        "content-type: text/plain\r\n",
        text.as_bytes(),
    ));
    let mut event = sample("websocket-connect");
    event["headers"]["Accept-Encoding"] = json!("gzip");
    event["multiValueHeaders"]["Accept-Encoding"] = json!(["gzip"]);
    let (reply, seen) = stage.invoke(Event::json(&event));
    assert_eq!(seen[0].head.header("accept-encoding"), Some("gzip"));
    assert_eq!(reply.json()["body"], text);
    let (reply, _) = stage.invoke(Event::json(&sample("sqs")));
    assert_eq!(reply.json(), text);
}

#[test]
fn the_limit_of_a_front_counts_what_is_sent() {
    const LIMIT: usize = 1024 * 1024;
    let stage = stage("on", "auto");
    let alb = |body: &[u8], accepted: &str| {
        stage
            .app
            .answer(answer("200 OK", "content-type: text/plain\r\n", body));
        get(
            &stage,
            Front::Alb,
            &asking("GET", &[("accept-encoding", accepted)]),
        )
    };
    // Three times the limit, and it fits.
    let long = text(3 * LIMIT);
    for coding in CODINGS {
        let got = alb(long.as_bytes(), coding);
        assert_eq!(
            (got.status, got.headers["content-encoding"].as_str()),
            (200, coding)
        );
        assert!(decoded(coding, &got.body) == long.as_bytes(), "{coding}");
    }
    assert_eq!(alb(long.as_bytes(), "identity").status, 502);

    // Base64 of noise gets no shorter than three quarters, which base64 makes whole again: it goes as it is.
    let dense = BASE64.encode(Pattern::bytes((LIMIT - 1024) / 4 * 3));
    let got = alb(dense.as_bytes(), "gzip");
    assert_eq!(
        (got.status, got.headers.get("content-encoding")),
        (200, None)
    );
    assert_eq!(got.headers["vary"], "Accept-Encoding");
    assert!(got.body == dense.as_bytes());

    let too_dense = BASE64.encode(Pattern::bytes(2 * LIMIT));
    let got = alb(too_dense.as_bytes(), "gzip");
    let says = String::from_utf8(got.body).unwrap();
    assert_eq!(got.status, 502, "{says}");
    assert!(says.contains(&LIMIT.to_string()), "{says}");
    stage.serves("a reply that is too long in any form");
}

#[test]
fn a_compressed_reply_that_the_app_breaks_off_is_a_502() {
    let stage = stage("on", "buffered");
    let text = text(5000);
    stage.app.answer(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{text}\r\nbroken",
        text.len()
    ));
    let got = get_with(&stage, "gzip");
    assert_eq!(
        (got.status, got.headers.get("content-encoding")),
        (502, None)
    );
    stage.serves_buffered();
}

#[test]
fn the_systems_own_gzip_reads_what_clients_get() {
    let text = text(5000);
    for mode in MODES {
        let stage = stage("on", mode);
        stage.app.answer(answer(
            "200 OK",
            "content-type: text/plain\r\n",
            text.as_bytes(),
        ));
        let got = get_with(&stage, "gzip");
        let mut gzip = Command::new("gzip")
            .arg("-dc")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("every system of ours has gzip");
        gzip.stdin.take().unwrap().write_all(&got.body).unwrap();
        let output = gzip.wait_with_output().unwrap();
        assert!(output.status.success(), "{mode}");
        assert_eq!(output.stdout, text.as_bytes(), "{mode}");
    }
}
