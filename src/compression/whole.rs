// SPDX-License-Identifier: Apache-2.0
//! A body that is compressed when all of it is there, for a reply that is one document.

use std::error::Error;
use std::io;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;

use super::{Coding, Encoder, LEAST};

/// A whole body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Collected {
    /// As the app made it.
    Plain(Bytes),
    /// Compressed.
    Encoded(Bytes),
}

/// Why there is no whole body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError<E: Error + 'static> {
    #[error("the body is larger than the limit, compressed or not")]
    TooLarge,
    #[error(transparent)]
    Body(E),
    #[error("the response cannot be compressed")]
    Encoder(#[source] io::Error),
}

/// Reads a body to its end and compresses it, where that pays.
///
/// It pays if a quarter is gone. In the document, compressed bytes stand as base64, which takes a third more; so this
/// never makes a document larger, and no reply fails for being compressed. A body that is over `limit` as it is fits
/// only compressed, if at all, and is compressed as it comes: no more than `limit` bytes are ever held of either form.
pub(crate) async fn collect<B>(
    coding: Coding,
    mut body: B,
    limit: usize,
) -> Result<Collected, CollectError<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let mut plain = Vec::new();
    while plain.len() <= limit {
        match body.frame().await.transpose().map_err(CollectError::Body)? {
            Some(frame) => plain.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            None => return shorter(coding, plain).map_err(CollectError::Encoder),
        }
    }
    let mut encoder = Encoder::new(coding).map_err(CollectError::Encoder)?;
    encoder.write(&plain).map_err(CollectError::Encoder)?;
    drop(plain);
    let mut bytes = encoder.take();
    while let Some(frame) = body.frame().await.transpose().map_err(CollectError::Body)? {
        let data = frame.data_ref().map_or(&[][..], |data| data);
        encoder.write(data).map_err(CollectError::Encoder)?;
        bytes.append(&mut encoder.take());
        if bytes.len() > limit {
            return Err(CollectError::TooLarge);
        }
    }
    bytes.extend_from_slice(&encoder.finish().map_err(CollectError::Encoder)?);
    Ok(Collected::Encoded(bytes.into()))
}

/// A body that could pass as it is.
fn shorter(coding: Coding, plain: Vec<u8>) -> io::Result<Collected> {
    if plain.len() >= LEAST {
        let mut encoder = Encoder::new(coding)?;
        encoder.write(&plain)?;
        let bytes = encoder.finish()?;
        if bytes.len() <= plain.len() / 4 * 3 {
            return Ok(Collected::Encoded(bytes));
        }
    }
    Ok(Collected::Plain(plain.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::scripted::{Scripted, Step};
    use futures_util::FutureExt as _;

    const LIMIT: usize = 8 * 1024;

    fn collected(
        frame: &'static str,
        times: usize,
    ) -> Result<Collected, CollectError<std::io::Error>> {
        let body = Scripted::new(std::iter::repeat_n(Step::Data(frame), times));
        collect(Coding::Gzip, body, LIMIT).now_or_never().unwrap()
    }

    #[test]
    fn a_body_is_compressed_where_that_pays() {
        let line = "twelve bytes";
        for (times, is_encoded) in [(0, false), (85, false), (86, true), (10_000, true)] {
            let whole = collected(line, times).unwrap();
            let is = matches!(&whole, Collected::Encoded(bytes) if bytes.len() < LIMIT);
            assert_eq!(is, is_encoded, "{times}: {whole:?}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_none() {
        let body = Scripted::new([Step::Data("a"), Step::Error]);
        let ended = collect(Coding::Zstd, body, LIMIT).now_or_never().unwrap();
        assert!(matches!(ended, Err(CollectError::Body(_))));
    }
}
