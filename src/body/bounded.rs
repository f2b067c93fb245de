// SPDX-License-Identifier: Apache-2.0
//! Ends the app's response where it has taken its time. To drop the body is to cancel the app's request.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::{Broken, Limit};
use crate::alarm::Alarm;

/// What a response is held to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// When it has to be complete, and what says so.
    pub(crate) end: Option<(Instant, Limit)>,
    /// How long nothing may come of it while it is waited for.
    pub(crate) idle: Option<Duration>,
}

/// `inner` within its limits.
#[derive(Debug)]
pub(crate) struct Bounded<B> {
    inner: B,
    alarm: Rc<Alarm>,
    limits: Limits,
    /// Since when it is waited for. A peer that takes nothing is no wait for the app, since then nobody asks it.
    silent_since: Option<Instant>,
}

impl<B> Bounded<B> {
    pub(crate) fn new(inner: B, alarm: Rc<Alarm>, limits: Limits) -> Self {
        Self {
            inner,
            alarm,
            limits,
            silent_since: None,
        }
    }

    fn poll_limits(&mut self, context: &mut Context<'_>) -> Poll<Limit> {
        if let Some((at, limit)) = self.limits.end
            && self.alarm.poll_until(context, Some(at)).is_ready()
        {
            return Poll::Ready(limit);
        }
        let Some(idle) = self.limits.idle else {
            return Poll::Pending;
        };
        let until = self
            .silent_since
            .get_or_insert_with(Alarm::now)
            .checked_add(idle);
        self.alarm.poll_until(context, until).map(|()| Limit::Idle)
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(Broken::ByApp(crate::logging::chain(&error)))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.silent_since = None;
                match this.limits.end {
                    // An app that always has more is never waited for.
                    Some((at, limit)) if Alarm::now() >= at => {
                        Poll::Ready(Some(Err(Broken::AtLimit(limit))))
                    }
                    _ => Poll::Ready(Some(Ok(frame))),
                }
            }
            Poll::Pending => this
                .poll_limits(context)
                .map(|limit| Some(Err(Broken::AtLimit(limit)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;

    use super::super::scripted::{Scripted, Step, timed_frames};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn bounded(limits: Limits, steps: &[Step]) -> Vec<(u64, String)> {
        let body = Bounded::new(Scripted::new(steps.iter().copied()), Rc::default(), limits);
        timed_frames(body).await
    }

    fn seen(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        let owned = expected.iter().map(|(at, what)| (*at, (*what).to_owned()));
        owned.collect()
    }

    fn ends_in(seconds: u32) -> Limits {
        Limits {
            end: Some((Alarm::now() + SECOND * seconds, Limit::Deadline)),
            idle: None,
        }
    }

    fn idles_for(seconds: u32) -> Limits {
        Limits {
            end: None,
            idle: Some(SECOND * seconds),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_all_passes() {
        let steps = [
            Step::Data("a"),
            Step::Wait(SECOND * 900),
            Step::Data("b"),
            Step::Error,
        ];
        assert_eq!(
            bounded(Limits::default(), &steps).await,
            seen(&[(0, "a"), (900, "b"), (900, "error")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_response_ends_at_its_deadline() {
        let steps = [Step::Data("a"), Step::Wait(SECOND * 10), Step::Data("b")];
        assert_eq!(
            bounded(ends_in(3), &steps).await,
            seen(&[(0, "a"), (3, "error")])
        );
        assert_eq!(
            bounded(ends_in(11), &steps).await,
            seen(&[(0, "a"), (10, "b"), (10, "end")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_always_has_more_ends_at_its_deadline_too() {
        let steps = [Step::Wait(SECOND), Step::Data("a"), Step::Data("b")];
        let mut body = Bounded::new(Scripted::new(steps), Rc::default(), ends_in(2));
        let read = async |body: &mut Bounded<_>| body.frame().await.unwrap().map(|_| ());
        assert_eq!(read(&mut body).await, Ok(()));
        tokio::time::advance(SECOND).await;
        assert_eq!(read(&mut body).await, Err(Broken::AtLimit(Limit::Deadline)));
    }

    #[tokio::test(start_paused = true)]
    async fn each_chunk_starts_the_idle_time_anew() {
        let steps = [
            Step::Wait(SECOND * 4),
            Step::Data("a"),
            Step::Wait(SECOND * 4),
            Step::Data("b"),
            Step::Wait(SECOND * 6),
            Step::Data("c"),
        ];
        assert_eq!(
            bounded(idles_for(5), &steps).await,
            seen(&[(4, "a"), (8, "b"), (13, "error")])
        );
        assert_eq!(
            bounded(idles_for(6), &steps).await,
            seen(&[(4, "a"), (8, "b"), (14, "c"), (14, "end")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_does_not_make_a_response_idle() {
        let steps = [Step::Data("a"), Step::Wait(SECOND * 4), Step::Data("b")];
        let mut body = Bounded::new(Scripted::new(steps), Rc::default(), idles_for(5));
        let mut read = async || body.frame().await.map(|frame| frame.is_ok());
        assert_eq!(read().await, Some(true));
        tokio::time::advance(SECOND * 60).await;
        assert_eq!(read().await, Some(true), "4 s after it was asked for");
        assert_eq!(read().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_limit_that_is_reached_counts() {
        let both = |idle| Limits {
            idle: Some(SECOND * idle),
            ..ends_in(7)
        };
        let steps = [Step::Wait(SECOND * 60)];
        assert_eq!(bounded(both(3), &steps).await, seen(&[(3, "error")]));
        assert_eq!(bounded(both(9), &steps).await, seen(&[(7, "error")]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_complete_in_time_is_not_ended() {
        let steps = [Step::Wait(SECOND)];
        assert_eq!(bounded(ends_in(1), &steps).await, seen(&[(1, "end")]));
    }
}
