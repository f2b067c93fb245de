// SPDX-License-Identifier: Apache-2.0
//! Asks why a body broke off, before the error is passed on: what the connection saw is seldom what happened.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

/// An error with its cause, where one was found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Explained<E: Error + 'static> {
    #[error("{cause}")]
    Known { cause: Arc<str>, source: E },
    #[error(transparent)]
    Bare(E),
}

type Answer = Pin<Box<dyn Future<Output = Option<Arc<str>>>>>;

/// `inner`, and whom to ask.
pub(crate) struct Explain<B: Body, F> {
    inner: B,
    ask: Option<F>,
    asked: Option<(B::Error, Answer)>,
}

impl<B: Body, F: FnOnce() -> Answer> Explain<B, F> {
    pub(crate) fn new(inner: B, ask: F) -> Self {
        Self {
            inner,
            ask: Some(ask),
            asked: None,
        }
    }
}

impl<B, F> Body for Explain<B, F>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Unpin + 'static,
    F: FnOnce() -> Answer + Unpin,
{
    type Data = Bytes;
    type Error = Explained<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.asked.is_none() {
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Err(error)) => {
                    let Some(ask) = self.ask.take() else {
                        return Poll::Ready(Some(Err(Explained::Bare(error))));
                    };
                    self.asked = Some((error, ask()));
                }
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                None => return Poll::Ready(None),
            }
        }
        let cause = match &mut self.asked {
            Some((_, answer)) => ready!(answer.as_mut().poll(context)),
            None => None,
        };
        let explained = self.asked.take().map(|(source, _)| match cause {
            Some(cause) => Explained::Known { cause, source },
            None => Explained::Bare(source),
        });
        Poll::Ready(explained.map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::body::scripted::{Scripted, Step};

    fn broken(cause: Option<&'static str>) -> String {
        let inner = Scripted::new([Step::Data("a"), Step::Error]);
        let body = Explain::new(inner, move || -> Answer {
            Box::pin(async move { cause.map(Arc::from) })
        });
        let collected = futures_util::FutureExt::now_or_never(body.collect());
        crate::logging::chain(&collected.unwrap().unwrap_err())
    }

    #[test]
    fn a_cause_goes_before_what_the_connection_saw() {
        assert_eq!(broken(Some("the app is gone")), "the app is gone: scripted");
        assert_eq!(broken(None), "scripted");
    }
}
