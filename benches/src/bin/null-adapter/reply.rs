// SPDX-License-Identifier: Apache-2.0
//! From the app's response to the reply: each header line a member, the body a string or base64.

use std::io::Write as _;

use streamgate_benches::wire;

const LENGTH: &[u8] = b"Content-Length: ";
/// Room for the length of a reply that is still to be made.
const LENGTH_ROOM: usize = 10;
/// Bytes looked at together for something to escape, so that the compiler takes many at once.
const BLOCK: usize = 64;

/// The first lines of the call that posts a reply.
pub(crate) fn begin_post(reply: &mut Vec<u8>, id: &[u8]) {
    reply.clear();
    reply.extend_from_slice(b"POST /2018-06-01/runtime/invocation/");
    reply.extend_from_slice(id);
    reply.extend_from_slice(b"/response HTTP/1.1\r\nHost: lambda\r\n");
}

/// The rest of the call's head and the prelude, as a chunk of its own.
pub(crate) fn write_prelude(reply: &mut Vec<u8>, head: &[u8]) {
    reply.extend_from_slice(
        b"Content-Type: application/vnd.awslambda.http-integration-response\r\n\
          Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let at = reply.len();
    // Its size comes when it is known, in four digits.
    reply.extend_from_slice(b"0000\r\n");
    write_head(reply, head);
    reply.extend_from_slice(b"}\0\0\0\0\0\0\0\0");
    let size = reply.len() - at - 6;
    // A slice has room, so nothing can fail.
    let _ = write!(&mut reply[at..at + 4], "{size:04x}");
    reply.extend_from_slice(b"\r\n");
}

/// The rest of the call, with the whole response as a document.
pub(crate) fn write_buffered(reply: &mut Vec<u8>, head: &[u8], body: &[u8]) {
    reply.extend_from_slice(b"Content-Type: application/json\r\n");
    reply.extend_from_slice(LENGTH);
    let at = reply.len();
    reply.extend_from_slice(b"0000000000\r\n\r\n");
    let start = reply.len();
    write_head(reply, head);
    reply.extend_from_slice(b",\"body\":\"");
    if let Ok(text) = std::str::from_utf8(body) {
        escape(reply, text.as_bytes());
        reply.extend_from_slice(b"\",\"isBase64Encoded\":false}");
    } else {
        base64_simd::STANDARD.encode_append(body, reply);
        reply.extend_from_slice(b"\",\"isBase64Encoded\":true}");
    }
    let length = reply.len() - start;
    // A slice has room, so nothing can fail.
    let _ = write!(&mut reply[at..at + LENGTH_ROOM], "{length:010}");
}

/// `{"statusCode":…,"headers":{…}`.
fn write_head(reply: &mut Vec<u8>, head: &[u8]) {
    reply.extend_from_slice(b"{\"statusCode\":");
    reply.extend_from_slice(&head[9..12]);
    reply.extend_from_slice(b",\"headers\":{");
    let mut separator: &[u8] = b"\"";
    for (name, value) in wire::lines(head) {
        let is_framing = name.eq_ignore_ascii_case(b"content-length")
            || name.eq_ignore_ascii_case(b"transfer-encoding");
        if !is_framing {
            reply.extend_from_slice(separator);
            reply.extend_from_slice(name);
            reply.extend_from_slice(b"\":\"");
            escape(reply, value);
            reply.push(b'"');
            separator = b",\"";
        }
    }
    reply.push(b'}');
}

fn escape(reply: &mut Vec<u8>, text: &[u8]) {
    for block in text.chunks(BLOCK) {
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        if !block
            .iter()
            .fold(false, |found, byte| found | special(*byte))
        {
            reply.extend_from_slice(block);
            continue;
        }
        for &byte in block {
            match byte {
                b'"' | b'\\' => reply.extend_from_slice(&[b'\\', byte]),
                b'\n' => reply.extend_from_slice(b"\\n"),
                b'\r' => reply.extend_from_slice(b"\\r"),
                b'\t' => reply.extend_from_slice(b"\\t"),
                0..0x20 => drop(write!(reply, "\\u{byte:04x}")),
                _ => reply.push(byte),
            }
        }
    }
}
