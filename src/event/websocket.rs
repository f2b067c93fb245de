// SPDX-License-Identifier: Apache-2.0
//! API Gateway WebSocket APIs: each event becomes a POST, told apart by headers.
//!
//! Source: AWS, "Working with WebSocket APIs". The connection itself stays with API Gateway; the app answers through
//! `POST https://{domain}/{stage}/@connections/{connection id}`. Only CONNECT has the client's headers and parameters.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use super::EventError;
use super::fields::{Object, Text};
use super::parts::{Body, request_of};
use super::target::Target;

/// Headers that tell the app what it got, and the member of `requestContext` that each holds.
const FACTS: [(HeaderName, &str); 5] = [
    (crate::headers::WEBSOCKET_EVENT, "eventType"),
    (
        HeaderName::from_static("x-streamgate-websocket-connection-id"),
        "connectionId",
    ),
    (
        HeaderName::from_static("x-streamgate-websocket-route"),
        "routeKey",
    ),
    (
        HeaderName::from_static("x-streamgate-websocket-domain"),
        "domainName",
    ),
    (
        HeaderName::from_static("x-streamgate-websocket-stage"),
        "stage",
    ),
];

pub(super) fn request(
    payload: &Bytes,
    event: &Object<'_>,
    context: &Object<'_>,
) -> Result<Request<Bytes>, EventError> {
    // The caller puts its own path in; what counts here is the query.
    let mut target = Target::verbatim("/");
    for (name, value) in
        event.multi_or_single("multiValueQueryStringParameters", "queryStringParameters")?
    {
        target.decoded_parameter(&name, &value);
    }
    let headers = event.multi_or_single("multiValueHeaders", "headers")?;
    let mut request = request_of(
        payload,
        "POST",
        target,
        headers,
        Body::of(event, "isBase64Encoded")?,
    )?;
    for (name, member) in FACTS {
        let fact: Option<Text> = context.optional(member)?;
        if let Some(Text(fact)) = fact {
            let value = HeaderValue::try_from(fact.as_ref())
                .map_err(|_| EventError::Header(name.to_string()))?;
            request.headers_mut().insert(name, value);
        }
    }
    Ok(request)
}
