// SPDX-License-Identifier: Apache-2.0
//! A body that plays a script, for the tests of everything that wraps one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Data(&'static str),
    Pending,
    /// Trailers of the app.
    Trailers,
    Error,
}

#[derive(Debug)]
pub(crate) struct Scripted(VecDeque<Step>);

impl Scripted {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Pending) => Poll::Pending,
            Some(Step::Data(text)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(text))))),
            Some(Step::Trailers) => {
                let trailers = [(
                    HeaderName::from_static("x-sum"),
                    HeaderValue::from_static("1"),
                )];
                Poll::Ready(Some(Ok(Frame::trailers(trailers.into_iter().collect()))))
            }
            Some(Step::Error) => {
                self.0.clear();
                Poll::Ready(Some(Err(std::io::Error::other("scripted"))))
            }
        }
    }
}

/// Polls a body to its end and names each answer.
pub(crate) fn frames<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<String> {
    let mut seen = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Pending => seen.push("pending".to_owned()),
            Poll::Ready(Some(Err(_))) => seen.push("error".to_owned()),
            Poll::Ready(Some(Ok(frame))) => seen.push(match frame.into_data() {
                Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                Err(frame) => format!("trailers {:?}", names(frame.trailers_ref().unwrap())),
            }),
            Poll::Ready(None) => {
                seen.push("end".to_owned());
                return seen;
            }
        }
    }
}

fn names(trailers: &HeaderMap) -> Vec<&str> {
    trailers.keys().map(http::HeaderName::as_str).collect()
}
