// SPDX-License-Identifier: Apache-2.0
//! The step between `fork` and the app's `exec`: this binary again, which asks to die with the adapter and then
//! becomes the app. Lambda may kill the adapter at any moment, and the app must not outlive it; asking after `fork` in
//! the same program would need `unsafe`.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::command::Command;

/// The adapter that started the step, and the command to become.
#[derive(Debug)]
pub struct ExecStep {
    parent: i32,
    command: Command,
}

impl ExecStep {
    /// The argument that selects this role.
    pub const ARGUMENT: &'static str = "exec-app";

    /// The arguments that start the step for this command from this process.
    pub(super) fn arguments(command: &Command) -> impl Iterator<Item = OsString> {
        let parent = std::process::id().to_string();
        [Self::ARGUMENT.into(), parent.into()]
            .into_iter()
            .chain(command.words().map(OsStr::to_owned))
    }

    /// Reads what follows [`Self::ARGUMENT`].
    pub fn from_args(mut args: impl Iterator<Item = OsString>) -> Option<Self> {
        let parent = args.next()?.to_str()?.parse().ok()?;
        let program = args.next()?;
        Some(Self {
            parent,
            command: Command::new(program, args),
        })
    }

    /// Becomes the app.
    #[must_use]
    pub fn exec(self) -> ExitCode {
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            eprintln!("streamgate: cannot tie the app to the adapter: {error}");
        }
        // Between `fork` and the request above the adapter may have gone already.
        if getppid().map(Pid::as_raw_pid) != Some(self.parent) {
            return ExitCode::FAILURE;
        }
        self.command.become_it(|_| ())
    }
}
