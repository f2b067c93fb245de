// SPDX-License-Identifier: Apache-2.0
//! The script of faults: what goes wrong with which of the adapter's calls, and how.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::event::Event;

/// What happens to a reply (a response or an error) instead of a 202.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is reset when the head and so many bytes of the body have been read.
    ResetAfter(usize),
    /// The same, but the connection is closed in an orderly way.
    CloseAfter(usize),
    /// The same, but this status is the answer, and then nothing happens until the adapter closes the connection.
    AnswerAfter(usize, u16),
    /// Nothing more is read after the head until [`super::FakeLambda::release`] or
    /// [`super::FakeLambda::change_fault`].
    Stall,
    /// The reply is read to its end, and its answer is not as it should be.
    Answer(Flaw),
}

impl Fault {
    /// After how many bytes of the body it happens.
    pub(super) fn limit(&self) -> Option<usize> {
        match self {
            Self::ResetAfter(limit) | Self::CloseAfter(limit) | Self::AnswerAfter(limit, _) => {
                Some(*limit)
            }
            Self::Stall | Self::Answer(_) => None,
        }
    }
}

/// What is wrong with the answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// It is another status, with an error document.
    Status(u16),
    /// The connection is reset in its place.
    Reset,
    /// The connection is closed in its place.
    Close,
    /// It is no HTTP.
    Garbage,
    /// It ends, with its connection, in the middle of its head.
    HalfHead,
    /// It ends, with its connection, in the middle of its body.
    HalfBody,
    /// It comes byte by byte, each in a write of its own.
    Split,
    /// It comes so many milliseconds late.
    Late(u64),
    /// It stops in the middle of its head, and the connection stays open until the adapter closes it.
    Stall,
}

impl Flaw {
    /// Whether it lets something of the proper answer out, which therefore has to be there.
    pub(super) fn needs_answer(self) -> bool {
        !matches!(
            self,
            Self::Status(_) | Self::Reset | Self::Close | Self::Garbage
        )
    }

    /// Whether the whole answer arrives in the end.
    pub(super) fn completes(self) -> bool {
        matches!(self, Self::Split | Self::Late(_))
    }

    /// How long the answer is kept back.
    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Late(ms) => Duration::from_millis(ms),
            _ => Duration::ZERO,
        }
    }
}

/// The calls whose answers can be flawed, replies aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// The registration of an extension.
    Register,
    /// An extension's wait for its next event.
    ExtensionNext,
    /// An extension's report that it cannot start.
    ExtensionInitError,
    /// The runtime's wait for its next invocation.
    Next,
    /// The runtime's report that it cannot start.
    InitError,
}

/// What a poll is answered with.
#[derive(Debug)]
pub(super) enum Poll {
    /// An event, under its request id.
    Event(String, Event),
    Flaw(Flaw),
    /// This answer, byte for byte, and then the connection closes.
    Raw(Vec<u8>),
}

/// What goes wrong from now on.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// By request id; with how many calls it meets, if not all.
    replies: HashMap<String, (Fault, Option<usize>)>,
    /// What the next calls of a kind meet, one after another.
    flaws: HashMap<Call, VecDeque<Flaw>>,
    /// What every call of a kind meets.
    lasting: HashMap<Call, Flaw>,
    /// Calls that are not answered for now.
    held: HashSet<Call>,
}

impl Faults {
    pub(super) fn of_reply(&mut self, id: String, fault: Fault, times: Option<usize>) {
        self.replies.insert(id, (fault, times));
    }

    /// What meets a reply that has been tried so often before.
    pub(super) fn meets_reply(&self, id: &str, tries_before: usize) -> Option<Fault> {
        let (fault, times) = self.replies.get(id)?;
        times
            .is_none_or(|times| tries_before < times)
            .then(|| fault.clone())
    }

    pub(super) fn release(&mut self, id: &str) {
        self.replies.remove(id);
    }

    pub(super) fn add(&mut self, call: Call, flaw: Flaw) {
        self.flaws.entry(call).or_default().push_back(flaw);
    }

    pub(super) fn add_lasting(&mut self, call: Call, flaw: Flaw) {
        self.lasting.insert(call, flaw);
    }

    pub(super) fn lasting(&self, call: Call) -> Option<Flaw> {
        self.lasting.get(&call).copied()
    }

    /// What the next call of this kind meets, left in its place.
    pub(super) fn next(&self, call: Call) -> Option<Flaw> {
        let queued = || self.flaws.get(&call)?.front().copied();
        self.lasting(call).or_else(queued)
    }

    /// What the next call of this kind meets.
    pub(super) fn take(&mut self, call: Call) -> Option<Flaw> {
        let queued = |flaws: &mut HashMap<_, VecDeque<_>>| flaws.get_mut(&call)?.pop_front();
        self.lasting(call).or_else(|| queued(&mut self.flaws))
    }

    pub(super) fn hold(&mut self, call: Call) {
        self.held.insert(call);
    }

    pub(super) fn let_go(&mut self, call: Call) {
        self.held.remove(&call);
    }

    pub(super) fn is_held(&self, call: Call) -> bool {
        self.held.contains(&call)
    }
}
