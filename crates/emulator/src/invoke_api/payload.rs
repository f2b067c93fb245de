// SPDX-License-Identifier: Apache-2.0
//! Events as they come in, and the payloads of failures as they go out.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use serde_json::json;
use uuid::Uuid;

use super::refusal::Refusal;
use crate::invocation::InvocationError;

/// `X-Amz-Function-Error` and `ErrorCode` of whatever fails a function (source: AWS API reference "Invoke").
pub(super) const UNHANDLED: &str = "Unhandled";

/// Reads the body. One that is too large is read on, up to `read_limit`, and dropped.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    read_limit: usize,
) -> Result<Bytes, Refusal> {
    let (mut event, mut size) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Body(error.to_string()))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        size = size.saturating_add(data.len());
        if size > read_limit {
            break;
        }
        if size <= limit {
            event.extend_from_slice(data);
        }
    }
    if size > limit {
        return Err(Refusal::TooLarge { limit });
    }
    Ok(event.freeze())
}

/// The event: JSON, and an empty object where nothing was sent.
pub(super) fn json(event: Bytes) -> Result<Bytes, Refusal> {
    if event.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&event) {
        Ok(_) => Ok(event),
        Err(error) => Err(Refusal::NoJson(error.to_string())),
    }
}

/// What the caller gets in place of a result: what the runtime reported as it is, else the platform's words
/// (source: RIE `internal/lambda/rie/handlers.go`; texts are common experience).
pub(super) fn of_error(error: &InvocationError, request_id: Uuid) -> Bytes {
    let message = |text: String| format!("RequestId: {request_id} Error: {text}");
    let told = match error {
        InvocationError::Function(reported) if !reported.payload.is_empty() => {
            return reported.payload.clone();
        }
        InvocationError::Function(reported) => json!({
            "errorType": reported.error_type,
            "errorMessage": reported.message,
        }),
        InvocationError::TimedOut(limit) => json!({
            "errorType": "Sandbox.Timedout",
            "errorMessage": message(format!("Task timed out after {:.2} seconds", limit.as_secs_f64())),
        }),
        InvocationError::TooLarge { limit } => json!({
            "errorType": error.error_type(),
            "errorMessage": format!("Response payload size exceeded maximum allowed payload size ({limit} bytes)."),
        }),
        other => json!({
            "errorType": other.error_type(),
            "errorMessage": message(other.to_string()),
        }),
    };
    told.to_string().into()
}
