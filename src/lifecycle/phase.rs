// SPDX-License-Identifier: Apache-2.0
//! The phases of an environment, and what moves it from one to the next. Pure: an event comes in, an order goes out;
//! `supervise` brings the events and carries out the orders.
//!
//! | Phase | Lambda is polled | The app |
//! |---|---|---|
//! | starting | no: this is the init phase | comes up; if it ends or takes too long, the init fails |
//! | serving | yes | is ready |
//! | probing | yes, but an open invocation holds its next poll | gave cause for doubt: it is asked whether it is well |
//! | recovering | the same | is down, or not up yet; it comes up (again) while Lambda is served |
//! | over | no | is stopped |
//!
//! From each of them a stop leads to the drain (`stop`). An invocation that comes while the app is not ready waits for it.

use std::time::Duration;

/// Before the second restart in a row, and five times as long before each one after. The first comes at once.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Serving,
    Probing,
    Recovering,
    Over,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The app answers its check.
    Ready,
    /// The app ended, did not become ready in time, could not be started, or is not well.
    AppFailed,
    /// An invocation found the app gone or timed out on it.
    Suspected,
    /// An invocation was served by the app.
    Served,
    /// The init phase is about to end, whether the app is ready or not.
    InitEnds,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Nothing,
    /// Begin to poll, or let held polls go on.
    Poll,
    /// Ask the app whether it is well.
    Probe,
    /// Clear what is left of the app, and start it again after this time.
    Restart(Duration),
    /// Report that the init failed, and end.
    FailInit,
    /// Say that the app cannot be kept up, and end: Lambda replaces the environment.
    GiveUp,
}

/// Where an environment stands.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: Phase,
    /// Failures of the app since it last served an invocation.
    failures: u32,
    /// How many restarts in a row.
    restart_limit: u32,
}

impl Lifecycle {
    pub(super) fn new(restart_limit: u32) -> Self {
        Self {
            phase: Phase::Starting,
            failures: 0,
            restart_limit,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn on(&mut self, event: Event) -> Order {
        use Phase::{Over, Probing, Recovering, Serving, Starting};
        let (phase, order) = match (self.phase, event) {
            (Over, _) => (Over, Order::Nothing),
            (Starting | Probing | Recovering, Event::Ready) => (Serving, Order::Poll),
            (Starting, Event::AppFailed) => (Over, Order::FailInit),
            (Starting, Event::InitEnds) => (Recovering, Order::Poll),
            (Serving | Probing | Recovering, Event::AppFailed) => {
                self.failures += 1;
                if self.failures > self.restart_limit {
                    (Over, Order::GiveUp)
                } else {
                    (Recovering, Order::Restart(backoff(self.failures)))
                }
            }
            (Serving, Event::Suspected) => (Probing, Order::Probe),
            (phase @ (Serving | Probing), Event::Served) => {
                self.failures = 0;
                (phase, Order::Nothing)
            }
            // Late news of what is known already.
            (phase, Event::Ready | Event::Suspected | Event::Served | Event::InitEnds) => {
                (phase, Order::Nothing)
            }
        };
        self.phase = phase;
        order
    }
}

/// The pause before a restart, by how many failures there were in a row.
fn backoff(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => FIRST_BACKOFF
            .saturating_mul(5_u32.saturating_pow(more - 2))
            .min(LONGEST_BACKOFF),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 5] = [
        Phase::Starting,
        Phase::Serving,
        Phase::Probing,
        Phase::Recovering,
        Phase::Over,
    ];
    const EVENTS: [Event; 5] = [
        Event::Ready,
        Event::AppFailed,
        Event::Suspected,
        Event::Served,
        Event::InitEnds,
    ];

    fn at(phase: Phase) -> Lifecycle {
        Lifecycle {
            phase,
            failures: 0,
            restart_limit: 3,
        }
    }

    fn after(phase: Phase, event: Event) -> (Phase, Order) {
        let mut lifecycle = at(phase);
        let order = lifecycle.on(event);
        (lifecycle.phase, order)
    }

    #[test]
    fn each_event_in_each_phase_leads_where_the_table_says() {
        use Order::{FailInit, Nothing, Poll, Probe};
        use Phase::{Over, Probing, Recovering, Serving, Starting};
        let restart = Order::Restart(Duration::ZERO);
        #[rustfmt::skip]
        let table = [
            //            Ready             AppFailed              Suspected              Served                 InitEnds
            (Starting,   [(Serving, Poll),  (Over, FailInit),      (Starting, Nothing),   (Starting, Nothing),   (Recovering, Poll)]),
            (Serving,    [(Serving, Nothing), (Recovering, restart), (Probing, Probe),    (Serving, Nothing),    (Serving, Nothing)]),
            (Probing,    [(Serving, Poll),  (Recovering, restart), (Probing, Nothing),    (Probing, Nothing),    (Probing, Nothing)]),
            (Recovering, [(Serving, Poll),  (Recovering, restart), (Recovering, Nothing), (Recovering, Nothing), (Recovering, Nothing)]),
            (Over,       [(Over, Nothing); 5]),
        ];
        assert_eq!(table.map(|(phase, _)| phase), PHASES);
        for (phase, row) in table {
            for (event, expected) in EVENTS.into_iter().zip(row) {
                assert_eq!(after(phase, event), expected, "{event:?} in {phase:?}");
            }
        }
    }

    #[test]
    fn an_app_that_fails_again_and_again_is_given_up() {
        let mut lifecycle = at(Phase::Serving);
        let orders: Vec<_> = (0..4)
            .flat_map(|_| [lifecycle.on(Event::AppFailed), lifecycle.on(Event::Ready)])
            .collect();
        let restart = |ms| Order::Restart(Duration::from_millis(ms));
        assert_eq!(
            orders,
            [
                restart(0),
                Order::Poll,
                restart(100),
                Order::Poll,
                restart(500),
                Order::Poll,
                Order::GiveUp,
                Order::Nothing,
            ]
        );
        assert_eq!(lifecycle.phase(), Phase::Over);
    }

    #[test]
    fn an_invocation_that_was_served_forgives_what_was_before() {
        let mut lifecycle = at(Phase::Serving);
        for _ in 0..10 {
            assert_eq!(
                lifecycle.on(Event::AppFailed),
                Order::Restart(Duration::ZERO)
            );
            assert_eq!(lifecycle.on(Event::Ready), Order::Poll);
            lifecycle.on(Event::Served);
            // The doubt came from the invocation on which it then ended.
            lifecycle.on(Event::Suspected);
            lifecycle.on(Event::Served);
        }
    }

    #[test]
    fn without_restarts_the_first_failure_ends_the_environment() {
        let mut lifecycle = Lifecycle::new(0);
        lifecycle.on(Event::Ready);
        assert_eq!(lifecycle.on(Event::AppFailed), Order::GiveUp);
    }

    #[test]
    fn the_pause_before_a_restart_grows_and_stays_bounded() {
        let pauses: Vec<_> = (0..8).map(backoff).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(backoff(u32::MAX), LONGEST_BACKOFF);
    }
}
