// SPDX-License-Identifier: Apache-2.0
//! What the inspector knows: the entries of the journal, put together by environment and by invocation. Pure: entries and
//! times in, messages for the page out.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::environment::Environment;
use super::invocation::Invocation;
use crate::journal::Entry;

/// Invocations that are kept; the oldest is forgotten for a new one.
const INVOCATIONS: usize = 500;
/// Bytes of events that are kept, in all.
const EVENT_BYTES: usize = 64 * 1024 * 1024;

/// Something that changed, for the page.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) data: Value,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Book {
    environments: BTreeMap<u32, Environment>,
    /// The oldest first.
    invocations: VecDeque<Invocation>,
}

impl Book {
    /// Takes an entry of the environment of this number; `now` in milliseconds since 1970.
    pub(super) fn take(&mut self, number: u32, now: f64, entry: &Entry) -> Vec<Message> {
        match entry {
            Entry::InitStart { runtime, .. } => {
                let earlier = self.environments.remove(&number);
                let environment = Environment::start(number, runtime, earlier, now);
                self.environments.insert(number, environment);
                self.of_environment(number)
            }
            Entry::Called(call) => {
                self.invocations.push_back(Invocation::new(call, now));
                let mut messages = self.forget();
                messages.extend(self.of_invocation(&call.request_id));
                messages
            }
            Entry::Start { request_id, .. } => {
                let began = self.invocation(request_id).map(|one| one.begin);
                let environment = self.environments.get_mut(&number);
                let cold =
                    environment.is_some_and(|one| one.begin_invocation(request_id, began, now));
                self.change(request_id, |one| one.start(number, cold));
                self.of_both(number, request_id)
            }
            Entry::RuntimeDone {
                request_id,
                latency,
                response,
                duration,
                ..
            } => {
                // Of the time that the runtime took, what came behind the end of its response.
                let replied = latency.unwrap_or_default() + response.unwrap_or_default();
                let behind = duration.saturating_sub(replied);
                let answered = now - super::milliseconds(behind);
                self.change(request_id, |one| one.answered = Some(answered));
                Vec::new()
            }
            Entry::End { request_id } => {
                let answered = self.invocation(request_id).and_then(|one| one.answered);
                if let Some(environment) = self.environments.get_mut(&number) {
                    environment.end_invocation(request_id, answered, now);
                }
                self.change(request_id, |one| one.settled = Some(now));
                self.of_both(number, request_id)
            }
            Entry::Answered(answer) => {
                self.change(&answer.request_id, |one| one.answer(answer, now));
                self.of_invocation(&answer.request_id)
            }
            Entry::Piece { request_id, data } => {
                self.change(request_id, |one| one.piece(data, now));
                let data = json!({ "id": request_id, "at": now, "bytes": data.len() });
                vec![Message {
                    name: "chunk",
                    data,
                }]
            }
            Entry::Access(access) => {
                let Some(request_id) = &access.request_id else {
                    return Vec::new();
                };
                self.change(request_id, |one| one.end(access, now));
                self.of_invocation(request_id)
            }
            Entry::InvocationFailed { request_id, .. }
            | Entry::StreamError { request_id, .. }
            | Entry::BadAnswer { request_id, .. } => {
                self.change(request_id, |one| one.log(&entry.to_string()));
                Vec::new()
            }
            Entry::Log { line, .. } => self.line(number, line),
            _ => {
                let environment = self.environments.get_mut(&number);
                if environment.is_some_and(|one| one.take(entry, now)) {
                    self.of_environment(number)
                } else {
                    Vec::new()
                }
            }
        }
    }

    /// A line of a process belongs to an invocation that is open, or to the start.
    fn line(&mut self, number: u32, line: &str) -> Vec<Message> {
        let Some(environment) = self.environments.get_mut(&number) else {
            return Vec::new();
        };
        if let Some(request_id) = environment.owner_of(line) {
            let request_id = request_id.to_owned();
            self.change(&request_id, |one| one.log(line));
            return Vec::new();
        }
        if environment.read_marks(line) {
            return self.of_environment(number);
        }
        Vec::new()
    }

    /// Forgets the oldest invocations that are too many, or whose events take too much.
    fn forget(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        let size =
            |all: &VecDeque<Invocation>| all.iter().map(|one| one.event.len()).sum::<usize>();
        while self.invocations.len() > 1
            && (self.invocations.len() > INVOCATIONS || size(&self.invocations) > EVENT_BYTES)
        {
            if let Some(oldest) = self.invocations.pop_front() {
                let data = json!({ "id": oldest.id });
                messages.push(Message {
                    name: "forgotten",
                    data,
                });
            }
        }
        messages
    }

    /// Everything, for a page that begins to listen.
    pub(super) fn all(&self) -> Vec<Message> {
        let environments = self.environments.values().map(environment_message);
        let invocations = self.invocations.iter().flat_map(|one| {
            let chunks = one.chunks().map(|(at, bytes)| Message {
                name: "chunk",
                data: json!({ "id": one.id, "at": at, "bytes": bytes }),
            });
            // The chunks are added up by the page.
            let mut head = invocation_message(one);
            head.data["bytes"] = json!(0);
            std::iter::once(head).chain(chunks)
        });
        environments.chain(invocations).collect()
    }

    /// The invocations that are kept, the oldest first.
    pub(super) fn invocations(&self) -> impl Iterator<Item = &Invocation> {
        self.invocations.iter()
    }

    pub(super) fn invocation(&self, request_id: &str) -> Option<&Invocation> {
        self.invocations
            .iter()
            .rev()
            .find(|one| one.id == request_id)
    }

    /// One that is not kept, or that came past the front ends, is left out.
    fn change(&mut self, request_id: &str, change: impl FnOnce(&mut Invocation)) {
        let mut newest_first = self.invocations.iter_mut().rev();
        if let Some(one) = newest_first.find(|one| one.id == request_id) {
            change(one);
        }
    }

    fn of_both(&self, number: u32, request_id: &str) -> Vec<Message> {
        let mut messages = self.of_environment(number);
        messages.extend(self.of_invocation(request_id));
        messages
    }

    fn of_environment(&self, number: u32) -> Vec<Message> {
        let environment = self.environments.get(&number).map(environment_message);
        environment.into_iter().collect()
    }

    fn of_invocation(&self, request_id: &str) -> Vec<Message> {
        let invocation = self.invocation(request_id).map(invocation_message);
        invocation.into_iter().collect()
    }
}

fn environment_message(environment: &Environment) -> Message {
    Message {
        name: "environment",
        data: environment.to_json(),
    }
}

fn invocation_message(invocation: &Invocation) -> Message {
    Message {
        name: "invocation",
        data: invocation.to_json(),
    }
}
