// SPDX-License-Identifier: Apache-2.0
//! An emulator whose runtime and extensions are played by the test itself, over raw sockets.
//!
//! The processes of the environment are small shell scripts that only live and die; everything on the wire is written
//! and read here, byte by byte, with no HTTP library between the test and the emulator.

#![allow(
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program compiles this and uses its own part"
)]

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use streamgate_emulator::{
    AtLimit, Bandwidth, Emulator, Entry, InvocationError, Journal, Replies, Settings, Shape,
};
use tempfile::TempDir;

/// Longest that anything here is waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A running emulator and its log.
pub struct Lambda {
    runtime: tokio::runtime::Runtime,
    emulator: Option<Arc<Emulator>>,
    pub url: SocketAddr,
    pub api: SocketAddr,
    entries: Receiver<Entry>,
    pub directory: TempDir,
}

impl Lambda {
    /// Without extensions; the runtime process sleeps.
    pub fn start(adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::with_scripts("exec sleep 1000", &[], adjust)
    }

    /// The runtime process and the extensions run these shell scripts; `$DIR` is `self.directory`.
    pub fn with_scripts(
        runtime_script: &str,
        extensions: &[(&str, &str)],
        adjust: impl FnOnce(&mut Settings),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("extensions")).unwrap();
        for (name, text) in extensions {
            script(&directory.path().join("extensions").join(name), text);
        }
        let program = directory.path().join("runtime.sh");
        script(&program, runtime_script);
        let (sender, entries) = channel();
        let command = vec![program.into()];
        let mut settings = Settings::new(Shape::ImageAttach { command });
        settings.opt = Some(directory.path().to_owned());
        settings.port = 0;
        settings.bandwidth = Bandwidth::Off;
        // The test plays the runtime of one environment, and most tests are of nothing else.
        settings.max_environments = NonZeroU16::MIN;
        settings.at_limit = AtLimit::Wait;
        settings.inherited = std::env::vars_os().collect();
        settings.variables = vec![("DIR".into(), directory.path().to_str().unwrap().into())];
        settings.journal = Journal::new(move |entry| {
            let _ = sender.send(entry.clone());
        });
        adjust(&mut settings);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let emulator = runtime.block_on(Emulator::start(settings)).unwrap();
        let (url, api) = (emulator.address(), emulator.runtime_api());
        Self {
            runtime,
            emulator: Some(Arc::new(emulator)),
            url,
            api,
            entries,
            directory,
        }
    }

    /// A request to the function URL.
    pub fn request(&self, text: &str) -> Socket {
        Socket::send(self.url, text)
    }

    /// A call to one of the APIs.
    pub fn call(&self, text: &str) -> Socket {
        Socket::send(self.api, text)
    }

    /// Polls as the runtime; gives the event's head and body.
    pub fn next(&self) -> Message {
        self.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n")
            .message()
    }

    /// Begins a streamed response with a prelude.
    pub fn respond(&self, event: &Message) -> Socket {
        let mut socket = self.call(&streamed_post(&event.request_id()));
        socket.chunk(b"{\"statusCode\":200,\"headers\":{\"content-type\":\"text/plain\"}}");
        socket.chunk(&[0; 8]);
        socket
    }

    /// Registers an extension; gives its identifier.
    pub fn register(&self, name: &str, events: &str) -> String {
        let answer = self.try_register(name, events);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.headers["lambda-extension-identifier"].clone()
    }

    pub fn try_register(&self, name: &str, events: &str) -> Message {
        let body = format!("{{\"events\":[{events}]}}");
        self.call(&format!(
            "POST /2020-01-01/extension/register HTTP/1.1\r\nhost: x\r\nlambda-extension-name: {name}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .message()
    }

    /// Asks for an extension's next event, which comes later.
    pub fn extension_next(&self, id: &str) -> Socket {
        self.call(&format!(
            "GET /2020-01-01/extension/event/next HTTP/1.1\r\nhost: x\r\nlambda-extension-identifier: {id}\r\n\r\n"
        ))
    }

    /// Sends an event past the front end; the receiver gets the whole reply.
    pub fn invoke(&self, event: &[u8]) -> Receiver<Result<Vec<u8>, InvocationError>> {
        let (sender, reply) = channel();
        let event = event.to_vec();
        let emulator = Arc::clone(self.emulator.as_ref().unwrap());
        self.runtime.spawn(async move {
            let outcome = match emulator.invoke(event).await {
                Ok(mut reply) => reply.collect().await.map(Vec::from),
                Err(error) => Err(error),
            };
            let _ = sender.send(outcome);
        });
        reply
    }

    /// What became of the invocations so far.
    pub fn replies(&self) -> Replies {
        self.emulator.as_ref().unwrap().replies()
    }

    /// Answers an event at once, with what need not be JSON.
    pub fn answer(&self, event: &Message, payload: &str) -> Message {
        let id = event.request_id();
        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        self.call(&post(&path, "", payload)).message()
    }

    /// Waits for an entry of the log.
    pub fn entry<T>(&self, pick: impl FnMut(Entry) -> Option<T>) -> T {
        self.entry_within(PATIENCE, pick)
    }

    /// Waits for an entry of the log that takes longer.
    pub fn entry_within<T>(
        &self,
        patience: Duration,
        mut pick: impl FnMut(Entry) -> Option<T>,
    ) -> T {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let entry = self
                .entries
                .recv_timeout(left)
                .expect("the entry is written");
            if let Some(picked) = pick(entry) {
                return picked;
            }
        }
    }

    /// Shuts down in order in the background; the receiver tells how long it took.
    pub fn begin_shutdown(&mut self) -> Receiver<Duration> {
        let emulator = Arc::into_inner(self.emulator.take().unwrap()).unwrap();
        let (sender, done) = channel();
        self.runtime.spawn(async move {
            let began = Instant::now();
            emulator.shutdown().await;
            let _ = sender.send(began.elapsed());
        });
        done
    }

    /// Waits for a file that a script writes.
    pub fn file(&self, name: &str) -> String {
        let path = self.directory.path().join(name);
        let until = Instant::now() + PATIENCE;
        loop {
            match fs::read_to_string(&path) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => assert!(Instant::now() < until, "{} appears", path.display()),
            }
            std::thread::yield_now();
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

pub fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The head of a streamed response's POST.
pub fn streamed_post(request_id: &str) -> String {
    format!(
        "POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nhost: x\r\n\
         lambda-runtime-function-response-mode: streaming\r\n\
         content-type: application/vnd.awslambda.http-integration-response\r\n\
         transfer-encoding: chunked\r\n\
         trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
    )
}

/// A POST whose body is known.
pub fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A head with its body.
#[derive(Debug)]
pub struct Message {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn request_id(&self) -> String {
        self.headers["lambda-runtime-aws-request-id"].clone()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// One connection, written and read by hand.
pub struct Socket {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Socket {
    pub fn send(to: SocketAddr, text: &str) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut socket = Self {
            stream,
            held: Vec::new(),
        };
        socket.write(text.as_bytes());
        socket
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Writes one chunk in one segment.
    pub fn chunk(&mut self, data: &[u8]) {
        let mut framed = format!("{:x}\r\n", data.len()).into_bytes();
        framed.extend_from_slice(data);
        framed.extend_from_slice(b"\r\n");
        self.write(&framed);
    }

    /// Reads more; false at the end of the connection, however it came.
    fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.held.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            // The signal of a process that ended; a read with a timeout is not taken up again by itself.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.fill(),
            Err(error) => panic!(
                "reading: {error}, after {:?}",
                String::from_utf8_lossy(&self.held)
            ),
        }
    }

    /// Reads through the next `end`; `None` if the connection ends before.
    fn through(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self
                .held
                .windows(end.len())
                .position(|window| window == end)
            {
                return Some(self.held.drain(..at + end.len()).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.held.len() < count {
            if !self.fill() {
                return None;
            }
        }
        Some(self.held.drain(..count).collect())
    }

    /// Reads a head alone.
    pub fn head(&mut self) -> Message {
        let head = String::from_utf8(self.through(b"\r\n\r\n").expect("a head comes")).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let status = status.parse().unwrap();
        let mut headers = HashMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers
                .entry(name.to_ascii_lowercase())
                .and_modify(|known: &mut String| *known = format!("{known}\n{value}"))
                .or_insert_with(|| value.to_owned());
        }
        Message {
            status,
            headers,
            body: Vec::new(),
        }
    }

    /// Reads one chunk: its data, empty at the proper end, `None` where the transfer was cut.
    pub fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.through(b"\r\n")?).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let data = self.take(size)?;
        self.take(2)?;
        Some(data)
    }

    /// Reads a head and its whole body.
    pub fn message(&mut self) -> Message {
        let mut message = self.head();
        match message.headers.get("content-length") {
            Some(length) => {
                message.body = self.take(length.parse().unwrap()).expect("the body comes");
            }
            None if message.headers.contains_key("transfer-encoding") => {
                while let Some(data) = self.read_chunk().filter(|data| !data.is_empty()) {
                    message.body.extend_from_slice(&data);
                }
            }
            None => {}
        }
        message
    }

    /// Whether the peer closed the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.held.is_empty() && !self.fill()
    }

    /// Reads to the end: what came, and whether the end was a reset.
    pub fn end(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = std::mem::take(&mut self.held);
        let outcome = self.stream.read_to_end(&mut bytes);
        let reset = outcome.is_err_and(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
            true
        });
        (bytes, reset)
    }

    /// Reads a message in the pieces in which it comes; gives their sizes, too.
    pub fn pieces(&mut self, until: &[u8]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut sizes) = (Vec::new(), Vec::new());
        while !bytes.ends_with(until) {
            assert!(self.fill(), "the message goes on");
            sizes.push(self.held.len());
            bytes.append(&mut self.held);
        }
        (bytes, sizes)
    }

    /// Closes with a reset, as a crashed peer does after unread data.
    pub fn close(self) {
        drop(self.stream);
    }
}
