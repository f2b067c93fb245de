// SPDX-License-Identifier: Apache-2.0
//! What a function streams and what a client of the function URL sees of it.

mod support;

use std::time::Duration;

use streamgate_emulator::{AccessEnd, BrokenStreams, Entry, InvokeMode};
use support::{Lambda, post};

const GET: &str = "GET /path?a=1 HTTP/1.1\r\nhost: example\r\n\r\n";

fn end_of_exchange(lambda: &Lambda) -> AccessEnd {
    lambda.entry(|entry| match entry {
        Entry::Access(access) => Some(access.end),
        _ => None,
    })
}

#[test]
fn each_piece_reaches_the_client_before_the_next_is_sent() {
    let lambda = Lambda::start(|_| ());
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.call(&support::streamed_post(&event.request_id()));
    // The delimiter is split and shares a chunk with the first byte of the payload.
    post.chunk(
        b"{\"statusCode\":201,\"headers\":{\"x-a\":\"b\"},\"cookies\":[\"a=1\",\"b=2\"]}\0\0\0",
    );
    post.chunk(b"\0\0\0\0\0f");
    let head = client.head();
    assert_eq!(head.status, 201);
    assert_eq!(head.headers["set-cookie"], "a=1\nb=2");
    assert_eq!(client.read_chunk().unwrap(), b"f");
    for piece in [b"one".as_slice(), b"two", b"three"] {
        post.chunk(piece);
        assert_eq!(client.read_chunk().unwrap(), piece);
    }
    post.write(b"0\r\n\r\n");
    assert_eq!(client.read_chunk().unwrap(), b"");
    assert_eq!(post.message().status, 202);
}

#[test]
fn the_head_reaches_the_client_before_any_payload() {
    let lambda = Lambda::start(|_| ());
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let _post = lambda.respond(&event);
    assert_eq!(client.head().status, 200);
}

#[test]
fn what_next_tells_is_complete() {
    let lambda = Lambda::start(|_| ());
    let _client = lambda.request(GET);
    let event = lambda.next();
    for name in [
        "aws-request-id",
        "deadline-ms",
        "invoked-function-arn",
        "trace-id",
        "invocation-id",
    ] {
        assert!(
            event
                .headers
                .contains_key(&format!("lambda-runtime-{name}")),
            "{name}"
        );
    }
    assert_eq!(event.json()["rawPath"], "/path");
    assert_eq!(event.json()["headers"]["host"], "example");
    assert_eq!(
        lambda.next().body,
        event.body,
        "the same event again while it is open"
    );
}

#[test]
fn error_trailers_end_the_stream_cleanly_and_are_logged() {
    let lambda = Lambda::start(|_| ());
    assert_eq!(stream_with_trailers(&lambda), Some(Vec::new()));
    let error = lambda.entry(|entry| match entry {
        Entry::StreamError { error, .. } => Some(error.to_string()),
        _ => None,
    });
    assert_eq!(error, "Runtime.StreamError: app broke");
    assert_eq!(
        end_of_exchange(&lambda),
        AccessEnd::FunctionError("Runtime.StreamError".into())
    );
}

#[test]
fn error_trailers_cut_the_transfer_where_that_was_asked_for() {
    let lambda = Lambda::start(|settings| settings.broken_streams = BrokenStreams::Cut);
    assert_eq!(stream_with_trailers(&lambda), None);
    assert!(matches!(end_of_exchange(&lambda), AccessEnd::Cut(_)));
}

/// Streams a piece and error trailers; gives what the client reads behind the piece.
fn stream_with_trailers(lambda: &Lambda) -> Option<Vec<u8>> {
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    post.chunk(b"so far");
    post.write(
        b"0\r\nLambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n\
          Lambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiJhcHAgYnJva2UifQ==\r\n\r\n",
    );
    assert_eq!(post.message().status, 202, "the runtime stays healthy");
    client.head();
    assert_eq!(client.read_chunk().as_deref(), Some(b"so far".as_slice()));
    client.read_chunk()
}

#[test]
fn a_post_that_breaks_off_cuts_the_client_and_leaves_the_environment_healthy() {
    let lambda = Lambda::start(|_| ());
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    post.chunk(b"so far");
    client.head();
    assert_eq!(client.read_chunk().unwrap(), b"so far");
    post.close();
    let mut second = lambda.request(GET);
    let event = lambda.next();
    assert_eq!(client.read_chunk(), None);
    let mut post = lambda.respond(&event);
    post.write(b"0\r\n\r\n");
    assert_eq!(second.message().status, 200);
}

#[test]
fn a_client_that_leaves_is_not_told_to_the_function() {
    let lambda = Lambda::start(|_| ());
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    client.head();
    client.close();
    assert_eq!(end_of_exchange(&lambda), AccessEnd::ClientGone);
    for _ in 0..100 {
        post.chunk(&vec![b'x'; 64 * 1024]);
    }
    post.write(b"0\r\n\r\n");
    assert_eq!(post.message().status, 202);
}

