// SPDX-License-Identifier: Apache-2.0
//! The prelude of a streamed answer.

use http::response::Parts;
use http::{HeaderMap, Response, header};

use super::ReplyError;
use super::members::{self, object};
use crate::settings::FrontKind;

/// Content type that announces a prelude.
pub(crate) const PRELUDE_TYPE: &str = "application/vnd.awslambda.http-integration-response";

/// The members that API Gateway knows (source: AWS page "Set up a Lambda proxy integration with payload response
/// streaming in API Gateway"); that another one is an error is assumed.
const REST_MEMBERS: [&str; 4] = ["statusCode", "headers", "multiValueHeaders", "cookies"];

/// The head that a prelude describes.
///
/// # Errors
/// What makes it useless; an array in `headers` is the usual case.
pub(crate) fn decode_prelude(kind: FrontKind, prelude: &[u8]) -> Result<Parts, ReplyError> {
    let object = object("the prelude", prelude)?;
    let pairs = if kind == FrontKind::RestStream {
        members::only(&object, &REST_MEMBERS)?;
        members::merged(&object)?
    } else {
        members::single(&object)?
    };
    let pairs = [pairs, members::cookies(&object)?].concat();
    let (mut head, ()) = Response::new(()).into_parts();
    if let Some(status) = members::status(&object)? {
        head.status = status;
    }
    head.headers = members::headers(kind, pairs)?;
    drop_odd_length(&mut head.headers);
    Ok(head)
}

/// API Gateway frames by a `content-length` that the prelude has, which must then be one number.
fn drop_odd_length(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lengths.next().and_then(|length| length.to_str().ok());
    let number = first.is_some_and(|length| length.parse::<u64>().is_ok());
    if !number || lengths.next().is_some() {
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// Whether a response content type announces a prelude.
pub(crate) fn announces_prelude(content_type: &str) -> bool {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case(PRELUDE_TYPE)
}
