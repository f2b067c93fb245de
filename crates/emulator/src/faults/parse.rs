// SPDX-License-Identifier: Apache-2.0
//! Reads a script, or says which word of which line is wrong and what is accepted there.
//!
//! A line is `CALL NUMBERS [delay DURATION] FAULT [early|taken]`, or `CALL NUMBERS delay DURATION [taken]`.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use super::{Act, CALLS, Call, Change, FaultScript, Instead, Rule, Timing, What};

const NUMBERS: &str = "a number from 1, a range such as 2-5 or 2-, or *";
const DURATION: &str = "a duration up to 900s such as 200ms or 1.5s";
const FAULTS: &str = "delay, stall, close, reset, reset-after, status, malformed, split, half, missing-header, header";
const BYTES: &str = "a number of bytes";
const PIECE: &str = "a number of bytes from 1, or nothing";
const CODE: &str = "a status from 200 to 599";
const NAME: &str = "the name of a header";
const VALUE: &str = "the value of a header";
const WHEN: &str = "early, taken, or nothing";
const TAKEN: &str = "taken, or nothing";
const NOTHING: &str = "nothing";

/// The longest timeout of a function; a longer delay is as good as `stall`.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// A line of a fault script that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultScriptError {
    /// A word that is not accepted where it stands.
    #[error("line {line}: {word:?} is not known here, expected {expected}")]
    Word {
        /// Counted from 1.
        line: usize,
        /// The word.
        word: String,
        /// What is accepted there.
        expected: String,
    },
    /// A line that ends too soon.
    #[error("line {line} ends where more is needed: expected {expected}")]
    End {
        /// Counted from 1.
        line: usize,
        /// What is accepted there.
        expected: String,
    },
}

impl FromStr for FaultScript {
    type Err = FaultScriptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rules = text
            .lines()
            .zip(1..)
            .map(|(text, number)| (Words::new(text, number), number))
            .filter(|(words, _)| words.peek().is_some())
            .map(|(words, _)| rule(words))
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }
}

/// What is left of a line.
struct Words<'a> {
    line: usize,
    words: std::iter::Peekable<std::str::SplitWhitespace<'a>>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str, line: usize) -> Self {
        let (text, _comment) = text.split_once('#').unwrap_or((text, ""));
        Self {
            line,
            words: text.split_whitespace().peekable(),
        }
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.clone().next()
    }

    fn unexpected(&self, word: Option<&str>, expected: &str) -> FaultScriptError {
        let (line, expected) = (self.line, expected.to_owned());
        match word {
            Some(word) => FaultScriptError::Word {
                line,
                word: word.to_owned(),
                expected,
            },
            None => FaultScriptError::End { line, expected },
        }
    }

    /// The next word, as what it has to be.
    fn take<T>(
        &mut self,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, FaultScriptError> {
        let word = self.words.next();
        word.and_then(read)
            .ok_or_else(|| self.unexpected(word, expected))
    }

    /// The next word, if there is one.
    fn take_any<T>(
        &mut self,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, FaultScriptError> {
        if self.peek().is_none() {
            return Ok(None);
        }
        self.take(expected, read).map(Some)
    }

    fn rest(&self) -> String {
        self.words.clone().collect::<Vec<_>>().join(" ")
    }
}

fn rule(mut words: Words<'_>) -> Result<Rule, FaultScriptError> {
    let names = CALLS.map(|(name, _)| name).join(", ");
    let call = words.take(&names, |word| {
        let known = CALLS.iter().find(|(name, _)| *name == word)?;
        Some(known.1)
    })?;
    let (first, last) = words.take(NUMBERS, numbers)?;
    let text = words.rest();
    let delay = if words.peek() == Some("delay") {
        words.words.next();
        words.take(DURATION, duration)?
    } else {
        Duration::ZERO
    };
    let (delay, what) = match words.peek() {
        None if text.is_empty() => return Err(words.unexpected(None, FAULTS)),
        None => (delay, What::Answer(Change::Late(Duration::ZERO))),
        Some("taken") if !text.starts_with("taken") => {
            words.words.next();
            (Duration::ZERO, What::Answer(Change::Late(delay)))
        }
        Some(_) => (delay, fault(&mut words, call)?),
    };
    if let Some(word) = words.peek() {
        return Err(words.unexpected(Some(word), NOTHING));
    }
    Ok(Rule {
        call,
        first,
        last,
        act: Act { delay, what, text },
    })
}

fn fault(words: &mut Words<'_>, call: Call) -> Result<What, FaultScriptError> {
    let word = words.take(FAULTS, |word| {
        FAULTS.split(", ").find(|known| *known == word)
    })?;
    let instead = match word {
        "stall" => Instead::Stall,
        "close" => Instead::Close,
        "reset" => Instead::Reset,
        "reset-after" => {
            let instead = Instead::ResetAfter(words.take(BYTES, |word| word.parse().ok())?);
            let taken = words.take_any(TAKEN, |word| (word == "taken").then_some(Timing::Taken))?;
            return Ok(What::Instead(instead, taken.unwrap_or(Timing::Untaken)));
        }
        "status" => Instead::Status(words.take(CODE, status)?),
        "malformed" => Instead::Malformed,
        "split" => {
            let piece =
                words.take_any(PIECE, |word| word.parse().ok().filter(|bytes| *bytes > 0))?;
            return Ok(What::Answer(Change::Split(piece.unwrap_or(1))));
        }
        "half" => return Ok(What::Answer(Change::Half)),
        "missing-header" => {
            return Ok(What::Answer(Change::Without(
                words.take(NAME, header_name)?,
            )));
        }
        "header" => {
            let name = words.take(NAME, header_name)?;
            let value = words.take(VALUE, |word| HeaderValue::from_str(word).ok())?;
            return Ok(What::Answer(Change::With(name, value)));
        }
        // A second delay.
        _ => return Err(words.unexpected(Some(word), FAULTS)),
    };
    let timing = words.take_any(WHEN, |word| match word {
        "early" => Some(Timing::Early),
        "taken" => Some(Timing::Taken),
        _ => None,
    })?;
    let timing = timing.unwrap_or(Timing::Untaken);
    let too_large = Instead::Status(StatusCode::PAYLOAD_TOO_LARGE);
    if call == Call::Response && instead == too_large && timing != Timing::Taken {
        return Ok(What::Answer(Change::SizeRefused));
    }
    Ok(What::Instead(instead, timing))
}

fn numbers(word: &str) -> Option<(u64, u64)> {
    if word == "*" {
        return Some((1, u64::MAX));
    }
    let number = |word: &str| word.parse().ok().filter(|number| *number > 0);
    let (first, last) = match word.split_once('-') {
        None => (number(word)?, number(word)?),
        Some((first, "")) => (number(first)?, u64::MAX),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    (first <= last).then_some((first, last))
}

fn duration(word: &str) -> Option<Duration> {
    let seconds: f64 = match word.strip_suffix("ms") {
        Some(millis) => millis.parse::<f64>().ok()? / 1000.0,
        None => word.strip_suffix('s')?.parse().ok()?,
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration <= MAX_DELAY)
}

fn status(word: &str) -> Option<StatusCode> {
    let code = word.parse().ok()?;
    StatusCode::from_u16(code)
        .ok()
        .filter(|_| (200..600).contains(&code))
}

fn header_name(word: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(word.as_bytes()).ok()
}

#[cfg(test)]
mod tests;
