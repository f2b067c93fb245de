// SPDX-License-Identifier: Apache-2.0
//! What an invocation passes, as its two ends see it. Both are in this process, so there is one clock.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static BEGAN_AT: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A time as a number that fits into an atomic, or into a message: nanoseconds since this process first asked.
#[must_use]
pub fn stamp(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*BEGAN_AT).as_nanos()).unwrap_or(u64::MAX)
}

/// The time between two stamps, in nanoseconds.
#[must_use]
pub fn between(earlier: u64, later: u64) -> u64 {
    later.saturating_sub(earlier)
}

/// What the app tells of the request it has last taken.
#[derive(Debug, Default)]
pub struct AppMarks {
    request_read: AtomicU64,
    head_written: AtomicU64,
}

impl AppMarks {
    pub(crate) fn request_is_read(&self, at: Instant) {
        self.request_read.store(stamp(at), Ordering::Release);
    }

    pub(crate) fn head_is_written(&self, at: Instant) {
        self.head_written.store(stamp(at), Ordering::Release);
    }

    pub(crate) fn take(&self) -> (u64, u64) {
        (
            self.request_read.swap(0, Ordering::Acquire),
            self.head_written.swap(0, Ordering::Acquire),
        )
    }
}

/// How long the parts of an invocation took, in nanoseconds. With several at once only `total` means anything.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From the event written to the request read by the app.
    pub inbound: u64,
    /// From the head written by the app to the first byte of the payload at Lambda.
    pub first_byte: u64,
    /// From the event written to the end of the reply.
    pub total: u64,
}

/// Microseconds of nanoseconds.
#[must_use]
pub fn micros(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64() * 1e6
}
