// SPDX-License-Identifier: Apache-2.0
//! A client that speaks HTTP/1.1 in bytes and shows what arrived: the head's lines, each chunk as it comes, the end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::waiting::PATIENCE;
use crate::wire::{Framing, Head, Piece, take_piece};

/// How a body came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing promised.
    Complete,
    /// The connection ended, or the framing broke, before that.
    Cut(String),
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request with this method and target; the target goes out byte for byte.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref().to_vec();
        Self {
            method: method.to_owned(),
            target,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// A POST with a body and its type.
    pub fn post(target: impl AsRef<[u8]>, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target)
            .header("content-type", content_type)
            .body(body)
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn encode(&self, host: SocketAddr) -> Vec<u8> {
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(format!(" HTTP/1.1\r\nhost: {host}\r\n").as_bytes());
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !self.body.is_empty() {
            bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status line and headers.
    pub head: Head,
    /// The pieces in which the body came: chunks, or reads where it was not chunked.
    pub chunks: Vec<Vec<u8>>,
    /// What followed the terminating chunk.
    pub trailers: Vec<(String, String)>,
    /// How the body ended.
    pub end: End,
}

impl Response {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The whole body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body())
            .unwrap_or_else(|error| panic!("no JSON ({error}) in the answer {self:?}"))
    }
}

/// What the next look at a body shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Data: one chunk, or one read where the body is not chunked.
    Data(Vec<u8>),
    /// The proper end, with the trailers.
    Complete(Vec<(String, String)>),
    /// An end that is none.
    Cut(String),
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    address: SocketAddr,
    buffer: Vec<u8>,
    method: String,
    framing: Framing,
}

impl Client {
    /// Connects.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the limit is not zero");
        stream
            .set_nodelay(true)
            .expect("a connected socket takes options");
        Self {
            stream,
            address,
            buffer: Vec::new(),
            method: String::new(),
            framing: Framing::Empty,
        }
    }

    /// Waits longer, or shorter, than a test commonly does for what is to arrive.
    #[must_use]
    pub fn patient_for(self, limit: Duration) -> Self {
        self.stream
            .set_read_timeout(Some(limit))
            .expect("the limit is not zero");
        self
    }

    /// Sends a request.
    pub fn send(&mut self, request: &Request) {
        self.method.clone_from(&request.method);
        self.send_raw(&request.encode(self.address));
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server takes the request");
    }

    /// Reads the head of the response; interim ones are skipped.
    pub fn head(&mut self) -> Head {
        loop {
            let parsed = Head::parse(&self.buffer).unwrap_or_else(|error| panic!("{error}"));
            if let Some((head, length)) = parsed {
                self.buffer.drain(..length);
                let status = head.status();
                if (100..200).contains(&status) {
                    continue;
                }
                let bodyless = self.method == "HEAD" || status == 204 || status == 304;
                self.framing = if bodyless {
                    Framing::Empty
                } else {
                    head.framing(Framing::UntilClose)
                };
                return head;
            }
            let count = self
                .fill()
                .unwrap_or_else(|error| panic!("no response head: {error}"));
            let so_far = String::from_utf8_lossy(&self.buffer).into_owned();
            assert!(
                count > 0,
                "the connection closed before the head was complete: {so_far:?}"
            );
        }
    }

    /// Waits for the next piece of the body.
    pub fn step(&mut self) -> Next {
        loop {
            match self.framing {
                Framing::Empty | Framing::Length(0) => return Next::Complete(Vec::new()),
                Framing::Length(left) if !self.buffer.is_empty() => {
                    let size = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(self.buffer.len());
                    self.framing = Framing::Length(left - size as u64);
                    return Next::Data(self.buffer.drain(..size).collect());
                }
                Framing::UntilClose if !self.buffer.is_empty() => {
                    return Next::Data(std::mem::take(&mut self.buffer));
                }
                Framing::Length(_) | Framing::UntilClose => {}
                Framing::Chunked => match take_piece(&mut self.buffer) {
                    Ok(Some(Piece::Chunk(data))) => return Next::Data(data),
                    Ok(Some(Piece::End(trailers))) => {
                        self.framing = Framing::Empty;
                        return Next::Complete(trailers);
                    }
                    Ok(None) => {}
                    Err(error) => return Next::Cut(error),
                },
            }
            match self.fill() {
                Ok(0) if self.framing == Framing::UntilClose => {
                    self.framing = Framing::Empty;
                    return Next::Complete(Vec::new());
                }
                Ok(0) => return Next::Cut("closed before the end".to_owned()),
                Ok(_) => {}
                Err(error) => return Next::Cut(error),
            }
        }
    }

    /// Waits for the next piece of the body, which has to be data.
    pub fn data(&mut self) -> Vec<u8> {
        match self.step() {
            Next::Data(data) => data,
            end => panic!("expected more of the body, got {end:?}"),
        }
    }

    /// Reads a whole response.
    pub fn response(&mut self) -> Response {
        let head = self.head();
        let mut chunks = Vec::new();
        loop {
            match self.step() {
                Next::Data(data) => chunks.push(data),
                Next::Complete(trailers) => {
                    return Response {
                        head,
                        chunks,
                        trailers,
                        end: End::Complete,
                    };
                }
                Next::Cut(why) => {
                    return Response {
                        head,
                        chunks,
                        trailers: Vec::new(),
                        end: End::Cut(why),
                    };
                }
            }
        }
    }

    /// Sends a request and reads the whole response.
    pub fn exchange(&mut self, request: &Request) -> Response {
        self.send(request);
        self.response()
    }

    /// Whether the server has closed this connection; waits for it.
    pub fn is_closed_by_server(&mut self) -> bool {
        matches!(self.fill(), Ok(0))
    }

    fn fill(&mut self) -> Result<usize, String> {
        let mut block = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut block) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&block[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A test that hangs here would look like any other failure to receive; say which it is.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    let limit = self.stream.read_timeout().ok().flatten();
                    panic!(
                        "nothing arrived for {:?}; unread: {} bytes",
                        limit.unwrap_or(PATIENCE),
                        self.buffer.len()
                    );
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// One request on a connection of its own.
#[must_use]
pub fn exchange(address: SocketAddr, request: &Request) -> Response {
    Client::connect(address).exchange(request)
}

/// A GET on a connection of its own.
pub fn get(address: SocketAddr, target: impl AsRef<[u8]>) -> Response {
    exchange(address, &Request::get(target))
}
