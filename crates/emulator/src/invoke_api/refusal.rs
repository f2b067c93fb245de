// SPDX-License-Identifier: Apache-2.0
//! The errors of the service itself, in the form that SDKs make exceptions of.
//!
//! The type is in the header `x-amzn-ErrorType`, the rest in a JSON body (source: AWS API reference "Invoke", section
//! "Errors"; texts are common experience).

use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::json;

use super::Reply;
use crate::invocation::InvocationError;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Why a call is not an invocation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "{method} {path} is no operation that is here: Invoke is POST /2015-03-31/functions/NAME/invocations, InvokeWithResponseStream POST /2021-11-15/functions/NAME/response-streaming-invocations"
    )]
    Operation { method: String, path: String },
    #[error(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {expected}"
    )]
    Constraint {
        member: &'static str,
        value: String,
        expected: String,
    },
    #[error("The derived qualifier from the function name does not match the specified qualifier.")]
    TwoQualifiers,
    #[error("Function not found: {arn} (this is {own})")]
    NoFunction { arn: String, own: String },
    #[error("Functions from '{given}' are not reachable in this region ('{own}')")]
    OtherRegion { given: String, own: String },
    #[error("Client context must be a valid Base64-encoded JSON object.")]
    ClientContext,
    #[error("Could not parse request body into json: {0}")]
    NoJson(String),
    #[error("The request body did not arrive: {0}")]
    Body(String),
    #[error("Request must be smaller than {limit} bytes for the InvokeFunction operation")]
    TooLarge { limit: usize },
    #[error("Rate Exceeded.")]
    TooMany,
    #[error("{0}")]
    Service(String),
}

impl Refusal {
    /// What the service answers where it is not the function that failed.
    pub(super) fn instead_of(error: &InvocationError) -> Option<Self> {
        match error {
            InvocationError::EventTooLarge { limit, .. } => Some(Self::TooLarge { limit: *limit }),
            InvocationError::Throttled => Some(Self::TooMany),
            InvocationError::Environment { error_type, .. } if error_type == "Sandbox.Failure" => {
                Some(Self::Service(error.to_string()))
            }
            _ => None,
        }
    }

    pub(super) fn error_type(&self) -> &'static str {
        match self {
            Self::Operation { .. } => "UnknownOperationException",
            Self::Constraint { .. } => "ValidationException",
            Self::TwoQualifiers => "InvalidParameterValueException",
            Self::NoFunction { .. } | Self::OtherRegion { .. } => "ResourceNotFoundException",
            Self::ClientContext | Self::NoJson(_) | Self::Body(_) => {
                "InvalidRequestContentException"
            }
            Self::TooLarge { .. } => "RequestTooLargeException",
            Self::TooMany => "TooManyRequestsException",
            Self::Service(_) => "ServiceException",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Operation { .. } | Self::NoFunction { .. } | Self::OtherRegion { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::Constraint { .. }
            | Self::TwoQualifiers
            | Self::ClientContext
            | Self::NoJson(_)
            | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Service(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn response(&self) -> Reply {
        let fault = match self {
            Self::Service(_) => "Server",
            _ => "User",
        };
        let mut body = json!({ "Type": fault, "Message": self.to_string() });
        if matches!(self, Self::TooMany) {
            body["Reason"] = json!("ConcurrentInvocationLimitExceeded");
        }
        let mut response = Reply::new(Full::from(body.to_string()).boxed_unsync());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(ERROR_TYPE, HeaderValue::from_static(self.error_type()));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        response
    }
}
