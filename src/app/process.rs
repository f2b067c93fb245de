// SPDX-License-Identifier: Apache-2.0
//! The app as a process that we own: started in a process group of its own, with the stdio it would have had without
//! us, signalled as a group, reaped.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command as ProcessCommand};

use super::command::Command;
use super::exec_step::ExecStep;
use super::guard::Guard;
use super::listening;
use super::stderr::{AppStderr, Tail};
use crate::settings::Environment;

/// Everything that a process starts with.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) command: Command,
    pub(crate) environment: Environment,
    pub(crate) directory: PathBuf,
    pub(crate) stdio: Stdio,
}

/// Standard input, output and error.
#[derive(Debug)]
pub(crate) struct Stdio {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
}

impl Stdio {
    /// This process's own.
    pub(crate) fn inherited() -> io::Result<Self> {
        Ok(Self {
            input: io::stdin().as_fd().try_clone_to_owned()?,
            output: io::stdout().as_fd().try_clone_to_owned()?,
            error: io::stderr().as_fd().try_clone_to_owned()?,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot start the app `{command}`")]
pub(crate) struct SpawnError {
    command: String,
    source: io::Error,
}

/// The app's process group: what reaches it reaches the app behind `sh -c` too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// Where its processes listen, for a diagnosis.
    pub(crate) fn listens_on(self) -> Vec<SocketAddr> {
        self.0.map(listening::addresses).unwrap_or_default()
    }

    fn signal(self, signal: Signal) {
        if let Some(group) = self.0 {
            // The group may be gone already, which is what is wanted.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// The running app.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Group,
    /// `None` once the app has stopped, or where there is no second process to be had: then the app's own death signal
    /// has to do.
    guard: Option<Guard>,
    stderr: Tail,
}

/// How the app ended, and the last that it wrote to standard error.
#[derive(Debug, Clone)]
pub(crate) struct Exited {
    status: ExitStatus,
    pub(crate) stderr: String,
}

impl Exited {
    /// The exit code as a shell would give it: 128 and the number for a signal.
    pub(crate) fn code(&self) -> u8 {
        let code = self
            .status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
    }
}

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "exited with code {code}"),
            (None, Some(signal)) => {
                write!(f, "was killed by signal {signal} ({})", signal_name(signal))
            }
            (None, None) => write!(f, "ended with {}", self.status),
        }
    }
}

impl Process {
    /// Starts the app; `stderr` is its from then on.
    pub(crate) fn spawn(launch: &Launch, stderr: &AppStderr) -> Result<Self, SpawnError> {
        Self::try_spawn(launch, stderr).map_err(|source| SpawnError {
            command: launch.command.to_string(),
            source,
        })
    }

    fn try_spawn(launch: &Launch, stderr: &AppStderr) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let child = ProcessCommand::new("/proc/self/exe")
            .args(ExecStep::arguments(&launch.command))
            .env_clear()
            .envs(launch.environment.iter())
            .current_dir(&launch.directory)
            .stdin(launch.stdio.input.try_clone()?)
            .stdout(launch.stdio.output.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = Group(
            child
                .id()
                .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
        );
        let guard = group.0.map(Guard::watch).transpose();
        if let Err(error) = &guard {
            tracing::warn!(%error, "what the app starts may outlive an adapter that is killed");
        }
        let tail = Tail::copy(reader, launch.stdio.error.try_clone()?)?;
        stderr.replace(&tail);
        Ok(Self {
            child,
            group,
            guard: guard.ok().flatten(),
            stderr: tail,
        })
    }

    /// Waits for the app's end.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub(crate) async fn wait(&mut self) -> Exited {
        let status = self
            .child
            .wait()
            .await
            .unwrap_or_else(|_| ExitStatus::from_raw(0));
        Exited {
            status,
            stderr: self.stderr.lines().await,
        }
    }

    pub(crate) fn group(&self) -> Group {
        self.group
    }

    /// SIGTERM to the group; after `timeout`, SIGKILL. Reaps.
    pub(crate) async fn stop(&mut self, timeout: Duration) -> Exited {
        self.group.signal(Signal::TERM);
        if tokio::time::timeout(timeout, self.child.wait())
            .await
            .is_err()
        {
            let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(timeout_ms, "app did not stop on SIGTERM and is killed");
        }
        // Whoever of the group has outlived its first process goes too.
        self.group.signal(Signal::KILL);
        let exited = self.wait().await;
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
        exited
    }
}

/// Names of the signals that end a process by themselves.
fn signal_name(number: i32) -> &'static str {
    match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => "another signal",
    }
}
