// SPDX-License-Identifier: Apache-2.0
//! What the kernel tells of a process and its children.

use std::fs;
use std::time::Duration;

/// What a process has used so far, with all its threads and children.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time on a processor, as the scheduler counts it: no clock ticks.
    pub cpu: Duration,
    /// How often it gave the processor up to wait, or had to.
    pub switches: u64,
}

impl Usage {
    /// What a process has used until now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let mut usage = Self::default();
        for process in family(pid) {
            for task in tasks(process) {
                usage.cpu +=
                    Duration::from_nanos(first_number(&read(&format!("{task}/schedstat"))));
                let status = read(&format!("{task}/status"));
                usage.switches += field(&status, "voluntary_ctxt_switches:")
                    + field(&status, "nonvoluntary_ctxt_switches:");
            }
        }
        usage
    }

    /// What was used since then.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

/// The most memory that a process has had resident, with its children, in MiB.
#[must_use]
pub fn peak_memory(pid: u32) -> f64 {
    let kib: u64 = family(pid)
        .into_iter()
        .map(|process| field(&read(&format!("/proc/{process}/status")), "VmHWM:"))
        .sum();
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}

pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&process) = family.get(next) {
        next += 1;
        for task in tasks(process) {
            let children = read(&format!("{task}/children"));
            family.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    family
}

fn tasks(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| task.path().display().to_string())
        .collect()
}

/// A file of `/proc`. One that has gone, as a thread may at any time, tells nothing.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map_or(0, first_number)
}

fn first_number(text: &str) -> u64 {
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or(0)
}
