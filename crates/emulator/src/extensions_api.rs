// SPDX-License-Identifier: Apache-2.0
//! The Extensions API, version 2020-01-01.
//!
//! Translates calls into transitions of `state`. All client errors are 403 with a typed body, as in AWS's Runtime
//! Interface Emulator (`internal/lambda/rapi/handler/agent*.go`).

use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::environment::Shared;
use crate::fault::Fault;
use crate::faults::CallBody;
use crate::journal::Entry;
use crate::runtime_api::report;
use crate::settings::ACCOUNT_ID;
use crate::state::{EventKind, ExtensionEvent, RegisterError};
use crate::wire::{self, ApiResponse};

const REGISTER_LIMIT: usize = 1024 * 1024;

/// Answers a call; `path` is what follows `/2020-01-01/extension/`.
pub(crate) async fn route(
    shared: &Arc<Shared>,
    path: &str,
    request: Request<CallBody>,
) -> ApiResponse {
    let method = match path {
        "register" | "init/error" | "exit/error" => Method::POST,
        "event/next" => Method::GET,
        _ => return wire::no_such_route(StatusCode::NOT_FOUND),
    };
    if *request.method() != method {
        return wire::no_such_route(StatusCode::METHOD_NOT_ALLOWED);
    }
    let answer = match path {
        "register" => register(shared, request).await,
        "event/next" => next(shared, &request).await,
        "init/error" => error(shared, request, ErrorCall::Init).await,
        _ => error(shared, request, ErrorCall::Exit).await,
    };
    answer.unwrap_or_else(|refusal| {
        wire::refused(StatusCode::FORBIDDEN, refusal.error_type(), &refusal)
    })
}

/// Why a call was refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("empty extension name")]
    Name,
    #[error("register request is not as expected: {0}")]
    Format(String),
    #[error("{0:?} is no event type, expected INVOKE or SHUTDOWN")]
    EventType(String),
    #[error("missing Lambda-Extension-Identifier header")]
    MissingIdentifier,
    #[error("invalid Lambda-Extension-Identifier {0:?}")]
    InvalidIdentifier(String),
    #[error("missing Lambda-Extension-Function-Error-Type header")]
    MissingHeader,
    #[error(transparent)]
    State(#[from] RegisterError),
}

impl Refusal {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Name => "Extension.InvalidExtensionName",
            Self::Format(_) => "InvalidRequestFormat",
            Self::EventType(_)
            | Self::State(RegisterError::InternalShutdown(_) | RegisterError::ManagedEvent(_)) => {
                "Extension.InvalidEventType"
            }
            Self::MissingIdentifier => "Extension.MissingExtensionIdentifier",
            Self::InvalidIdentifier(_) => "Extension.InvalidExtensionIdentifier",
            Self::MissingHeader => "Extension.MissingHeader",
            Self::State(RegisterError::State { .. } | RegisterError::Taken(_)) => {
                "Extension.InvalidExtensionState"
            }
            Self::State(RegisterError::Closed) => "Extension.RegistrationClosed",
            Self::State(RegisterError::TooMany) => "Extension.TooManyExtensions",
            Self::State(RegisterError::Unknown(_)) => "Extension.UnknownExtensionIdentifier",
        }
    }
}

async fn register(shared: &Shared, request: Request<CallBody>) -> Result<ApiResponse, Refusal> {
    let (head, body) = request.into_parts();
    let name = text(&head.headers, &wire::EXTENSION_NAME)
        .filter(|name| !name.is_empty())
        .ok_or(Refusal::Name)?;
    let body = Limited::new(body, REGISTER_LIMIT)
        .collect()
        .await
        .map_err(|error| Refusal::Format(error.to_string()))?;
    let (labels, events) = requested_events(&body.to_bytes())?;
    let id = shared.apply(|state| state.register(&name, events))?;
    let kind = if shared.is_external(&name) {
        "external"
    } else {
        "internal"
    };
    shared.journal.write(&Entry::ExtensionRegistered {
        name,
        kind,
        events: labels,
    });
    let mut answer = json!({
        "functionName": shared.function_name,
        "functionVersion": "$LATEST",
        "handler": shared.handler,
    });
    let features = text(&head.headers, &wire::EXTENSION_FEATURES).unwrap_or_default();
    if features
        .split(',')
        .any(|feature| feature.trim() == "accountId")
    {
        answer["accountId"] = json!(ACCOUNT_ID);
    }
    let mut response = wire::json_response(StatusCode::OK, &answer);
    set(&mut response, wire::EXTENSION_ID, id);
    Ok(response)
}

