// SPDX-License-Identifier: Apache-2.0
//! `--replay`: recorded traffic once more, each item when the environment is done with the one before, and its outcome
//! beside what was recorded.

mod har;
mod outcome;
mod play;
mod recording;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use streamgate_emulator::{Emulator, Entry, Journal};
use tokio::sync::watch;

use crate::{RunError, send};
use outcome::Sum;
use play::play;
use recording::Item;

pub(crate) use recording::RecordingError;

/// A recording that was read and has not been played yet.
#[derive(Debug)]
pub(crate) struct Replay {
    items: Vec<Item>,
    /// How many invocations are open.
    open: watch::Sender<usize>,
}

impl Replay {
    /// Reads the whole recording, so that one that is no good starts nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = send::read("--replay", path)?;
        let items = recording::parse(&bytes).map_err(|source| RunError::Recording {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            items,
            open: watch::Sender::new(0),
        })
    }

    /// This journal, from which the replay knows when the environment is done with an invocation.
    pub(crate) fn reads(&self, journal: Journal) -> Journal {
        let open = self.open.clone();
        journal.told_to(move |_, entry| match entry {
            Entry::Start { .. } => open.send_modify(|open| *open += 1),
            // The last word, with which the environment is free again.
            Entry::Report { .. } => open.send_modify(|open| *open = open.saturating_sub(1)),
            _ => {}
        })
    }

    /// Plays it; a line for each item, and one for all of them.
    pub(crate) async fn run(
        self,
        emulator: &Emulator,
        output: &mut File,
    ) -> Result<ExitCode, RunError> {
        let mut sum = Sum::default();
        let mut open = self.open.subscribe();
        for item in self.items {
            let played = play(emulator, item).await;
            sum.add(&played);
            writeln!(output, "{played}").map_err(RunError::Output)?;
            // The other end is here.
            let _ = open.wait_for(|open| *open == 0).await;
        }
        writeln!(output, "{sum}").map_err(RunError::Output)?;
        Ok(if sum.is_as_recorded() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

#[cfg(test)]
mod tests;
