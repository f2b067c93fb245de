// SPDX-License-Identifier: Apache-2.0
//! The children of this process: those that environments started, and orphans of theirs that came to it.
//!
//! An orphan that has left its group and session and cleared its variables shows nothing of where it came from. As
//! long as there is one environment it is that one's; of several it is nobody's until they are gone.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::census;

/// All of them, of all environments.
#[derive(Debug)]
pub(crate) struct Orphans {
    adopts: bool,
    /// Those started that somebody waits for.
    started: Mutex<HashSet<Pid>>,
    /// Told when the last of them has ended.
    none_left: Notify,
    lives: AtomicUsize,
}

impl Orphans {
    /// Orphans come to this process if it is to adopt them and the system can.
    pub(super) fn new(adopt: bool) -> Self {
        Self {
            adopts: adopt && become_subreaper(),
            started: Mutex::default(),
            none_left: Notify::new(),
            lives: AtomicUsize::new(0),
        }
    }

    fn started(&self) -> MutexGuard<'_, HashSet<Pid>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process, whose end is to be told by [`Orphans::ended`].
    pub(super) fn spawn(&self, command: &mut Command) -> std::io::Result<(Child, Pid)> {
        // Held until the process is listed: what is not, is an orphan to the reaper.
        let mut started = self.started();
        let child = command.spawn()?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .ok_or_else(|| std::io::Error::other("process ended before it had an id"))?;
        started.insert(pid);
        Ok((child, pid))
    }

    pub(super) fn ended(&self, pid: Pid) {
        let mut started = self.started();
        started.remove(&pid);
        if started.is_empty() {
            self.none_left.notify_waiters();
        }
    }

    /// Resolves when all processes that were started have ended, those too of an init that was broken off.
    pub(crate) async fn all_ended(&self) {
        // From here on it would hear of the end.
        let told = self.none_left.notified();
        if !self.started().is_empty() {
            told.await;
        }
    }

    /// Counts one more environment.
    pub(super) fn life(self: &Arc<Self>) -> Life {
        self.lives.fetch_add(1, Ordering::Relaxed);
        Life(Arc::clone(self))
    }

    /// Waits for the orphans that come to this process, as the first process of a system does.
    pub(crate) async fn reap(&self) -> Infallible {
        let ended = if self.adopts {
            signal(SignalKind::child()).ok()
        } else {
            None
        };
        let Some(mut ended) = ended else {
            return std::future::pending().await;
        };
        while ended.recv().await.is_some() {
            let started = self.started();
            let (zombies, _) = census::children();
            for seen in zombies.iter().filter(|seen| !started.contains(&seen.pid)) {
                // Whatever its status was, nobody wants it.
                let _ = waitpid(Some(seen.pid), WaitOptions::NOHANG);
            }
        }
        std::future::pending().await
    }

    /// Kills the orphans that no environment could be said to have, when all environments are gone.
    pub(crate) fn kill(&self) {
        if !self.adopts {
            return;
        }
        let started = self.started();
        let (_, living) = census::children();
        for seen in living.iter().filter(|seen| !started.contains(&seen.pid)) {
            let _ = kill_process(seen.pid, Signal::KILL);
        }
    }
}

/// One environment's part in it.
#[derive(Debug)]
pub(super) struct Life(Arc<Orphans>);

impl Life {
    /// If this is the only environment, so that all orphans are its own: the children that are none.
    pub(super) fn strangers(&self) -> Option<HashSet<Pid>> {
        (self.0.adopts && self.0.lives.load(Ordering::Relaxed) == 1)
            .then(|| self.0.started().clone())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.lives.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes orphans of all descendants children of this process; false where the system cannot.
#[cfg(target_os = "linux")]
fn become_subreaper() -> bool {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn become_subreaper() -> bool {
    false
}
