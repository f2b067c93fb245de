// SPDX-License-Identifier: Apache-2.0
//! What the figures were measured on, as far as it matters to them.

use std::fs;
use std::thread;

use serde::Serialize;

/// A machine, without anything that would tell which one it is.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Its threads.
    pub cores: usize,
    /// Version of the kernel.
    pub kernel: String,
    /// The load of the last minute when the measurement began: what else there was to do.
    pub load: f64,
}

impl Machine {
    /// This machine, now.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let mut names = cpus.lines().filter(|line| line.starts_with("model name"));
        let name = names.find_map(|line| line.split_once(": "));
        let release = read("/proc/sys/kernel/osrelease");
        let load = read("/proc/loadavg");
        Self {
            processor: name.map_or_else(
                || std::env::consts::ARCH.to_owned(),
                |(_, name)| name.to_owned(),
            ),
            cores: thread::available_parallelism().map_or(1, usize::from),
            // What is behind the version names a build.
            kernel: release
                .split(['-', '\n'])
                .next()
                .unwrap_or_default()
                .to_owned(),
            load: load
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or_default(),
        }
    }

    /// What was measured, and on what.
    #[must_use]
    pub fn sentence(&self, rounds: usize) -> String {
        format!(
            "Medians of {rounds} rounds on {}, {} cores, Linux {}; load {} when they began.",
            self.processor, self.cores, self.kernel, self.load
        )
    }
}
