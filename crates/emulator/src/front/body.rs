// SPDX-License-Identifier: Apache-2.0
//! The body that the front end sends: all at once, or piece by piece as the function sends it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::record::Record;
use super::streamed::{Step, Stream};
use crate::journal::AccessEnd;

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    Full(Option<Bytes>),
    /// Pieces, the first of which may have come with the prelude.
    Stream {
        first: Option<Bytes>,
        stream: Stream,
    },
    /// A stream that is to be cut once what was sent before has left.
    Cutting {
        flushed: bool,
    },
}

impl Source {
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    pub(super) fn empty() -> Self {
        Self::Full(None)
    }
}

/// The transfer is to be broken off: the server closes the connection without the terminating chunk.
#[derive(Debug, thiserror::Error)]
#[error("transfer cut")]
pub(crate) struct Cut;

/// A body with the record of its exchange.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    source: Source,
    record: Record,
}

impl ReplyBody {
    pub(super) fn new(source: Source, mut record: Record) -> Self {
        // A client that leaves within a body that is handed over at once cannot be told from one that reads on.
        if let Source::Full(bytes) = &source {
            if let Some(bytes) = bytes {
                record.sent(bytes);
            }
            record.end(AccessEnd::Complete);
        }
        Self { source, record }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Self { source, record } = self.get_mut();
        loop {
            match source {
                Source::Full(bytes) => {
                    return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
                }
                Source::Stream { first, stream } => {
                    let step = match first.take() {
                        Some(bytes) => Step::Data(bytes),
                        None => ready!(stream.poll_step(context)),
                    };
                    match step {
                        Step::Data(bytes) => {
                            record.sent(&bytes);
                            return Poll::Ready(Some(Ok(Frame::data(bytes))));
                        }
                        Step::Done(end) => {
                            record.end(end);
                            *source = Source::empty();
                        }
                        Step::Cut(end) => {
                            record.end(end);
                            *source = Source::Cutting { flushed: false };
                        }
                    }
                }
                Source::Cutting { flushed: true } => return Poll::Ready(Some(Err(Cut))),
                Source::Cutting { flushed } => {
                    // The server flushes when a body is pending, but not before it gives up on an error.
                    *flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(
                bytes
                    .as_ref()
                    .map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            ),
            Source::Stream { .. } | Source::Cutting { .. } => SizeHint::default(),
        }
    }
}
