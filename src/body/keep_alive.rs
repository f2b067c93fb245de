// SPDX-License-Identifier: Apache-2.0
//! Keeps an event stream alive while the app has nothing to say: proxies and clients give up connections on which
//! nothing moves.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::event_stream::EventStream;
use crate::alarm::Alarm;

/// `inner`, with comments between its events where it is to be kept alive.
#[derive(Debug)]
pub(crate) struct KeepAlive<B> {
    inner: B,
    quiet: Option<Quiet>,
    alarm: Rc<Alarm>,
}

/// An event stream that may be quiet for so long.
#[derive(Debug)]
struct Quiet {
    interval: Duration,
    stream: EventStream,
    /// Since when it is, all that was sent having left.
    since: Option<Instant>,
}

impl<B> KeepAlive<B> {
    /// `interval` is for event streams alone; everything else passes as it is.
    pub(crate) fn new(inner: B, alarm: Rc<Alarm>, interval: Option<Duration>) -> Self {
        let quiet = interval.map(|interval| Quiet {
            interval,
            stream: EventStream::new(),
            since: None,
        });
        Self {
            inner,
            quiet,
            alarm,
        }
    }
}

impl Quiet {
    fn poll_comment(&mut self, context: &mut Context<'_>, alarm: &Alarm) -> Poll<Bytes> {
        if !self.stream.is_at_boundary() {
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Alarm::now);
        ready!(alarm.poll_until(context, since.checked_add(self.interval)));
        self.since = None;
        Poll::Ready(self.stream.comment())
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for KeepAlive<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        loop {
            let polled = Pin::new(&mut this.inner).poll_frame(context);
            let Some(quiet) = &mut this.quiet else {
                return polled;
            };
            return match polled {
                Poll::Pending => quiet
                    .poll_comment(context, &this.alarm)
                    .map(|comment| Some(Ok(Frame::data(comment)))),
                Poll::Ready(Some(Ok(frame))) => {
                    match frame.into_data().map(|data| quiet.stream.pass(data)) {
                        Ok(data) if data.is_empty() => continue,
                        Ok(data) => {
                            quiet.since = None;
                            Poll::Ready(Some(Ok(Frame::data(data))))
                        }
                        Err(frame) => Poll::Ready(Some(Ok(frame))),
                    }
                }
                Poll::Ready(None) => {
                    Poll::Ready(quiet.stream.rest().map(|data| Ok(Frame::data(data))))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::super::event_stream::COMMENT;
    use super::super::scripted::{Scripted, Step, scripted, timed_frames};
    use super::super::{Bounded, Limits};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Kept alive every 10 s; comments are written as `…`.
    async fn kept_alive(steps: &[Step]) -> Vec<(u64, String)> {
        let inner = scripted(steps.iter().copied());
        read(KeepAlive::new(inner, Rc::default(), Some(SECOND * 10))).await
    }

    async fn read<B: Body<Data = Bytes> + Unpin>(body: B) -> Vec<(u64, String)> {
        let comment = std::str::from_utf8(COMMENT).unwrap();
        let frames = timed_frames(body).await.into_iter();
        frames
            .map(|(at, what)| (at, what.replace(comment, "…")))
            .collect()
    }

    fn seen(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        let owned = expected.iter().map(|(at, what)| (*at, (*what).to_owned()));
        owned.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_event_stream_gets_comments_between_its_events() {
        let steps = [
            Step::Wait(SECOND * 25),
            Step::Data("data: 1\n\n"),
            Step::Wait(SECOND * 9),
            Step::Data("data: 2\n\n"),
            Step::Wait(SECOND * 11),
        ];
        assert_eq!(
            kept_alive(&steps).await,
            seen(&[
                (10, "…"),
                (20, "…"),
                (25, "data: 1\n\n"),
                (34, "data: 2\n\n"),
                (44, "…"),
                (45, "end")
            ])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_no_comment_within_an_event() {
        let steps = [
            Step::Data("data: 1\n"),
            Step::Wait(SECOND * 60),
            Step::Data("data: 2"),
            Step::Wait(SECOND * 60),
            Step::Data("\r\n\r\n"),
            Step::Wait(SECOND * 15),
            Step::Error,
        ];
        assert_eq!(
            kept_alive(&steps).await,
            seen(&[
                (0, "data: 1\n"),
                (60, "data: 2"),
                (120, "\r\n\r\n"),
                (130, "…"),
                (135, "error")
            ])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_order_mark_behind_a_comment_is_taken_off() {
        let late = Step::Wait(SECOND * 15);
        let steps = [late, Step::Data("\u{feff}data: 1\n\n")];
        assert_eq!(
            kept_alive(&steps).await,
            seen(&[(10, "…"), (15, "data: 1\n\n"), (15, "end")])
        );
        let steps = [
            late,
            Step::Data("\u{feff}"),
            late,
            Step::Data("data: 1\n\n"),
        ];
        assert_eq!(
            kept_alive(&steps).await,
            seen(&[(10, "…"), (20, "…"), (30, "data: 1\n\n"), (30, "end")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_event_stream_gets_no_comment() {
        let inner = scripted([Step::Data("a"), Step::Wait(SECOND * 60), Step::Data("b")]);
        assert_eq!(
            read(KeepAlive::new(inner, Rc::default(), None)).await,
            seen(&[(0, "a"), (60, "b"), (60, "end")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn comments_do_not_keep_a_silent_stream_from_its_limit() {
        let alarm = Rc::<Alarm>::default();
        let limits = Limits {
            end: None,
            idle: Some(SECOND * 25),
        };
        let inner = Scripted::new([Step::Data("data: 1\n\n"), Step::Wait(SECOND * 60)]);
        let inner = Bounded::new(inner, Rc::clone(&alarm), limits);
        assert_eq!(
            read(KeepAlive::new(inner, alarm, Some(SECOND * 10))).await,
            seen(&[(0, "data: 1\n\n"), (10, "…"), (20, "…"), (25, "error")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_sent_no_comments() {
        let steps = [Step::Data("data: 1\n\n"), Step::Wait(SECOND * 12)];
        let mut body = KeepAlive::new(scripted(steps), Rc::default(), Some(SECOND * 10));
        let _ = body.frame().await;
        tokio::time::advance(SECOND * 60).await;
        let began_at = Alarm::now();
        let _ = body.frame().await;
        assert_eq!(Alarm::now() - began_at, SECOND * 10);
    }
}
