// SPDX-License-Identifier: Apache-2.0
//! One invocation after the other, on one connection to Lambda and one to the app.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use memchr::memmem;
use streamgate_benches::wire::{self, ChunkDecoder, Framing, write_both};

use crate::{event, reply};

const POLL: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n";
/// Bytes read of the app at a time.
const READ_SIZE: usize = 256 * 1024;
/// Room before what is read, for the size of a chunk.
const BEFORE: usize = 16;

/// Two connections and the buffers between them.
pub(crate) struct Lane {
    runtime: TcpStream,
    app: TcpStream,
    is_streamed: bool,
    from_lambda: Buffer,
    from_app: Buffer,
    request: Vec<u8>,
    reply: Vec<u8>,
}

/// Bytes read, in a buffer that grows and is used again.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    end: usize,
}

impl Buffer {
    fn read(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        if self.bytes.len() - self.end < READ_SIZE / 2 {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        let count = stream.read(&mut self.bytes[self.end..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.end += count;
        Ok(())
    }

    /// Reads a message from its beginning, up to the end of its head: that end.
    fn read_head(&mut self, stream: &mut TcpStream) -> io::Result<usize> {
        self.end = BEFORE;
        loop {
            self.read(stream)?;
            if let Some(at) = memmem::find(&self.bytes[BEFORE..self.end], b"\r\n\r\n") {
                return Ok(BEFORE + at + 4);
            }
        }
    }

    fn read_until(&mut self, end: usize, stream: &mut TcpStream) -> io::Result<()> {
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if self.end < end {
            stream.read_exact(&mut self.bytes[self.end..end])?;
            self.end = end;
        }
        Ok(())
    }
}

impl Lane {
    pub(crate) fn new(runtime: TcpStream, app: TcpStream, is_streamed: bool) -> io::Result<Self> {
        runtime.set_nodelay(true)?;
        app.set_nodelay(true)?;
        let buffer = || Buffer {
            bytes: vec![0; READ_SIZE],
            end: BEFORE,
        };
        Ok(Self {
            runtime,
            app,
            is_streamed,
            from_lambda: buffer(),
            from_app: buffer(),
            request: Vec::new(),
            reply: Vec::new(),
        })
    }

    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            self.runtime.write_all(POLL)?;
            let head = self.from_lambda.read_head(&mut self.runtime)?;
            let Framing::Length(length) = wire::framing(&self.from_lambda.bytes[BEFORE..head])
            else {
                return Err(io::Error::other("an event of unknown length"));
            };
            self.from_lambda
                .read_until(head + length, &mut self.runtime)?;
            let (head, event) =
                self.from_lambda.bytes[BEFORE..head + length].split_at(head - BEFORE);
            event::write_request(&mut self.request, event)?;
            self.app.write_all(&self.request)?;

            let id = wire::header(head, "lambda-runtime-aws-request-id").unwrap_or_default();
            reply::begin_post(&mut self.reply, id);
            let head = self.from_app.read_head(&mut self.app)?;
            let framing = wire::framing(&self.from_app.bytes[BEFORE..head]);
            if self.is_streamed {
                self.stream(head, framing)?;
            } else {
                self.buffer(head, framing)?;
            }
            self.take_acknowledgement()?;
        }
    }

    /// What Lambda says to the reply.
    fn take_acknowledgement(&mut self) -> io::Result<()> {
        let head = self.from_lambda.read_head(&mut self.runtime)?;
        if let Framing::Length(length) = wire::framing(&self.from_lambda.bytes[BEFORE..head]) {
            self.from_lambda
                .read_until(head + length, &mut self.runtime)?;
        }
        Ok(())
    }

    fn buffer(&mut self, head: usize, framing: Framing) -> io::Result<()> {
        let Framing::Length(length) = framing else {
            return Err(io::Error::other("a buffered response of unknown length"));
        };
        self.from_app.read_until(head + length, &mut self.app)?;
        let (head, body) = self.from_app.bytes[BEFORE..head + length].split_at(head - BEFORE);
        reply::write_buffered(&mut self.reply, head, body);
        self.runtime.write_all(&self.reply)
    }

    fn stream(&mut self, head: usize, framing: Framing) -> io::Result<()> {
        reply::write_prelude(&mut self.reply, &self.from_app.bytes[BEFORE..head]);
        match framing {
            Framing::Chunked => self.stream_chunks(head),
            Framing::Length(length) => self.stream_length(head, length),
        }
    }

    /// The chunks of the app are Lambda's as they are.
    fn stream_chunks(&mut self, head: usize) -> io::Result<()> {
        let mut decoder = ChunkDecoder::default();
        let bytes = &self.from_app.bytes[head..self.from_app.end];
        decoder.feed(bytes, |_, _| ())?;
        write_both(&mut self.runtime, &self.reply, bytes)?;
        while !decoder.is_done() {
            let count = self.app.read(&mut self.from_app.bytes)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = &self.from_app.bytes[..count];
            decoder.feed(bytes, |_, _| ())?;
            self.runtime.write_all(bytes)?;
        }
        Ok(())
    }

    fn stream_length(&mut self, head: usize, length: usize) -> io::Result<()> {
        let bytes = &self.from_app.bytes[head..self.from_app.end];
        let mut left = length - bytes.len();
        if !bytes.is_empty() {
            write!(self.reply, "{:x}\r\n", bytes.len())?;
            self.reply.extend_from_slice(bytes);
            self.reply.extend_from_slice(b"\r\n");
        }
        if left == 0 {
            self.reply.extend_from_slice(b"0\r\n\r\n");
        }
        self.runtime.write_all(&self.reply)?;
        while left > 0 {
            let room = self.from_app.bytes.len() - 16;
            let count = self.app.read(&mut self.from_app.bytes[BEFORE..room])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= count;
            self.reply.clear();
            write!(self.reply, "{count:x}\r\n")?;
            let start = BEFORE - self.reply.len();
            self.from_app.bytes[start..BEFORE].copy_from_slice(&self.reply);
            let end: &[u8] = if left == 0 { b"\r\n0\r\n\r\n" } else { b"\r\n" };
            let stop = BEFORE + count + end.len();
            self.from_app.bytes[BEFORE + count..stop].copy_from_slice(end);
            self.runtime.write_all(&self.from_app.bytes[start..stop])?;
        }
        Ok(())
    }
}
