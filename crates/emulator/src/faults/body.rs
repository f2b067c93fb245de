// SPDX-License-Identifier: Apache-2.0
//! The body of a call, which a fault may cut short.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

/// Why a body did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    #[error("cut by the fault script")]
    Cut,
}

/// What a process of the environment sends, whole or up to a number of bytes.
#[derive(Debug)]
pub(crate) struct CallBody<B = Incoming> {
    inner: B,
    /// Bytes until the cut.
    left: Option<u64>,
}

impl<B> CallBody<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self { inner, left: None }
    }

    pub(super) fn cut_after(&mut self, bytes: u64) {
        self.left = Some(bytes);
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for CallBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == Some(0) {
            return Poll::Ready(Some(Err(BodyError::Cut)));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let Poll::Ready(Some(Ok(mut frame))) = polled else {
            return polled.map_err(BodyError::Broken);
        };
        if let (Some(left), Some(data)) = (&mut self.left, frame.data_mut()) {
            data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.left != Some(0) && self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;

    use super::*;

    /// A body of these pieces.
    struct Pieces(VecDeque<&'static [u8]>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = hyper::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
            let piece = self.0.pop_front();
            Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    async fn read(cut: Option<u64>) -> (Vec<u8>, bool) {
        let mut body = CallBody::new(Pieces([b"abc".as_slice(), b"def"].into()));
        if let Some(bytes) = cut {
            body.cut_after(bytes);
        }
        let mut data = Vec::new();
        loop {
            match body.frame().await {
                Some(Ok(frame)) => data.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(error)) => return (data, matches!(error, BodyError::Cut)),
                None => return (data, false),
            }
        }
    }

    #[tokio::test]
    async fn a_body_is_cut_at_the_byte_and_not_before() {
        assert_eq!(read(None).await, (b"abcdef".to_vec(), false));
        for cut in 0..=6_u64 {
            let kept = &b"abcdef"[..usize::try_from(cut).unwrap()];
            assert_eq!(read(Some(cut)).await, (kept.to_vec(), true), "{cut}");
        }
        assert_eq!(read(Some(7)).await, (b"abcdef".to_vec(), false));
    }
}
