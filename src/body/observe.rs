// SPDX-License-Identifier: Apache-2.0
//! Tells, exactly once, how a body ended and how many bytes it gave. Being dropped before its end is an end too.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::Broken;

/// How a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It gave all it had.
    Complete,
    /// It broke off, or was ended.
    Failed(Broken),
    /// Whoever read it went away.
    Dropped,
}

/// `inner`, and a function that is called with its end.
#[derive(Debug)]
pub(crate) struct Observe<F: FnOnce(End, u64), B> {
    inner: B,
    bytes: u64,
    told: Option<F>,
}

impl<F: FnOnce(End, u64), B> Observe<F, B> {
    pub(crate) fn new(inner: B, told: F) -> Self {
        Self {
            inner,
            bytes: 0,
            told: Some(told),
        }
    }

    fn tell(&mut self, end: End) {
        if let Some(told) = self.told.take() {
            told(end, self.bytes);
        }
    }
}

impl<F, B> Body for Observe<F, B>
where
    F: FnOnce(End, u64) + Unpin,
    B: Body<Data = Bytes, Error = Broken> + Unpin,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.tell(End::Complete),
            Poll::Ready(Some(Err(broken))) => self.tell(End::Failed(broken.clone())),
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

impl<F: FnOnce(End, u64), B> Drop for Observe<F, B> {
    fn drop(&mut self) {
        self.tell(End::Dropped);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::scripted::scripted;
    use super::super::scripted::{Step, broken, frames};
    use super::*;

    fn observed(steps: impl IntoIterator<Item = Step>, read: bool) -> Vec<(End, u64)> {
        let ends = RefCell::new(Vec::new());
        let body = Observe::new(scripted(steps), |end, bytes| {
            ends.borrow_mut().push((end, bytes));
        });
        if read {
            frames(body);
        } else {
            drop(body);
        }
        ends.into_inner()
    }

    #[test]
    fn every_end_is_told_exactly_once() {
        assert_eq!(
            observed([Step::Data("abc"), Step::Data("de")], true),
            [(End::Complete, 5)]
        );
        assert_eq!(
            observed([Step::Data("abc"), Step::Error], true),
            [(End::Failed(broken()), 3)]
        );
        assert_eq!(observed([Step::Data("abc")], false), [(End::Dropped, 0)]);
    }
}
