// SPDX-License-Identifier: Apache-2.0
//! Many slow streams at once through the local Lambda's function URL, each with a name of its own in every chunk.
//!
//! All of them are open at the same time, and in each round each gets one chunk: the app waits at the gate before it.
//! So what a client gets next is known, and anything else is a lost, a crossed or a misplaced chunk.

use std::fmt;
use std::time::{Duration, Instant};

use crate::binaries;
use crate::gate::{Gate, Keeper};
use crate::http::{Client, Next, Request};
use crate::local::Local;
use crate::process::status_kib;

/// How many of what.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Environments, all of them needed.
    pub environments: u16,
    /// Streams at once in each of them.
    pub concurrency: u16,
    /// Chunks of each stream.
    pub rounds: usize,
    /// Bytes of each chunk.
    pub chunk: usize,
    /// From one chunk of a stream to its next, at least.
    pub pause: Duration,
}

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Of `streamgate-local`.
    pub local: usize,
    /// Of all adapters with their guards.
    pub adapters: usize,
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// What was asked for.
    pub plan: Plan,
    /// Streams.
    pub streams: usize,
    /// Environments that were started.
    pub environments: usize,
    /// Chunks that did not come, streams that did not end properly.
    pub lost: usize,
    /// Chunks that came in another's place.
    pub misplaced: usize,
    /// With one environment and no stream.
    pub at_rest: Memory,
    /// With all streams open, after their first chunk.
    pub begun: Memory,
    /// The same after their last.
    pub done: Memory,
    /// From the first request to the end of the last stream.
    pub took: Duration,
}

impl Figures {
    /// What the memory of all has grown by from the first to the last chunk, in KiB.
    #[must_use]
    pub fn growth(&self) -> Memory {
        Memory {
            local: self.done.local.saturating_sub(self.begun.local),
            adapters: self.done.adapters.saturating_sub(self.begun.adapters),
        }
    }
}

impl fmt::Display for Figures {
    #[expect(clippy::cast_precision_loss, reason = "they are figures to look at")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_stream = |kib: usize| kib as f64 / self.streams as f64;
        let adapter = self.begun.adapters as f64 / self.environments as f64;
        writeln!(
            f,
            "{} streams in {} environments, {} chunks of {} bytes each, in {:.1} s",
            self.streams,
            self.environments,
            self.plan.rounds,
            self.plan.chunk,
            self.took.as_secs_f64()
        )?;
        writeln!(f, "lost: {}, misplaced: {}", self.lost, self.misplaced)?;
        writeln!(
            f,
            "streamgate-local: {} KiB at rest with one environment, {} KiB with all streams ({:.0} KiB per stream), {} KiB at their end",
            self.at_rest.local,
            self.begun.local,
            per_stream(self.begun.local.saturating_sub(self.at_rest.local)),
            self.done.local
        )?;
        writeln!(
            f,
            "adapters: {} KiB at rest, {adapter:.0} KiB with {} streams ({:.0} KiB per stream), {:.0} KiB at their end",
            self.at_rest.adapters,
            self.plan.concurrency,
            (adapter - self.at_rest.adapters as f64).max(0.0) / f64::from(self.plan.concurrency),
            self.done.adapters as f64 / self.environments as f64
        )
    }
}

/// Does it.
#[must_use]
pub fn run(plan: Plan) -> Figures {
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let mut local = Local::builder()
        .environments(plan.environments)
        .option("--concurrency")
        .option(&plan.concurrency.to_string())
        .option("--timeout")
        .option("900")
        .env(key, value)
        .start();
    assert_eq!(local.get("/").status(), 200);
    let at_rest = memory(&local);

    let began = Instant::now();
    let streams = usize::from(plan.environments) * usize::from(plan.concurrency);
    let (mut clients, mut keepers): (Vec<Client>, Vec<Keeper>) = (Vec::new(), Vec::new());
    // One environment after the other, so that no wait is for more than one cold start.
    for number in 0..streams {
        let target = format!(
            "/gated?chunks={}&pad={}&name=s{number}-",
            plan.rounds, plan.chunk
        );
        let mut client = local.client();
        client.send(&Request::get(target));
        keepers.push(gate.accept());
        clients.push(client);
    }
    let mut figures = Figures {
        plan,
        streams,
        environments: 0,
        lost: 0,
        misplaced: 0,
        at_rest,
        begun: Memory::default(),
        done: Memory::default(),
        took: Duration::ZERO,
    };
    for client in &mut clients {
        figures.lost += usize::from(client.head().status() != 200);
    }
    for round in 0..plan.rounds {
        let next = Instant::now() + plan.pause;
        keepers.iter_mut().for_each(Keeper::open);
        for (number, client) in clients.iter_mut().enumerate() {
            let start = format!("s{number}-chunk {round}\n");
            match chunk(client, start.len() + plan.chunk) {
                Some(text) if text.starts_with(start.as_bytes()) => {}
                Some(_) => figures.misplaced += 1,
                None => figures.lost += 1,
            }
        }
        if round == 0 {
            figures.begun = memory(&local);
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    figures.done = memory(&local);
    for client in &mut clients {
        figures.lost += usize::from(client.step() != Next::Complete(Vec::new()));
    }
    figures.took = began.elapsed();
    let log = local.program().stderr();
    figures.environments = log
        .iter()
        .filter(|line| line.starts_with("INIT_START"))
        .count();
    assert!(local.stop().success());
    figures
}

/// The next chunk of the app, which may come in several of the transfer's.
fn chunk(client: &mut Client, length: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while text.len() < length {
        match client.step() {
            Next::Data(data) => text.extend(data),
            _ => return None,
        }
    }
    (text.len() == length).then_some(text)
}

fn memory(local: &Local) -> Memory {
    let program = local.program();
    let adapter = binaries::streamgate().display().to_string();
    let adapters = program.mark().carriers();
    Memory {
        local: status_kib(program.pid(), "VmRSS").unwrap_or_default(),
        adapters: adapters
            .iter()
            .filter(|carrier| carrier.program() == adapter)
            .filter_map(|carrier| carrier.status_kib("VmRSS"))
            .sum(),
    }
}
