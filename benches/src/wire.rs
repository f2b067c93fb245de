// SPDX-License-Identifier: Apache-2.0
//! HTTP/1.1 on blocking sockets: as much as the two ends of an adapter need, and no more than that between a read and
//! what is measured.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use memchr::memmem;

/// Bytes read at a time.
const READ_SIZE: usize = 256 * 1024;

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By a header.
    Length(usize),
    /// By the chunked transfer coding.
    Chunked,
}

/// A piece of a body's payload.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// When they were read.
    pub at: Instant,
    /// Which chunk of a chunked body they are of, counted from 1; 0 in a body that is not chunked.
    pub chunk: usize,
}

/// A connection and what has been read of it.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    arrived_at: Instant,
}

impl Peer {
    /// Takes over a connection, and has it send at once what it is given.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; READ_SIZE],
            start: 0,
            end: 0,
            arrived_at: Instant::now(),
        })
    }

    /// When the last bytes were read.
    #[must_use]
    pub fn arrived_at(&self) -> Instant {
        self.arrived_at
    }

    /// What has been read and not been consumed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Bytes of the next head, with its empty line, once it is there. `None`: the peer has closed.
    pub fn head(&mut self) -> io::Result<Option<usize>> {
        loop {
            if let Some(at) = memmem::find(self.bytes(), b"\r\n\r\n") {
                return Ok(Some(at + 4));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Leaves bytes behind.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads a body, handing each piece of its payload to `on_piece`.
    pub fn body(
        &mut self,
        framing: Framing,
        mut on_piece: impl FnMut(Piece<'_>),
    ) -> io::Result<()> {
        let mut decoder = ChunkDecoder::default();
        let mut left = match framing {
            Framing::Length(length) => length,
            Framing::Chunked => usize::MAX,
        };
        loop {
            let at = self.arrived_at;
            let bytes = &self.buffer[self.start..self.end];
            let used = if framing == Framing::Chunked {
                decoder.feed(bytes, |data, chunk| on_piece(Piece { data, at, chunk }))?
            } else {
                let used = bytes.len().min(left);
                if used > 0 {
                    let data = &bytes[..used];
                    on_piece(Piece { data, at, chunk: 0 });
                }
                left -= used;
                used
            };
            self.start += used;
            if left == 0 || decoder.is_done() {
                return Ok(());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Writes all, in one call where the kernel takes it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Writes two pieces, in one call where the kernel takes them.
    pub fn write_both(&mut self, first: &[u8], second: &[u8]) -> io::Result<()> {
        write_both(&mut self.stream, first, second)
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            if self.start == 0 {
                return Err(io::Error::other("a head does not fit into the buffer"));
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let count = self.stream.read(&mut self.buffer[self.end..])?;
        self.arrived_at = Instant::now();
        self.end += count;
        Ok(count)
    }
}

/// Writes two pieces, in one call where the kernel takes them.
pub fn write_both(stream: &mut TcpStream, mut first: &[u8], mut second: &[u8]) -> io::Result<()> {
    while !first.is_empty() && !second.is_empty() {
        let count = stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
        let of_first = count.min(first.len());
        first = &first[of_first..];
        second = &second[count - of_first..];
    }
    stream.write_all(first)?;
    stream.write_all(second)
}

/// The value of a header in a head.
#[must_use]
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    lines(head)
        .find_map(|(found, value)| found.eq_ignore_ascii_case(name.as_bytes()).then_some(value))
}

/// The header lines of a head: names and values.
pub fn lines(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
}

/// How long the body behind a head is. A head that does not tell has none.
#[must_use]
pub fn framing(head: &[u8]) -> Framing {
    for (name, value) in lines(head) {
        if name.eq_ignore_ascii_case(b"content-length") {
            return Framing::Length(number(value));
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Framing::Chunked;
        }
    }
    Framing::Length(0)
}

/// The number at the beginning of the bytes; 0 where there is none.
#[must_use]
pub fn number(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// Takes the chunked transfer coding off.
#[derive(Debug, Default)]
pub struct ChunkDecoder {
    state: State,
    size: usize,
    line: usize,
    chunk: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    Trailers,
    Done,
}

impl ChunkDecoder {
    /// Whether the last chunk and its trailers have been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads on, and hands out pieces of the payload with the number of their chunk. Returns how many bytes belong to
    /// the body: all, unless it ends among them.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut on_data: impl FnMut(&[u8], usize),
    ) -> io::Result<usize> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let count = self.size.min(bytes.len() - at);
                on_data(&bytes[at..at + count], self.chunk);
                at += count;
                self.size -= count;
                if self.size == 0 {
                    self.state = State::DataEnd;
                }
                continue;
            }
            let byte = bytes[at];
            at += 1;
            self.step(byte)?;
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> io::Result<()> {
        match (&self.state, byte) {
            (_, b'\r') => {}
            (State::Size | State::Extension, b'\n') => {
                self.line = 0;
                self.state = if self.size == 0 {
                    State::Trailers
                } else {
                    self.chunk += 1;
                    State::Data
                };
            }
            (State::Size, b';' | b' ') => self.state = State::Extension,
            (State::Size, _) => {
                let digit = char::from(byte).to_digit(16).ok_or_else(|| {
                    io::Error::other(format!("a chunk's size has the byte {byte:#04x}"))
                })?;
                self.size = self.size << 4 | digit as usize;
            }
            (State::DataEnd, _) => self.state = State::Size,
            (State::Trailers, b'\n') if self.line == 0 => self.state = State::Done,
            (State::Trailers, b'\n') => self.line = 0,
            (State::Trailers, _) => self.line += 1,
            (State::Extension | State::Data | State::Done, _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODED: &[u8] = b"5\r\nhello\r\n1;x=y\r\n,\r\nA\r\n world\r\n!!\r\n0\r\nT: v\r\n\r\nGET";

    #[test]
    fn a_chunked_body_comes_out_alike_however_it_is_cut() {
        for size in 1..CODED.len() {
            let mut decoder = ChunkDecoder::default();
            let mut payload = Vec::new();
            let mut used = 0;
            for piece in CODED.chunks(size) {
                used += decoder
                    .feed(piece, |data, _| payload.extend_from_slice(data))
                    .unwrap();
            }
            assert!(decoder.is_done());
            assert_eq!(payload, b"hello, world\r\n!!");
            assert_eq!(&CODED[used..], b"GET");
        }
    }

    #[test]
    fn a_head_tells_how_its_body_is_framed() {
        assert_eq!(
            framing(b"POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n"),
            Framing::Length(12)
        );
        assert_eq!(
            framing(b"POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\n\r\n"),
            Framing::Chunked
        );
        assert_eq!(framing(b"GET / HTTP/1.1\r\n\r\n"), Framing::Length(0));
    }
}
