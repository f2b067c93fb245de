// SPDX-License-Identifier: Apache-2.0
//! A scripted Lambda: Runtime API and Extensions API on raw sockets, to look at every byte that the adapter sends.
//!
//! It is a witness, not an emulator: it hands out what the test queued, records each request with the reads in which it
//! arrived, and breaks the rules where the test says so ([`Fault`]).

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write as _};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use socket2::SockRef;

use crate::event::Event;
use crate::http::End;
use crate::waiting::{self, PATIENCE, Watched};
use crate::wire::{Framing, Head, Piece, find, take_piece};

/// The handler that registering extensions are told.
pub const HANDLER: &str = "run.sh";

/// How often a thread that waits for a script's next step looks whether its peer is still there.
const PEEK_INTERVAL: Duration = Duration::from_millis(20);

/// How long an eager reader stays awake.
const SPIN_LIMIT: Duration = Duration::from_millis(20);

/// What happens to a reply instead of a 202.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is reset when the head and so many bytes of the body have been read.
    ResetAfter(usize),
    /// The same, but the connection is closed in an orderly way.
    CloseAfter(usize),
    /// The same, but this status is the answer, and then nothing happens until the adapter closes the connection.
    AnswerAfter(usize, u16),
    /// Nothing more is read after the head until [`FakeLambda::release`] or [`FakeLambda::change_fault`].
    Stall,
    /// The reply is read, then answered with this status.
    Status(u16),
    /// The reply is read, then the connection is closed without an answer.
    NoAnswer,
}

impl Fault {
    /// After how many bytes of the body it happens.
    fn limit(&self) -> Option<usize> {
        match self {
            Self::ResetAfter(limit) | Self::CloseAfter(limit) | Self::AnswerAfter(limit, _) => {
                Some(*limit)
            }
            Self::Stall | Self::Status(_) | Self::NoAnswer => None,
        }
    }
}

#[derive(Debug)]
enum Poll {
    Event(String, Event),
    Status(u16),
    Reset,
    /// This answer, byte for byte, and then the connection closes.
    Raw(Vec<u8>),
}

/// One request of the adapter, as far as it has come.
#[derive(Clone)]
pub struct Exchange {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// Request line and headers.
    pub head: Head,
    /// The bytes of each read, the head included.
    pub reads: Vec<Vec<u8>>,
    /// The body's chunks, or reads where it has a length.
    pub chunks: Vec<Vec<u8>>,
    /// What followed the terminating chunk.
    pub trailers: Vec<(String, String)>,
    /// How the body ended, when it has.
    pub end: Option<End>,
    /// The status it was answered with, when it was.
    pub answered: Option<u16>,
    /// When the head had arrived.
    pub at: Instant,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Read by people in a failure message, where lists of byte values help no one.
        let body = String::from_utf8_lossy(&self.body())
            .chars()
            .take(2_000)
            .collect::<String>();
        f.debug_struct("Exchange")
            .field("start", &self.head.start)
            .field("headers", &self.head.headers)
            .field("reads", &self.reads.len())
            .field("body", &body)
            .field("trailers", &self.trailers)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// The whole body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body())
            .unwrap_or_else(|error| panic!("no JSON ({error}) in {self:?}"))
    }

    /// The last part of the path.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.head.target().rsplit('/').next().unwrap_or_default()
    }

    /// Takes a streamed reply apart at its delimiter.
    #[must_use]
    pub fn streamed(&self) -> Streamed {
        let body = self.body();
        let delimiter = find(&body, &[0; 8]).unwrap_or_else(|| panic!("no delimiter in {self:?}"));
        let prelude = serde_json::from_slice(&body[..delimiter])
            .unwrap_or_else(|error| panic!("the prelude is no JSON ({error}): {self:?}"));
        Streamed {
            prelude,
            payload: body[delimiter + 8..].to_vec(),
        }
    }

    /// A trailer's value.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let found = self
            .trailers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Everything that was read, as one string of bytes.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        self.reads.concat()
    }
}

