// SPDX-License-Identifier: Apache-2.0
//! One connection of the adapter: reads its requests and answers them as the script says.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::SockRef;

use super::exchange::Exchange;
use super::faults::{Call, Fault, Flaw, Poll};
use super::{HANDLER, Script, unix_ms};
use crate::event::Event;
use crate::http::End;
use crate::waiting::{PATIENCE, Watched};
use crate::wire::{Framing, Head, Piece, find, take_piece};

/// How often a thread that waits for a script's next step looks whether its peer is still there.
const PEEK_INTERVAL: Duration = Duration::from_millis(20);

/// How long an eager reader stays awake.
const SPIN_LIMIT: Duration = Duration::from_millis(20);

/// The body of every success.
const OK: &str = r#"{"status":"OK"}"#;

/// The body of every error.
const ERROR: &str = r#"{"errorMessage":"scripted","errorType":"Scripted"}"#;

/// A request that was read: its number among all requests, and what meets it if it is a reply.
struct Received {
    index: usize,
    fault: Option<Fault>,
}

pub(super) struct Connection {
    stream: TcpStream,
    number: usize,
    script: Arc<Watched<Script>>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, number: usize, script: Arc<Watched<Script>>) -> Self {
        Self {
            stream,
            number,
            script,
            buffer: Vec::new(),
        }
    }

    pub(super) fn serve(mut self) {
        if self.stream.set_nodelay(true).is_err() {
            return;
        }
        while let Some(received) = self.request() {
            if !self.answer(&received) {
                return;
            }
        }
    }

    /// Reads a request to its end, as far as its fault lets it.
    fn request(&mut self) -> Option<Received> {
        let mut reads = Vec::new();
        if !self.buffer.is_empty() {
            reads.push(self.buffer.clone());
        }
        let head = loop {
            match Head::parse(&self.buffer) {
                Ok(Some((head, length))) => {
                    self.buffer.drain(..length);
                    break head;
                }
                Ok(None) => reads.push(self.read()?),
                Err(error) => panic!("the adapter sent a malformed head: {error}"),
            }
        };
        let framing = head.framing(Framing::Empty);
        let exchange = Exchange {
            connection: self.number,
            head,
            reads,
            chunks: Vec::new(),
            trailers: Vec::new(),
            end: None,
            answered: None,
            is_taken: false,
            at: Instant::now(),
        };
        let (index, mut fault) = self.script.change(|script| {
            script.exchanges.push(exchange);
            let index = script.exchanges.len() - 1;
            (index, script.fault_of(index))
        });
        if matches!(fault, Some(Fault::Stall)) {
            let released = |script: &mut Script| {
                let fault = script.fault_of(index);
                (script.closed || !matches!(fault, Some(Fault::Stall))).then_some(fault)
            };
            fault = self.script.wait(PATIENCE, released).flatten();
        }
        let end = self.body(index, framing, fault.as_ref());
        let complete = end == End::Complete;
        self.script
            .change(|script| script.exchanges[index].end = Some(end));
        complete.then_some(Received { index, fault })
    }

    fn body(&mut self, index: usize, framing: Framing, fault: Option<&Fault>) -> End {
        let limit = fault.and_then(Fault::limit);
        let mut left = match framing {
            Framing::Length(length) => length,
            _ => 0,
        };
        let mut taken = 0;
        loop {
            if limit.is_some_and(|limit| taken + self.buffer.len() >= limit) {
                return self.break_off(index, fault);
            }
            if framing == Framing::Chunked {
                match take_piece(&mut self.buffer) {
                    Ok(Some(Piece::Chunk(chunk))) => {
                        taken += chunk.len();
                        self.script
                            .change(|script| script.exchanges[index].chunks.push(chunk));
                        continue;
                    }
                    Ok(Some(Piece::End(trailers))) => {
                        self.script
                            .change(|script| script.exchanges[index].trailers = trailers);
                        return End::Complete;
                    }
                    Ok(None) => {}
                    Err(error) => return End::Cut(error),
                }
            } else if left == 0 {
                return End::Complete;
            } else if !self.buffer.is_empty() {
                let size = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(self.buffer.len());
                let data: Vec<u8> = self.buffer.drain(..size).collect();
                left -= size as u64;
                taken += size;
                self.script
                    .change(|script| script.exchanges[index].chunks.push(data));
                continue;
            }
            let Some(read) = self.read() else {
                return End::Cut("closed before the end".to_owned());
            };
            self.script
                .change(|script| script.exchanges[index].reads.push(read));
        }
    }

    fn break_off(&mut self, index: usize, fault: Option<&Fault>) -> End {
        match fault {
            Some(Fault::CloseAfter(_)) => return End::Cut("closed by the script".to_owned()),
            Some(Fault::AnswerAfter(_, status)) => {
                self.respond(index, *status, "", ERROR);
                while self.read().is_some() {
                    self.buffer.clear();
                }
                return End::Cut("answered early by the script".to_owned());
            }
            _ => {}
        }
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        End::Cut("reset by the script".to_owned())
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let mut block = vec![0; 256 * 1024];
        if self.script.lock().eager {
            self.spin();
        }
        let count = self.stream.read(&mut block).ok()?;
        block.truncate(count);
        self.buffer.extend_from_slice(&block);
        (count > 0).then_some(block)
    }

    /// Waits for bytes without going to sleep, for a while: a reader that has to be woken comes too late to see where
    /// one write ended and the next began.
    fn spin(&self) {
        if self.stream.set_nonblocking(true).is_ok() {
            let end_at = Instant::now() + SPIN_LIMIT;
            while Instant::now() < end_at && self.stream.peek(&mut [0]).is_err() {}
            let _ = self.stream.set_nonblocking(false);
        }
    }

    /// Answers a request; whether the connection goes on.
    fn answer(&mut self, received: &Received) -> bool {
        let index = received.index;
        let exchange = self.script.lock().exchanges[index].clone();
        match (exchange.head.method(), exchange.head.target()) {
            ("GET", "/2018-06-01/runtime/invocation/next") => self.answer_poll(index),
            ("GET", "/2020-01-01/extension/event/next") => self.answer_extension(index),
            ("GET", "/2018-06-01/runtime/restore/next") => {
                let restored = self.step(|script| {
                    script.restores = script.restores.checked_sub(1)?;
                    Some(())
                });
                restored.is_some() && self.respond(index, 200, "", "")
            }
            ("POST", "/2020-01-01/extension/register") => {
                let body = json!({ "functionName": "itest", "functionVersion": "$LATEST", "handler": HANDLER });
                let headers =
                    "Lambda-Extension-Identifier: 1f2b5d1e-7c4b-4a55-9a3e-0c3d8a7f6b21\r\n";
                self.answer_call(
                    index,
                    Call::Register,
                    &answer(200, headers, &body.to_string()),
                )
            }
            ("POST", "/2020-01-01/extension/init/error") => {
                self.answer_call(index, Call::ExtensionInitError, &answer(202, "", OK))
            }
            ("POST", "/2018-06-01/runtime/init/error") => {
                self.answer_call(index, Call::InitError, &answer(202, "", OK))
            }
            ("POST", _) => self.answer_reply(received),
            _ => self.respond(index, 404, "", ""),
        }
    }

    fn answer_call(&mut self, index: usize, call: Call, answer: &[u8]) -> bool {
        let free = self.step(|script| (!script.faults.is_held(call)).then_some(()));
        let flaw = self.script.change(|script| script.faults.take(call));
        free.is_some() && self.send(index, answer, flaw)
    }

    /// Takes a reply, unless it comes too late or its fault is that it is refused.
    fn answer_reply(&mut self, received: &Received) -> bool {
        let Received { index, ref fault } = *received;
        let flaw = match fault {
            Some(Fault::Answer(flaw)) => Some(*flaw),
            _ => None,
        };
        let is_taken = self.script.change(|script| {
            let is_open = !script.is_answered(index);
            let is_taken = is_open && !matches!(flaw, Some(Flaw::Status(_)));
            script.exchanges[index].is_taken = is_taken;
            is_taken
        });
        if is_taken || flaw.is_some() {
            self.send(index, &answer(202, "", OK), flaw)
        } else {
            let body = r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#;
            self.respond(index, 400, "", body)
        }
    }

    fn answer_extension(&mut self, index: usize) -> bool {
        let Some((event, flaw)) = self.step(Script::take_extension_event) else {
            return false;
        };
        let headers = "Lambda-Extension-Event-Identifier: e1\r\n";
        let text = event.as_ref().map(ToString::to_string).unwrap_or_default();
        let goes_on = self.send(index, &answer(200, headers, &text), flaw);
        if let Some(event) = event
            && flaw.is_some_and(|flaw| !flaw.completes())
        {
            self.script
                .change(|script| script.extension_events.push_front(event));
        }
        goes_on
    }

    fn answer_poll(&mut self, index: usize) -> bool {
        match self.step(Script::take_poll) {
            None => false,
            Some((Poll::Flaw(flaw), _)) => self.send(index, b"", Some(flaw)),
            Some((Poll::Raw(bytes), _)) => {
                self.note_answer(index, 0);
                let _ = self.stream.write_all(&bytes);
                false
            }
            Some((Poll::Event(id, event), flaw)) => {
                let goes_on = self.send(index, &answer_with(&id, &event), flaw);
                if flaw.is_some_and(|flaw| !flaw.completes()) {
                    self.script
                        .change(|script| script.polls.push_front(Poll::Event(id, event)));
                }
                goes_on
            }
        }
    }

    /// Waits for the script's next step, or for the peer to go away.
    fn step<T>(&self, mut take: impl FnMut(&mut Script) -> Option<T>) -> Option<T> {
        loop {
            let found = self.script.wait(PEEK_INTERVAL, |script| {
                if script.closed {
                    Some(None)
                } else {
                    take(script).map(Some)
                }
            });
            if let Some(found) = found {
                return found;
            }
            if self.peer_is_gone() {
                return None;
            }
        }
    }

    fn peer_is_gone(&self) -> bool {
        if self.stream.set_nonblocking(true).is_err() {
            return true;
        }
        let seen = self.stream.peek(&mut [0]);
        let gone = match seen {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        gone || self.stream.set_nonblocking(false).is_err()
    }

    fn respond(&mut self, index: usize, status: u16, headers: &str, body: &str) -> bool {
        self.note_answer(index, status);
        let answer = answer(status, headers, body);
        self.stream.write_all(&answer).is_ok()
    }

    fn note_answer(&self, index: usize, status: u16) {
        self.script
            .change(|script| script.exchanges[index].answered = Some(status));
    }

    /// Sends an answer, or what a flaw makes of it; whether the connection goes on.
    fn send(&mut self, index: usize, answer: &[u8], flaw: Option<Flaw>) -> bool {
        let Some(flaw) = flaw else {
            self.note_answer(index, status_of(answer));
            return self.stream.write_all(answer).is_ok();
        };
        let head = find(answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let part = match flaw {
            Flaw::Status(status) => return self.respond(index, status, "", ERROR),
            Flaw::Split | Flaw::Late(_) => {
                thread::sleep(flaw.delay());
                self.note_answer(index, status_of(answer));
                let size = if flaw == Flaw::Split { 1 } else { answer.len() };
                let mut pieces = answer.chunks(size);
                return pieces.all(|piece| self.stream.write_all(piece).is_ok());
            }
            Flaw::Reset => {
                let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                &[]
            }
            Flaw::Close => &[],
            Flaw::Garbage => b"this is no HTTP\r\n\r\n".as_slice(),
            Flaw::HalfHead | Flaw::Stall => &answer[..head / 2],
            Flaw::HalfBody => &answer[..usize::midpoint(head, answer.len())],
        };
        self.note_answer(index, 0);
        let _ = self.stream.write_all(part);
        if flaw == Flaw::Stall {
            while self.read().is_some() {
                self.buffer.clear();
            }
        }
        false
    }
}

/// A whole answer.
fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    text.into_bytes()
}

/// The answer to a poll.
fn answer_with(id: &str, event: &Event) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Lambda-Runtime-Aws-Request-Id: {id}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:itest\r\n",
        event.body.len(),
    );
    let mut names = event.headers.iter().map(|(name, _)| name);
    if !names.any(|name| name == "Lambda-Runtime-Deadline-Ms") {
        let deadline = unix_ms(Duration::from_mins(1));
        let _ = write!(head, "Lambda-Runtime-Deadline-Ms: {deadline}\r\n");
    }
    for (name, value) in &event.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    [head.as_bytes(), &event.body].concat()
}

fn status_of(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).unwrap_or_default();
    String::from_utf8_lossy(digits).parse().unwrap_or_default()
}
