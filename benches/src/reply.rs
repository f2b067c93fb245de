// SPDX-License-Identifier: Apache-2.0
//! What comes of a reply while it is read, and whether it is the right one.

use std::time::Instant;

use serde_json::Value;

use crate::origin::RECORD;
use crate::timeline::{between, stamp};
use crate::wire::Piece;

const DELIMITER: [u8; 8] = [0; 8];
/// Most bytes that are kept of a reply to be looked at.
const KEEP: usize = 8 * 1024 * 1024;

/// A reply that is being read.
#[derive(Debug, Default)]
pub struct Reader {
    is_streamed: bool,
    has_records: bool,
    prelude: Vec<u8>,
    nuls: usize,
    record: Vec<u8>,
    last_chunk: Option<usize>,
    /// The first bytes, where asked for.
    pub kept: Option<Vec<u8>>,
    /// Bytes of the payload: behind the prelude, or all.
    pub payload: usize,
    /// Chunks of the reply that had some of the payload.
    pub chunks: usize,
    /// Times between a record written by the app and read at Lambda, in nanoseconds.
    pub delays: Vec<u64>,
    /// When the first byte of the payload came.
    pub first_byte_at: Option<Instant>,
}

impl Reader {
    /// For a reply in this mode, of records or of other bytes.
    #[must_use]
    pub fn new(is_streamed: bool, has_records: bool, keeps: bool) -> Self {
        Self {
            is_streamed,
            has_records,
            kept: keeps.then(Vec::new),
            ..Self::default()
        }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, piece: Piece<'_>) {
        let Piece { data, at, chunk } = piece;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&data[..data.len().min(KEEP.saturating_sub(kept.len()))]);
        }
        let payload = if self.is_streamed && self.nuls < DELIMITER.len() {
            self.behind_prelude(data)
        } else {
            data
        };
        if payload.is_empty() {
            return;
        }
        self.first_byte_at.get_or_insert(at);
        self.payload += payload.len();
        if self.last_chunk.replace(chunk) != Some(chunk) {
            self.chunks += 1;
        }
        if self.has_records {
            self.take_records(payload, at);
        }
    }

    fn behind_prelude<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        for (index, byte) in data.iter().enumerate() {
            if *byte == 0 {
                self.nuls += 1;
                if self.nuls == DELIMITER.len() {
                    return &data[index + 1..];
                }
            } else {
                self.prelude.push(*byte);
            }
        }
        &[]
    }

    fn take_records(&mut self, mut payload: &[u8], at: Instant) {
        while !payload.is_empty() {
            let missing = RECORD - self.record.len();
            let (now, rest) = payload.split_at(missing.min(payload.len()));
            self.record.extend_from_slice(now);
            payload = rest;
            if self.record.len() == RECORD {
                if let Some(written) = self.record.first_chunk::<8>() {
                    let delay = between(u64::from_le_bytes(*written), stamp(at));
                    self.delays.push(delay);
                }
                self.record.clear();
            }
        }
    }
}

/// A reply read to its end, taken apart as Lambda would.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status that the client gets.
    pub status: u64,
    /// The body that the client gets.
    pub body: Vec<u8>,
}

/// Takes apart what was kept of a reply.
pub fn response(kept: &[u8], is_streamed: bool) -> Result<Response, String> {
    let (document, streamed_body) = if is_streamed {
        let at = memchr::memmem::find(kept, &DELIMITER).ok_or("a prelude without a delimiter")?;
        (&kept[..at], Some(&kept[at + DELIMITER.len()..]))
    } else {
        (kept, None)
    };
    let document: Value = serde_json::from_slice(document)
        .map_err(|error| format!("a reply that is not JSON: {error}"))?;
    let status = document["statusCode"]
        .as_u64()
        .ok_or("a reply without a status")?;
    let body = match (streamed_body, document["body"].as_str()) {
        (Some(body), _) => body.to_vec(),
        (None, Some(body)) if document["isBase64Encoded"] == true => base64_simd::STANDARD
            .decode_to_vec(body)
            .map_err(|error| format!("a body that is not base64: {error}"))?,
        (None, Some(body)) => body.as_bytes().to_vec(),
        (None, None) => Vec::new(),
    };
    Ok(Response { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAMED: &[u8] = b"{\"statusCode\":201}\0\0\0\0\0\0\0\0a\0b";

    #[test]
    fn a_reply_is_taken_apart_as_its_mode_says() {
        let streamed = response(STREAMED, true).unwrap();
        assert_eq!((streamed.status, &*streamed.body), (201, &b"a\0b"[..]));
        let text = br#"{"statusCode":200,"body":"a\"b","isBase64Encoded":false}"#;
        assert_eq!(response(text, false).unwrap().body, b"a\"b");
        let binary = br#"{"statusCode":200,"body":"AP8=","isBase64Encoded":true}"#;
        assert_eq!(response(binary, false).unwrap().body, b"\0\xff");
        assert!(response(b"{\"statusCode\":200}", true).is_err());
        assert!(response(b"hello", false).is_err());
    }

    #[test]
    fn the_payload_begins_behind_the_delimiter_however_it_is_cut() {
        for size in 1..=STREAMED.len() {
            let mut reader = Reader::new(true, false, true);
            for (index, data) in STREAMED.chunks(size).enumerate() {
                let (at, chunk) = (Instant::now(), index + 1);
                reader.take(Piece { data, at, chunk });
            }
            assert_eq!(reader.payload, 3, "in pieces of {size}");
            assert_eq!(reader.kept.as_deref(), Some(STREAMED));
            let expected = (STREAMED.len() - 1) / size - (STREAMED.len() - 3) / size + 1;
            assert_eq!(reader.chunks, expected, "in pieces of {size}");
        }
    }
}
