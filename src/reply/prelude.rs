// SPDX-License-Identifier: Apache-2.0
//! The prelude of a streamed reply: status, headers and cookies as JSON, then eight NULs.
//!
//! Source: AWS, "Invoking a response streaming enabled function using Lambda function URLs", and "Set up a Lambda
//! proxy integration with payload response streaming in API Gateway", which takes strings alone as header values and
//! looks for the delimiter within the first 16 KB.

use bytes::Bytes;
use http::response::Parts;

use super::{ReplyError, write_cookies, write_headers};
use crate::headers;

/// Most bytes of a prelude and its delimiter.
pub const PRELUDE_LIMIT: usize = 16 * 1024;

/// Ends the prelude (AWS, "Building a custom runtime for AWS Lambda").
const DELIMITER: [u8; 8] = [0; 8];
/// What an empty body says. Some accounts leave a client waiting where it is missing.
const EMPTY: &[u8] = b"\"content-length\":\"0\"";

/// A prelude that is complete but for one fact: whether a body follows.
#[derive(Debug)]
pub struct Prelude {
    json: Vec<u8>,
    has_headers: bool,
}

impl Prelude {
    /// Encodes the head of the app's response. What belongs to one connection is dropped.
    ///
    /// # Errors
    ///
    /// A head over [`PRELUDE_LIMIT`].
    pub fn new(mut head: Parts) -> Result<Self, ReplyError> {
        headers::remove_hop_by_hop(&mut head.headers);
        let mut json = Vec::with_capacity(1024);
        json.extend_from_slice(b"{\"statusCode\":");
        json.extend_from_slice(head.status.as_str().as_bytes());
        json.push(b',');
        write_cookies(&mut json, &head.headers);
        write_headers(&mut json, &head.headers);
        let size = json.len() + EMPTY.len() + b",}}".len() + DELIMITER.len();
        if size > PRELUDE_LIMIT {
            return Err(ReplyError::PreludeTooLarge { size });
        }
        let has_headers = json.last() != Some(&b'{');
        Ok(Self { json, has_headers })
    }

    /// The prelude, its delimiter, and one harmless byte in place of an empty body.
    #[must_use]
    pub fn padded(self) -> Bytes {
        let mut bytes = Vec::from(self.finish(false));
        bytes.push(b' ');
        Bytes::from(bytes)
    }

    /// The prelude and its delimiter.
    #[must_use]
    pub fn finish(self, body_is_empty: bool) -> Bytes {
        let Self {
            mut json,
            has_headers,
        } = self;
        if body_is_empty {
            if has_headers {
                json.push(b',');
            }
            json.extend_from_slice(EMPTY);
        }
        json.extend_from_slice(b"}}");
        json.extend_from_slice(&DELIMITER);
        Bytes::from(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use serde_json::{Value, json};

    fn prelude(status: u16, headers: &[(&str, &[u8])], body_is_empty: bool) -> Value {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let bytes = Prelude::new(response.body(()).unwrap().into_parts().0)
            .unwrap()
            .finish(body_is_empty);
        let json = bytes.strip_suffix(&[0; 8]).expect("eight NULs");
        assert!(!json.contains(&0));
        serde_json::from_slice(json).unwrap()
    }

    #[test]
    fn every_header_is_one_string_and_cookies_stand_apart() {
        let headers: &[(&str, &[u8])] = &[
            ("vary", b"accept"),
            ("set-cookie", b"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("vary", b"origin"),
            ("set-cookie", b"b=2"),
            ("x-quote", b"say \"hi\"\\"),
        ];
        assert_eq!(
            prelude(200, headers, false),
            json!({
                "statusCode": 200,
                "cookies": ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"],
                "headers": { "vary": "accept, origin", "x-quote": "say \"hi\"\\" },
            })
        );
    }

    #[test]
    fn what_frames_the_body_is_dropped() {
        let headers: &[(&str, &[u8])] = &[
            ("content-length", b"12"),
            ("transfer-encoding", b"chunked"),
            ("connection", b"keep-alive, x-hop"),
            ("keep-alive", b"timeout=5"),
            ("x-hop", b"1"),
            ("content-type", b"text/plain"),
        ];
        assert_eq!(
            prelude(200, headers, false)["headers"],
            json!({ "content-type": "text/plain" })
        );
    }

    #[test]
    fn an_empty_body_says_so_and_gets_no_content_type() {
        assert_eq!(
            prelude(204, &[], true),
            json!({ "statusCode": 204, "headers": { "content-length": "0" } })
        );
        assert_eq!(
            prelude(302, &[("location", b"/x"), ("content-length", b"0")], true)["headers"],
            json!({ "location": "/x", "content-length": "0" })
        );
        assert_eq!(
            prelude(200, &[], false),
            json!({ "statusCode": 200, "headers": {} })
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_are_characters_of_that_number() {
        let headers = prelude(
            200,
            &[("x-latin", b"caf\xe9"), ("x-utf8", "caf\u{e9}".as_bytes())],
            false,
        );
        assert_eq!(
            headers["headers"],
            json!({ "x-latin": "café", "x-utf8": "café" })
        );
    }

    #[test]
    fn a_head_over_the_limit_is_refused_with_its_size() {
        let long = "x".repeat(PRELUDE_LIMIT);
        let head = Response::builder()
            .header("x-long", long)
            .body(())
            .unwrap()
            .into_parts()
            .0;
        assert!(
            matches!(Prelude::new(head), Err(ReplyError::PreludeTooLarge { size }) if size > PRELUDE_LIMIT)
        );
    }
}
