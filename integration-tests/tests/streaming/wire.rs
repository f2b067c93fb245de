// SPDX-License-Identifier: Apache-2.0
//! What the adapter writes to the Runtime API's socket, and when.

use std::os::fd::OwnedFd;

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::gate::Gate;
use integration_tests::process::Program;
use integration_tests::wire::find;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{Domain, Socket, Type};

fn started(environment: &[(&str, &str)]) -> (FakeLambda, App, Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(environment);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    (lambda, app, adapter)
}

/// Waits until so many bytes of the reply's body have come.
fn so_far(lambda: &FakeLambda, id: &str, wanted: impl Fn(&[u8]) -> bool) -> Exchange {
    lambda.wait(&format!("a part of the reply to {id}"), |exchanges| {
        let mut replies = exchanges.iter().filter(|exchange| exchange.is_reply_to(id));
        replies.find(|exchange| wanted(&exchange.body())).cloned()
    })
}

#[test]
fn prelude_delimiter_and_first_chunk_leave_in_one_write() {
    let (lambda, _app, _adapter) = started(&[]);
    lambda.read_eagerly();
    for round in 0..200 {
        let reply = lambda.invoke(Event::get("/"));
        // One write arrives in one read. Two writes may be read as one now and then, but not two hundred times.
        let whole = reply.reads.iter().any(|read| {
            find(read, b"{\"").is_some()
                && find(read, &[0; 8]).is_some()
                && find(read, b"ready").is_some()
        });
        let reads: Vec<_> = reply
            .reads
            .iter()
            .map(|read| String::from_utf8_lossy(read))
            .collect();
        assert!(whole, "in round {round} it came in pieces: {reads:#?}");
    }
}

#[test]
fn the_prelude_leaves_when_the_app_has_sent_its_head() {
    let gate = Gate::bind();
    let (lambda, _app, _adapter) = started(&[gate.variable()]);
    let id = lambda.queue(Event::get("/sse?chunks=1"));
    let mut keeper = gate.accept();
    let reply = so_far(&lambda, &id, |body| body.ends_with(&[0; 8]));
    assert_eq!(
        reply.streamed().prelude["headers"]["content-type"],
        "text/event-stream"
    );
    assert!(reply.end.is_none());
    keeper.open();
    assert_eq!(
        lambda.reply(&id).streamed().payload,
        b"id: 0\ndata: token 0\n\n"
    );
}

#[test]
fn a_frame_of_the_app_is_a_frame_of_the_reply() {
    let gate = Gate::bind();
    let (lambda, _app, _adapter) = started(&[gate.variable()]);
    let id = lambda.queue(Event::get("/gated?chunks=5"));
    let mut keeper = gate.accept();
    for number in 0..5 {
        keeper.open();
        so_far(&lambda, &id, |body| {
            body.ends_with(format!("chunk {number}\n").as_bytes())
        });
    }
    let reply = lambda.reply(&id);
    let frames: Vec<_> = reply
        .chunks
        .iter()
        .map(|chunk| String::from_utf8_lossy(chunk))
        .collect();
    let wanted: Vec<String> = (0..5).map(|number| format!("chunk {number}\n")).collect();
    assert_eq!(frames[frames.len() - 5..], wanted);
}

#[test]
fn no_chunk_is_empty() {
    // In chunked coding an empty chunk is the end.
    let (lambda, _app, _adapter) = started(&[]);
    for target in [
        "/",
        "/empty-chunked",
        "/empty-length",
        "/status?code=204",
        "/bytes?n=100000",
    ] {
        let reply = lambda.invoke(Event::get(target));
        assert!(
            reply.chunks.iter().all(|chunk| !chunk.is_empty()),
            "{target}"
        );
    }
}

#[test]
fn nothing_waits_for_more_on_any_connection() {
    let gate = Gate::bind();
    let (lambda, app, adapter) = started(&[gate.variable()]);
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    // Looked at in the middle of a reply, when the connections to Lambda and to the app are in use.
    let id = lambda.queue(Event::get("/gated?chunks=1"));
    let mut keeper = gate.accept();
    so_far(&lambda, &id, |body| !body.is_empty());
    let sockets = connected_sockets(adapter.pid());
    for port in [lambda.address().port(), app.address().port()] {
        let mut of_port = sockets.iter().filter(|(_, peer)| *peer == port).peekable();
        assert!(
            of_port.peek().is_some(),
            "no connection to port {port} among {sockets:?}"
        );
        for (socket, _) in of_port {
            assert!(
                socket.tcp_nodelay().unwrap(),
                "TCP_NODELAY is not set towards port {port}"
            );
        }
    }
    keeper.open();
    let _ = lambda.reply(&id);
}

/// The connected TCP sockets of a process with the port of their peer. These are the process's own sockets, not copies
/// of their state: options are read from them directly.
fn connected_sockets(pid: i32) -> Vec<(Socket, u16)> {
    let process = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten();
    let mut found = Vec::new();
    for entry in entries {
        let is_socket = std::fs::read_link(entry.path())
            .is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
        let number = entry.file_name().to_string_lossy().parse().unwrap();
        if !is_socket {
            continue;
        }
        let Ok(copy): Result<OwnedFd, _> = pidfd_getfd(&process, number, PidfdGetfdFlags::empty())
        else {
            continue;
        };
        let socket = Socket::from(copy);
        if socket.domain().ok() != Some(Domain::IPV4) || socket.r#type().ok() != Some(Type::STREAM)
        {
            continue;
        }
        let peer = socket
            .peer_addr()
            .ok()
            .and_then(|address| address.as_socket());
        found.extend(peer.map(|peer| (socket, peer.port())));
    }
    found
}
