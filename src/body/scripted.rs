// SPDX-License-Identifier: Apache-2.0
//! A body that plays a script, for the tests of everything that wraps one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;

use super::Broken;
use crate::alarm::Alarm;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Data(&'static str),
    /// Nothing yet, in one poll.
    Pending,
    /// Trailers of the app.
    Trailers,
    /// Nothing for so long.
    Wait(Duration),
    Error,
}

#[derive(Debug)]
pub(crate) struct Scripted {
    steps: VecDeque<Step>,
    alarm: Alarm,
    waits_until: Option<Instant>,
}

impl Scripted {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            alarm: Alarm::default(),
            waits_until: None,
        }
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while let Some(Step::Wait(time)) = self.steps.front() {
            let at = Alarm::now() + *time;
            let at = *self.waits_until.get_or_insert(at);
            std::task::ready!(self.alarm.poll_until(context, Some(at)));
            self.waits_until = None;
            self.steps.pop_front();
        }
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Pending | Step::Wait(_)) => Poll::Pending,
            Some(Step::Data(text)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(text))))),
            Some(Step::Trailers) => {
                let trailers = [(
                    HeaderName::from_static("x-sum"),
                    HeaderValue::from_static("1"),
                )];
                Poll::Ready(Some(Ok(Frame::trailers(trailers.into_iter().collect()))))
            }
            Some(Step::Error) => {
                self.steps.clear();
                Poll::Ready(Some(Err(std::io::Error::other("scripted"))))
            }
        }
    }
}

/// A script whose error is the one of responses.
pub(crate) fn scripted(
    steps: impl IntoIterator<Item = Step>,
) -> impl Body<Data = Bytes, Error = Broken> + Unpin {
    Scripted::new(steps).map_err(|error| Broken::ByApp(error.to_string()))
}

/// The error of [`scripted`].
pub(crate) fn broken() -> Broken {
    Broken::ByApp("scripted".to_owned())
}

/// Polls a body to its end and names each answer.
pub(crate) fn frames<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<String> {
    let mut seen = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Pending => seen.push("pending".to_owned()),
            Poll::Ready(frame) => {
                seen.push(name(frame.as_ref()));
                if frame.is_none() {
                    return seen;
                }
            }
        }
    }
}

/// Reads a body to its first error or its end; names each answer, behind the seconds after which it came.
pub(crate) async fn timed_frames<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<(u64, String)> {
    let began_at = Alarm::now();
    let mut seen = Vec::new();
    loop {
        let frame = body.frame().await;
        seen.push(((Alarm::now() - began_at).as_secs(), name(frame.as_ref())));
        if matches!(frame, None | Some(Err(_))) {
            return seen;
        }
    }
}

fn name<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> String {
    match frame {
        None => "end".to_owned(),
        Some(Err(_)) => "error".to_owned(),
        Some(Ok(frame)) => match frame.data_ref() {
            Some(data) => String::from_utf8(data.to_vec()).unwrap(),
            None => format!("trailers {:?}", names(frame.trailers_ref().unwrap())),
        },
    }
}

fn names(trailers: &HeaderMap) -> Vec<&str> {
    trailers.keys().map(http::HeaderName::as_str).collect()
}
