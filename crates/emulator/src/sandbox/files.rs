// SPDX-License-Identifier: Apache-2.0
//! Open files: many environments take more than a shell gives.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

/// Listener, polls, posts, a client and what comes with a process, of each invocation that may be open.
const PER_INVOCATION: u64 = 6;
/// Of the program itself.
const OWN: u64 = 64;

/// How many files this process and those of environments may have open.
#[derive(Debug)]
pub(super) struct OpenFiles {
    /// What was ours, if it was too little.
    given: Option<Rlimit>,
}

impl OpenFiles {
    /// Takes what so many invocations at once need, as far as the system lets us.
    pub(super) fn enough_for(invocations: u64) -> Self {
        let wanted = OWN + PER_INVOCATION * invocations;
        let given = getrlimit(Resource::Nofile);
        if given.current.is_none_or(|current| current >= wanted) {
            return Self { given: None };
        }
        let more = Rlimit {
            current: given
                .maximum
                .map_or(Some(wanted), |most| Some(wanted.min(most))),
            ..given
        };
        Self {
            given: setrlimit(Resource::Nofile, more).ok().map(|()| given),
        }
    }

    /// Gives a process what it would have had: some programs go through every number up to the limit.
    #[cfg(target_os = "linux")]
    pub(super) fn restore(&self, pid: Pid) {
        if let Some(given) = &self.given {
            // One that has ended needs none.
            let _ = rustix::process::prlimit(Some(pid), Resource::Nofile, *given);
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn restore(&self, _pid: Pid) {}
}
