// SPDX-License-Identifier: Apache-2.0
//! What a request may carry.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

/// A body that is still being made. Whoever makes it says how a failure is told to the peer; this error tells nothing,
/// but cuts the connection.
pub(super) type StreamedBody = Pin<Box<dyn Body<Data = Bytes, Error = Aborted>>>;

/// A request was cut in its body, as its maker wanted.
#[derive(Debug, thiserror::Error)]
#[error("the request was aborted")]
pub(crate) struct Aborted;

/// The body of a request. One type for every peer, so that the binary holds one client.
pub(crate) enum RequestBody {
    /// Bytes of known length, or none.
    Whole(Full<Bytes>),
    /// Frames as they come, in chunks.
    Streamed(StreamedBody),
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl RequestBody {
    /// The same body again, where it is at hand.
    pub(super) fn replay(&self) -> Option<Self> {
        match self {
            Self::Whole(body) => Some(Self::Whole(body.clone())),
            Self::Streamed(_) => None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Streamed(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}
