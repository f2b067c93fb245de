// SPDX-License-Identifier: Apache-2.0
//! What happens when, by a seed.

use std::fmt::Write as _;

/// What the app does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Exit,
    ExitInBody,
    Reset,
    Hang,
    /// No fault: it answers, and closes the connection.
    Close,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::ExitInBody => "exit-in-body",
            Self::Reset => "reset",
            Self::Hang => "hang",
            Self::Close => "close",
        }
    }
}

/// One request; sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Get(usize),
    Post(usize),
    SlowClient(usize),
    /// A request after a pause in which idle connections get too old.
    AfterPause,
    Fault(Fault),
}

/// What goes wrong with Lambda's calls.
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) faults: u64,
    /// Replies that Lambda does not take, so that the client cannot have them.
    pub(crate) lost_replies: u64,
}

/// Numbers that look random and are the same for the same seed (xorshift64*).
pub(crate) struct Plan(u64);

/// Of the polls: each is repeated, and nobody notices.
const NEXT: [&str; 8] = [
    "reset",
    "reset taken",
    "close",
    "status 500",
    "malformed",
    "half",
    "split 1000",
    "delay 20ms",
];
/// Of the replies: these do not reach the client.
const RESPONSE_LOST: [&str; 5] = [
    "reset",
    "close",
    "status 500",
    "status 413",
    "reset-after 100",
];
/// And these do.
const RESPONSE_TAKEN: [&str; 5] = [
    "reset taken",
    "close taken",
    "malformed taken",
    "half",
    "delay 20ms",
];
/// Mean distance of two faults of the same kind of call.
const DISTANCE: u64 = 400;

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % limit
    }

    fn size(&mut self, limit: u64) -> usize {
        usize::try_from(self.below(limit)).unwrap_or_default()
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.size(texts.len() as u64)]
    }

    pub(crate) fn step(&mut self) -> Step {
        match self.below(20_000) {
            0..2 => Step::AfterPause,
            2..4 => Step::Fault(Fault::Hang),
            4..14 => Step::Fault(Fault::Exit),
            14..24 => Step::Fault(Fault::ExitInBody),
            24..34 => Step::Fault(Fault::Reset),
            34..134 => Step::Fault(Fault::Close),
            134..154 => Step::SlowClient(self.size(300_000)),
            154..500 => Step::Get(self.size(300_000)),
            500..1_000 => Step::Post(self.size(100_000)),
            1_000..9_000 => Step::Post(self.size(1_000)),
            _ => Step::Get(self.size(1_000)),
        }
    }

    /// Faults for the calls that so many invocations take.
    pub(crate) fn faults(&mut self, count: u64) -> Script {
        let mut script = Script {
            text: String::new(),
            faults: 0,
            lost_replies: 0,
        };
        // A fault of a poll makes another poll, so there are a few more.
        let mut next = 0;
        let mut response = 0;
        while next < count || response < count {
            next += 1 + self.below(2 * DISTANCE);
            response += 1 + self.below(2 * DISTANCE);
            let of_next = self.one_of(&NEXT);
            let is_lost = self.below(2) == 0;
            let of_response = self.one_of(if is_lost {
                &RESPONSE_LOST
            } else {
                &RESPONSE_TAKEN
            });
            // A string takes all that is written.
            let _ = writeln!(script.text, "next {next} {of_next}");
            let _ = writeln!(script.text, "response {response} {of_response}");
            script.faults += 2;
            script.lost_replies += u64::from(is_lost);
        }
        script
    }
}
