// SPDX-License-Identifier: Apache-2.0
//! From a Lambda event to the HTTP request that it stands for. Pure: bytes in, a request or an error out.
//!
//! Each kind of event has a file of its own; this one tells them apart by explicit marks. An event that bears none is
//! an error for its invocation, never a guess.

mod fields;
mod function_url;
mod target;

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::front::Front;

/// Bytes of an event that an error may quote.
const EXCERPT: usize = 48;

/// Why an event stands for no request.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The payload is not JSON.
    #[error("event is not JSON: `{excerpt}`")]
    NotJson {
        /// Its first bytes.
        excerpt: String,
        /// Where it stops being JSON.
        source: serde_json::Error,
    },
    /// JSON, but none of the kinds that we serve.
    #[error(
        "event is of no known kind: expected version `2.0` with requestContext.http, as from a function URL"
    )]
    UnknownKind,
    /// A field that the kind must have is missing or of another type.
    #[error("event is not a valid {kind} event")]
    Malformed {
        /// The kind that its marks tell.
        kind: &'static str,
        /// The field, and what is wrong with it.
        source: serde_json::Error,
    },
    /// The method cannot stand on a request line.
    #[error("event has the method `{0}`, which is no HTTP method")]
    Method(String),
    /// The path or query cannot be made into a request target.
    #[error("event has the request target `{0}`, which cannot be sent")]
    Target(String),
    /// A header that cannot be sent. Its value is not told: it may be a secret.
    #[error("event has a header `{0}` whose name or value cannot be sent")]
    Header(String),
    /// The body says it is base64 and is not.
    #[error("event has a body that is not valid base64")]
    Body(#[source] base64::DecodeError),
}

/// A request from a front.
#[derive(Debug)]
pub struct Event {
    /// What made it.
    pub front: Front,
    /// The request, without anything that belongs to one connection.
    pub request: Request<Bytes>,
}

/// The marks that tell the kinds apart.
#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(borrow, default)]
    version: Option<fields::Text<'a>>,
    #[serde(default, rename = "requestContext")]
    context: Option<ContextMarks>,
}

#[derive(Deserialize)]
struct ContextMarks {
    http: Option<serde::de::IgnoredAny>,
}

/// Reads an event.
///
/// # Errors
///
/// An event that is not JSON, of no known kind, or whose parts cannot make a request.
pub fn decode(payload: &[u8]) -> Result<Event, EventError> {
    let marks: Marks = serde_json::from_slice(payload).map_err(|_| unmarked(payload))?;
    let is_payload_v2 = marks.version.is_some_and(|version| version.0 == "2.0");
    if is_payload_v2 && marks.context.is_some_and(|context| context.http.is_some()) {
        return function_url::decode(payload);
    }
    Err(EventError::UnknownKind)
}

/// What is wrong with a payload whose marks cannot be read.
fn unmarked(payload: &[u8]) -> EventError {
    match serde_json::from_slice::<serde::de::IgnoredAny>(payload) {
        Err(source) => EventError::NotJson {
            excerpt: excerpt(payload),
            source,
        },
        Ok(_) => EventError::UnknownKind,
    }
}

fn excerpt(payload: &[u8]) -> String {
    let shown = &payload[..payload.len().min(EXCERPT)];
    let mut text = String::from_utf8_lossy(shown).escape_default().to_string();
    if payload.len() > EXCERPT {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_quoted() {
        let error = decode(b"hello, world").unwrap_err();
        assert_eq!(error.to_string(), "event is not JSON: `hello, world`");
        assert!(matches!(decode(b""), Err(EventError::NotJson { .. })));
        assert!(matches!(
            decode(br#"{"version":"2.0"} x"#),
            Err(EventError::NotJson { .. })
        ));
    }

    #[test]
    fn json_without_marks_is_never_taken_for_a_request() {
        for event in [
            "null",
            "1",
            "[]",
            "{}",
            "\"GET /\"",
            r#"{"version":"2.0"}"#,
            r#"{"version":2}"#,
            r#"{"version":"1.0","requestContext":{"http":{}}}"#,
            r#"{"version":"2.0","requestContext":[]}"#,
        ] {
            assert!(
                matches!(decode(event.as_bytes()), Err(EventError::UnknownKind)),
                "{event}"
            );
        }
    }
}
