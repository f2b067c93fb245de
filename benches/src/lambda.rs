// SPDX-License-Identifier: Apache-2.0
//! A Lambda that hands out one event again and again: the Runtime API, and as much of the Extensions API as an adapter
//! calls. A connection has a thread, and the thread that reads a poll writes the event, so nothing is handed between
//! threads while a request is measured.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::reply::Reader;
use crate::timeline::{AppMarks, Sample, between, stamp};
use crate::wire::{self, Peer};

/// How long an adapter may take for whatever is expected of it next.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than ever are open at once.
const OPEN_INVOCATIONS: usize = 1024;

/// What is to be invoked, and how often.
#[derive(Clone, Debug)]
pub struct Work {
    /// The event.
    pub event: Arc<[u8]>,
    /// Most invocations.
    pub count: usize,
    /// Time after which none is begun.
    pub time: Duration,
    /// How long Lambda leaves a poll waiting before it has an event.
    pub pause: Duration,
    /// Whether the reply is streamed.
    pub is_streamed: bool,
    /// Whether its payload is the app's records.
    pub has_records: bool,
    /// Whether the first reply is kept. That costs time, which one of many replies may take and a single one may not.
    pub keeps_first: bool,
    /// How the reply is read by a client that is slow: this long for each piece that was read.
    pub reading_pause: Duration,
}

impl Work {
    /// Invocations one after the other.
    #[must_use]
    pub fn new(event: Vec<u8>, is_streamed: bool, count: usize, time: Duration) -> Self {
        Self {
            event: event.into(),
            count,
            time,
            pause: Duration::ZERO,
            is_streamed,
            has_records: false,
            keeps_first: true,
            reading_pause: Duration::ZERO,
        }
    }
}

/// What came of the work.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The times of each invocation.
    pub samples: Vec<Sample>,
    /// From the first event to the last reply.
    pub elapsed: Duration,
    /// Bytes of each payload, if they are the same in all.
    pub payload: Option<usize>,
    /// The first reply, or its beginning.
    pub first_reply: Vec<u8>,
    /// Delays of the records of the last reply, in nanoseconds.
    pub delays: Vec<u64>,
    /// Chunks that the payload of the last reply came in.
    pub chunks: usize,
}

/// What an adapter did that it should not.
#[derive(Debug, thiserror::Error)]
pub enum LambdaError {
    /// It went on with nothing, for too long.
    #[error("nothing came of the adapter for {PATIENCE:?}")]
    Silent,
    /// It gave an invocation, or itself, up.
    #[error("the adapter reports an error: {0}")]
    Reported(String),
    /// A payload had another length than that of the invocation before.
    #[error("payloads of {0} and of {1} bytes for one event")]
    Unequal(usize, usize),
}

/// How replies are to be read.
#[derive(Debug, Default)]
struct Reading {
    is_streamed: bool,
    has_records: bool,
    keeps_first: bool,
    pause: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// What is still to be handed out.
    work: Option<Work>,
    reading: Reading,
    begun_at: Option<Instant>,
    issued: usize,
    done: usize,
    first_poll_at: Option<Instant>,
    outcome: Outcome,
    failure: Option<LambdaError>,
    is_closed: bool,
}

impl State {
    /// The next event with its number and the pause before it.
    fn next_event(&mut self) -> Option<(usize, Arc<[u8]>, Duration)> {
        let work = self.work.as_ref()?;
        let begun_at = *self.begun_at.get_or_insert_with(Instant::now);
        if self.issued == work.count || begun_at.elapsed() > work.time {
            self.work = None;
            return None;
        }
        self.issued += 1;
        Some((self.issued, Arc::clone(&work.event), work.pause))
    }