/// A streamed reply in its parts.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// The JSON before the delimiter.
    pub prelude: Value,
    /// What follows it.
    pub payload: Vec<u8>,
}

#[derive(Debug, Default)]
struct Script {
    exchanges: Vec<Exchange>,
    polls: VecDeque<Poll>,
    extension_events: VecDeque<Value>,
    restores: usize,
    faults: HashMap<String, Fault>,
    connections: usize,
    queued: usize,
    eager: bool,
    closed: bool,
}

/// The scripted Lambda.
#[derive(Debug)]
pub struct FakeLambda {
    address: SocketAddr,
    script: Arc<Watched<Script>>,
}

impl FakeLambda {
    /// Listens on a free port.
    #[must_use]
    pub fn bind() -> Self {
        waiting::watchdog();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let script = Arc::new(Watched::new(Script::default()));
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock().closed {
                    return;
                }
                let number = shared.change(|script| {
                    script.connections += 1;
                    script.connections - 1
                });
                let connection = Connection {
                    stream,
                    number,
                    script: Arc::clone(&shared),
                    buffer: Vec::new(),
                };
                thread::spawn(move || connection.serve());
            }
        });
        Self { address, script }
    }

    /// From now on, reads bytes the moment they come, so that what was written apart is read apart.
    pub fn read_eagerly(&self) {
        self.script.change(|script| script.eager = true);
    }

    /// What `AWS_LAMBDA_RUNTIME_API` has to say.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Queues an event; returns its request id.
    pub fn queue(&self, event: Event) -> String {
        self.script.change(|script| {
            script.queued += 1;
            let id = format!("8476a536-e9f4-11e8-9739-{:012x}", script.queued);
            script.polls.push_back(Poll::Event(id.clone(), event));
            id
        })
    }

    /// Queues an event whose reply meets a fault; returns its request id.
    pub fn queue_with_fault(&self, event: Event, fault: Fault) -> String {
        let id = format!(
            "8476a536-e9f4-11e8-9739-{:012x}",
            self.script.lock().queued + 1
        );
        self.script.change(|script| script.faults.insert(id, fault));
        self.queue(event)
    }

    /// The next poll is answered with a status instead of an event.
    pub fn queue_poll_status(&self, status: u16) {
        self.script
            .change(|script| script.polls.push_back(Poll::Status(status)));
    }

    /// The next poll's connection is reset.
    pub fn queue_poll_reset(&self) {
        self.script
            .change(|script| script.polls.push_back(Poll::Reset));
    }

    /// The next poll is answered with these bytes.
    pub fn queue_poll_raw(&self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.script
            .change(|script| script.polls.push_back(Poll::Raw(bytes)));
    }

    /// Sends the SHUTDOWN event to the extension, with two seconds to go as on the service.
    pub fn shut_down(&self, reason: &str) {
        let deadline = unix_ms(Duration::from_secs(2));
        let event =
            json!({ "eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline });
        self.script
            .change(|script| script.extension_events.push_back(event));
    }

    /// Answers the adapter's call that waits behind the snapshot.
    pub fn restore(&self) {
        self.script.change(|script| script.restores += 1);
    }

    /// Ends the fault of this invocation's reply.
    pub fn release(&self, id: &str) {
        self.script.change(|script| script.faults.remove(id));
    }

    /// Puts another fault in the place of one that stalls.
    pub fn change_fault(&self, id: &str, fault: Fault) {
        self.script
            .change(|script| script.faults.insert(id.to_owned(), fault));
    }

    /// Waits until `probe` finds something among the requests so far.
    pub fn wait<T>(&self, what: &str, mut probe: impl FnMut(&[Exchange]) -> Option<T>) -> T {
        let found = self
            .script
            .wait(PATIENCE, |script| probe(&script.exchanges));
        found.unwrap_or_else(|| {
            panic!(
                "waited in vain for {what}; requests so far: {:#?}",
                self.summary()
            )
        })
    }

    /// Waits until the adapter polls for the next event: it is ready and idle.
    pub fn wait_for_poll(&self) {
        self.wait("a poll for the next event", |exchanges| {
            exchanges
                .iter()
                .any(|exchange| exchange.is_poll() && exchange.answered.is_none())
                .then_some(())
        });
    }

    /// How often the adapter has polled for an event.
    #[must_use]
    pub fn polls(&self) -> usize {
        let script = self.script.lock();
        script
            .exchanges
            .iter()
            .filter(|exchange| exchange.is_poll())
            .count()
    }

    /// Waits for the reply (a response or an error) to an invocation to come to its end.
    #[must_use]
    pub fn reply(&self, id: &str) -> Exchange {
        self.wait(&format!("the reply to {id}"), |exchanges| {
            let mut replies = exchanges.iter().filter(|exchange| exchange.is_reply_to(id));
            replies.find(|exchange| exchange.end.is_some()).cloned()
        })
    }

    /// Queues an event and waits for its reply.
    pub fn invoke(&self, event: Event) -> Exchange {
        let id = self.queue(event);
        self.reply(&id)
    }

    /// The requests that end in this word, so far.
    #[must_use]
    pub fn requests(&self, suffix: &str) -> Vec<Exchange> {
        let script = self.script.lock();
        script
            .exchanges
            .iter()
            .filter(|exchange| exchange.head.target().ends_with(suffix))
            .cloned()
            .collect()
    }

    /// All replies to an invocation, so far.
    #[must_use]
    pub fn replies(&self, id: &str) -> Vec<Exchange> {
        let script = self.script.lock();
        script
            .exchanges
            .iter()
            .filter(|exchange| exchange.is_reply_to(id))
            .cloned()
            .collect()
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.script.lock().connections
    }

    fn summary(&self) -> Vec<String> {
        let script = self.script.lock();
        let line = |exchange: &Exchange| {
            let body = String::from_utf8_lossy(&exchange.body())
                .chars()
                .take(300)
                .collect::<String>();
            format!(
                "[{}] {} -> {:?}, {:?}: {body:?}",
                exchange.connection, exchange.head.start, exchange.answered, exchange.end
            )
        };
        script.exchanges.iter().map(line).collect()
    }
}

impl Drop for FakeLambda {
    fn drop(&mut self) {
        self.script.change(|script| script.closed = true);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Exchange {
    /// Whether it asks for the next invocation.
    pub fn is_poll(&self) -> bool {
        self.head.target().ends_with("/invocation/next")
    }

    /// Whether it answers this invocation.
    pub fn is_reply_to(&self, id: &str) -> bool {
        self.head.target().contains(&format!("/invocation/{id}/"))
    }
}

fn unix_ms(from_now: Duration) -> u128 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is set");
    (now + from_now).as_millis()
}

struct Connection {
    stream: TcpStream,
    number: usize,
    script: Arc<Watched<Script>>,
    buffer: Vec<u8>,
}

impl Connection {
    fn serve(mut self) {
        if self.stream.set_nodelay(true).is_err() {
            return;
        }
        while let Some(index) = self.request() {
            if !self.answer(index) {
                return;
            }
        }
    }

    /// Reads a request to its end, as far as its fault lets it; its number among all requests.
    fn request(&mut self) -> Option<usize> {
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
            at: Instant::now(),
        };
        let mut fault = self.fault(&exchange);
        let index = self.script.change(|script| {
            script.exchanges.push(exchange);
            script.exchanges.len() - 1
        });
        if matches!(fault, Some((_, Fault::Stall))) {
            let id = fault.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
            let released = |script: &mut Script| {
                let stalls = matches!(script.faults.get(&id), Some(Fault::Stall));
                (script.closed || !stalls).then_some(())
            };
            self.script.wait(PATIENCE, released);
            fault = self
                .script
                .change(|script| Some((id.clone(), script.faults.get(&id)?.clone())));
        }
        let end = self.body(index, framing, fault.as_ref().map(|(_, fault)| fault));
        let complete = end == End::Complete;
        self.script
            .change(|script| script.exchanges[index].end = Some(end));
        complete.then_some(index)
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
                let body = r#"{"errorMessage":"scripted","errorType":"Scripted"}"#;
                self.respond(index, *status, "", body);
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

    fn fault(&self, exchange: &Exchange) -> Option<(String, Fault)> {
        let script = self.script.lock();
        let mut faults = script.faults.iter();
        let (id, fault) = faults.find(|(id, _)| exchange.is_reply_to(id))?;
        // Tries of one call; what follows another call, such as an error after a response, is let through.
        let mut replies = script.exchanges.iter();
        let first = replies.find(|exchange| exchange.is_reply_to(id));
        let is_same_call = first.is_none_or(|first| first.head.target() == exchange.head.target());
        is_same_call.then(|| (id.clone(), fault.clone()))
    }

    /// Answers a request; whether the connection goes on.
    fn answer(&mut self, index: usize) -> bool {
        let exchange = self.script.lock().exchanges[index].clone();
        match (exchange.head.method(), exchange.head.target()) {
            ("GET", "/2018-06-01/runtime/invocation/next") => self.answer_poll(index),
            ("GET", "/2020-01-01/extension/event/next") => {
                match self.step(|script| script.extension_events.pop_front()) {
                    Some(event) => self.respond(
                        index,
                        200,
                        "Lambda-Extension-Event-Identifier: e1\r\n",
                        &event.to_string(),
                    ),
                    None => false,
                }
            }
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
                self.respond(index, 200, headers, &body.to_string())
            }
            ("POST", _) => match self.fault(&exchange) {
                Some((_, Fault::Status(status))) => {
                    let body = r#"{"errorMessage":"scripted","errorType":"Scripted"}"#;
                    self.respond(index, status, "", body)
                }
                Some((_, Fault::NoAnswer)) => false,
                _ => self.respond(index, 202, "", r#"{"status":"OK"}"#),
            },
            _ => self.respond(index, 404, "", ""),
        }
    }

    fn answer_poll(&mut self, index: usize) -> bool {
        match self.step(|script| script.polls.pop_front()) {
            None => false,
            Some(Poll::Status(status)) => {
                self.respond(index, status, "", r#"{"errorMessage":"scripted"}"#)
            }
            Some(Poll::Reset) => {
                let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                self.script
                    .change(|script| script.exchanges[index].answered = Some(0));
                false
            }
            Some(Poll::Raw(bytes)) => {
                self.script
                    .change(|script| script.exchanges[index].answered = Some(0));
                let _ = self.stream.write_all(&bytes);
                false
            }
            Some(Poll::Event(id, event)) => {
                let mut head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                     Lambda-Runtime-Aws-Request-Id: {id}\r\n\
                     Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:itest\r\n",
                    event.body.len(),
                );
                if !event
                    .headers
                    .iter()
                    .any(|(name, _)| name == "Lambda-Runtime-Deadline-Ms")
                {
                    let deadline = unix_ms(Duration::from_mins(1));
                    let _ = write!(head, "Lambda-Runtime-Deadline-Ms: {deadline}\r\n");
                }
                for (name, value) in &event.headers {
                    let _ = write!(head, "{name}: {value}\r\n");
                }
                head.push_str("\r\n");
                let bytes = [head.as_bytes(), &event.body].concat();
                self.script
                    .change(|script| script.exchanges[index].answered = Some(200));
                self.stream.write_all(&bytes).is_ok()
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
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.script
            .change(|script| script.exchanges[index].answered = Some(status));
        self.stream.write_all(text.as_bytes()).is_ok()
    }
}
