// SPDX-License-Identifier: Apache-2.0
//! Payload format 2.0: function URLs and API Gateway HTTP APIs.
//!
//! Source: AWS, "Invoking Lambda function URLs" and "Create AWS Lambda proxy integrations for HTTP APIs". Repeated
//! headers were joined with a comma by the front, and the query is verbatim in both. A function URL leaves the path as
//! the client sent it, while an HTTP API decodes it. A function URL gives cookies twice, as a header and as a list; an
//! HTTP API gives the list alone.

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderValue, Request};

use super::EventError;
use super::fields::{Object, Text};
use super::parts::{Body, request_of};
use super::target::Target;
use crate::front::Front;

pub(super) fn request(
    payload: &Bytes,
    event: &Object<'_>,
    context: &Object<'_>,
    front: Front,
) -> Result<Request<Bytes>, EventError> {
    let path = event.required_text("rawPath")?;
    let mut target = if front == Front::FunctionUrl {
        Target::verbatim(&path)
    } else {
        Target::decoded(&path)
    };
    let query: Option<Text> = event.optional("rawQueryString")?;
    target.query(&query.unwrap_or_default().0);
    let method = context.object("http").required_text("method")?;
    let headers = event.single("headers")?.unwrap_or_default();
    let mut request = request_of(
        payload,
        &method,
        target,
        headers,
        Body::of(event, "isBase64Encoded")?,
    )?;
    let cookies: Option<Vec<Text>> = event.optional("cookies")?;
    if !request.headers().contains_key(COOKIE)
        && let Some(cookies) = cookies.filter(|cookies| !cookies.is_empty())
    {
        let joined = cookies
            .iter()
            .map(|cookie| cookie.0.as_ref())
            .collect::<Vec<_>>()
            .join("; ");
        let value =
            HeaderValue::try_from(joined).map_err(|_| EventError::Header(COOKIE.to_string()))?;
        request.headers_mut().insert(COOKIE, value);
    }
    Ok(request)
}
