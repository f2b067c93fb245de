// SPDX-License-Identifier: Apache-2.0
//! The body of a streamed reply. If what it carries breaks off, error trailers follow: never text, never a silent end.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};

use super::wire;
use crate::failure::{Failure, error_type};

/// `inner`, with trailers in place of its error.
pub(super) struct ReplyBody<B>(Option<B>);

impl<B> ReplyBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self(Some(inner))
    }
}

impl<B> Body for ReplyBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(inner) = &mut self.0 else {
            return Poll::Ready(None);
        };
        loop {
            match ready!(Pin::new(&mut *inner).poll_frame(context)) {
                // An empty chunk would end the reply; trailers of the app have no place in it.
                Some(Ok(frame)) if frame.data_ref().is_none_or(Bytes::is_empty) => {}
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => {
                    self.0 = None;
                    return Poll::Ready(Some(Ok(Frame::trailers(error_trailers(&error)))));
                }
                None => {
                    self.0 = None;
                    return Poll::Ready(None);
                }
            }
        }
    }
}

fn error_trailers(error: &(dyn Error + 'static)) -> HeaderMap {
    let message = format!(
        "the app broke off its response: {}",
        crate::logging::chain(error)
    );
    let failure = Failure::new(error_type::APP_STREAM, message);
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(
        wire::ERROR_TYPE,
        HeaderValue::from_static(failure.error_type()),
    );
    if let Ok(body) = HeaderValue::try_from(BASE64.encode(failure.to_json())) {
        trailers.insert(wire::ERROR_BODY, body);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::scripted::{Scripted, Step, frames};

    #[test]
    fn frames_pass_and_an_error_becomes_trailers() {
        assert_eq!(
            frames(ReplyBody::new(Scripted::new([
                Step::Data("a"),
                Step::Data("b")
            ]))),
            ["a", "b", "end"]
        );
        let broken = frames(ReplyBody::new(Scripted::new([
            Step::Data("a"),
            Step::Error,
        ])));
        let trailers = r#"trailers ["lambda-runtime-function-error-type", "lambda-runtime-function-error-body"]"#;
        assert_eq!(broken, ["a", trailers, "end"]);
    }

    #[test]
    fn an_empty_frame_does_not_end_the_reply() {
        assert_eq!(
            frames(ReplyBody::new(Scripted::new([
                Step::Data(""),
                Step::Data("a")
            ]))),
            ["a", "end"]
        );
    }

    #[test]
    fn the_error_body_is_base64_of_an_error_document() {
        let trailers = error_trailers(&std::io::Error::other("reset\r\nx: y"));
        assert_eq!(trailers[wire::ERROR_TYPE], "Function.AppStreamBroken");
        let document: serde_json::Value =
            serde_json::from_slice(&BASE64.decode(&trailers[wire::ERROR_BODY]).unwrap()).unwrap();
        assert_eq!(
            document["errorMessage"],
            "the app broke off its response: reset\r\nx: y"
        );
    }
}
