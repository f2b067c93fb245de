// SPDX-License-Identifier: Apache-2.0
//! Every chunk arrives on its own, before the app has sent the next one.

use std::fmt::Write as _;

use integration_tests::app::free_port;
use integration_tests::gate::Gate;
use integration_tests::http::{Client, End, Next, Request};
use integration_tests::local::{Local, SHAPES, Shape};
use integration_tests::waiting::eventually;
use sha2::{Digest, Sha256};

fn gated(shape: Shape) -> (Local, Gate) {
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let local = Local::shape(shape).env(key, value).start();
    (local, gate)
}

/// Lets chunk after chunk through; each has to be here before the gate opens for the next.
fn each_in_turn(client: &mut Client, gate: &Gate, wanted: impl Fn(usize) -> String, count: usize) {
    let mut keeper = gate.accept();
    assert_eq!(
        client.head().status(),
        200,
        "the head comes before any chunk"
    );
    for number in 0..count {
        keeper.open();
        assert_eq!(String::from_utf8(client.data()).unwrap(), wanted(number));
    }
    assert_eq!(client.step(), Next::Complete(Vec::new()));
}

#[test]
fn each_chunk_arrives_before_the_next_was_sent() {
    let (local, gate) = gated(Shape::ImageEntrypoint);
    let mut client = local.client();
    client.send(&Request::get("/gated?chunks=20"));
    each_in_turn(&mut client, &gate, |number| format!("chunk {number}\n"), 20);
}

#[test]
fn each_chunk_arrives_in_time_in_every_shape() {
    for shape in SHAPES {
        let (local, gate) = gated(shape);
        let mut client = local.client();
        client.send(&Request::get("/gated?chunks=3"));
        each_in_turn(&mut client, &gate, |number| format!("chunk {number}\n"), 3);
    }
}

#[test]
fn each_server_sent_event_arrives_before_the_next_was_sent() {
    let (local, gate) = gated(Shape::ImageEntrypoint);
    let mut client = local.client();
    client.send(&Request::get("/sse?chunks=10").header("accept", "text/event-stream"));
    each_in_turn(
        &mut client,
        &gate,
        |number| format!("id: {number}\ndata: token {number}\n\n"),
        10,
    );
}

#[test]
fn a_kept_connection_streams_again_and_again() {
    let (local, gate) = gated(Shape::ImageEntrypoint);
    let mut client = local.client();
    for _ in 0..5 {
        client.send(&Request::get("/gated?chunks=2"));
        each_in_turn(&mut client, &gate, |number| format!("chunk {number}\n"), 2);
    }
}

#[test]
fn the_head_arrives_before_the_body_begins() {
    let (local, gate) = gated(Shape::ImageEntrypoint);
    let mut client = local.client();
    client.send(&Request::get("/sse?chunks=1&end=gated"));
    let mut keeper = gate.accept();
    let head = client.head();
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    keeper.open();
    let _ = client.data();
    keeper.open();
    assert_eq!(client.step(), Next::Complete(Vec::new()));
}

#[test]
fn two_hundred_megabytes_arrive_unchanged() {
    // The service's limit. The digest was taken of the app's pattern with sha256sum, apart from this program.
    const LENGTH: usize = 200 * 1024 * 1024;
    const DIGEST: &str = "b2c93c9bdd30507807abc394e8ae434db00d23b51f11e6194f7c1f07ee9b47ac";
    let local = Local::builder().start();
    let mut client = local.client();
    client.send(&Request::get(format!("/bytes?n={LENGTH}&chunk=65536")));
    assert_eq!(client.head().status(), 200);
    let mut digest = Sha256::new();
    let mut length = 0;
    let end = loop {
        match client.step() {
            Next::Data(data) => {
                length += data.len();
                digest.update(&data);
            }
            Next::Complete(_) => break End::Complete,
            Next::Cut(why) => break End::Cut(why),
        }
    };
    assert_eq!((length, end), (LENGTH, End::Complete));
    let mut hex = String::new();
    for byte in digest.finalize() {
        write!(hex, "{byte:02x}").unwrap();
    }
    assert_eq!(hex, DIGEST);
}

#[test]
fn a_slow_client_does_not_make_the_adapter_hold_the_stream() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let port = free_port();
    let local = Local::builder()
        .env("STREAMGATE_PORT", &port.to_string())
        .start();
    let mut client = local.client();
    client.send(&Request::get(format!("/bytes?n={LENGTH}&chunk=65536")));
    assert_eq!(client.head().status(), 200);
    // Nothing is read until the app can write no more: every buffer on the way is full then.
    let mut last = None;
    let mut unchanged = 0;
    eventually("the app to be blocked", || {
        let queue = unsent(port);
        unchanged = if queue.is_some() && queue == last {
            unchanged + 1
        } else {
            0
        };
        last = queue;
        (unchanged == 50).then_some(())
    });
    let carriers = local.program().mark().carriers();
    let adapter = carriers
        .iter()
        .find(|carrier| carrier.program().ends_with("/streamgate"));
    let peak = adapter
        .expect("the adapter is there")
        .status_kib("VmHWM")
        .unwrap();
    assert!(
        peak < 16 * 1024,
        "the adapter grew to {peak} KiB for a client that does not read"
    );
    let mut length = 0;
    while let Next::Data(data) = client.step() {
        length += data.len();
    }
    assert_eq!(length, LENGTH);
}

/// How much the server on this port has written that has not been taken, if there is something.
fn unsent(port: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").ok()?;
    let local = format!("0100007F:{port:04X}");
    let queues = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (sent, _) = columns.get(4)?.split_once(':')?;
        (columns.get(1) == Some(&local.as_str()))
            .then(|| u64::from_str_radix(sent, 16).ok())
            .flatten()
    });
    queues.max().filter(|&queue| queue > 0)
}
