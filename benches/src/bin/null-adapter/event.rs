// SPDX-License-Identifier: Apache-2.0
//! From a function URL's event to a request, by looking for the members that count.

use std::io::{self, Write};

use memchr::{memchr, memmem};

/// Writes the request that the event stands for. Members that come behind the body are looked for behind it.
pub(crate) fn write_request(request: &mut Vec<u8>, event: &[u8]) -> io::Result<()> {
    request.clear();
    request.extend_from_slice(member(event, b"\"method\":\"").unwrap_or(b"GET"));
    request.push(b' ');
    request.extend_from_slice(member(event, b"\"rawPath\":\"").unwrap_or(b"/"));
    let query = member(event, b"\"rawQueryString\":\"").unwrap_or_default();
    if !query.is_empty() {
        request.push(b'?');
        request.extend_from_slice(query);
    }
    request.extend_from_slice(b" HTTP/1.1\r\nHost: app\r\n");
    let Some(body) = member(event, b"\"body\":\"") else {
        request.extend_from_slice(b"\r\n");
        return Ok(());
    };
    let is_base64 = memmem::rfind(event, b"\"isBase64Encoded\":true").is_some();
    if !is_base64 {
        write!(request, "Content-Length: {}\r\n\r\n", body.len())?;
        request.extend_from_slice(body);
        return Ok(());
    }
    let length = base64_simd::STANDARD
        .decoded_length(body)
        .map_err(io::Error::other)?;
    write!(request, "Content-Length: {length}\r\n\r\n")?;
    base64_simd::STANDARD
        .decode_append(body, request)
        .map_err(io::Error::other)
}

/// What stands between the quotes behind a member's name.
fn member<'a>(event: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = &event[memmem::find(event, name)? + name.len()..];
    Some(&value[..memchr(b'"', value)?])
}
