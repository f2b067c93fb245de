// SPDX-License-Identifier: Apache-2.0
//! A body that is compressed while it comes: for each frame of data one that a client can read at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::Encoder;
use crate::body::Broken;
use crate::logging::chain;

/// `inner`, compressed. Where `inner` breaks off, so does this, without the end of the coding: nothing may look whole
/// that is not.
#[derive(Debug)]
pub(crate) struct Compressed<B> {
    inner: B,
    /// Gone once it has given its end.
    encoder: Option<Encoder>,
    was_asked: bool,
    trailers: Option<HeaderMap>,
}

impl<B> Compressed<B> {
    pub(crate) fn new(inner: B, encoder: Encoder) -> Self {
        Self {
            inner,
            encoder: Some(encoder),
            was_asked: false,
            trailers: None,
        }
    }
}

impl<B> Body for Compressed<B>
where
    B: Body<Data = Bytes, Error = Broken> + Unpin,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            let is_first = !std::mem::replace(&mut this.was_asked, true);
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => Some(frame),
                Some(Err(error)) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => None,
            };
            // A body that is known to be empty stays so; if it turns out later, its head has promised a coding.
            if frame.is_none() && is_first {
                this.encoder = None;
            }
            let Some(mut encoder) = this.encoder.take() else {
                return Poll::Ready(frame.map(Ok));
            };
            let bytes = match frame.map(Frame::into_data) {
                Some(Ok(data)) if this.inner.is_end_stream() => {
                    encoder.write(&data).and_then(|()| encoder.finish())
                }
                Some(Ok(data)) => {
                    let bytes = encoder.write(&data).and_then(|()| {
                        if data.is_empty() {
                            Ok(())
                        } else {
                            encoder.flush()
                        }
                    });
                    let bytes = bytes.map(|()| Bytes::from(encoder.take()));
                    this.encoder = Some(encoder);
                    bytes
                }
                Some(Err(frame)) => {
                    this.trailers = frame.into_trailers().ok();
                    encoder.finish()
                }
                None => encoder.finish(),
            };
            match bytes {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(error) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(Broken::Coding(chain(&error)))));
                }
            }
        }
    }
}
