// SPDX-License-Identifier: Apache-2.0
//! One environment as the inspector draws it: the marks of its start, and what it did when.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::journal::Entry;

/// Spans that are kept of one environment.
const SPANS: usize = 300;
/// Time behind a response that is worth a span of its own, in milliseconds.
const BEHIND: f64 = 5.0;

/// What adapters tell of the start of the app, in their own log: `spawned_ms=3 listening_ms=12 ready_ms=15`.
const MARKS_IN_LOGS: [(&str, &str); 3] = [
    ("spawned_ms", "app spawned"),
    ("listening_ms", "app listens"),
    ("ready_ms", "app ready"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Init,
    Busy,
    /// Work behind the response.
    After,
    Idle,
    Frozen,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Busy => "busy",
            Self::After => "after",
            Self::Idle => "idle",
            Self::Frozen => "frozen",
        }
    }
}

/// Times in milliseconds since 1970; a span without an end goes on.
#[derive(Debug)]
struct Span {
    kind: Kind,
    from: f64,
    to: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Environment {
    number: u32,
    runtime: String,
    state: &'static str,
    begin: f64,
    initialized: Option<f64>,
    /// Names, and milliseconds since the start.
    marks: Vec<(String, f64)>,
    spans: VecDeque<Span>,
    failed: Option<String>,
    open: Vec<String>,
    served: bool,
}

impl Environment {
    /// A start of the environment of this number, whose spans up to now, if it had an earlier life, are `earlier`.
    pub(super) fn start(number: u32, runtime: &str, earlier: Option<Self>, now: f64) -> Self {
        let mut started = Self {
            number,
            runtime: runtime.to_owned(),
            state: "init",
            begin: now,
            initialized: None,
            marks: Vec::new(),
            spans: earlier.map(|earlier| earlier.spans).unwrap_or_default(),
            failed: None,
            open: Vec::new(),
            served: false,
        };
        started.enter(Kind::Init, now);
        started
    }

    /// Takes what is about the environment itself; whether that changed anything.
    pub(super) fn take(&mut self, entry: &Entry, now: f64) -> bool {
        match entry {
            Entry::ExtensionRegistered { name, .. } => self.mark(&format!("{name} registers"), now),
            Entry::RestoreStart => self.mark("snapshot", now),
            Entry::RestoreReport { .. } => self.mark("restored", now),
            Entry::InitDone { .. } => {
                self.mark("first poll", now);
                self.initialized = Some(now);
                self.become_idle(now);
            }
            Entry::InitFailed { message, .. } => {
                self.mark("failed", now);
                self.failed = Some(message.clone());
                self.stop(now);
            }
            Entry::Frozen { .. } => {
                self.state = "frozen";
                self.enter(Kind::Frozen, now);
            }
            // To be stopped it is thawed.
            Entry::Thawed { .. } if self.state != "gone" => self.become_idle(now),
            Entry::Stopping { .. } => self.stop(now),
            _ => return false,
        }
        true
    }

    /// The invocation of this id begins; whether it waited for the start. `called` is when it was called.
    pub(super) fn begin_invocation(&mut self, id: &str, called: Option<f64>, now: f64) -> bool {
        let waited = match (called, self.initialized) {
            (Some(called), Some(initialized)) => called < initialized,
            // The start is a part of the invocation.
            (_, None) => true,
            (None, Some(_)) => false,
        };
        let cold = waited && !std::mem::replace(&mut self.served, true);
        self.open.push(id.to_owned());
        if self.open.len() == 1 {
            self.state = "busy";
            self.enter(Kind::Busy, now);
        }
        cold
    }

    /// It is over; `answered` is when its response was.
    pub(super) fn end_invocation(&mut self, id: &str, answered: Option<f64>, now: f64) {
        self.open.retain(|open| open != id);
        if !self.open.is_empty() || self.state == "gone" {
            return;
        }
        if let Some(answered) = answered.filter(|answered| now - answered > BEHIND) {
            self.enter(Kind::After, answered);
        }
        self.become_idle(now);
    }

    /// The open invocation that a line belongs to: the one that it names, else the only one.
    pub(super) fn owner_of(&self, line: &str) -> Option<&str> {
        let named = self.open.iter().find(|id| line.contains(id.as_str()));
        let only = || self.open.first().filter(|_| self.open.len() == 1);
        named.or_else(only).map(String::as_str)
    }

    /// Reads marks from a line of the adapter's log; whether there were any.
    pub(super) fn read_marks(&mut self, line: &str) -> bool {
        let mut found = false;
        for (field, name) in MARKS_IN_LOGS {
            if let Some(at) = number_behind(line, field)
                && !self.marks.iter().any(|(known, _)| known == name)
            {
                self.marks.push((name.to_owned(), at));
                found = true;
            }
        }
        self.marks
            .sort_by(|(_, one), (_, other)| one.total_cmp(other));
        found
    }

    fn mark(&mut self, name: &str, now: f64) {
        self.marks.push((name.to_owned(), now - self.begin));
    }

    fn become_idle(&mut self, now: f64) {
        self.state = "idle";
        self.enter(Kind::Idle, now);
    }

    fn stop(&mut self, now: f64) {
        self.state = "gone";
        self.leave(now);
    }

    fn leave(&mut self, now: f64) {
        if let Some(last) = self.spans.back_mut() {
            last.to.get_or_insert(now);
        }
    }

    fn enter(&mut self, kind: Kind, now: f64) {
        self.leave(now);
        if self.spans.len() == SPANS {
            self.spans.pop_front();
        }
        self.spans.push_back(Span {
            kind,
            from: now,
            to: None,
        });
    }

    pub(super) fn to_json(&self) -> Value {
        let marks = self.marks.iter();
        let spans = self.spans.iter();
        json!({
            "id": self.number,
            "runtime": self.runtime,
            "state": self.state,
            "begin": self.begin,
            "failed": self.failed,
            "marks": marks.map(|(name, at)| json!({ "name": name, "at": at })).collect::<Vec<_>>(),
            "spans": spans
                .map(|span| json!({ "kind": span.kind.name(), "from": span.from, "to": span.to }))
                .collect::<Vec<_>>(),
        })
    }
}

/// The number of `field=12` or `"field":12`.
fn number_behind(line: &str, field: &str) -> Option<f64> {
    let (_, rest) = line.split_once(field)?;
    let rest = rest.trim_start_matches(['"', ':', '=', ' ']);
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}
