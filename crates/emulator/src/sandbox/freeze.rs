// SPDX-License-Identifier: Apache-2.0
//! Freezing: SIGSTOP to every process of an environment, and SIGCONT to those that it stopped.
//!
//! The service stops the whole micro-VM between invocations. Here the processes alone are stopped: the kernel still
//! acknowledges what arrives for them and keeps it, so nothing in flight is lost, and clocks go on.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::time::Instant;

use super::Generation;
use super::census::Identity;

/// How long the processes may take to stop. One that waits for a device does so no sooner.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// A frozen environment.
#[derive(Debug)]
pub(super) struct Frozen {
    stopped: HashSet<Identity>,
    since: Instant,
}

/// How a freeze went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freeze {
    /// Processes that stand still.
    pub(crate) stopped: usize,
    /// Processes that would not within [`STOP_WAIT`].
    pub(crate) running: usize,
}

impl Generation {
    /// Stops every process and resolves when all of them stand still. One that is being forked meanwhile is found in
    /// the next round.
    pub(crate) async fn freeze(&self) -> Freeze {
        let since = Instant::now();
        let mut stopped = HashSet::new();
        let outcome = loop {
            let (still, running): (Vec<_>, Vec<_>) = self
                .members()
                .into_iter()
                .partition(super::census::Seen::is_stopped);
            let outcome = Freeze {
                stopped: still.len(),
                running: running.len(),
            };
            if running.is_empty() || since.elapsed() > STOP_WAIT {
                break outcome;
            }
            for seen in running {
                if stopped.contains(&seen.identity()) && seen.is_uninterruptible() {
                    // Started a child by `vfork` (as `posix_spawn` does), and that was stopped on the way to its
                    // `exec`: let it get there.
                    let children = still.iter().filter(|child| child.is_child_of(&seen));
                    for child in children.filter(|child| stopped.contains(&child.identity())) {
                        let _ = kill_process(child.pid, Signal::CONT);
                    }
                }
                // One that may not be signalled shows in the outcome.
                let _ = kill_process(seen.pid, Signal::STOP);
                stopped.insert(seen.identity());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        *self.frozen() = Some(Frozen { stopped, since });
        outcome
    }

    /// Lets the processes that [`Generation::freeze`] stopped go on; gives how long they stood still.
    pub(crate) fn thaw(&self) -> Option<Duration> {
        let frozen = self.frozen().take()?;
        for (pid, _) in &frozen.stopped {
            // It may have been killed.
            let _ = kill_process(*pid, Signal::CONT);
        }
        Some(frozen.since.elapsed())
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen().is_some()
    }
}
