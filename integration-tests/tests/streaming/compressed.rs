// SPDX-License-Identifier: Apache-2.0
//! Compression does not hold a stream back, and does not make a broken one look whole.

use std::fmt::Write as _;

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::coding::{CODINGS, Decoder, decoded};
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::gate::Gate;
use integration_tests::http::{Next, Request};
use integration_tests::local::Local;
use integration_tests::pattern::Pattern;
use serde_json::json;

fn local(gate: &Gate, compression: &str) -> Local {
    let (key, value) = gate.variable();
    Local::builder()
        .env(key, value)
        .env("STREAMGATE_COMPRESSION", compression)
        .option("--cut-broken-streams")
        .start()
}

/// Lets chunk after chunk through; each can be read, and whole, before the gate opens for the next.
fn each_in_turn(local: &Local, gate: &Gate, target: &str, wanted: impl Fn(usize) -> String) {
    for coding in CODINGS {
        let mut client = local.client();
        client.send(&Request::get(format!("{target}?chunks=20")).header("accept-encoding", coding));
        let mut keeper = gate.accept();
        let head = client.head();
        assert_eq!(head.header("content-encoding"), Some(coding));
        assert_eq!(head.header("vary"), Some("Accept-Encoding"));
        assert_eq!(head.header("content-length"), None);
        let mut decoder = Decoder::of(coding);
        for number in 0..20 {
            keeper.open();
            let wanted = wanted(number);
            let mut came = Vec::new();
            // The gate is closed for the next one: what does not come now never does.
            while came.len() < wanted.len() {
                came.extend(decoder.push(&client.data()));
            }
            assert_eq!(String::from_utf8(came).unwrap(), wanted, "{coding}");
        }
        let end = loop {
            match client.step() {
                Next::Data(data) => assert!(decoder.push(&data).is_empty(), "{coding}"),
                end => break end,
            }
        };
        assert_eq!(end, Next::Complete(Vec::new()), "{coding}");
        assert!(decoder.is_complete(), "{coding}");
    }
}

#[test]
fn each_compressed_chunk_can_be_read_before_the_next_was_sent() {
    let gate = Gate::bind();
    let local = local(&gate, "on");
    each_in_turn(&local, &gate, "/gated", |number| {
        format!("chunk {number}\n")
    });
}

#[test]
fn each_server_sent_event_can_be_read_in_time_where_they_are_compressed() {
    let gate = Gate::bind();
    let local = local(&gate, "sse");
    each_in_turn(&local, &gate, "/sse", |number| {
        format!("id: {number}\ndata: token {number}\n\n")
    });
}

#[test]
fn a_compressed_stream_that_breaks_off_is_reported_and_has_no_end() {
    let gate = Gate::bind();
    let local = local(&gate, "on");
    for coding in CODINGS {
        let mut client = local.client();
        client.send(&Request::get("/reset?chunks=2").header("accept-encoding", coding));
        assert_eq!(client.head().header("content-encoding"), Some(coding));
        let mut keeper = gate.accept();
        let mut decoder = Decoder::of(coding);
        let mut came = Vec::new();
        while !came.ends_with(b"chunk 1\n") {
            came.extend(decoder.push(&client.data()));
        }
        assert_eq!(String::from_utf8_lossy(&came), "chunk 0\nchunk 1\n");
        keeper.open();
        // Error trailers: the local Lambda cuts the client off for no other reason.
        let end = client.step();
        assert!(matches!(end, Next::Cut(_)), "{coding}: {end:?}");
        assert!(!decoder.is_complete(), "{coding}");
        assert_eq!(local.get("/").text(), "ready", "{coding}");
    }
}

#[test]
fn an_empty_stream_is_empty_with_compression_too() {
    let gate = Gate::bind();
    let local = local(&gate, "on");
    for target in ["/empty-chunked", "/empty-length"] {
        let request = Request::get(target).header("accept-encoding", "gzip");
        let response = local.exchange(&request);
        assert_eq!(response.head.header("content-encoding"), None, "{target}");
        assert!(response.body().is_empty(), "{target}");
    }
}

#[test]
fn a_long_stream_comes_back_as_it_was() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let _adapter = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_COMPRESSION", "on")
        .start();
    // Hexadecimal, so that half of it can be saved.
    let mut text = String::new();
    for byte in Pattern::bytes(1024 * 1024) {
        write!(text, "{byte:02x}").unwrap();
    }
    for coding in CODINGS {
        let mut event = function_url("POST", "/echo");
        event["headers"]["accept-encoding"] = json!(coding);
        event["headers"]["content-type"] = json!("text/plain");
        event["body"] = json!(text);
        let reply = lambda.invoke(Event::json(&event)).streamed();
        assert_eq!(reply.prelude["headers"]["content-encoding"], coding);
        assert!(reply.payload.len() < text.len() * 2 / 3, "{coding}");
        let came = decoded(coding, &reply.payload);
        assert!(came == text.as_bytes(), "{coding}");
    }
}
