// SPDX-License-Identifier: Apache-2.0
//! Payload format 1.0 and its kin: API Gateway REST APIs, HTTP APIs with format 1.0, Application Load Balancers.
//!
//! Sources: AWS, "Lambda proxy integrations in API Gateway"; "Lambda functions as targets" (Elastic Load Balancing).
//! They share their fields and differ in what they decode:
//!
//! | front | path | parameters |
//! |---|---|---|
//! | REST API | as sent | decoded |
//! | HTTP API, format 1.0 | decoded | decoded |
//! | ALB | as sent | as sent |
//!
//! Headers and parameters come as lists, as single values (the last of each), or as both; the lists count. The order
//! of parameters with different names is lost in all of them.

use bytes::Bytes;
use http::Request;

use super::EventError;
use super::fields::Object;
use super::parts::{Body, request_of};
use super::target::Target;
use crate::front::Front;

pub(super) fn request(
    payload: &Bytes,
    event: &Object<'_>,
    front: Front,
) -> Result<Request<Bytes>, EventError> {
    let path = event.required_text("path")?;
    let mut target = if front == Front::HttpApiV1 {
        Target::decoded(&path)
    } else {
        Target::verbatim(&path)
    };
    let is_decoded = matches!(front, Front::Rest | Front::HttpApiV1);
    for (name, value) in
        event.multi_or_single("multiValueQueryStringParameters", "queryStringParameters")?
    {
        if is_decoded {
            target.decoded_parameter(&name, &value);
        } else {
            target.parameter(&name, &value);
        }
    }
    let method = event.required_text("httpMethod")?;
    let headers = event.multi_or_single("multiValueHeaders", "headers")?;
    request_of(
        payload,
        &method,
        target,
        headers,
        Body::of(event, "isBase64Encoded")?,
    )
}