    fn take(&mut self, sample: Sample, reader: Reader) {
        self.done += 1;
        let outcome = &mut self.outcome;
        outcome.samples.push(sample);
        outcome.elapsed = self
            .begun_at
            .map_or(Duration::ZERO, |begun_at| begun_at.elapsed());
        if let Some(kept) = reader.kept {
            outcome.first_reply = kept;
        }
        let payload = *outcome.payload.get_or_insert(reader.payload);
        if payload != reader.payload {
            self.failure = Some(LambdaError::Unequal(payload, reader.payload));
        }
        (outcome.delays, outcome.chunks) = (reader.delays, reader.chunks);
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// What pollers wait for.
    work_given: Condvar,
    /// What the one who gave the work waits for.
    progress: Condvar,
    written: Vec<AtomicU64>,
    app: Arc<AppMarks>,
}

/// A Lambda for one adapter. Dropping it ends its connections.
#[derive(Debug)]
pub struct Lambda {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Lambda {
    /// Listens on a free port.
    pub fn start(app: Arc<AppMarks>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work_given: Condvar::new(),
            progress: Condvar::new(),
            written: (0..OPEN_INVOCATIONS).map(|_| AtomicU64::new(0)).collect(),
            app,
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_thread.lock().is_closed {
                    break;
                }
                let shared = Arc::clone(&of_thread);
                // What ends a connection is the adapter's end.
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Ok(Self { address, shared })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` is to say.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the first poll: when it came.
    pub fn first_poll(&self) -> Result<Instant, LambdaError> {
        self.wait(|state| state.first_poll_at)
    }

    /// Has events invoked, and waits for all the replies.
    pub fn invoke(&self, work: Work) -> Result<Outcome, LambdaError> {
        let mut state = self.shared.lock();
        (state.issued, state.done, state.begun_at) = (0, 0, None);
        state.outcome = Outcome::default();
        state.reading = Reading {
            is_streamed: work.is_streamed,
            has_records: work.has_records,
            keeps_first: work.keeps_first,
            pause: work.reading_pause,
        };
        state.work = Some(work);
        drop(state);
        self.shared.work_given.notify_all();
        self.wait(|state| {
            let is_done = state.work.is_none() && state.done == state.issued;
            is_done.then(|| std::mem::take(&mut state.outcome))
        })
    }

    fn wait<T>(&self, mut take: impl FnMut(&mut State) -> Option<T>) -> Result<T, LambdaError> {
        let mut state = self.shared.lock();
        loop {
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            if let Some(taken) = take(&mut state) {
                return Ok(taken);
            }
            let before = (state.issued, state.done);
            let waited = self.shared.progress.wait_timeout(state, PATIENCE);
            let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = now;
            if timeout.timed_out() && before == (state.issued, state.done) {
                return Err(LambdaError::Silent);
            }
        }
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.work_given.notify_all();
        drop(TcpStream::connect(self.address));
    }
}

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
const REGISTERED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Extension-Identifier: 1f2b5d1e-7c4b-4a55-9a3e-0c3d8a7f6b21\r\nContent-Length: 65\r\n\r\n{\"functionName\":\"bench\",\"functionVersion\":\"$LATEST\",\"handler\":\"\"}";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// What a request to Lambda wants.
enum Call {
    Poll,
    Response(usize),
    Failure,
    Register,
    ExtensionPoll,
    Unknown,
}

impl Call {
    fn of(head: &[u8]) -> Self {
        let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if target.ends_with(b"/runtime/invocation/next") {
            return Self::Poll;
        }
        if let Some(path) = target.strip_suffix(b"/response") {
            let digits = path.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
            return Self::Response(wire::number(digits));
        }
        if target.ends_with(b"/error") {
            return Self::Failure;
        }
        if target.ends_with(b"/extension/register") {
            return Self::Register;
        }
        if target.ends_with(b"/extension/event/next") {
            return Self::ExtensionPoll;
        }
        Self::Unknown
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked has left nothing half done that would matter to a measurement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut peer = Peer::new(stream)?;
        while let Some(length) = peer.head()? {
            let head = &peer.bytes()[..length];
            let (call, framing) = (Call::of(head), wire::framing(head));
            peer.consume(length);
            match call {
                Call::Poll => {
                    if !self.answer_poll(&mut peer)? {
                        return Ok(());
                    }
                }
                Call::Response(number) => {
                    self.take_reply(&mut peer, framing, number)?;
                    peer.write(ACCEPTED)?;
                }
                Call::Failure => {
                    let mut text = Vec::new();
                    peer.body(framing, |piece| text.extend_from_slice(piece.data))?;
                    let text = String::from_utf8_lossy(&text).into_owned();
                    self.lock().failure = Some(LambdaError::Reported(text));
                    self.progress.notify_all();
                    peer.write(ACCEPTED)?;
                }
                Call::Register => {
                    peer.body(framing, |_| ())?;
                    peer.write(REGISTERED)?;
                }
                // There is nothing to tell an extension.
                Call::ExtensionPoll => {}
                Call::Unknown => {
                    peer.body(framing, |_| ())?;
                    peer.write(NOT_FOUND)?;
                }
            }
        }
        Ok(())
    }

    /// Hands out an event once there is one; whether the connection goes on.
    fn answer_poll(&self, peer: &mut Peer) -> io::Result<bool> {
        let mut state = self.lock();
        if state.first_poll_at.is_none() {
            state.first_poll_at = Some(peer.arrived_at());
            self.progress.notify_all();
        }
        let (number, event, pause) = loop {
            if state.is_closed {
                return Ok(false);
            }
            if let Some(found) = state.next_event() {
                break found;
            }
            self.progress.notify_all();
            let woken = self.work_given.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        if !pause.is_zero() {
            thread::sleep(pause);
        }
        let deadline = SystemTime::now() + Duration::from_mins(10);
        let deadline = deadline
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.as_millis());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
             Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-{number:012}\r\n\
             Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:bench\r\n\
             Lambda-Runtime-Trace-Id: Root=1-6a8f3c21-4d1e7b0a95c2f8e3a6b47d10;Parent=53995c3f42cd8ad8;Sampled=0\r\n\
             Content-Length: {}\r\n\r\n",
            event.len(),
        );
        self.written[number % OPEN_INVOCATIONS].store(stamp(Instant::now()), Ordering::Release);
        peer.write_both(head.as_bytes(), &event)?;
        Ok(true)
    }

    fn take_reply(&self, peer: &mut Peer, framing: wire::Framing, number: usize) -> io::Result<()> {
        let (mut reader, pause) = {
            let state = self.lock();
            let reading = &state.reading;
            let keeps = reading.keeps_first && state.outcome.first_reply.is_empty();
            let reader = Reader::new(reading.is_streamed, reading.has_records, keeps);
            (reader, reading.pause)
        };
        peer.body(framing, |piece| {
            reader.take(piece);
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        })?;
        let complete_at = stamp(peer.arrived_at());
        let written = self.written[number % OPEN_INVOCATIONS].load(Ordering::Acquire);
        let (request_read, head_written) = self.app.take();
        let first_byte_at = reader.first_byte_at.map_or(complete_at, stamp);
        let sample = Sample {
            inbound: between(written, request_read),
            first_byte: between(head_written, first_byte_at),
            total: between(written, complete_at),
        };
        let mut state = self.lock();
        state.take(sample, reader);
        if state.work.is_none() && state.done == state.issued {
            self.progress.notify_all();
        }
        Ok(())
    }
}
