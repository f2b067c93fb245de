// SPDX-License-Identifier: Apache-2.0
//! The misbehaving app, started by the test itself or described to whoever starts it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::binaries;
use crate::process::{Mark, Program};
use crate::waiting::eventually;

/// A file in which the app writes the events of its life, to be read by the test.
#[derive(Debug)]
pub struct Diary {
    directory: tempfile::TempDir,
}

impl Default for Diary {
    fn default() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory can be made"),
        }
    }
}

impl Diary {
    /// The environment variable that tells the app of it.
    #[must_use]
    pub fn variable(&self) -> (&'static str, String) {
        ("EVENT_FILE", self.path().display().to_string())
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("events")
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many lines contain `text`.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Waits for a line that contains `text`.
    #[must_use]
    pub fn line(&self, text: &str) -> String {
        eventually(format!("{text:?} in the app's events"), || {
            self.lines().into_iter().find(|line| line.contains(text))
        })
    }
}

/// Where ports that the tests choose begin, and how many there are: below those that the kernel gives to connections.
const FIRST_PORT: u32 = 10_000;
const PORTS: u32 = 20_000;

/// A port that nobody listens on now, and that no other test of this program gets. Only for apps that are told their
/// port; where a program can choose, let it.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Programs that run beside this one begin elsewhere.
    let first = std::process::id().wrapping_mul(641);
    loop {
        let serial = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST_PORT + serial % PORTS).expect("below 30,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An app that the test runs, for an adapter that attaches to it.
#[derive(Debug)]
pub struct App {
    program: Program,
    address: SocketAddr,
}

impl App {
    /// Starts it on a free port and waits until it listens.
    #[must_use]
    pub fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_on(free_port(), environment)
    }

    /// Starts it on this port and waits until it listens.
    #[must_use]
    pub fn start_on(port: u16, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binaries::misbehave());
        command
            .env("PORT", port.to_string())
            .envs(environment.iter().copied());
        let program = Program::start(command, &Mark::unique());
        let _ = program.stderr_line("listening");
        Self {
            program,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }
}
