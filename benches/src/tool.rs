// SPDX-License-Identifier: Apache-2.0
//! Programs that count: `strace` and Valgrind.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

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

/// The command that counts the instructions of what follows it.
#[must_use]
pub fn callgrind(to_log: &str) -> [&str; 4] {
    [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        to_log,
    ]
}

/// The instructions that callgrind counted.
#[must_use]
pub fn collected(log: &str) -> Option<u64> {
    let line = log
        .lines()
        .find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}

/// Asks a process to end.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
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
