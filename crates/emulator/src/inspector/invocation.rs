// SPDX-License-Identifier: Apache-2.0
//! One invocation as the inspector shows it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::journal::{Access, AccessEnd, Answered, Called};

/// Chunks that are kept one by one; later ones count to the last.
const CHUNKS: usize = 2000;
/// Bytes of the answer's body that are kept.
const EXCERPT: usize = 16 * 1024;
/// Lines of the log that are kept.
const LINES: usize = 500;

/// Times in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) front: &'static str,
    pub(super) request_headers: Vec<(String, String)>,
    pub(super) event: Bytes,
    pub(super) begin: f64,
    environment: Option<u32>,
    cold: bool,
    pub(super) status: Option<u16>,
    pub(super) response_headers: Vec<(String, String)>,
    prelude: Option<String>,
    pub(super) first: Option<f64>,
    /// When the runtime had sent all of its response.
    pub(super) answered: Option<f64>,
    /// When the client had all of it.
    pub(super) end: Option<f64>,
    /// When the environment was done with it.
    pub(super) settled: Option<f64>,
    outcome: Option<String>,
    pub(super) bytes: u64,
    chunks: Vec<(f64, u64)>,
    pub(super) excerpt: Vec<u8>,
    log: Vec<String>,
}

impl Invocation {
    pub(super) fn new(call: &Called, now: f64) -> Self {
        Self {
            id: call.request_id.clone(),
            method: call.method.clone(),
            target: call.target.clone(),
            front: call.front,
            request_headers: call.headers.clone(),
            event: call.event.clone(),
            begin: now,
            environment: None,
            cold: false,
            status: None,
            response_headers: Vec::new(),
            prelude: None,
            first: None,
            answered: None,
            end: None,
            settled: None,
            outcome: None,
            bytes: 0,
            chunks: Vec::new(),
            excerpt: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(super) fn start(&mut self, environment: u32, cold: bool) {
        self.environment = Some(environment);
        self.cold = cold;
    }

    pub(super) fn answer(&mut self, answer: &Answered, now: f64) {
        self.status = Some(answer.status);
        self.response_headers.clone_from(&answer.headers);
        self.prelude.clone_from(&answer.prelude);
        self.first = Some(now);
    }

    pub(super) fn piece(&mut self, data: &Bytes, now: f64) {
        let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.bytes += size;
        let kept = data.len().min(EXCERPT - self.excerpt.len());
        self.excerpt.extend_from_slice(&data[..kept]);
        let is_full = self.chunks.len() == CHUNKS;
        match self.chunks.last_mut() {
            Some((at, bytes)) if is_full => {
                *at = now;
                *bytes += size;
            }
            _ => self.chunks.push((now, size)),
        }
    }

    pub(super) fn end(&mut self, access: &Access, now: f64) {
        self.end = Some(now);
        self.status = access.status.or(self.status);
        self.outcome = Some(match &access.end {
            AccessEnd::Complete => "complete".to_owned(),
            AccessEnd::FunctionError(error_type) => {
                format!("ended by error trailers ({error_type})")
            }
            AccessEnd::Cut(reason) => format!("cut: {reason}"),
            AccessEnd::Refused(reason) => reason.clone(),
            AccessEnd::ClientGone => "client gone".to_owned(),
        });
    }

    pub(super) fn log(&mut self, line: &str) {
        if self.log.len() < LINES {
            self.log.push(line.to_owned());
        }
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = (f64, u64)> {
        self.chunks.iter().copied()
    }

    /// What the table shows.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "method": self.method,
            "target": self.target,
            "front": self.front,
            "env": self.environment,
            "cold": self.cold,
            "begin": self.begin,
            "first": self.first,
            "end": self.end,
            "status": self.status,
            "outcome": self.outcome,
            "bytes": self.bytes,
        })
    }

    /// What is asked for one by one.
    pub(super) fn details(&self) -> Value {
        let behind = self.settled.zip(self.answered);
        json!({
            "event": String::from_utf8_lossy(&self.event),
            "prelude": self.prelude,
            "answer": self.status.map(|status| {
                json!({ "status": status, "headers": self.response_headers }).to_string()
            }),
            "body": String::from_utf8_lossy(&self.excerpt),
            "after": behind.map(|(settled, answered)| (settled - answered).max(0.0)),
            "log": self.log,
        })
    }
}
