// SPDX-License-Identifier: Apache-2.0
//! The body of a streamed reply. If what it carries breaks off, error trailers follow, or the connection is cut: never
//! text, never a silent end.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};

use super::wire;
use crate::body::Broken;
use crate::settings::StreamErrors;
use crate::transport::Aborted;

/// `inner`, and what is made of its error.
pub(super) struct ReplyBody<B> {
    inner: Option<B>,
    errors: StreamErrors,
    is_aborting: bool,
    has_ended: Rc<Cell<bool>>,
}

impl<B> ReplyBody<B> {
    pub(super) fn new(inner: B, errors: StreamErrors) -> Self {
        Self {
            inner: Some(inner),
            errors,
            is_aborting: false,
            has_ended: Rc::default(),
        }
    }

    /// Tells, also when the body is gone, whether it was asked for all that it had.
    pub(super) fn has_ended(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.has_ended)
    }

    fn end(&mut self) {
        self.inner = None;
        self.has_ended.set(true);
    }
}

impl<B> Body for ReplyBody<B>
where
    B: Body<Data = Bytes, Error = Broken> + Unpin,
{
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            let is_aborting = std::mem::take(&mut this.is_aborting);
            return Poll::Ready(is_aborting.then_some(Err(Aborted)));
        };
        loop {
            match ready!(Pin::new(&mut *inner).poll_frame(context)) {
                // An empty chunk would end the reply; trailers of the app have no place in it.
                Some(Ok(frame)) if frame.data_ref().is_none_or(Bytes::is_empty) => {}
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(broken)) => {
                    // Dropping what it carries cancels the app's request.
                    this.end();
                    return match this.errors {
                        StreamErrors::Trailers => {
                            Poll::Ready(Some(Ok(Frame::trailers(error_trailers(&broken)))))
                        }
                        StreamErrors::Abort => {
                            this.is_aborting = true;
                            // What came before it is written while this body has nothing.
                            context.waker().wake_by_ref();
                            Poll::Pending
                        }
                    };
                }
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

fn error_trailers(broken: &Broken) -> HeaderMap {
    let failure = broken.failure();
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(
        wire::ERROR_TYPE,
        HeaderValue::from_static(failure.error_type()),
    );
    if let Ok(body) = HeaderValue::try_from(BASE64.encode_to_string(failure.to_json())) {
        trailers.insert(wire::ERROR_BODY, body);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Limit;
    use crate::body::scripted::{Step, frames, scripted};

    fn reply(steps: impl IntoIterator<Item = Step>, errors: StreamErrors) -> Vec<String> {
        frames(ReplyBody::new(scripted(steps), errors))
    }

    #[test]
    fn frames_pass_and_an_error_becomes_trailers() {
        assert_eq!(
            reply([Step::Data("a"), Step::Data("b")], StreamErrors::Trailers),
            ["a", "b", "end"]
        );
        let trailers = r#"trailers ["lambda-runtime-function-error-type", "lambda-runtime-function-error-body"]"#;
        assert_eq!(
            reply([Step::Data("a"), Step::Error], StreamErrors::Trailers),
            ["a", trailers, "end"]
        );
    }

    #[test]
    fn an_error_may_cut_the_reply_behind_what_came_before() {
        assert_eq!(
            reply([Step::Data("a"), Step::Error], StreamErrors::Abort),
            ["a", "pending", "error", "end"]
        );
        assert_eq!(
            reply([Step::Data("a"), Step::Data("b")], StreamErrors::Abort),
            ["a", "b", "end"]
        );
    }

    #[test]
    fn an_empty_frame_does_not_end_the_reply() {
        assert_eq!(
            reply([Step::Data(""), Step::Data("a")], StreamErrors::Trailers),
            ["a", "end"]
        );
    }

    #[test]
    fn the_error_body_is_base64_of_an_error_document() {
        let trailers = error_trailers(&Broken::ByApp("reset\r\nx: y".to_owned()));
        assert_eq!(trailers[wire::ERROR_TYPE], "Function.AppStreamBroken");
        let document: serde_json::Value =
            serde_json::from_slice(&BASE64.decode_to_vec(&trailers[wire::ERROR_BODY]).unwrap())
                .unwrap();
        assert_eq!(
            document["errorMessage"],
            "the app broke off its response: reset\r\nx: y"
        );
        let trailers = error_trailers(&Broken::AtLimit(Limit::Deadline));
        assert_eq!(trailers[wire::ERROR_TYPE], "Function.AppTimeout");
    }
}
