// SPDX-License-Identifier: Apache-2.0
//! Buffered answers: the envelope that each front end expects.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use super::members::{self, Base64, Object, not_an_object, object};
use super::{ReplyError, prelude};
use crate::settings::FrontKind;
use crate::stream::PreludeFinder;

/// The response that a buffered payload describes to a front end.
///
/// # Errors
/// What makes the payload useless to this front end, which then answers with an error of its own.
pub(crate) fn decode_payload(
    kind: FrontKind,
    payload: &Bytes,
    base64: Base64,
) -> Result<Response<Bytes>, ReplyError> {
    let mut response = match kind {
        FrontKind::FunctionUrl | FrontKind::HttpApi => payload_v2(kind, payload)?,
        FrontKind::Rest | FrontKind::RestStream => rest(kind, payload, base64)?,
        FrontKind::Alb | FrontKind::AlbMulti => alb(kind, &object(WHAT, payload)?)?,
        FrontKind::LatticeV1 | FrontKind::LatticeV2 => {
            let envelope = object(WHAT, payload)?;
            let headers = members::headers(kind, members::single(&envelope)?)?;
            whole(&envelope, headers, Base64::Decoded)?
        }
        FrontKind::WebSocket => {
            let envelope = object(WHAT, payload)?;
            let headers = members::headers(kind, members::merged(&envelope)?)?;
            whole(&envelope, headers, Base64::Decoded)?
        }
    };
    // The front end frames the body itself.
    for name in ["content-length", "x-amzn-remapped-content-length"] {
        response.headers_mut().remove(name);
    }
    Ok(response)
}

const WHAT: &str = "the response";

fn whole(
    envelope: &Object,
    headers: HeaderMap,
    base64: Base64,
) -> Result<Response<Bytes>, ReplyError> {
    let mut response = Response::new(members::body(envelope, base64)?);
    *response.status_mut() = members::required_status(envelope)?;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Function URLs and HTTP APIs give a body without a type one (source: AWS pages "Invoking Lambda function URLs",
/// "Amazon API Gateway important notes").
fn with_default_type(mut response: Response<Bytes>) -> Response<Bytes> {
    let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    if !bodyless {
        response
            .headers_mut()
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
    }
    response
}

/// Payload format 2.0, or any other JSON, which is then the body of a 200 (source: AWS page "Invoking Lambda function
/// URLs").
fn payload_v2(kind: FrontKind, payload: &Bytes) -> Result<Response<Bytes>, ReplyError> {
    let json =
        serde_json::from_slice::<Value>(payload).map_err(|_| not_an_object(WHAT, payload))?;
    let Some(envelope) = json
        .as_object()
        .filter(|envelope| envelope.contains_key("statusCode"))
    else {
        return Ok(with_default_type(Response::new(payload.clone())));
    };
    let pairs = [members::single(envelope)?, members::cookies(envelope)?].concat();
    let headers = members::headers(kind, pairs)?;
    Ok(with_default_type(whole(
        envelope,
        headers,
        Base64::Decoded,
    )?))
}

/// A top-level member too many is malformed (source: h3js/srvx PR #300). Of a streamed answer status and headers count,
/// and its body is lost (source: AWS page "Set up a Lambda proxy integration with payload response streaming in API
/// Gateway").
fn rest(kind: FrontKind, payload: &Bytes, base64: Base64) -> Result<Response<Bytes>, ReplyError> {
    const MEMBERS: [&str; 5] = [
        "statusCode",
        "headers",
        "multiValueHeaders",
        "body",
        "isBase64Encoded",
    ];
    if let Ok(Some(streamed)) = PreludeFinder::default().push(payload) {
        let head = prelude::decode_prelude(FrontKind::RestStream, &streamed.prelude)?;
        return Ok(Response::from_parts(head, Bytes::new()));
    }
    let envelope = object(WHAT, payload)?;
    members::only(&envelope, &MEMBERS)?;
    let headers = members::headers(kind, members::merged(&envelope)?)?;
    Ok(with_default_type(whole(&envelope, headers, base64)?))
}

/// Only the map of the target group's own mode counts (source: AWS page "Lambda functions as targets").
/// `statusDescription` may be missing, but not null (source: aws-lambda-dotnet issue #507).
fn alb(kind: FrontKind, envelope: &Object) -> Result<Response<Bytes>, ReplyError> {
    if envelope
        .get("statusDescription")
        .is_some_and(|description| !description.is_string())
    {
        return Err(ReplyError::Member {
            member: "statusDescription",
            expected: "a string",
        });
    }
    let pairs = if kind == FrontKind::AlbMulti {
        members::multi(envelope)?
    } else {
        members::single(envelope)?
    };
    whole(envelope, members::headers(kind, pairs)?, Base64::Decoded)
}
