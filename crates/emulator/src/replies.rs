// SPDX-License-Identifier: Apache-2.0
//! Keeps count of replies, over all environments: none may be lost, doubled or given to another's event.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::state::Refusal;

/// Answered invocations whose second replies are still told from invented ones.
const REMEMBERED: usize = 1024;

/// What became of the invocations that environments got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// Invocations given to an environment.
    pub invocations: u64,
    /// Those to which a response or an error was let in, even if it broke off later.
    pub answered: u64,
    /// Those that ended without any: by a timeout, or with their environment.
    pub lost: u64,
    /// Replies to invocations that were answered already. They were refused.
    pub doubled: u64,
    /// Replies that named no open invocation, or had the invocation id of another attempt. They were refused.
    pub crossed: u64,
    /// Replies after the timeout of an invocation whose environment went on. They were refused.
    pub late: u64,
}

impl fmt::Display for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            invocations,
            answered,
            lost,
            doubled,
            crossed,
            late,
        } = self;
        write!(
            f,
            "Invocations: {invocations}\tAnswered: {answered}\tLost: {lost}\tDoubled: {doubled}\tCrossed: {crossed}\tLate: {late}"
        )
    }
}

/// The count while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    replies: Replies,
    answered: VecDeque<String>,
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn replies(&self) -> Replies {
        self.lock().replies
    }

    pub(crate) fn begun(&self) {
        self.lock().replies.invocations += 1;
    }

    pub(crate) fn lost(&self) {
        self.lock().replies.lost += 1;
    }

    pub(crate) fn answered(&self, request_id: &str) {
        let mut counted = self.lock();
        counted.replies.answered += 1;
        counted.answered.push_back(request_id.to_owned());
        if counted.answered.len() > REMEMBERED {
            counted.answered.pop_front();
        }
    }

    pub(crate) fn refused(&self, request_id: &str, refusal: &Refusal) {
        let mut counted = self.lock();
        let known = counted.answered.iter().any(|known| known == request_id);
        let replies = &mut counted.replies;
        match refusal {
            Refusal::Late(_) => replies.late += 1,
            Refusal::Stale(_) => replies.crossed += 1,
            _ if known => replies.doubled += 1,
            _ => replies.crossed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{RuntimeCall, RuntimeState};

    #[test]
    fn refused_replies_are_counted_by_what_is_wrong_with_them() {
        let tally = Tally::default();
        tally.begun();
        tally.answered("one");
        tally.refused(
            "one",
            &Refusal::Transition {
                state: RuntimeState::ResponseSent,
                call: RuntimeCall::Response,
            },
        );
        tally.refused("one", &Refusal::RequestId("one".into()));
        tally.refused("none", &Refusal::RequestId("none".into()));
        tally.refused("one", &Refusal::Stale("another".into()));
        tally.refused("two", &Refusal::Late("two".into()));
        tally.lost();
        assert_eq!(
            tally.replies().to_string(),
            "Invocations: 1\tAnswered: 1\tLost: 1\tDoubled: 2\tCrossed: 2\tLate: 1"
        );
    }
}
