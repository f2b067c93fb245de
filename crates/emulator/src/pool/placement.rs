// SPDX-License-Identifier: Apache-2.0
//! Where an invocation goes. Pure: what the pool sees of its environments in, one choice out.

use tokio::time::Instant;

use crate::settings::AtLimit;

/// What an environment is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// In its first init.
    Starting,
    Live,
    /// Being stopped: to be reset, or for good.
    Stopping,
    /// Fallen; the next invocation starts it again.
    Down,
}

/// An environment as placement sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) number: u32,
    pub(super) phase: Phase,
    /// Whether it may have one more invocation.
    pub(super) has_room: bool,
    /// Whether all that it has was answered, so that a moment may do until it is free.
    pub(super) settling: bool,
    pub(super) provisioned: bool,
    pub(super) used: Instant,
}

/// What becomes of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Use(u32),
    Start,
    Wait,
    Throttle,
}

/// Whether an invocation may still wait for an environment that is settling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Left,
    Gone,
}

/// A provisioned environment first, then the one that was used last: what is not needed grows old and is reaped. One
/// that is about to be free is worth a moment, one that fell is started again, and only then there is a new one.
pub(super) fn place(views: &[View], limit: usize, at_limit: AtLimit, patience: Patience) -> Choice {
    let best = |phase: Phase| {
        views
            .iter()
            .filter(|view| view.has_room && view.phase == phase)
            .max_by_key(|view| (view.provisioned, view.used))
            .map(|view| Choice::Use(view.number))
    };
    let any = |is: fn(&View) -> bool| views.iter().any(is);
    if let Some(choice) = best(Phase::Live).or_else(|| best(Phase::Starting)) {
        choice
    } else if patience == Patience::Left && any(|view| view.settling) {
        Choice::Wait
    } else if let Some(choice) = best(Phase::Down) {
        choice
    } else if views.len() < limit {
        Choice::Start
    } else if at_limit == AtLimit::Wait || any(|view| view.phase == Phase::Stopping) {
        // What is being stopped serves nobody: on the service it counts no more.
        Choice::Wait
    } else {
        Choice::Throttle
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn views(phases: &[(Phase, bool)]) -> Vec<View> {
        let now = Instant::now();
        let mut number = 0;
        let view = |(phase, has_room): &(Phase, bool)| {
            number += 1;
            View {
                number,
                phase: *phase,
                has_room: *has_room,
                settling: false,
                provisioned: false,
                used: now + Duration::from_secs(number.into()),
            }
        };
        phases.iter().map(view).collect()
    }

    #[test]
    fn an_invocation_goes_where_it_begins_soonest() {
        use Phase::{Down, Live, Starting, Stopping};
        for (phases, choice) in [
            (&[][..], Choice::Start),
            (&[(Live, true), (Live, true), (Live, false)], Choice::Use(2)),
            (&[(Starting, true), (Live, true)], Choice::Use(2)),
            (&[(Live, false), (Starting, true)], Choice::Use(2)),
            (&[(Live, false), (Starting, false)], Choice::Start),
            (&[(Live, false), (Down, true)], Choice::Use(2)),
            (&[(Down, false), (Stopping, true)], Choice::Start),
            (
                &[(Live, false), (Live, false), (Live, false)],
                Choice::Throttle,
            ),
            (
                &[(Live, false), (Stopping, true), (Live, false)],
                Choice::Wait,
            ),
        ] {
            let views = views(phases);
            let placed = place(&views, 3, AtLimit::Throttle, Patience::Left);
            assert_eq!(placed, choice, "{phases:?}");
        }
    }

    #[test]
    fn one_that_settles_is_worth_a_moment_and_no_more() {
        let mut views = views(&[(Phase::Live, false), (Phase::Down, true)]);
        views[0].settling = true;
        let placed = |patience| place(&views, 3, AtLimit::Throttle, patience);
        assert_eq!(placed(Patience::Left), Choice::Wait);
        assert_eq!(placed(Patience::Gone), Choice::Use(2));
    }

    #[test]
    fn provisioned_ones_are_used_first_and_waiting_at_the_limit_is_a_choice() {
        let mut free = views(&[(Phase::Live, true), (Phase::Live, true)]);
        free[0].provisioned = true;
        let placed = place(&free, 2, AtLimit::Throttle, Patience::Left);
        assert_eq!(placed, Choice::Use(1));
        let busy = views(&[(Phase::Live, false)]);
        let placed = place(&busy, 1, AtLimit::Wait, Patience::Gone);
        assert_eq!(placed, Choice::Wait);
    }
}
