// SPDX-License-Identifier: Apache-2.0
//! The framing of AWS event streams, as far as the service sends it.
//!
//! A message is a prelude (length of the message, length of its headers, CRC of both), headers, payload and a CRC of all
//! before it, numbers big-endian. Every header here is text, kind 7 (source: smithy.io "Amazon Event Stream
//! Specification"). Written out here, since `aws-smithy-eventstream` brings a date library and a second set of HTTP types
//! for what are forty lines.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

const TEXT: u8 = 7;
/// The prelude and the CRC at the end.
const OVERHEAD: usize = 12 + 4;
/// Largest payload of a message (source: same page, 16 MB for the whole message); a piece is never as large.
pub(super) const PAYLOAD_LIMIT: usize = 8 * 1024 * 1024;

/// A piece of the function's answer; at most [`PAYLOAD_LIMIT`] bytes.
pub(super) fn payload_chunk(payload: &[u8]) -> Bytes {
    message("PayloadChunk", "application/octet-stream", payload)
}

/// The end of the answer.
pub(super) fn invoke_complete(told: &Value) -> Bytes {
    message(
        "InvokeComplete",
        "application/json",
        told.to_string().as_bytes(),
    )
}

fn message(event_type: &str, content_type: &str, payload: &[u8]) -> Bytes {
    let mut headers = BytesMut::new();
    for (name, value) in [
        (":message-type", "event"),
        (":event-type", event_type),
        (":content-type", content_type),
    ] {
        headers.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        headers.put_slice(name.as_bytes());
        headers.put_u8(TEXT);
        headers.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        headers.put_slice(value.as_bytes());
    }
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let total = OVERHEAD + headers.len() + payload.len();
    let mut message = BytesMut::with_capacity(total);
    message.put_u32(length(total));
    message.put_u32(length(headers.len()));
    message.put_u32(crc32fast::hash(&message));
    message.put_slice(&headers);
    message.put_slice(payload);
    message.put_u32(crc32fast::hash(&message));
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_published_form() {
        // Taken apart by hand here; the SDKs' own decoders read it in `integration-tests/tests/invoke_apis`.
        let message = payload_chunk(b"{'foo':'bar'}");
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        assert_eq!(usize::try_from(number(0)).unwrap(), message.len());
        assert_eq!(number(8), crc32fast::hash(&message[..8]));
        let end = message.len() - 4;
        assert_eq!(number(end), crc32fast::hash(&message[..end]));
        let headers = usize::try_from(number(4)).unwrap();
        assert_eq!(&message[12 + headers..end], b"{'foo':'bar'}");
        assert_eq!(&message[12..][..22], b"\x0d:message-type\x07\x00\x05event");
    }
}
