// SPDX-License-Identifier: Apache-2.0
//! An app inside the test: it keeps every request as it came and gives the answer that the test has set.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use integration_tests::waiting::Watched;
use integration_tests::wire::{Framing, Head, Piece, take_piece};

/// What the app answers unless the test says otherwise.
const READY: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nready";

/// A request as the app saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
struct State {
    seen: Vec<Seen>,
    answer: Vec<u8>,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Witness {
    address: SocketAddr,
    state: Arc<Watched<State>>,
}

impl Witness {
    pub(crate) fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let state = Arc::new(Watched::new(State {
            seen: Vec::new(),
            answer: READY.to_vec(),
            closed: false,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock().closed {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, every request gets these bytes. Nothing at all: the connection is closed instead.
    pub(crate) fn answer(&self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.state.change(|state| state.answer = bytes);
    }

    /// Takes the requests so far.
    pub(crate) fn take(&self) -> Vec<Seen> {
        self.state.change(|state| std::mem::take(&mut state.seen))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.state.change(|state| state.closed = true);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, state: &Watched<State>) {
    let mut buffer = Vec::new();
    let _ = stream.set_nodelay(true);
    while let Some(seen) = request(&mut stream, &mut buffer) {
        let answer = state.change(|state| {
            state.seen.push(seen);
            state.answer.clone()
        });
        if answer.is_empty() || stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head = loop {
        match Head::parse(buffer) {
            Ok(Some((head, length))) => {
                buffer.drain(..length);
                break head;
            }
            Ok(None) => fill(stream, buffer)?,
            Err(error) => panic!("the adapter sent a malformed head: {error}"),
        }
    };
    let mut body = Vec::new();
    match head.framing(Framing::Empty) {
        Framing::Empty | Framing::UntilClose => {}
        Framing::Length(length) => {
            let length = usize::try_from(length).expect("a length that fits");
            while buffer.len() < length {
                fill(stream, buffer)?;
            }
            body.extend(buffer.drain(..length));
        }
        Framing::Chunked => loop {
            match take_piece(buffer) {
                Ok(Some(Piece::Chunk(chunk))) => body.extend(chunk),
                Ok(Some(Piece::End(_))) => break,
                Ok(None) => fill(stream, buffer)?,
                Err(error) => panic!("the adapter sent a malformed body: {error}"),
            }
        },
    }
    Some(Seen { head, body })
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut block = [0; 16 * 1024];
    let count = stream.read(&mut block).ok()?;
    buffer.extend_from_slice(&block[..count]);
    (count > 0).then_some(())
}
