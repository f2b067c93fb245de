// SPDX-License-Identifier: Apache-2.0
//! A scripted Lambda: Runtime API and Extensions API on raw sockets, to look at every byte that the adapter sends.
//!
//! It is a witness, not an emulator: it hands out what the test queued, records each request with the reads in which it
//! arrived, and breaks the rules where the test says so ([`Fault`]).

mod connection;
mod exchange;
mod faults;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::event::Event;
use crate::waiting::{self, PATIENCE, Watched};
use connection::Connection;
pub use exchange::{Exchange, Streamed};
pub use faults::{Call, Fault, Flaw};
use faults::{Faults, Poll};

/// The handler that registering extensions are told.
pub const HANDLER: &str = "run.sh";

#[derive(Debug, Default)]
struct Script {
    exchanges: Vec<Exchange>,
    polls: VecDeque<Poll>,
    extension_events: VecDeque<Value>,
    restores: usize,
    faults: Faults,
    connections: usize,
    queued: usize,
    eager: bool,
    closed: bool,
}

impl Script {
    /// What meets a reply, by its number among the requests.
    fn fault_of(&self, index: usize) -> Option<Fault> {
        let (before, reply) = (&self.exchanges[..index], &self.exchanges[index]);
        let id = reply.invocation()?;
        let tries = before.iter().filter(|earlier| earlier.is_reply_to(id));
        // Tries of one call; what follows another call, such as an error after a response, is let through.
        let mut targets = tries.clone().map(|earlier| earlier.head.target());
        let is_same_call = targets.all(|target| target == reply.head.target());
        let fault = self.faults.meets_reply(id, tries.count());
        fault.filter(|_| is_same_call)
    }

    /// Whether a reply was taken before this one.
    fn is_answered(&self, index: usize) -> bool {
        let id = self.exchanges[index].invocation();
        id.is_some_and(|id| {
            let mut before = self.exchanges[..index].iter();
            before.any(|reply| reply.is_taken && reply.is_reply_to(id))
        })
    }

    /// What a poll that waits is answered with now.
    fn take_poll(&mut self) -> Option<(Poll, Option<Flaw>)> {
        if let Some(flaw) = self.faults.lasting(Call::Next) {
            return Some((Poll::Flaw(flaw), None));
        }
        match self.polls.front()? {
            Poll::Flaw(flaw) if flaw.needs_answer() => {
                let flaw = *flaw;
                let is_event = |poll: &Poll| matches!(poll, Poll::Event(..));
                let at = self.polls.iter().position(is_event)?;
                let event = self.polls.remove(at)?;
                self.polls.pop_front();
                Some((event, Some(flaw)))
            }
            _ => Some((self.polls.pop_front()?, None)),
        }
    }

    /// What an extension that waits for its event is answered with now: a flaw alone, or an event with or without one.
    fn take_extension_event(&mut self) -> Option<(Option<Value>, Option<Flaw>)> {
        let flaw = self.faults.next(Call::ExtensionNext);
        let event = match flaw {
            Some(flaw) if !flaw.needs_answer() => None,
            _ => Some(self.extension_events.pop_front()?),
        };
        self.faults.take(Call::ExtensionNext);
        Some((event, flaw))
    }
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
        Self::bind_at(0)
    }

    /// Listens on this port.
    #[must_use]
    pub fn bind_at(port: u16) -> Self {
        waiting::watchdog();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
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
                let connection = Connection::new(stream, number, Arc::clone(&shared));
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
            let id = request_id(script.queued);
            script.polls.push_back(Poll::Event(id.clone(), event));
            id
        })
    }

    /// Queues an event whose reply meets a fault, at each try; returns its request id.
    pub fn queue_with_fault(&self, event: Event, fault: Fault) -> String {
        self.queue_with(event, fault, None)
    }

    /// Queues an event whose reply meets a fault at its first try; returns its request id.
    pub fn queue_with_fault_once(&self, event: Event, fault: Fault) -> String {
        self.queue_with(event, fault, Some(1))
    }

    fn queue_with(&self, event: Event, fault: Fault, times: Option<usize>) -> String {
        let id = request_id(self.script.lock().queued + 1);
        self.script
            .change(|script| script.faults.of_reply(id, fault, times));
        self.queue(event)
    }

    /// The next poll is answered with a status instead of an event.
    pub fn queue_poll_status(&self, status: u16) {
        self.queue_flaw(Call::Next, Flaw::Status(status));
    }

    /// The next poll's connection is reset.
    pub fn queue_poll_reset(&self) {
        self.queue_flaw(Call::Next, Flaw::Reset);
    }

    /// The next poll is answered with these bytes.
    pub fn queue_poll_raw(&self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.script
            .change(|script| script.polls.push_back(Poll::Raw(bytes)));
    }

    /// The next call of this kind, or the one that waits, gets a flawed answer. An event that it takes half of is handed
    /// out again, as Lambda does.
    pub fn queue_flaw(&self, call: Call, flaw: Flaw) {
        self.script.change(|script| match call {
            Call::Next => script.polls.push_back(Poll::Flaw(flaw)),
            call => script.faults.add(call, flaw),
        });
    }

    /// Every call of this kind gets a flawed answer from now on.
    pub fn flaw_always(&self, call: Call, flaw: Flaw) {
        self.script
            .change(|script| script.faults.add_lasting(call, flaw));
    }

    /// Leaves calls of this kind without an answer until [`Self::let_go`].
    pub fn hold(&self, call: Call) {
        self.script.change(|script| script.faults.hold(call));
    }

    /// Answers the calls that were held.
    pub fn let_go(&self, call: Call) {
        self.script.change(|script| script.faults.let_go(call));
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
        self.script.change(|script| script.faults.release(id));
    }

    /// Puts another fault in the place of one that stalls.
    pub fn change_fault(&self, id: &str, fault: Fault) {
        self.script
            .change(|script| script.faults.of_reply(id.to_owned(), fault, None));
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

    /// The ids of invocations with more than one reply that was taken.
    #[must_use]
    pub fn doubled(&self) -> Vec<String> {
        let script = self.script.lock();
        let ids = (1..=script.queued).map(request_id);
        let taken = |id: &String| {
            let mut replies = script.exchanges.iter();
            replies
                .by_ref()
                .filter(|reply| reply.is_taken && reply.is_reply_to(id))
                .count()
        };
        ids.filter(|id| taken(id) > 1).collect()
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

fn request_id(number: usize) -> String {
    format!("8476a536-e9f4-11e8-9739-{number:012x}")
}

fn unix_ms(from_now: Duration) -> u128 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is set");
    (now + from_now).as_millis()
}
