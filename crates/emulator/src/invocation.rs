// SPDX-License-Identifier: Apache-2.0
//! One invocation on its way from a front to the environment, and its answer on the way back.
//!
//! A front hands over an [`Invocation`] and waits for one [`Answer`]. A streamed answer brings the receiving end of a
//! hand-over that holds a single piece, so the function can never be ahead of the client by more than that piece and
//! the socket buffers.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::settings::InvokeMode;

/// An event with what Lambda knows about it.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) request_id: Uuid,
    /// The nonce of one attempt, `Lambda-Runtime-Invocation-Id`.
    pub(crate) attempt_id: Uuid,
    pub(crate) trace_id: String,
    pub(crate) event: Bytes,
    pub(crate) mode: InvokeMode,
    pub(crate) context: CallerContext,
    pub(crate) reply_to: oneshot::Sender<Answer>,
    /// Gets the end of the invocation's log when the environment is done with it.
    pub(crate) log: Option<oneshot::Sender<Bytes>>,
    /// Dropped when the environment is done with the invocation.
    pub(crate) guard: Option<oneshot::Sender<Infallible>>,
}

/// What a caller of the Invoke APIs says beside the event; the other front ends say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallerContext {
    /// Version or alias by which the function was called; the ARN that the function is told ends with it.
    pub(crate) qualifier: Option<String>,
    /// JSON of `X-Amz-Client-Context`, decoded.
    pub(crate) client_context: Option<String>,
    /// `X-Amz-Tenant-Id`.
    pub(crate) tenant_id: Option<String>,
}

impl CallerContext {
    /// The ARN by which the function was invoked.
    pub(crate) fn arn(&self, function_arn: &str) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{function_arn}:{qualifier}"),
            None => function_arn.to_owned(),
        }
    }
}

/// What the function made of an invocation.
#[derive(Debug)]
pub(crate) enum Answer {
    /// `POST …/response` to a streaming front: pieces as they come.
    Stream {
        content_type: Option<String>,
        pieces: mpsc::Receiver<Piece>,
    },
    /// `POST …/response` to a buffered front: all of it.
    Payload { body: Bytes },
    /// No usable response; the front answers 502.
    Failed(InvocationError),
}

/// One step of a streamed answer.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    End(StreamEnd),
}

/// How a streamed answer ended; a hand-over that closes without saying so was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    Complete,
    /// The function ended the stream with error trailers.
    Trailers(ReportedError),
    /// The stream stops here without a proper end.
    Cut(InvocationError),
}

/// An error as a runtime or an extension reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedError {
    /// The error type, such as `Runtime.StreamError`.
    pub error_type: String,
    /// `errorMessage` of the reported body, or the body itself where it has none.
    pub message: String,
    /// The body as it was reported, which a caller of the Invoke APIs gets.
    pub payload: Bytes,
}

impl ReportedError {
    /// Reads the body of an error report, `{"errorMessage": …, "errorType": …}`; the header's type wins.
    pub(crate) fn from_body(header_type: Option<&str>, body: &[u8]) -> Self {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let member = |name: &str| {
            json.get(name)
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
        };
        Self {
            error_type: header_type
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .or_else(|| member("errorType"))
                .unwrap_or_else(|| "Unknown".to_owned()),
            message: member("errorMessage")
                .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
            payload: Bytes::copy_from_slice(body),
        }
    }
}

impl fmt::Display for ReportedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)
    }
}

/// Why an invocation brought no usable response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvocationError {
    /// The runtime posted to `…/error`.
    #[error("{}", .0.message)]
    Function(ReportedError),
    /// An event above the limit (source: AWS page "Lambda quotas"); the function never saw it.
    #[error("event of {size} bytes is larger than {limit} bytes")]
    EventTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// No environment was free and there may be no more of them; the function never saw the event
    /// (source: AWS API reference "Invoke", `TooManyRequestsException`).
    #[error("Rate Exceeded.")]
    Throttled,
    /// A response above the limit of its kind (source: AWS page "Lambda quotas").
    #[error("response larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// `Lambda-Runtime-Function-Response-Mode` was neither absent nor `streaming`.
    #[error("invalid Lambda-Runtime-Function-Response-Mode {0:?}")]
    ResponseMode(String),
    /// The POST of the response broke off.
    #[error("the runtime's POST of the response broke off")]
    Truncated,
    /// The function's timeout passed.
    #[error("task timed out after {:.2} seconds", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The environment came to an end.
    #[error("{message}")]
    Environment {
        /// The platform's error type.
        error_type: String,
        /// What ended it.
        message: String,
    },
}

impl InvocationError {
    /// The end of an environment that nobody asked for by name.
    pub(crate) fn sandbox_failure(message: &str) -> Self {
        Self::Environment {
            error_type: "Sandbox.Failure".to_owned(),
            message: message.to_owned(),
        }
    }

    /// Type and message on one line.
    pub(crate) fn line(&self) -> String {
        format!("{}: {self}", self.error_type())
    }

    /// The platform's name for it, as in a REPORT line (source: RIE `internal/lambda/fatalerror/fatalerror.go`).
    #[must_use]
    pub fn error_type(&self) -> &str {
        match self {
            Self::Function(error) => &error.error_type,
            Self::EventTooLarge { .. } => "RequestTooLargeException",
            Self::Throttled => "TooManyRequestsException",
            Self::TooLarge { .. } => "Function.ResponseSizeTooLarge",
            Self::ResponseMode(_) => "Runtime.InvalidResponseModeHeader",
            Self::Truncated => "Runtime.TruncatedResponse",
            Self::TimedOut(_) => "Sandbox.Timeout",
            Self::Environment { error_type, .. } => error_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reported_error_keeps_type_and_message() {
        let body = br#"{"errorMessage":"app broke","errorType":"Inner"}"#;
        assert_eq!(
            ReportedError::from_body(Some("Runtime.X"), body).to_string(),
            "Runtime.X: app broke"
        );
        assert_eq!(
            ReportedError::from_body(None, body).to_string(),
            "Inner: app broke"
        );
        assert_eq!(
            ReportedError::from_body(None, b"plain").to_string(),
            "Unknown: plain"
        );
    }
}
