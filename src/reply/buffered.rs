// SPDX-License-Identifier: Apache-2.0
//! The buffered reply of payload format 2.0: one JSON document with the body in it.
//!
//! Source: AWS, "Invoking Lambda function URLs", response payload format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Response, header};

use super::{ReplyError, write_cookies, write_headers, write_string};
use crate::headers;

/// Most bytes of a buffered reply (AWS, "Lambda quotas": 6 MB, where a MB is 1,024 KB).
pub const BUFFERED_LIMIT: usize = 6 * 1024 * 1024;

/// Encodes a whole response. A body that is UTF-8 and not encoded goes as text, any other as base64: what counts is
/// its bytes, not the type that it claims.
///
/// # Errors
///
/// A reply over [`BUFFERED_LIMIT`].
pub fn buffered(response: Response<Bytes>) -> Result<Bytes, ReplyError> {
    let (mut head, body) = response.into_parts();
    headers::remove_hop_by_hop(&mut head.headers);
    let is_encoded = head.headers.contains_key(header::CONTENT_ENCODING);
    let is_text = !is_encoded && std::str::from_utf8(&body).is_ok();

    let mut json = Vec::with_capacity(1024 + body.len() * 4 / 3);
    json.extend_from_slice(b"{\"statusCode\":");
    json.extend_from_slice(head.status.as_str().as_bytes());
    json.push(b',');
    write_cookies(&mut json, &head.headers);
    write_headers(&mut json, &head.headers);
    json.extend_from_slice(b"},\"isBase64Encoded\":");
    json.extend_from_slice(if is_text { b"false" } else { b"true" });
    json.extend_from_slice(b",\"body\":");
    if is_text {
        write_string(&mut json, &body);
    } else {
        json.push(b'"');
        json.extend_from_slice(BASE64.encode(&body).as_bytes());
        json.push(b'"');
    }
    json.push(b'}');
    if json.len() > BUFFERED_LIMIT {
        return Err(ReplyError::BufferedTooLarge { size: json.len() });
    }
    Ok(Bytes::from(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn reply(headers: &[(&str, &str)], body: &'static [u8]) -> Value {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let bytes = buffered(response.body(Bytes::from_static(body)).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn text_goes_as_text_with_headers_and_cookies() {
        assert_eq!(
            reply(
                &[
                    ("content-type", "text/html"),
                    ("set-cookie", "a=1"),
                    ("content-length", "5")
                ],
                "héy\"".as_bytes()
            ),
            json!({
                "statusCode": 200,
                "cookies": ["a=1"],
                "headers": { "content-type": "text/html" },
                "isBase64Encoded": false,
                "body": "héy\"",
            })
        );
    }

    #[test]
    fn bytes_decide_what_is_base64_not_the_type() {
        let reply_to = reply(&[("content-type", "text/plain")], b"\xff\x00");
        assert_eq!(
            (&reply_to["isBase64Encoded"], &reply_to["body"]),
            (&json!(true), &json!("/wA="))
        );
        let encoded = reply(&[("content-encoding", "gzip")], b"plain");
        assert_eq!(
            (&encoded["isBase64Encoded"], &encoded["body"]),
            (&json!(true), &json!("cGxhaW4="))
        );
        assert_eq!(
            reply(&[("content-type", "image/svg+xml")], b"<svg/>")["isBase64Encoded"],
            json!(false)
        );
    }

    #[test]
    fn a_reply_over_the_limit_is_refused_with_its_size() {
        let body = Bytes::from(vec![0xff; BUFFERED_LIMIT * 3 / 4]);
        let error = buffered(Response::new(body)).unwrap_err();
        assert!(matches!(error, ReplyError::BufferedTooLarge { size } if size > BUFFERED_LIMIT));
    }
}
