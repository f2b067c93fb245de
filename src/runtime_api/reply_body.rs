// SPDX-License-Identifier: Apache-2.0
//! The bodies that are posted to the Runtime API.

use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};

use super::{Failure, wire};

type BoxError = Box<dyn std::error::Error>;
type Streamed = Pin<Box<dyn Body<Data = Bytes, Error = BoxError>>>;

/// What a call to the Runtime API carries.
pub(crate) enum ReplyBody {
    /// Nothing.
    None,
    /// A document.
    Whole(Full<Bytes>),
    /// Frames as they come. If they break off, error trailers follow: never text, never a silent end.
    Streamed(Option<Streamed>),
}

impl ReplyBody {
    pub(crate) fn streamed<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + 'static,
        B::Error: std::error::Error + 'static,
    {
        Self::Streamed(Some(Box::pin(
            body.map_err(|error| Box::new(error) as BoxError),
        )))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let streamed = match &mut *self {
            Self::None => return Poll::Ready(None),
            Self::Whole(body) => return Pin::new(body).poll_frame(context),
            Self::Streamed(streamed) => streamed,
        };
        let Some(body) = streamed else {
            return Poll::Ready(None);
        };
        loop {
            match std::task::ready!(body.as_mut().poll_frame(context)) {
                // An empty chunk would end the reply; trailers of the app have no place in it.
                Some(Ok(frame)) if frame.data_ref().is_none_or(Bytes::is_empty) => {}
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => {
                    *streamed = None;
                    return Poll::Ready(Some(Ok(Frame::trailers(error_trailers(&*error)))));
                }
                None => {
                    *streamed = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::None)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

fn error_trailers(error: &(dyn std::error::Error + 'static)) -> HeaderMap {
    let message = format!(
        "the app broke off its response: {}",
        crate::logging::chain(error)
    );
    let failure = Failure::new(wire::error_type::APP_STREAM, message);
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
