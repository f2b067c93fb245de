// SPDX-License-Identifier: Apache-2.0
//! When the runtime is done with an invocation, and what its response took, for the telemetry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Shared;
use crate::fault::Fault;
use crate::journal::Entry;

/// The responses under way, by the sequence number of their invocation.
#[derive(Debug, Default)]
pub(crate) struct Responses(Mutex<HashMap<u64, Response>>);

#[derive(Clone, Copy, Debug)]
struct Response {
    began: Instant,
    last: Instant,
    bytes: u64,
}

impl Responses {
    /// The response has begun, or goes on by so many bytes.
    pub(crate) fn read(&self, sequence: u64, bytes: usize) {
        let now = Instant::now();
        let mut responses = self.lock();
        let response = responses.entry(sequence).or_insert(Response {
            began: now,
            last: now,
            bytes: 0,
        });
        response.last = now;
        response.bytes = response
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn take(&self, sequence: u64) -> Option<Response> {
        self.lock().remove(&sequence)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Response>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells once how the runtime got done with an invocation.
#[derive(Debug)]
pub(super) struct RuntimeDone<'a> {
    shared: &'a Shared,
    request_id: &'a str,
    sequence: u64,
    began: Instant,
    told: AtomicBool,
}

impl<'a> RuntimeDone<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        request_id: &'a str,
        sequence: u64,
        began: Instant,
    ) -> Self {
        Self {
            shared,
            request_id,
            sequence,
            began,
            told: AtomicBool::new(false),
        }
    }

    /// It is done, or never will be.
    pub(super) fn tell(&self, status: Option<String>) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let response = self.shared.responses.take(self.sequence);
        self.shared.journal.write(&Entry::RuntimeDone {
            request_id: self.request_id.to_owned(),
            duration: self.began.elapsed(),
            latency: response.map(|one| one.began.duration_since(self.began)),
            response: response.map(|one| one.last.duration_since(one.began)),
            bytes: response.map_or(0, |one| one.bytes),
            status,
        });
    }

    pub(super) fn failed(&self, fault: &Fault) {
        if self.shared.is_managed() {
            return;
        }
        self.tell(Some(fault.status()));
    }
}

impl Drop for RuntimeDone<'_> {
    fn drop(&mut self) {
        self.shared.responses.take(self.sequence);
    }
}
