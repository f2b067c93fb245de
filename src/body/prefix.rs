// SPDX-License-Identifier: Apache-2.0
//! Bytes that go before a body. They are given out on the first poll whether or not the body has anything yet, and
//! are not made before: only then is it known whether the body is empty.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

/// What the body had when it was first asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// Nothing, and nothing will come.
    End,
    /// A frame, or nothing yet.
    Body,
}

type Polled<B> = Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>;

/// `inner` behind bytes of its own.
pub(crate) struct Prefix<P, B: Body> {
    make: Option<P>,
    inner: B,
    /// What the first poll of `inner` gave; it follows the prefix at once, so that both leave in one write.
    held: Option<Polled<B>>,
}

impl<P, B: Body> Prefix<P, B> {
    pub(crate) fn new(make: P, inner: B) -> Self {
        Self {
            make: Some(make),
            inner,
            held: None,
        }
    }
}

impl<P, B> Body for Prefix<P, B>
where
    P: FnOnce(First) -> Bytes + Unpin,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(held) = self.held.take() {
            if held.is_none() {
                self.held = Some(None);
            }
            return Poll::Ready(held);
        }
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let Some(make) = self.make.take() else {
            return polled;
        };
        let first = match polled {
            Poll::Ready(None) => First::End,
            Poll::Ready(Some(_)) | Poll::Pending => First::Body,
        };
        if let Poll::Ready(held) = polled {
            self.held = Some(held);
        }
        Poll::Ready(Some(Ok(Frame::data(make(first)))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Scripted, Step, frames};
    use super::*;

    fn prefixed(steps: impl IntoIterator<Item = Step>) -> Vec<String> {
        frames(Prefix::new(
            |first| {
                Bytes::from(if first == First::End {
                    "empty:"
                } else {
                    "body:"
                })
            },
            Scripted::new(steps),
        ))
    }

    #[test]
    fn the_prefix_goes_first_and_frames_follow_untouched() {
        assert_eq!(
            prefixed([Step::Data("a"), Step::Data("b")]),
            ["body:", "a", "b", "end"]
        );
    }

    #[test]
    fn the_prefix_does_not_wait_for_the_body() {
        assert_eq!(
            prefixed([Step::Pending, Step::Pending, Step::Data("a")]),
            ["body:", "pending", "a", "end"]
        );
    }

    #[test]
    fn an_empty_body_is_known_when_the_prefix_is_made() {
        assert_eq!(prefixed([]), ["empty:", "end"]);
    }

    #[test]
    fn an_error_comes_behind_the_prefix() {
        assert_eq!(prefixed([Step::Error]), ["body:", "error", "end"]);
    }
}
