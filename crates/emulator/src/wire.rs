// SPDX-License-Identifier: Apache-2.0
//! Names and answers that the Runtime API and the Extensions API share.
//!
//! Bodies and statuses follow AWS's Runtime Interface Emulator, `internal/lambda/rapi/rendering/render_error.go`.

use bytes::Bytes;
use http::{HeaderName, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
pub(crate) const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
pub(crate) const FUNCTION_ARN: HeaderName =
    HeaderName::from_static("lambda-runtime-invoked-function-arn");
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
pub(crate) const INVOCATION_ID: HeaderName =
    HeaderName::from_static("lambda-runtime-invocation-id");
pub(crate) const CLIENT_CONTEXT: HeaderName =
    HeaderName::from_static("lambda-runtime-client-context");
pub(crate) const TENANT_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-tenant-id");
pub(crate) const RESPONSE_MODE: HeaderName =
    HeaderName::from_static("lambda-runtime-function-response-mode");
pub(crate) const ERROR_TYPE: HeaderName =
    HeaderName::from_static("lambda-runtime-function-error-type");
pub(crate) const ERROR_BODY: HeaderName =
    HeaderName::from_static("lambda-runtime-function-error-body");
pub(crate) const EXTENSION_NAME: HeaderName = HeaderName::from_static("lambda-extension-name");
pub(crate) const EXTENSION_ID: HeaderName = HeaderName::from_static("lambda-extension-identifier");
pub(crate) const EXTENSION_EVENT_ID: HeaderName =
    HeaderName::from_static("lambda-extension-event-identifier");
pub(crate) const EXTENSION_FEATURES: HeaderName =
    HeaderName::from_static("lambda-extension-accept-feature");
pub(crate) const EXTENSION_ERROR_TYPE: HeaderName =
    HeaderName::from_static("lambda-extension-function-error-type");

/// What a handler of either API gives back.
pub(crate) type ApiResponse = Response<Full<Bytes>>;

/// A JSON answer.
pub(crate) fn json_response(status: StatusCode, body: &serde_json::Value) -> ApiResponse {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> ApiResponse {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// The answer to a POST that was taken.
pub(crate) fn accepted() -> ApiResponse {
    json_response(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

/// The answer to a call that was refused.
pub(crate) fn refused(
    status: StatusCode,
    error_type: &str,
    message: &dyn std::fmt::Display,
) -> ApiResponse {
    json_response(
        status,
        &json!({ "errorType": error_type, "errorMessage": message.to_string() }),
    )
}

/// The answer to a path or a method that the API does not have.
pub(crate) fn no_such_route(status: StatusCode) -> ApiResponse {
    let mut response = Response::new(Full::from("404 page not found\n"));
    *response.status_mut() = status;
    response
}
