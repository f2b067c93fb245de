// SPDX-License-Identifier: Apache-2.0
//! What every front's event comes down to, and the request that is made of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use super::fields::{Object, Text, Values};
use super::target::Target;
use super::{EventError, excerpt};
use crate::headers;

/// Makes a request. What belongs to one connection is dropped, and so is what only the adapter may say. The length is
/// ours to state: the front has read the body, and what the event says of it may contradict it.
pub(super) fn request_of(
    payload: &Bytes,
    method: &str,
    target: Target,
    headers: Values<'_>,
    body: Body<'_>,
) -> Result<Request<Bytes>, EventError> {
    let target = target.finish().ok_or(EventError::Target)?;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| EventError::Method(excerpt(method.as_bytes())))?;
    let mut map = HeaderMap::with_capacity(24);
    for (name, value) in headers {
        let unfit = || EventError::Header(excerpt(name.as_bytes()));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        let value = HeaderValue::from_maybe_shared(shared(payload, value)).map_err(|_| unfit())?;
        map.try_append(key, value)
            .map_err(|_| EventError::TooManyHeaders)?;
    }
    headers::remove_hop_by_hop(&mut map);
    headers::remove_reserved(&mut map);
    map.remove(header::CONTENT_LENGTH);
    map.remove(header::EXPECT);
    let body = body.bytes(payload)?;
    if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
        // RFC 9110, section 8.6: some servers ask for it (411) where a body is to be expected.
        map.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = map;
    Ok(request)
}

/// The body of a request, as the event has it.
pub(super) struct Body<'a> {
    text: Cow<'a, str>,
    is_base64: bool,
}

impl<'a> Body<'a> {
    /// The member `body`, and the one that says whether it is base64.
    pub(super) fn of(event: &Object<'a>, is_base64: &'static str) -> Result<Self, EventError> {
        let text: Option<Text> = event.optional("body")?;
        let is_base64 = event.optional(is_base64)?.unwrap_or(false);
        Ok(Self {
            text: text.unwrap_or_default().0,
            is_base64,
        })
    }

    fn bytes(self, payload: &Bytes) -> Result<Bytes, EventError> {
        if self.is_base64 {
            return BASE64
                .decode_to_vec(self.text.as_bytes())
                .map(Bytes::from)
                .map_err(EventError::Body);
        }
        Ok(shared(payload, self.text))
    }
}

/// A text of the payload without a copy of it. One that had escapes is its own.
fn shared(payload: &Bytes, text: Cow<'_, str>) -> Bytes {
    match text {
        Cow::Borrowed(text) => payload.slice_ref(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    }
}

/// JSON that can stand in a header: printable ASCII alone, the rest escaped (RFC 8259, section 7).
pub(crate) fn ascii_json(json: &str) -> String {
    // To the end in any case: a loop without a way out is done with vector instructions.
    let is_plain = |plain, byte: u8| plain & matches!(byte, b' '..=b'~');
    if json.bytes().fold(true, is_plain) {
        return json.to_owned();
    }
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // Between tokens; within a string they are escaped already.
            '\n' | '\r' | '\t' => {}
            ' '..='~' => ascii.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
    }
    ascii
}
