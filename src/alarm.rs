// SPDX-License-Identifier: Apache-2.0
//! The clock, and one timer for all the waits of a task.
//!
//! To set a timer costs two system calls, since tokio wakes its own poll for it. So a timer that stands earlier than it
//! has to is left as it is: it wakes its task in vain, and whoever still waits then sets it anew. Deadlines of one
//! invocation after another, and of one chunk after another, move on without a system call.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// A timer that is set for the first of whatever its task waits for.
#[derive(Debug, Default)]
pub(crate) struct Alarm(RefCell<Option<Pin<Box<Sleep>>>>);

impl Alarm {
    pub(crate) fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Ready from this instant on; until then the task is woken at that instant at the latest. `None` never comes.
    pub(crate) fn poll_until(&self, context: &mut Context<'_>, at: Option<Instant>) -> Poll<()> {
        let Some(at) = at else {
            return Poll::Pending;
        };
        if Self::now() >= at {
            return Poll::Ready(());
        }
        let at = tokio::time::Instant::from_std(at);
        let mut sleep = self.0.borrow_mut();
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if at < sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(context).is_ready() {
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }

    /// What a future gives before this instant, if anything.
    pub(crate) async fn within<T>(
        &self,
        at: Option<Instant>,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(given) => Poll::Ready(Some(given)),
            Poll::Pending => self.poll_until(context, at).map(|()| None),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    async fn waited(alarm: &Alarm, wait: Duration) -> Duration {
        let began_at = Alarm::now();
        let given = alarm
            .within(Some(began_at + wait), pin!(std::future::pending::<()>()))
            .await;
        assert_eq!(given, None);
        Alarm::now() - began_at
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_instant_whatever_was_waited_for_before() {
        let alarm = Alarm::default();
        for seconds in [5, 1, 600, 3] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(waited(&alarm, wait).await, wait);
        }
        // Left behind at a time that comes before the next one.
        let short = Some(Alarm::now() + Duration::from_secs(1));
        assert_eq!(alarm.within(short, pin!(async { 1 })).await, Some(1));
        let wait = Duration::from_mins(1);
        assert_eq!(waited(&alarm, wait).await, wait);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_of_two_waits_wakes_their_task() {
        let alarm = Alarm::default();
        let (near, far) = (Duration::from_secs(1), Duration::from_secs(9));
        let began_at = Alarm::now();
        let inner = async { waited(&alarm, near).await };
        let given = alarm.within(Some(began_at + far), pin!(inner)).await;
        assert_eq!(given, Some(near));
        let inner = async { waited(&alarm, far).await };
        let given = alarm.within(Some(Alarm::now() + near), pin!(inner)).await;
        assert_eq!(given, None);
        assert_eq!(Alarm::now() - began_at, near * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_given_even_if_time_is_up() {
        let alarm = Alarm::default();
        assert_eq!(
            alarm
                .within(Some(Alarm::now()), pin!(async { "there" }))
                .await,
            Some("there")
        );
    }
}
