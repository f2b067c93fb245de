// SPDX-License-Identifier: Apache-2.0
//! Finds the end of the prelude in a streamed answer, across any framing.
//!
//! Pure. The prelude is JSON, followed by eight NULs (source: aws-lambda-go `events/lambda_function_urls.go`). JSON text
//! has no NUL of its own, so the first eight in a row are the delimiter.

use bytes::{Bytes, BytesMut};

const DELIMITER: [u8; 8] = [0; 8];

/// Within these first bytes the delimiter has to appear (source: AWS page "Set up a Lambda proxy integration with
/// payload response streaming in API Gateway"; assumed for function URLs).
pub(crate) const PRELUDE_LIMIT: usize = 16 * 1024;

/// A prelude and what came behind its delimiter in the same piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) prelude: Bytes,
    pub(crate) rest: Bytes,
}

/// No delimiter within [`PRELUDE_LIMIT`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no delimiter of 8 NULs within the first {PRELUDE_LIMIT} bytes of the stream")]
pub(crate) struct NoDelimiter;

/// Collects pieces until the prelude is complete.
#[derive(Debug, Default)]
pub(crate) struct PreludeFinder {
    held: BytesMut,
}

impl PreludeFinder {
    /// Takes one more piece; gives the prelude once its delimiter is complete.
    ///
    /// # Errors
    /// If the delimiter does not appear within [`PRELUDE_LIMIT`].
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Option<Found>, NoDelimiter> {
        // A delimiter may have begun in the bytes already seen, but not have ended there.
        let from = self.held.len().saturating_sub(DELIMITER.len() - 1);
        self.held.extend_from_slice(piece);
        let searched = self
            .held
            .get(from..self.held.len().min(PRELUDE_LIMIT))
            .unwrap_or_default();
        let Some(at) = searched
            .windows(DELIMITER.len())
            .position(|window| window == DELIMITER)
        else {
            return if self.held.len() >= PRELUDE_LIMIT {
                Err(NoDelimiter)
            } else {
                Ok(None)
            };
        };
        let mut held = std::mem::take(&mut self.held);
        let prelude = held.split_to(from + at).freeze();
        let rest = held.split_off(DELIMITER.len()).freeze();
        Ok(Some(Found { prelude, rest }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pieces: &[&[u8]]) -> Result<Option<(Bytes, Vec<u8>)>, NoDelimiter> {
        let mut finder = PreludeFinder::default();
        let mut found: Option<(Bytes, Vec<u8>)> = None;
        for piece in pieces {
            match &mut found {
                Some((_, rest)) => rest.extend_from_slice(piece),
                None => {
                    found = finder
                        .push(piece)?
                        .map(|found| (found.prelude, found.rest.to_vec()));
                }
            }
        }
        Ok(found)
    }

    #[test]
    fn the_prelude_is_found_however_the_stream_is_cut() {
        // A payload that begins with NULs and holds a delimiter of its own.
        let stream = [
            br#"{"statusCode":200}"#.as_slice(),
            &[0; 8],
            &[0, 0, 7],
            &[0; 9],
            b"end",
        ]
        .concat();
        let (prelude, payload) = (Bytes::from_static(br#"{"statusCode":200}"#), &stream[26..]);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(
                    find(&pieces).unwrap(),
                    Some((prelude.clone(), payload.to_vec())),
                    "{first} {second}"
                );
            }
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(find(&bytes).unwrap(), Some((prelude, payload.to_vec())));
    }

    #[test]
    fn seven_nuls_are_no_delimiter() {
        assert_eq!(find(&[b"{}", &[0; 7]]), Ok(None));
        assert_eq!(find(&[b"{}", &[0; 7], b"x", &[0; 7]]), Ok(None));
    }

    #[test]
    fn a_stream_without_delimiter_is_given_up_at_the_limit() {
        let ends_at_limit = [vec![b' '; PRELUDE_LIMIT - 8], vec![0; 8]].concat();
        assert!(find(&[&ends_at_limit]).unwrap().is_some());
        let one_late = [vec![b' '; PRELUDE_LIMIT - 7], vec![0; 8]].concat();
        assert_eq!(find(&[&one_late]), Err(NoDelimiter));
        assert_eq!(find(&[&vec![b' '; PRELUDE_LIMIT - 1]]), Ok(None));
    }
}
