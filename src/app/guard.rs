// SPDX-License-Identifier: Apache-2.0
//! What outlives the adapter for a moment: this binary again, which waits until the adapter is gone and then kills what
//! is left of the app. The death signal that the app has asked for (`exec_step`) reaches the app's first process alone,
//! and that one may be a shell. Lambda kills the adapter at a timeout and may use the sandbox again; a process that is
//! left over would hold the app's port.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::process::{ExitCode, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, Command};

/// The process group that the guard waits to kill.
#[derive(Debug)]
pub struct Watch {
    group: Pid,
}

impl Watch {
    /// The argument that selects this role.
    pub const ARGUMENT: &'static str = "guard-app";

    /// Reads what follows [`Self::ARGUMENT`].
    pub fn from_args(mut args: impl Iterator<Item = OsString>) -> Option<Self> {
        let group = args.next()?.to_str()?.parse().ok()?;
        // 1 would be everything that there is.
        let group = Pid::from_raw(group).filter(|group| group.as_raw_pid() > 1)?;
        Some(Self { group })
    }

    /// Waits for a byte, after which there is nothing to do, or for the end of the adapter.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match io::stdin().read_exact(&mut [0]) {
            Ok(()) => {}
            Err(_) => {
                // The group may have gone with the adapter.
                let _ = kill_process_group(self.group, Signal::KILL);
            }
        }
        ExitCode::SUCCESS
    }
}

/// The adapter's end of a guard.
#[derive(Debug)]
pub(super) struct Guard {
    _child: Child,
    line: ChildStdin,
}

impl Guard {
    /// Has a group watched. In a group of its own, so that what is sent to the adapter's does not end it.
    pub(super) fn watch(group: Pid) -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .args([Watch::ARGUMENT, &group.as_raw_pid().to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let line = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            _child: child,
            line,
        })
    }

    /// The group is gone, and its number may soon be another's.
    pub(super) fn dismiss(self) {
        // One that is gone itself has nothing to be told.
        let _ = self
            .line
            .into_owned_fd()
            .map(std::fs::File::from)
            .and_then(|mut line| line.write_all(&[0]));
    }
}