fn requested_events(body: &[u8]) -> Result<(Vec<String>, Vec<EventKind>), Refusal> {
    let request: Value =
        serde_json::from_slice(body).map_err(|error| Refusal::Format(error.to_string()))?;
    if !request.is_object() {
        return Err(Refusal::Format("not a JSON object".to_owned()));
    }
    if request
        .get("configurationKeys")
        .and_then(Value::as_array)
        .is_some_and(|keys| !keys.is_empty())
    {
        return Err(Refusal::Format(
            "configurationKeys are deprecated".to_owned(),
        ));
    }
    let labels = match request.get("events") {
        None | Some(Value::Null) => Vec::new(),
        Some(events) => events
            .as_array()
            .and_then(|events| {
                events
                    .iter()
                    .map(|event| event.as_str().map(str::to_owned))
                    .collect()
            })
            .ok_or_else(|| Refusal::Format("events is not a list of strings".to_owned()))?,
    };
    let events = labels
        .iter()
        .map(|label| match label.as_str() {
            "INVOKE" => Ok(EventKind::Invoke),
            "SHUTDOWN" => Ok(EventKind::Shutdown),
            other => Err(Refusal::EventType(other.to_owned())),
        })
        .collect::<Result<_, _>>()?;
    Ok((labels, events))
}

async fn next(shared: &Shared, request: &Request<CallBody>) -> Result<ApiResponse, Refusal> {
    let id = identifier(request.headers())?;
    shared.apply(|state| state.extension_next(id))?;
    let event = shared
        .poll(|state| state.deliver_to(id).map(|event| describe(shared, &event)))
        .await;
    let mut response = wire::json_response(StatusCode::OK, &event);
    set(&mut response, wire::EXTENSION_EVENT_ID, Uuid::new_v4());
    Ok(response)
}

fn describe(shared: &Shared, event: &ExtensionEvent<'_>) -> Value {
    match event {
        ExtensionEvent::Invoke(open) => json!({
            "eventType": "INVOKE",
            "deadlineMs": open.deadline_ms,
            "requestId": open.request_id.to_string(),
            "invokedFunctionArn": open.context.arn(&shared.function_arn),
            "tracing": { "type": "X-Amzn-Trace-Id", "value": open.trace_id },
        }),
        ExtensionEvent::Shutdown(shutdown) => json!({
            "eventType": "SHUTDOWN",
            "shutdownReason": shutdown.reason,
            "deadlineMs": shutdown.deadline_ms,
        }),
    }
}

#[derive(Clone, Copy)]
enum ErrorCall {
    Init,
    Exit,
}

async fn error(
    shared: &Shared,
    request: Request<CallBody>,
    call: ErrorCall,
) -> Result<ApiResponse, Refusal> {
    let (head, body) = request.into_parts();
    let id = identifier(&head.headers)?;
    if !head.headers.contains_key(wire::EXTENSION_ERROR_TYPE) {
        return Err(Refusal::MissingHeader);
    }
    let error = report(&head.headers, &wire::EXTENSION_ERROR_TYPE, body).await;
    let journal_call = match call {
        ErrorCall::Init => "/extension/init/error",
        ErrorCall::Exit => "/extension/exit/error",
    };
    shared.journal.write(&Entry::Reported {
        call: journal_call,
        error: error.clone(),
    });
    shared.apply(|state| {
        let fault = match call {
            ErrorCall::Init => Fault::ExtensionInitError {
                name: state.extension_init_error(id)?,
                error,
            },
            ErrorCall::Exit => Fault::ExtensionExitError {
                name: state.extension_exit_error(id)?,
                error,
            },
        };
        state.fail(fault);
        Ok::<_, RegisterError>(())
    })?;
    Ok(wire::accepted())
}

fn identifier(headers: &http::HeaderMap) -> Result<Uuid, Refusal> {
    let given = text(headers, &wire::EXTENSION_ID)
        .filter(|id| !id.is_empty())
        .ok_or(Refusal::MissingIdentifier)?;
    Uuid::parse_str(&given).map_err(|_| Refusal::InvalidIdentifier(given))
}

fn text(headers: &http::HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn set(response: &mut ApiResponse, name: http::HeaderName, id: Uuid) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_a_registration_are_read_or_named() {
        for (body, expected) in [
            (r#"{"events":["INVOKE","SHUTDOWN"]}"#, Ok(2)),
            (r#"{"events":[]}"#, Ok(0)),
            ("{}", Ok(0)),
            (
                r#"{"events":["RESTORE"]}"#,
                Err("Extension.InvalidEventType"),
            ),
            (r#"{"events":"INVOKE"}"#, Err("InvalidRequestFormat")),
            (
                r#"{"events":[],"configurationKeys":["a"]}"#,
                Err("InvalidRequestFormat"),
            ),
            ("[]", Err("InvalidRequestFormat")),
            ("", Err("InvalidRequestFormat")),
        ] {
            let got = requested_events(body.as_bytes());
            assert_eq!(
                got.map(|(_, events)| events.len())
                    .map_err(|refusal| refusal.error_type()),
                expected,
                "{body}"
            );
        }
    }
}
