// SPDX-License-Identifier: Apache-2.0
//! The library as another project's tests use it: the examples of its documentation, with a real runtime.

use std::path::Path;
use std::sync::mpsc;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use streamgate_emulator::{Emulator, Entry, InvokeMode, Journal, Settings, Shape};

fn settings() -> Settings {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/custom_runtime.py");
    let mut settings = Settings::new(Shape::Entrypoint {
        command: Vec::new(),
    });
    settings.adapter = Some(runtime);
    settings.port = 0;
    settings.inherited = std::env::vars_os().collect();
    settings
}

async fn get(emulator: &Emulator, path: &str) -> (u16, Bytes) {
    let stream = tokio::net::TcpStream::connect(emulator.address()).await;
    let stream = TokioIo::new(stream.expect("it listens"));
    let (mut client, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .expect("a handshake does nothing yet");
    tokio::spawn(connection);
    let request = hyper::Request::get(path).header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new()).expect("it is valid");
    let response = client.send_request(request).await.expect("an answer comes");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await;
    (status, body.expect("it is complete").to_bytes())
}

#[tokio::test]
async fn an_http_client_asks_the_function_url() {
    let emulator = Emulator::start(settings()).await.unwrap();
    let (status, body) = get(&emulator, "/spaced").await;
    assert_eq!(status, 200);
    assert!(body.starts_with(b"piece 0\n") && body.ends_with(b"piece 4\n"));
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_past_the_front_end_and_a_restart_begins_anew() {
    let (entries, log) = mpsc::channel();
    let mut settings = settings();
    settings.invoke_mode = InvokeMode::Buffered;
    settings.journal = Journal::new(move |entry| {
        let _ = entries.send(entry.clone());
    });
    let emulator = Emulator::start(settings).await.unwrap();
    let event = r#"{"source":"aws.events"}"#;
    for _ in 0..2 {
        let mut reply = emulator.invoke(event).await.unwrap();
        assert_eq!(reply.collect().await.unwrap(), event);
        reply.settled().await;
        emulator.restart("to see it");
    }
    let mut reply = emulator.invoke(event).await.unwrap();
    assert_eq!(reply.collect().await.unwrap(), event);
    reply.settled().await;
    emulator.shutdown().await;
    let log: Vec<Entry> = log.iter().collect();
    let count = |is: fn(&Entry) -> bool| log.iter().filter(|entry| is(entry)).count();
    assert_eq!(count(|entry| matches!(entry, Entry::Restart { .. })), 2);
    assert_eq!(count(|entry| matches!(entry, Entry::InitDone { .. })), 3);
    assert_eq!(count(|entry| matches!(entry, Entry::Report { .. })), 3);
}

#[tokio::test]
async fn calls_go_wrong_and_it_is_told() {
    let (entries, log) = mpsc::channel();
    let mut settings = settings();
    settings.journal = Journal::new(move |entry| {
        let _ = entries.send(entry.clone());
    });
    settings.faults = "response 1 reset".parse().unwrap();
    let emulator = Emulator::start(settings).await.unwrap();
    let error = emulator.invoke("{}").await.unwrap_err();
    assert_eq!(error.error_type(), "Runtime.ExitError");
    assert_eq!(emulator.replies().lost, 1);
    assert!(
        log.try_iter()
            .any(|entry| matches!(entry, Entry::Faulted { .. }))
    );
}

#[tokio::test]
async fn processes_end_with_an_emulator_that_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let held = directory.path().join("held");
    let mut settings = settings();
    // The runtime holds the other end of a pipe for as long as it lives.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &held,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let runtime = settings.adapter.take().unwrap();
    let script = format!(
        "exec 9>'{}'; exec python3 '{}'",
        held.display(),
        runtime.display()
    );
    settings.shape = Shape::ImageAttach {
        command: vec!["sh".into(), "-c".into(), script.into()],
    };
    settings.opt = Some(directory.path().to_owned());
    let opened = tokio::task::spawn_blocking(move || std::fs::read(held));
    let emulator = Emulator::start(settings).await.unwrap();
    assert_eq!(get(&emulator, "/").await.0, 200);
    drop(emulator);
    assert_eq!(opened.await.unwrap().unwrap(), b"");
}
