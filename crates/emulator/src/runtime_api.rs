// SPDX-License-Identifier: Apache-2.0
//! The Runtime API, version 2018-06-01; other paths of its address go to the Extensions API.
//!
//! Translates calls into transitions of [`State`] and moves response bodies to whoever waits for them. It knows no
//! front: what the pieces of a response mean is for the front to find out. A body is always read to its end, even if
//! nobody wants it any more, as the service does (source: AWS page "Response streaming for Lambda functions").

mod response;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};

use crate::environment::Shared;
use crate::extensions_api;
use crate::faults::{CallBody, Ending};
use crate::invocation::{Answer, InvocationError, ReportedError};
use crate::journal::Entry;
use crate::state::{Open, Refusal, RuntimeCall, State};
use crate::telemetry;
use crate::wire::{self, ApiResponse};

/// Largest body of a report (source: RIE-LMI `rapi/`, 1 MiB for control-plane bodies).
const REPORT_LIMIT: usize = 1024 * 1024;

const INIT_ERROR: &str = "/runtime/init/error";
const RESTORE_ERROR: &str = "/runtime/restore/error";
const CREDENTIALS_PATH: &str = "/2021-04-23/credentials";

/// How long the end of another connection of the runtime may take to be noticed.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(20);

/// The connection is to be dropped without an answer, as the environment is going away.
#[derive(Debug)]
pub(crate) struct Dropped;

impl From<Dropped> for Ending {
    fn from(Dropped: Dropped) -> Self {
        Self::Dropped
    }
}

/// Answers a call of either API.
pub(crate) async fn dispatch(
    shared: &Arc<Shared>,
    request: Request<CallBody>,
) -> Result<ApiResponse, Dropped> {
    let path = request.uri().path().to_owned();
    if let Some(rest) = path.strip_prefix("/2020-01-01/extension/") {
        return Ok(extensions_api::route(shared, rest, request).await);
    }
    // With or without a slash at its end: the documentation has both.
    match path.trim_end_matches('/') {
        telemetry::TELEMETRY_PATH => return Ok(telemetry::subscribe(shared, request).await),
        telemetry::LOGS_PATH => return Ok(telemetry::logs(request.method())),
        _ => {}
    }
    if path == CREDENTIALS_PATH {
        return Ok(credentials(shared, request.headers()));
    }
    let Some(rest) = path.strip_prefix("/2018-06-01/") else {
        return Ok(wire::no_such_route(StatusCode::NOT_FOUND));
    };
    let (method, call) = match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["ping"] => (Method::GET, Call::Ping),
        ["runtime", "invocation", "next"] => (Method::GET, Call::Next),
        ["runtime", "invocation", id, "response"] => {
            (Method::POST, Call::Response((*id).to_owned()))
        }
        ["runtime", "invocation", id, "error"] => (Method::POST, Call::Error((*id).to_owned())),
        ["runtime", "init", "error"] => (Method::POST, Call::InitError),
        ["runtime", "restore", "next"] if shared.has_restore() => (Method::GET, Call::RestoreNext),
        ["runtime", "restore", "error"] if shared.has_restore() => {
            (Method::POST, Call::RestoreError)
        }
        _ => return Ok(wire::no_such_route(StatusCode::NOT_FOUND)),
    };
    if request.method() != method {
        return Ok(wire::no_such_route(StatusCode::METHOD_NOT_ALLOWED));
    }
    match call {
        Call::Ping => Ok(Response::new(Full::from("pong"))),
        Call::Next => Ok(next(shared).await),
        Call::Response(id) => response::respond(shared, &id, request).await,
        Call::Error(id) => Ok(error(shared, &id, request).await),
        Call::InitError => Ok(init_error(shared, request).await),
        Call::RestoreNext => Ok(restore_next(shared).await),
        Call::RestoreError => Ok(restore_error(shared, request, RESTORE_ERROR).await),
    }
}

enum Call {
    Ping,
    Next,
    Response(String),
    Error(String),
    InitError,
    RestoreNext,
    RestoreError,
}

async fn next(shared: &Shared) -> ApiResponse {
    // A runtime that broke its POST off and polls at once: what it did first is to be seen first. A response that is
    // really under way gets the refusal all the same.
    let settled = shared.until(|state| !state.is_responding());
    let _ = tokio::time::timeout(SETTLE_TIMEOUT, settled).await;
    if let Err(refusal) = shared.apply(State::next) {
        return refuse(&refusal);
    }
    let _waiting = Waiting(shared);
    shared
        .poll(|state| state.deliver().map(|open| event(shared, open)))
        .await
}

/// A poll that waits; it is over when it is answered, or dropped with its connection.
struct Waiting<'a>(&'a Shared);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let _ = self.0.apply(State::poll_over);
    }
}

