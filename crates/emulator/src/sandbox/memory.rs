// SPDX-License-Identifier: Apache-2.0
//! How much memory the processes of an environment use: the peak for REPORT lines, and the end of what uses too much.
//!
//! A limit of the system would be exact, but one on address space (`RLIMIT_AS`) breaks runtimes that reserve far more
//! than they use, such as Node.js and Java, and cgroups are seldom ours to make. So the processes are looked at while
//! the environment works. What several share counts once (PSS), as it does in a micro-VM. A peak between two looks
//! counts by each process's own high-water mark, so as if all had it at once, but what ended before a look is not seen.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Generation;
use super::census::{self, Seen};
use crate::journal::Entry;

const MIB: u64 = 1024 * 1024;

/// From one look to the next.
const INTERVAL: Duration = Duration::from_millis(100);
/// Of the time, looking takes one part in so many, however many processes there are.
const SHARE: u32 = 20;
/// But no longer goes by without a look.
const LONGEST: Duration = Duration::from_secs(1);

/// Looks at all environments of a function.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    watched: Mutex<Vec<Weak<Generation>>>,
    work: Notify,
    /// From the last look to the next.
    pause: Mutex<Duration>,
}

impl Meter {
    pub(super) fn watch(&self, generation: &Arc<Generation>) {
        let mut watched = lock(&self.watched);
        watched.retain(|one| one.strong_count() > 0);
        watched.push(Arc::downgrade(generation));
    }

    /// Says that an environment begins to work.
    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    /// Looks at those that work, as long as any does.
    pub(crate) async fn run(&self) -> std::convert::Infallible {
        loop {
            let working: Vec<Arc<Generation>> = lock(&self.watched)
                .iter()
                .filter_map(Weak::upgrade)
                .filter(|generation| generation.gauge.is_working())
                .collect();
            if working.is_empty() {
                self.work.notified().await;
                continue;
            }
            let began = Instant::now();
            look(working).await;
            let pause = (began.elapsed() * SHARE).clamp(INTERVAL, LONGEST);
            *lock(&self.pause) = pause;
            tokio::time::sleep(pause).await;
        }
    }
}

/// Looks at these environments, on a thread that may wait for the system.
async fn look(generations: Vec<Arc<Generation>>) {
    // A look that fails is one that did not happen.
    let _ = tokio::task::spawn_blocking(move || {
        let all = census::all();
        for generation in generations {
            generation.measure(all.clone());
        }
    })
    .await;
}

/// What is known of one environment.
#[derive(Debug)]
pub(super) struct Gauge {
    /// In bytes.
    limit: Option<u64>,
    peak: AtomicU64,
    /// Resident pages when the shares were last read, and what they were.
    pages: AtomicU64,
    used: AtomicU64,
    looked_at: Mutex<Option<Instant>>,
    working: AtomicUsize,
    killed: Mutex<HashSet<Pid>>,
}

impl Gauge {
    pub(super) fn new(limit_mb: Option<u32>) -> Self {
        Self {
            limit: limit_mb.map(|limit| u64::from(limit) * MIB),
            peak: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            used: AtomicU64::new(0),
            looked_at: Mutex::new(None),
            working: AtomicUsize::new(0),
            killed: Mutex::default(),
        }
    }

    fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed) > 0
    }

    /// Whether this process ended because there was too little memory.
    pub(super) fn has_killed(&self, pid: Pid) -> bool {
        lock(&self.killed).contains(&pid)
    }
}

/// An environment that works, until this is dropped.
#[derive(Debug)]
pub(crate) struct Working<'a>(&'a Gauge);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Generation {
    /// Memory is looked at as long as the result lives.
    pub(crate) fn working(&self) -> Working<'_> {
        self.gauge.working.fetch_add(1, Ordering::Relaxed);
        self.sandbox.meter.wake();
        Working(&self.gauge)
    }

    /// The most that the environment has used so far, in MB; looks at it if nobody has of late. `None` where it cannot
    /// be known.
    pub(crate) async fn max_memory_mb(self: &Arc<Self>) -> Option<u64> {
        let pause = INTERVAL.max(*lock(&self.sandbox.meter.pause));
        let is_old = lock(&self.gauge.looked_at).is_none_or(|at| at.elapsed() > pause);
        if is_old {
            look(vec![Arc::clone(self)]).await;
        }
        let peak = self.gauge.peak.load(Ordering::Relaxed);
        // Between two looks it may have grown beyond what there would have been.
        let peak = self.gauge.limit.map_or(peak, |limit| peak.min(limit));
        (peak > 0).then(|| peak.div_ceil(MIB))
    }

    fn measure(&self, all: Vec<Seen>) {
        let members = self.members_of(all);
        let pages: u64 = members.iter().map(|seen| seen.pages).sum();
        *lock(&self.gauge.looked_at) = Some(Instant::now());
        let missed: u64 = members.iter().filter_map(missed).sum();
        // The share of each process is dear to know, and seldom much different if the pages are not.
        let before = self.gauge.pages.load(Ordering::Relaxed);
        if pages.abs_diff(before) * page_size() < MIB && before > 0 {
            let used = self.gauge.used.load(Ordering::Relaxed);
            self.gauge.peak.fetch_max(used + missed, Ordering::Relaxed);
            return;
        }
        let shares: Vec<(u64, &Seen)> = members.iter().map(|seen| (share(seen), seen)).collect();
        let used = shares.iter().map(|(bytes, _)| bytes).sum();
        self.gauge.pages.store(pages, Ordering::Relaxed);
        self.gauge.used.store(used, Ordering::Relaxed);
        self.gauge.peak.fetch_max(used + missed, Ordering::Relaxed);
        if let Some(limit) = self.gauge.limit.filter(|limit| used > *limit)
            && let Some((_, largest)) = shares.iter().max_by_key(|(bytes, _)| bytes)
        {
            // As the kernel of the micro-VM would.
            lock(&self.gauge.killed).insert(largest.pid);
            let _ = kill_process(largest.pid, Signal::KILL);
            self.gauge.pages.store(0, Ordering::Relaxed);
            self.place.journal.write(&Entry::Killed {
                process: format!("process {} ({})", largest.pid, largest.name()),
                reason: format!(
                    "out of memory, {} MB of {} MB",
                    used.div_ceil(MIB),
                    limit / MIB
                ),
            });
        }
    }
}

/// What a process uses alone, and its share of what it uses with others; in bytes.
fn share(seen: &Seen) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", seen.pid);
    fs::read_to_string(path)
        .ok()
        .and_then(|text| kilobytes(&text, "Pss:"))
        .unwrap_or(seen.pages * page_size())
}

/// What a process had at its peak beyond what it has now.
fn missed(seen: &Seen) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", seen.pid)).ok()?;
    Some(kilobytes(&status, "VmHWM:")?.saturating_sub(kilobytes(&status, "VmRSS:")?))
}

/// A line such as `Pss:     171 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_process_is_read() {
        let text = "5591-7ffe ---p 00000000 00:00 0 [rollup]\nRss:    1760 kB\nPss:     171 kB\nPss_Dirty: 9 kB\n";
        assert_eq!(kilobytes(text, "Pss:"), Some(171 * 1024));
        assert_eq!(kilobytes("", "Pss:"), None);
    }
}
