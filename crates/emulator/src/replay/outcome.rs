// SPDX-License-Identifier: Apache-2.0
//! What became of each item, and of all of them, as people read it.

use std::fmt;
use std::time::Duration;

use super::recording::Skip;

/// An item and what became of it.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) name: String,
    pub(super) recorded: Option<u16>,
    pub(super) outcome: Outcome,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Answered),
    /// There was no answer; after so long it was known why.
    Failed {
        reason: String,
        total: Duration,
    },
    Skipped(Skip),
}

#[derive(Debug)]
pub(super) struct Answered {
    /// None of an event's reply that names none.
    pub(super) status: Option<u16>,
    pub(super) first_byte: Option<Duration>,
    pub(super) total: Duration,
    pub(super) bytes: u64,
    /// Why it has no proper end.
    pub(super) broken: Option<String>,
}

impl Played {
    fn differs(&self) -> bool {
        match (&self.outcome, self.recorded) {
            (Outcome::Answered(answer), Some(recorded)) => answer.status != Some(recorded),
            _ => false,
        }
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = || "-".to_owned();
        let (status, first_byte, total, bytes) = match &self.outcome {
            Outcome::Answered(answer) => (
                answer
                    .status
                    .map_or_else(|| "ok".to_owned(), |status| status.to_string()),
                answer.first_byte.map_or_else(none, milliseconds),
                milliseconds(answer.total),
                answer.bytes.to_string(),
            ),
            Outcome::Failed { total, .. } => {
                ("failed".to_owned(), none(), milliseconds(*total), none())
            }
            Outcome::Skipped(_) => ("skipped".to_owned(), none(), none(), none()),
        };
        write!(
            f,
            "{status:<7}  first byte {first_byte:>11}  total {total:>11}  {bytes:>9} bytes  {}",
            printable(&self.name)
        )?;
        match &self.outcome {
            Outcome::Answered(Answered {
                broken: Some(reason),
                ..
            }) => write!(f, "  (broke off: {})", printable(reason))?,
            Outcome::Answered(_) => {}
            Outcome::Failed { reason, .. } => write!(f, "  ({})", printable(reason))?,
            Outcome::Skipped(skip) => write!(f, "  ({})", printable(&skip.to_string()))?,
        }
        match self.recorded {
            Some(recorded) if self.differs() => write!(f, "  (recorded {recorded})"),
            _ => Ok(()),
        }
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// Names and reasons come from files and functions, which must not write to the terminal.
fn printable(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    text.chars().map(shown).collect()
}

/// How many items became what.
#[derive(Debug, Default)]
pub(super) struct Sum {
    replayed: usize,
    compared: usize,
    differ: usize,
    failed: usize,
    skipped: usize,
    /// Of those skipped, requests for the function.
    lost: usize,
}

impl Sum {
    pub(super) fn add(&mut self, played: &Played) {
        match &played.outcome {
            Outcome::Skipped(skip) => {
                self.skipped += 1;
                self.lost += usize::from(matches!(skip, Skip::Body(_)));
                return;
            }
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Answered(answer) => {
                self.failed += usize::from(answer.broken.is_some());
                self.compared += usize::from(played.recorded.is_some());
            }
        }
        self.replayed += 1;
        self.differ += usize::from(played.differs());
    }

    /// Whether every request and event got all of an answer, with the status that was recorded.
    pub(super) fn is_as_recorded(&self) -> bool {
        self.replayed > 0 && self.differ == 0 && self.failed == 0 && self.lost == 0
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} replayed", self.replayed)?;
        if self.compared > 0 {
            let verb = if self.differ == 1 {
                "differs"
            } else {
                "differ"
            };
            write!(f, ", {} {verb}", self.differ)?;
        }
        for (count, what) in [(self.failed, "failed"), (self.skipped, "skipped")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