/// The answer to `next`: the event, and what Lambda tells about it in headers.
fn event(shared: &Shared, open: &Open) -> ApiResponse {
    let mut response = Response::new(Full::from(open.event.clone()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    for (name, value) in [
        (wire::REQUEST_ID, open.request_id.to_string()),
        (wire::DEADLINE_MS, open.deadline_ms.to_string()),
        (wire::FUNCTION_ARN, open.context.arn(&shared.function_arn)),
        (wire::TRACE_ID, open.trace_id.clone()),
        (wire::INVOCATION_ID, open.attempt_id.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    for (name, value) in [
        (wire::CLIENT_CONTEXT, &open.context.client_context),
        (wire::TENANT_ID, &open.context.tenant_id),
    ] {
        // Text beyond ASCII goes as its bytes, as from the service.
        if let Some(value) = value
            && let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
        {
            headers.insert(name, value);
        }
    }
    response
}

async fn error(shared: &Shared, request_id: &str, request: Request<CallBody>) -> ApiResponse {
    let (head, body) = request.into_parts();
    let accepted = match shared.accept(RuntimeCall::Error, request_id, echo(&head.headers)) {
        Ok(accepted) => accepted,
        Err(refusal) => return refuse(&refusal),
    };
    let error = report(&head.headers, &wire::ERROR_TYPE, body).await;
    let error = ReportedError {
        error_type: category(&error.error_type),
        ..error
    };
    // The front may have gone; the call is taken all the same.
    let _ = accepted
        .reply_to
        .send(Answer::Failed(InvocationError::Function(error.clone())));
    shared.journal.write(&Entry::InvocationFailed {
        request_id: request_id.to_owned(),
        error: InvocationError::Function(error),
    });
    match shared.apply(|state| state.sent(accepted.sequence)) {
        Ok(()) => wire::accepted(),
        Err(refusal) => refuse(&refusal),
    }
}

async fn init_error(shared: &Shared, request: Request<CallBody>) -> ApiResponse {
    if shared.peek(State::is_restoring) {
        return restore_error(shared, request, INIT_ERROR).await;
    }
    let (head, body) = request.into_parts();
    let error = report(&head.headers, &wire::ERROR_TYPE, body).await;
    shared.journal.write(&Entry::Reported {
        call: INIT_ERROR,
        error: error.clone(),
    });
    match shared.apply(|state| state.runtime_init_error(error)) {
        Ok(()) => wire::accepted(),
        Err(refusal) => refuse(&refusal),
    }
}

async fn restore_next(shared: &Shared) -> ApiResponse {
    if let Err(refusal) = shared.apply(State::restore_next) {
        return refuse(&refusal);
    }
    shared.until(State::is_restored).await;
    Response::new(Full::default())
}

async fn restore_error(
    shared: &Shared,
    request: Request<CallBody>,
    call: &'static str,
) -> ApiResponse {
    let (head, body) = request.into_parts();
    let error = report(&head.headers, &wire::ERROR_TYPE, body).await;
    let error = ReportedError {
        error_type: category(&error.error_type),
        ..error
    };
    shared.journal.write(&Entry::Reported {
        call,
        error: error.clone(),
    });
    match shared.apply(|state| state.restore_error(error)) {
        Ok(()) => wire::accepted(),
        Err(refusal) => refuse(&refusal),
    }
}

/// What stands for credentials among the variables where there is a snapshot
/// (source: RIE `internal/lambda/rapi/handler/credentials.go`).
fn credentials(shared: &Shared, headers: &http::HeaderMap) -> ApiResponse {
    let told = shared.credentials.as_ref().and_then(|credentials| {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        credentials.told_to(token, SystemTime::now())
    });
    match told {
        Some(told) => wire::json_response(StatusCode::OK, &told),
        None => wire::no_such_route(StatusCode::NOT_FOUND),
    }
}

/// Reads the report of an error: its type from the header, the rest from the body.
pub(crate) async fn report(
    headers: &http::HeaderMap,
    type_header: &http::HeaderName,
    body: CallBody,
) -> ReportedError {
    let body = Limited::new(body, REPORT_LIMIT)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    ReportedError::from_body(
        headers
            .get(type_header)
            .and_then(|value| value.to_str().ok()),
        &body.unwrap_or_else(|_| Bytes::from_static(b"the report could not be read")),
    )
}

/// The form under which the platform logs an error type (source: RIE `internal/lambda/fatalerror/fatalerror.go`).
fn category(error_type: &str) -> String {
    let well_formed = |rest: &str| {
        rest.starts_with(|first: char| first.is_ascii_uppercase())
            && rest.chars().all(|c| c.is_ascii_alphabetic())
    };
    match error_type.split_once('.') {
        Some(("Runtime" | "Function", rest)) if well_formed(rest) => error_type.to_owned(),
        Some(("Runtime", _)) => "Runtime.Unknown".to_owned(),
        _ => "Function.Unknown".to_owned(),
    }
}

fn echo(headers: &http::HeaderMap) -> Option<&str> {
    headers
        .get(wire::INVOCATION_ID)
        .and_then(|value| value.to_str().ok())
}

fn refuse(refusal: &Refusal) -> ApiResponse {
    let (status, error_type) = match refusal {
        // Source for the second: RIE-LMI `rapi/handler/invocationresponse.go`.
        Refusal::RequestId(_) | Refusal::Answered(_) => {
            (StatusCode::BAD_REQUEST, "InvalidRequestID")
        }
        Refusal::Transition { .. } => (StatusCode::FORBIDDEN, "InvalidStateTransition"),
        // Source: aws-lambda-rust-runtime PR #1159; the error type is RIE-LMI's for a late answer.
        Refusal::Stale(_) | Refusal::Late(_) => (StatusCode::GONE, "InvokeTimeout"),
        // Source: RIE-LMI `rapi/handler/invocationnext.go`.
        Refusal::TooManyPolls(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
    };
    wire::refused(status, error_type, &refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_types_are_logged_in_the_platforms_form() {
        for (reported, logged) in [
            ("Runtime.StreamError", "Runtime.StreamError"),
            ("Function.Bad", "Function.Bad"),
            ("Runtime.x", "Runtime.Unknown"),
            ("Runtime.Two Words", "Runtime.Unknown"),
            ("unhandled", "Function.Unknown"),
            ("", "Function.Unknown"),
        ] {
            assert_eq!(category(reported), logged, "{reported}");
        }
    }
}
