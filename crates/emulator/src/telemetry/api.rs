// SPDX-License-Identifier: Apache-2.0
//! `PUT /2022-07-01/telemetry`, and the older Logs API, which is not there.

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use uuid::Uuid;

use super::subscription::Subscription;
use crate::environment::Shared;
use crate::faults::CallBody;
use crate::journal::Entry;
use crate::wire::{self, ApiResponse};

/// Path of the Telemetry API.
pub(crate) const TELEMETRY_PATH: &str = "/2022-07-01/telemetry";
/// Path of the Logs API.
pub(crate) const LOGS_PATH: &str = "/2020-08-15/logs";

const BODY_LIMIT: usize = 1024 * 1024;

/// Answers a subscription. Errors are those of AWS's Runtime Interface Emulator
/// (`internal/lambda/rapi/handler/runtimetelemetry.go`), statuses those of AWS page "Lambda Telemetry API reference".
pub(crate) async fn subscribe(shared: &Shared, request: Request<CallBody>) -> ApiResponse {
    if request.method() != Method::PUT {
        return wire::no_such_route(StatusCode::METHOD_NOT_ALLOWED);
    }
    let (head, body) = request.into_parts();
    let name = match extension(shared, &head.headers) {
        Ok(name) => name,
        Err((error_type, message)) => {
            return wire::refused(StatusCode::FORBIDDEN, error_type, &message);
        }
    };
    let invalid = |reason: &dyn std::fmt::Display| {
        wire::refused(StatusCode::BAD_REQUEST, "ValidationError", reason)
    };
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return invalid(&error),
    };
    let subscription = match Subscription::parse(&body) {
        Ok(subscription) => subscription,
        Err(error) => return invalid(&error),
    };
    if !shared
        .telemetry
        .subscribe(&name, &subscription, &shared.journal)
    {
        return wire::refused(
            StatusCode::FORBIDDEN,
            "Telemetry.SubscriptionClosed",
            &"Telemetry API subscription is closed already",
        );
    }
    shared.journal.write(&Entry::TelemetrySubscribed {
        name,
        types: subscription.types(),
    });
    Response::new(Full::from("OK"))
}

/// The Logs API as where it is not supported: taken, and not carried out
/// (source: RIE `internal/lambda/rapi/handler/runtimelogs_stub.go`).
pub(crate) fn logs(method: &Method) -> ApiResponse {
    if *method != Method::PUT {
        return wire::no_such_route(StatusCode::METHOD_NOT_ALLOWED);
    }
    wire::refused(
        StatusCode::ACCEPTED,
        "Logs.NotSupported",
        &"Logs API is not supported",
    )
}

/// The name of the extension that calls.
fn extension(shared: &Shared, headers: &HeaderMap) -> Result<String, (&'static str, String)> {
    let given = headers
        .get(wire::EXTENSION_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty())
        .ok_or((
            "Extension.MissingExtensionIdentifier",
            "missing Lambda-Extension-Identifier header".to_owned(),
        ))?;
    let id = Uuid::parse_str(given).map_err(|_| {
        (
            "Extension.InvalidExtensionIdentifier",
            format!("invalid Lambda-Extension-Identifier {given:?}"),
        )
    })?;
    let name = shared.peek(|state| {
        let mut registered = state.registered();
        registered
            .find(|extension| extension.id == id)
            .map(|extension| extension.name.clone())
    });
    name.ok_or((
        "Extension.UnknownExtensionIdentifier",
        format!("unknown extension identifier {id}"),
    ))
}
