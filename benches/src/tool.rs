// SPDX-License-Identifier: Apache-2.0
//! Programs that count: `strace` and Valgrind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::measure::MeasureError;
use crate::process::family;

/// Whether a program can be run.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Leaves one processor to this process and all that it starts. Then they take turns, bytes always come in the same
/// pieces, and two counts of an invocation's instructions differ by a thousandth instead of a twentieth.
pub fn stay_on_one_processor() -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
    let mut one = CpuSet::new();
    one.set(first.unwrap_or(0));
    Ok(sched_setaffinity(None, &one)?)
}

/// Callgrind's files in a folder.
#[derive(Debug)]
pub struct Callgrind {
    log: PathBuf,
    profile: PathBuf,
}

impl Callgrind {
    /// Files that each run overwrites.
    #[must_use]
    pub fn into(folder: &Path) -> Self {
        Self {
            log: folder.join("callgrind.log"),
            profile: folder.join("callgrind.out"),
        }
    }

    /// What stands before the program whose instructions are to be counted.
    #[must_use]
    pub fn command(&self) -> [String; 4] {
        [
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", self.profile.display()),
            format!("--log-file={}", self.log.display()),
        ]
    }

    /// The instructions of the last run.
    pub fn collected(&self) -> Result<u64, MeasureError> {
        let output = fs::read_to_string(&self.log)?;
        let line = output
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let count = line.and_then(|(_, count)| count.trim().parse().ok());
        count.ok_or(MeasureError::Tool {
            tool: "callgrind",
            output,
        })
    }
}

/// Ends a process that Valgrind runs, so that it tells its counts. The signal is one that nobody handles: an adapter
/// takes its time to end in good order.
pub fn end_counting(pid: u32) {
    signal(pid, Signal::USR1);
}

/// Ends what a process has started, but not itself.
pub fn kill_children(pid: u32) {
    for child in family(pid).into_iter().skip(1) {
        signal(child, Signal::KILL);
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that has ended in the meantime needs no signal.
        let _ = kill_process(pid, signal);
    }
}
