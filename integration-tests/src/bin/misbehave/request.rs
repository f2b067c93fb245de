// SPDX-License-Identifier: Apache-2.0
//! The request as it came: its head kept in bytes, its body read when it is wanted.

use std::io::{self, Read};
use std::net::TcpStream;

use integration_tests::wire::{Framing, Head, Piece, take_piece};

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    /// The head's bytes, line ends and all.
    pub(crate) raw: Vec<u8>,
}

/// Bytes that came with the head but belong to what follows.
pub(crate) type Leftover = Vec<u8>;

impl Request {
    /// Reads the next head, or `None` when the peer is done.
    pub(crate) fn read(stream: &mut TcpStream, buffer: &mut Leftover) -> io::Result<Option<Self>> {
        loop {
            if let Some((head, length)) = Head::parse(buffer).map_err(io::Error::other)? {
                let raw = buffer.drain(..length).collect();
                return Ok(Some(Self { head, raw }));
            }
            if fill(stream, buffer)? == 0 {
                return Ok(None);
            }
        }
    }

    /// What is asked for: the path, or the header `x-behave` where the path itself is under test.
    pub(crate) fn path(&self) -> &str {
        if let Some(behaviour) = self.head.header("x-behave") {
            return behaviour;
        }
        self.head.target().split('?').next().unwrap_or_default()
    }

    /// What the app says of it: which connection it came on, what it asks for, and what it says of events.
    pub(crate) fn note(&self, connection: usize) -> String {
        let header = |name| self.head.header(name).unwrap_or("-");
        format!(
            "connection={connection} request={} {} event={} secret={}",
            self.head.method(),
            self.head.target(),
            header("x-streamgate-event"),
            header("x-streamgate-event-secret")
        )
    }

    /// The value of a query parameter, undecoded.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.head.target().split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn number(&self, name: &str, default: usize) -> usize {
        self.query(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }

    /// Reads the body to its end.
    pub(crate) fn body(
        &self,
        stream: &mut TcpStream,
        buffer: &mut Leftover,
    ) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        match self.head.framing(Framing::Empty) {
            Framing::Empty | Framing::UntilClose => {}
            Framing::Length(length) => {
                let length = usize::try_from(length).map_err(io::Error::other)?;
                while buffer.len() < length {
                    expect_more(fill(stream, buffer)?)?;
                }
                body.extend(buffer.drain(..length));
            }
            Framing::Chunked => loop {
                match take_piece(buffer).map_err(io::Error::other)? {
                    Some(Piece::Chunk(chunk)) => body.extend_from_slice(&chunk),
                    Some(Piece::End(_)) => break,
                    None => expect_more(fill(stream, buffer)?)?,
                }
            },
        }
        Ok(body)
    }
}

fn fill(stream: &mut TcpStream, buffer: &mut Leftover) -> io::Result<usize> {
    let mut block = [0; 16 * 1024];
    let count = stream.read(&mut block)?;
    buffer.extend_from_slice(&block[..count]);
    Ok(count)
}

fn expect_more(count: usize) -> io::Result<()> {
    if count == 0 {
        return Err(io::Error::other("the request broke off"));
    }
    Ok(())
}
