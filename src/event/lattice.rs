// SPDX-License-Identifier: Apache-2.0
//! VPC Lattice, versions 1 and 2 of its event.
//!
//! Source: AWS, "Lambda functions as targets in VPC Lattice". The path has the query in it, as the client sent both;
//! where it has none, the parameters count. Version 2 has lists of values, version 1 single ones.

use bytes::Bytes;
use http::Request;

use super::EventError;
use super::fields::Object;
use super::marks::is_lattice_v1;
use super::parts::{Body, request_of};
use super::target::Target;

pub(super) fn request(payload: &Bytes, event: &Object<'_>) -> Result<Request<Bytes>, EventError> {
    let (path, parameters, headers, is_base64) = if is_lattice_v1(event) {
        (
            "raw_path",
            event.single("query_string_parameters")?,
            event.single("headers")?,
            "is_base64_encoded",
        )
    } else {
        (
            "path",
            event.multi("queryStringParameters")?,
            event.multi("headers")?,
            "isBase64Encoded",
        )
    };
    let mut target = Target::verbatim_with_query(&event.required_text(path)?);
    if !target.has_query() {
        for (name, value) in parameters.unwrap_or_default() {
            target.parameter(&name, &value);
        }
    }
    let method = event.required_text("method")?;
    request_of(
        payload,
        &method,
        target,
        headers.unwrap_or_default(),
        Body::of(event, is_base64)?,
    )
}
