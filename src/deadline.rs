// SPDX-License-Identifier: Apache-2.0
//! When an invocation has to be over, told from Lambda's deadline. Pure.

use std::time::{Duration, Instant};

/// The part of the time left that the margin may take at most: what is left to a short function is its app's.
const MARGIN_SHARE: u32 = 4;

/// The ends of an invocation's waits. Lambda resets an environment whose invocation is open at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// Until then the app is waited for.
    pub(crate) of_app: Instant,
    /// Until then Lambda may take what the reply has left.
    pub(crate) of_reply: Instant,
}

impl Deadline {
    /// Both wall-clock times count from 1970. `None`: the deadline lies in the past, where no event of Lambda's has it,
    /// or beyond what the clock counts.
    pub(crate) fn new(
        deadline: Duration,
        wall_now: Duration,
        now: Instant,
        margin: Duration,
    ) -> Option<Self> {
        let left = deadline
            .checked_sub(wall_now)
            .filter(|left| !left.is_zero())?;
        let margin = margin.min(left / MARGIN_SHARE);
        Some(Self {
            of_app: now.checked_add(left.checked_sub(margin)?)?,
            of_reply: now.checked_add(left.checked_sub(margin / 2)?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_goes_off_the_deadline_and_never_takes_more_than_a_quarter_of_the_time() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        for (left, margin, of_app, of_reply) in [
            (60_000, 500, 59_500, 59_750),
            (3_000, 500, 2_500, 2_750),
            (1_000, 500, 750, 875),
            (4, 500, 3, 3),
            (60_000, 0, 60_000, 60_000),
        ] {
            let wall_now = ms(1_783_670_400_123);
            let deadline = Deadline::new(wall_now + ms(left), wall_now, now, ms(margin)).unwrap();
            assert_eq!(deadline.of_app - now, ms(of_app), "{left}");
            assert!(
                deadline.of_reply - now >= ms(of_reply) && deadline.of_reply - now <= ms(left),
                "{left}"
            );
        }
    }

    #[test]
    fn a_deadline_that_cannot_be_true_is_none() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        for (deadline, wall_now) in [
            (second, second),
            (second, second * 2),
            (Duration::ZERO, second),
            (Duration::MAX, second),
        ] {
            assert_eq!(Deadline::new(deadline, wall_now, now, second), None);
        }
    }
}