#[test]
fn a_slow_client_holds_the_function_back() {
    let lambda = Lambda::start(|_| ());
    let client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    // Far more than all the socket buffers on the way hold.
    let sent = std::thread::spawn(move || {
        for _ in 0..1024 {
            post.chunk(&vec![b'x'; 64 * 1024]);
        }
        post.write(b"0\r\n\r\n");
        post.message().status
    });
    let mut client = client;
    client.head();
    assert_eq!(client.read_chunk().map(|data| data.is_empty()), Some(false));
    assert!(!sent.is_finished(), "64 MB were taken in without a reader");
    let mut total = 0;
    while let Some(data) = client.read_chunk().filter(|data| !data.is_empty()) {
        total += data.len();
    }
    assert!(total > 63 * 1024 * 1024);
    assert_eq!(sent.join().unwrap(), 202);
}

#[test]
fn a_timeout_in_mid_stream_cuts_the_client_and_the_runtime() {
    let lambda = Lambda::start(|settings| settings.timeout = Duration::from_millis(300));
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    post.chunk(b"so far");
    client.head();
    assert_eq!(client.read_chunk().unwrap(), b"so far");
    assert_eq!(client.read_chunk(), None);
    assert!(post.is_closed());
    assert_eq!(
        end_of_exchange(&lambda),
        AccessEnd::Cut("task timed out after 0.30 seconds".into())
    );
}

#[test]
fn head_and_bodyless_answers_have_no_body() {
    let lambda = Lambda::start(|_| ());
    let mut client = lambda.request("HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    post.chunk(b"dropped");
    post.write(b"0\r\n\r\n");
    assert_eq!(post.message().status, 202);
    assert_eq!(client.head().status, 200);
    assert!(client.is_closed());

    let mut client = lambda.request("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let event = lambda.next();
    let mut post = lambda.call(&support::streamed_post(&event.request_id()));
    post.chunk(b"{\"statusCode\":204}\0\0\0\0\0\0\0\0");
    post.write(b"0\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 204);
    assert!(!head.headers.contains_key("content-type"));
    assert!(client.is_closed());
}

#[test]
fn a_buffered_envelope_on_a_streaming_url_is_delivered_verbatim() {
    let lambda = Lambda::start(|_| ());
    let mut client = lambda.request(GET);
    let id = lambda.next().request_id();
    let envelope = "{\"statusCode\":404,\"body\":\"x\"}";
    let path = format!("/2018-06-01/runtime/invocation/{id}/response");
    let mut post = lambda.call(&post(&path, "content-type: application/json\r\n", envelope));
    let response = client.message();
    assert_eq!(
        (response.status, response.text()),
        (200, envelope.to_owned())
    );
    assert_eq!(response.headers["content-type"], "application/json");
    assert_eq!(post.message().status, 202);
}

#[test]
fn a_stream_that_is_no_response_gives_502() {
    let lambda = Lambda::start(|_| ());
    for (chunks, reason) in [
        (
            "2\r\n{}\r\n",
            "the stream ended after 2 bytes without the delimiter of 8 NULs",
        ),
        (
            "a\r\n[]\0\0\0\0\0\0\0\0\r\n",
            "the prelude is not a JSON object: \"[]\"",
        ),
    ] {
        let mut client = lambda.request(GET);
        let event = lambda.next();
        let mut post = lambda.call(&support::streamed_post(&event.request_id()));
        post.write(chunks.as_bytes());
        post.write(b"0\r\n\r\n");
        assert_eq!(post.message().status, 202);
        let response = client.message();
        assert_eq!(
            (response.status, response.text()),
            (502, "Internal Server Error".to_owned())
        );
        assert_eq!(end_of_exchange(&lambda), AccessEnd::Refused(reason.into()));
    }
}

#[test]
fn a_buffered_url_collects_streams_and_decodes_envelopes() {
    let lambda = Lambda::start(|settings| settings.invoke_mode = InvokeMode::Buffered);
    let mut client = lambda.request(GET);
    let id = lambda.next().request_id();
    let envelope = "{\"statusCode\":201,\"headers\":{\"x-a\":\"b\"},\"cookies\":[\"a=1\"],\"body\":\"AP8=\",\"isBase64Encoded\":true}";
    let path = format!("/2018-06-01/runtime/invocation/{id}/response");
    assert_eq!(
        lambda.call(&post(&path, "", envelope)).message().status,
        202
    );
    let response = client.message();
    assert_eq!(response.status, 201);
    assert_eq!(response.body, [0, 255]);
    assert_eq!(response.headers["set-cookie"], "a=1");

    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    post.chunk(b"payload");
    post.write(b"0\r\n\r\n");
    assert_eq!(post.message().status, 202);
    assert_eq!(client.message().status, 502);
}

#[test]
fn a_buffered_answer_may_have_6_mib_and_100_bytes() {
    const LIMIT: usize = 6 * 1024 * 1024 + 100;
    let lambda = Lambda::start(|settings| settings.invoke_mode = InvokeMode::Buffered);
    for (size, of_runtime, of_client) in [(LIMIT, 202, 200), (LIMIT + 1, 413, 502)] {
        let mut client = lambda.request(GET);
        let id = lambda.next().request_id();
        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        let payload = format!("\"{}\"", "x".repeat(size - 2));
        assert_eq!(
            lambda.call(&post(&path, "", &payload)).message().status,
            of_runtime,
            "{size}"
        );
        assert_eq!(client.message().status, of_client, "{size}");
    }
}

#[test]
fn a_request_above_6_mb_is_refused() {
    let lambda = Lambda::start(|_| ());
    let body = "x".repeat(6 * 1024 * 1024);
    let mut client = lambda.request(&post("/", "content-type: text/plain\r\n", &body));
    assert_eq!(client.message().status, 413);
}
