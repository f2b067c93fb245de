// SPDX-License-Identifier: Apache-2.0
//! Request bodies in events: as text, or as base64.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

/// A body in the form that the event has it.
#[derive(Debug, PartialEq)]
pub(super) struct Encoded<'a> {
    /// Empty for an empty body.
    pub(super) text: Cow<'a, str>,
    pub(super) is_base64: bool,
}

impl<'a> Encoded<'a> {
    pub(super) fn base64(body: &[u8]) -> Self {
        Self {
            text: Cow::Owned(STANDARD.encode(body)),
            is_base64: !body.is_empty(),
        }
    }

    /// Bytes that are no UTF-8 are damaged, as API Gateway does it.
    pub(super) fn lossy(body: &'a [u8]) -> Self {
        Self {
            text: String::from_utf8_lossy(body),
            is_base64: false,
        }
    }

    /// Text if that is wanted and the bytes are UTF-8, else base64.
    pub(super) fn text_if(wanted: bool, body: &'a [u8]) -> Self {
        match std::str::from_utf8(body) {
            Ok(text) if wanted => Self {
                text: Cow::Borrowed(text),
                is_base64: false,
            },
            _ => Self::base64(body),
        }
    }

    /// `None` for an empty body.
    pub(super) fn non_empty(self) -> Option<Cow<'a, str>> {
        Some(self.text).filter(|text| !text.is_empty())
    }
}

/// The media type of a body in lower case, without parameters.
pub(super) fn essence(client: &HeaderMap) -> Option<String> {
    let content_type = client.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    Some(essence.to_ascii_lowercase())
}

/// Whether a body goes into the event as text: by its content type and only if it is not compressed (source: AWS page
/// "Lambda functions as targets" for ALB; ministackorg/ministack PR #766, tested against AWS, for the types of HTTP
/// API; assumed to hold for function URLs).
pub(super) fn is_text(client: &HeaderMap) -> bool {
    const TYPES: [&str; 3] = [
        "application/json",
        "application/xml",
        "application/javascript",
    ];
    let text_type = essence(client)
        .is_some_and(|essence| essence.starts_with("text/") || TYPES.contains(&essence.as_str()));
    text_type && !client.contains_key(header::CONTENT_ENCODING)
}
