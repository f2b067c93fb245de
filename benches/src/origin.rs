// SPDX-License-Identifier: Apache-2.0
//! The app behind the adapters: each path is a kind of response. A thread for each connection, and one write for each
//! message.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::timeline::{AppMarks, stamp};
use crate::wire::{self, Peer};

/// Bytes of a record of `/records`: the time it was written, and filling.
pub const RECORD: usize = 64;
/// The body of `/small`.
pub const SMALL: &[u8] =
    b"{\"items\":[{\"id\":1,\"name\":\"blue pen\"},{\"id\":2,\"name\":\"red pen\"}],\"next\":null}";

/// An app that listens until it is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    marks: Arc<AppMarks>,
    is_closed: Arc<AtomicBool>,
}

impl Origin {
    /// Listens on a free port.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Listens on this port.
    pub fn start_on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let marks = Arc::new(AppMarks::default());
        let is_closed = Arc::new(AtomicBool::new(false));
        let (of_thread, closed) = (Arc::clone(&marks), Arc::clone(&is_closed));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::Relaxed) {
                    break;
                }
                let marks = Arc::clone(&of_thread);
                // What ends a connection is the adapter's end.
                thread::spawn(move || drop(serve(stream, &marks)));
            }
        });
        Ok(Self {
            address,
            marks,
            is_closed,
        })
    }

    /// A port on which nobody listens yet.
    pub fn reserve_port() -> io::Result<u16> {
        Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port())
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it tells of the requests it takes.
    #[must_use]
    pub fn marks(&self) -> Arc<AppMarks> {
        Arc::clone(&self.marks)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, marks: &AppMarks) -> io::Result<()> {
    let mut peer = Peer::new(stream)?;
    let mut prepared = Prepared::default();
    let mut body = Vec::new();
    while let Some(length) = peer.head()? {
        let head = &peer.bytes()[..length];
        let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let target = String::from_utf8_lossy(target).into_owned();
        let framing = wire::framing(head);
        peer.consume(length);
        body.clear();
        peer.body(framing, |piece| body.extend_from_slice(piece.data))?;
        marks.request_is_read(peer.arrived_at());
        let path = target.split('?').next().unwrap_or_default();
        let mut parts = path.trim_start_matches('/').split('/');
        let kind = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
        match kind {
            "echo" => {
                let head = head_of("application/octet-stream", body.len());
                marks.head_is_written(Instant::now());
                peer.write_both(head.as_bytes(), &body)?;
            }
            "binary" | "text" => {
                let response = prepared.whole(kind, number());
                marks.head_is_written(Instant::now());
                peer.write(response)?;
            }
            "stream" => stream_chunks(&mut peer, number(), number(), marks)?,
            "records" => {
                let (count, interval) = (number(), Duration::from_micros(number() as u64));
                write_records(&mut peer, count, interval, marks)?;
            }
            _ => {
                let response = prepared.small();
                marks.head_is_written(Instant::now());
                peer.write(response)?;
            }
        }
    }
    Ok(())
}

fn head_of(kind: &str, length: usize) -> String {
    let mut head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n");
    let _ = write!(
        head,
        "Content-Length: {length}\r\nX-Request-Cost: 1\r\n\r\n"
    );
    head
}

const CHUNKED_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Responses that are made once.
#[derive(Default)]
struct Prepared {
    small: Vec<u8>,
    whole: Option<(String, usize, Vec<u8>)>,
}

impl Prepared {
    fn small(&mut self) -> &[u8] {
        if self.small.is_empty() {
            self.small = [head_of("application/json", SMALL.len()).as_bytes(), SMALL].concat();
        }
        &self.small
    }

    fn whole(&mut self, kind: &str, size: usize) -> &[u8] {
        let is_ready = matches!(&self.whole, Some((k, s, _)) if k == kind && *s == size);
        if !is_ready {
            let (media, body) = match kind {
                "text" => ("text/html; charset=utf-8", text(size)),
                _ => ("application/octet-stream", binary(size)),
            };
            let response = [head_of(media, size).as_bytes(), &body].concat();
            self.whole = Some((kind.to_owned(), size, response));
        }
        self.whole.as_ref().map_or(&[], |(_, _, response)| response)
    }
}

/// A page's worth of text over and over: some of it has to be escaped in JSON, and some is not ASCII.
#[must_use]
pub fn text(size: usize) -> Vec<u8> {
    let line = "<li class=\"item\">Zwei blaue Stifte, je 1,20 €, und ein roter Füller in der Schachtel</li>\n";
    let mut text: Vec<u8> = line.bytes().cycle().take(size).collect();
    // Not in the middle of a character.
    let end = text.utf8_chunks().map(|chunk| chunk.valid().len()).sum();
    text.truncate(end);
    text.resize(size, b'\n');
    text
}

/// Bytes that are no text, and have no pattern that a short look would find.
#[must_use]
pub fn binary(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(size.div_ceil(8))
    .flatten()
    .collect();
    bytes.truncate(size);
    bytes
}

fn stream_chunks(peer: &mut Peer, count: usize, size: usize, marks: &AppMarks) -> io::Result<()> {
    let mut chunk = format!("{size:x}\r\n").into_bytes();
    chunk.extend_from_slice(&binary(size));
    chunk.extend_from_slice(b"\r\n");
    marks.head_is_written(Instant::now());
    peer.write(CHUNKED_HEAD)?;
    for _ in 0..count {
        peer.write(&chunk)?;
    }
    peer.write(b"0\r\n\r\n")
}

/// Records that bear the time at which each was written.
fn write_records(
    peer: &mut Peer,
    count: usize,
    interval: Duration,
    marks: &AppMarks,
) -> io::Result<()> {
    marks.head_is_written(Instant::now());
    peer.write(CHUNKED_HEAD)?;
    let mut due_at = Instant::now();
    let mut chunk = format!("{RECORD:x}\r\n").into_bytes();
    let at = chunk.len();
    chunk.resize(at + RECORD, b'.');
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..count {
        due_at += interval;
        thread::sleep(due_at.saturating_duration_since(Instant::now()));
        chunk[at..at + 8].copy_from_slice(&stamp(Instant::now()).to_le_bytes());
        peer.write(&chunk)?;
    }
    peer.write(b"0\r\n\r\n")
}
