// SPDX-License-Identifier: Apache-2.0
//! SnapStart: hooks, the snapshot between them, and what comes after.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use integration_tests::adapter::Adapter;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::waiting::{PATIENCE, Watched};
use integration_tests::wire::Head;

/// An app that notes every request, with the number of its connection, and refuses one path.
struct NotingApp {
    address: SocketAddr,
    requests: Arc<Watched<Vec<(usize, Head)>>>,
}

impl NotingApp {
    fn start(refused: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Watched::new(Vec::new()));
        let noted = Arc::clone(&requests);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || serve(stream, number, refused, &noted));
            }
        });
        Self { address, requests }
    }

    fn requests(&self, target: &str) -> Vec<(usize, Head)> {
        let requests = self.requests.lock();
        let of_target = requests.iter().filter(|(_, head)| head.target() == target);
        of_target.cloned().collect()
    }

    fn wait_for(&self, target: &str) -> (usize, Head) {
        let found = self.requests.wait(PATIENCE, |requests| {
            requests
                .iter()
                .find(|(_, head)| head.target() == target)
                .cloned()
        });
        found.unwrap_or_else(|| panic!("no request to {target}"))
    }
}

fn serve(mut stream: TcpStream, number: usize, refused: &str, noted: &Watched<Vec<(usize, Head)>>) {
    let mut buffer = Vec::new();
    loop {
        while let Ok(Some((head, length))) = Head::parse(&buffer) {
            buffer.drain(..length);
            let status = if head.target() == refused { 503 } else { 200 };
            noted.change(|requests| requests.push((number, head)));
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\nok");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(read @ 1..) => buffer.extend_from_slice(&block[..read]),
            _ => return,
        }
    }
}

fn snap_started(lambda: &FakeLambda, app: &NotingApp) -> Adapter {
    Adapter::extension(lambda, app.address)
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
        .env("STREAMGATE_SNAPSTART_BEFORE_PATH", "/before")
        .env("STREAMGATE_SNAPSTART_AFTER_PATH", "/after")
        .env("STREAMGATE_EVENT_SECRET", "only-the-adapter-knows")
}

#[test]
fn the_app_is_told_before_the_snapshot_and_after_the_restore() {
    let lambda = FakeLambda::bind();
    let app = NotingApp::start("");
    let _adapter = snap_started(&lambda, &app).start();
    lambda.wait("the call behind the snapshot", |exchanges| {
        let mut calls = exchanges.iter();
        calls
            .find(|call| call.head.target().ends_with("/restore/next"))
            .map(|_| ())
    });
    let (_, before) = app.wait_for("/before");
    assert_eq!(before.method(), "POST");
    assert_eq!(
        before.header("x-streamgate-event-secret"),
        Some("only-the-adapter-knows")
    );
    assert_eq!(
        before.header("x-streamgate-event"),
        Some("snapstart-before")
    );
    assert!(app.requests("/after").is_empty() && lambda.polls() == 0);
    let in_snapshot = app.requests.lock().iter().map(|(number, _)| *number).max();

    lambda.restore();
    let (connection, after) = app.wait_for("/after");
    assert_eq!(after.header("x-streamgate-event"), Some("snapstart-after"));
    assert!(
        Some(connection) > in_snapshot,
        "no connection survives a snapshot"
    );
    assert_eq!(lambda.invoke(Event::get("/x")).streamed().payload, b"ok");
    assert_eq!(app.requests("/before").len(), 1);
    assert_eq!(app.requests("/after").len(), 1);
}

#[test]
fn a_hook_that_fails_before_the_snapshot_fails_the_init() {
    let lambda = FakeLambda::bind();
    let app = NotingApp::start("/before");
    let mut adapter = snap_started(&lambda, &app).start();
    assert!(!adapter.finish().success());
    let error = lambda.requests("/init/error").remove(0).json();
    assert_eq!(error["errorType"], "Runtime.BeforeSnapshotError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(
        message.contains("/before") && message.contains("503"),
        "{message:?}"
    );
    assert!(lambda.requests("/restore/next").is_empty());
}

#[test]
fn a_hook_that_fails_after_the_restore_fails_the_restore() {
    let lambda = FakeLambda::bind();
    let app = NotingApp::start("/after");
    lambda.restore();
    let mut adapter = snap_started(&lambda, &app).start();
    assert!(!adapter.finish().success());
    let error = lambda.requests("/restore/error").remove(0).json();
    assert_eq!(error["errorType"], "Runtime.AfterRestoreError");
    assert!(lambda.requests("/init/error").is_empty() && lambda.polls() == 0);
}

#[test]
fn a_clients_request_to_a_hook_is_refused() {
    let lambda = FakeLambda::bind();
    let app = NotingApp::start("");
    lambda.restore();
    let _adapter = snap_started(&lambda, &app).start();
    for target in [
        "/before",
        "/after",
        "//after",
        "/%61fter",
        "/x/../before?a=b",
    ] {
        let reply = lambda.invoke(Event::request("POST", target)).streamed();
        assert_eq!(reply.prelude["statusCode"], 403, "{target}");
    }
    assert_eq!(
        lambda.invoke(Event::get("/afterwards")).streamed().payload,
        b"ok"
    );
    assert_eq!(app.requests("/after").len(), 1, "the adapter's own");
}

#[test]
fn without_snapstart_there_is_no_snapshot() {
    let lambda = FakeLambda::bind();
    let app = NotingApp::start("");
    let _adapter = snap_started(&lambda, &app)
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .start();
    assert_eq!(lambda.invoke(Event::get("/x")).streamed().payload, b"ok");
    assert!(app.requests("/before").is_empty() && app.requests("/after").is_empty());
    assert!(lambda.requests("/restore/next").is_empty());
}
