// SPDX-License-Identifier: Apache-2.0
//! Names of the Runtime API, each in one place.

use http::{HeaderName, HeaderValue};

pub(crate) const NEXT: &str = "/2018-06-01/runtime/invocation/next";
pub(crate) const RESTORE_NEXT: &str = "/2018-06-01/runtime/restore/next";
pub(crate) const RESTORE_ERROR: &str = "/2018-06-01/runtime/restore/error";
pub(crate) const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";

pub(crate) fn response(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/response")
}

pub(crate) fn error(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/error")
}

/// RFC 3986, section 2.3.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
pub(crate) const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
pub(crate) const FUNCTION_ARN: HeaderName =
    HeaderName::from_static("lambda-runtime-invoked-function-arn");
pub(crate) const CLIENT_CONTEXT: HeaderName =
    HeaderName::from_static("lambda-runtime-client-context");
pub(crate) const COGNITO_IDENTITY: HeaderName =
    HeaderName::from_static("lambda-runtime-cognito-identity");
pub(crate) const TENANT_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-tenant-id");
pub(crate) const INVOCATION_ID: HeaderName =
    HeaderName::from_static("lambda-runtime-invocation-id");
pub(crate) const RESPONSE_MODE: HeaderName =
    HeaderName::from_static("lambda-runtime-function-response-mode");
pub(crate) const ERROR_TYPE: HeaderName =
    HeaderName::from_static("lambda-runtime-function-error-type");
pub(crate) const ERROR_BODY: HeaderName =
    HeaderName::from_static("lambda-runtime-function-error-body");

pub(crate) const STREAMING: HeaderValue = HeaderValue::from_static("streaming");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Tells the front that the body begins with a prelude.
pub(crate) const HTTP_INTEGRATION: HeaderValue =
    HeaderValue::from_static("application/vnd.awslambda.http-integration-response");
/// Declared with every streamed reply: whether it will fail is not known yet.
pub(crate) const ERROR_TRAILERS: HeaderValue = HeaderValue::from_static(
    "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
);
