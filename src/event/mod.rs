// SPDX-License-Identifier: Apache-2.0
//! From a Lambda event to the HTTP request that it stands for. Pure: bytes in, a request or an error out.
//!
//! Each kind of event has a file of its own. `marks` tells them apart by explicit marks; what bears none is an
//! invocation of its own, posted as it is, and never taken for a request of some client. An event that bears the marks
//! of a front but cannot be read is refused, and not handed on as something else.

mod fields;
mod format_1;
mod http_api;
mod lattice;
mod marks;
mod parts;
mod target;
mod websocket;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};

use crate::front::{Front, Source};
use fields::Object;

pub(crate) use parts::ascii_json;

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
    /// The payload is not UTF-8, and so not JSON.
    #[error("event is not JSON: `{excerpt}`")]
    NotUtf8 {
        /// Its first bytes.
        excerpt: String,
        /// Where it stops being UTF-8.
        source: std::str::Utf8Error,
    },
    /// A field of another type than its kind has, or text that is none. Its value is not told: it may be a secret.
    #[error(
        "event has a field `{field}` that cannot be read at line {line}, column {column} of its value"
    )]
    Malformed {
        /// The field.
        field: &'static str,
        /// Where in its value.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A field that its kind must have.
    #[error("event has no field `{0}`, which events of its kind have")]
    Missing(&'static str),
    /// The method cannot stand on a request line. These are its first bytes.
    #[error("event has the method `{0}`, which is no HTTP method")]
    Method(String),
    /// The path and query are longer than a request target can be.
    #[error("event has a request target that cannot be sent")]
    Target,
    /// A header that cannot be sent, by the first bytes of its name. Its value is not told: it may be a secret.
    #[error("event has a header `{0}` whose name or value cannot be sent")]
    Header(String),
    /// More headers than can be held.
    #[error("event has more headers than can be sent")]
    TooManyHeaders,
    /// The body says it is base64 and is not.
    #[error("event has a body that is not valid base64")]
    Body(#[source] base64::DecodeError),
}

/// An event that cannot be served.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: EventError,
    /// The front that waits for an answer. A payload that is no JSON is of none that sends HTTP.
    pub front: Front,
}

/// A request from a front.
#[derive(Debug)]
pub struct Event {
    /// What made it.
    pub front: Front,
    /// The request, without anything that belongs to one connection. For an event that is no HTTP its target is `/`
    /// and the caller chooses another.
    pub request: Request<Bytes>,
    /// The event's `requestContext`, as JSON of printable ASCII.
    pub context: Option<String>,
}

/// Reads an event.
///
/// # Errors
///
/// An event that is not JSON, or that bears the marks of a front and cannot be made a request.
pub fn decode(payload: &Bytes) -> Result<Event, Refused> {
    let event = members(payload).map_err(|error| {
        let front = Front::Other(Source::Direct);
        Refused { error, front }
    })?;
    let context = event.object("requestContext");
    let front = marks::front(&event, &context);
    let request = match front {
        Front::FunctionUrl | Front::HttpApi => http_api::request(payload, &event, &context, front),
        Front::HttpApiV1 | Front::Rest | Front::Alb | Front::AlbMultiValue => {
            format_1::request(payload, &event, front)
        }
        Front::Lattice => lattice::request(payload, &event),
        Front::WebSocket => websocket::request(payload, &event, &context),
        Front::Other(_) => {
            let mut request = Request::new(payload.clone());
            *request.method_mut() = Method::POST;
            request.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            return Ok(Event {
                front,
                request,
                context: None,
            });
        }
    };
    let request = request.map_err(|error| Refused { error, front })?;
    let context = event.get("requestContext").map(|raw| ascii_json(raw.get()));
    Ok(Event {
        front,
        request,
        context,
    })
}

/// The members of any JSON. What is no object has none.
fn members(payload: &[u8]) -> Result<Object<'_>, EventError> {
    let json = str::from_utf8(payload).map_err(|source| EventError::NotUtf8 {
        excerpt: excerpt(payload),
        source,
    })?;
    let not_json = |source| EventError::NotJson {
        excerpt: excerpt(payload),
        source,
    };
    if json.trim_start().starts_with('{') {
        return Object::parse(json).map_err(not_json);
    }
    serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(not_json)?;
    Ok(Object::default())
}

/// What an error may quote of an event: text of one line.
fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT)];
    let mut text = String::from_utf8_lossy(shown).escape_default().to_string();
    if bytes.len() > EXCERPT {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
