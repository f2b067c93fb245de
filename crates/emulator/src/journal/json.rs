// SPDX-License-Identifier: Apache-2.0
//! Entries as JSON objects, for scripts. Their form is a promise: `docs/local-lambda.md`, "Events as JSON".

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{Access, AccessEnd, Entry, LogSource};
use crate::clock::{epoch_millis, millis, rfc3339_millis};

impl Entry {
    /// The object, with `event` and `time` before all else that it has.
    pub(super) fn to_json(&self, now: SystemTime) -> Value {
        let (event, mut object) = self.members();
        object["event"] = json!(event);
        object["time"] = json!(rfc3339_millis(epoch_millis(now)));
        if let Some(members) = object.as_object_mut() {
            // What does not apply is left out.
            members.retain(|_, value| !value.is_null());
        }
        object
    }

    #[expect(clippy::too_many_lines, reason = "a table, with an arm for each entry")]
    fn members(&self) -> (&'static str, Value) {
        match self {
            Self::InitStart { runtime, phase } => (
                "init_start",
                json!({ "runtime": runtime, "phase": phase.to_string() }),
            ),
            Self::InitDone {
                duration, phase, ..
            } => (
                "init_end",
                json!({
                    "status": "success",
                    "phase": phase.to_string(),
                    "duration_ms": millis(*duration),
                }),
            ),
            Self::InitFailed {
                duration,
                phase,
                error_type,
                message,
            } => (
                "init_end",
                json!({
                    "status": "error",
                    "phase": phase.to_string(),
                    "duration_ms": millis(*duration),
                    "error_type": error_type,
                    "message": message,
                }),
            ),
            Self::ExtensionRegistered { name, kind, events } => (
                "extension",
                json!({ "name": name, "kind": kind, "events": events }),
            ),
            Self::TelemetrySubscribed { name, types } => (
                "telemetry_subscription",
                json!({ "name": name, "types": types }),
            ),
            Self::Log {
                source,
                stream,
                line,
            } => {
                let (source, name) = match source {
                    LogSource::Function => ("function", None),
                    LogSource::Extension(name) => ("extension", Some(name)),
                };
                (
                    "log",
                    json!({
                        "source": source,
                        "name": name,
                        "stream": stream.to_string(),
                        "line": line,
                    }),
                )
            }
            Self::Start { request_id, .. } => {
                ("invocation_start", json!({ "request_id": request_id }))
            }
            Self::RuntimeDone {
                request_id,
                duration,
                latency,
                response,
                bytes,
                status,
            } => (
                "runtime_done",
                json!({
                    "request_id": request_id,
                    "status": status_word(status.as_deref()),
                    "error_type": error_type(status.as_deref()),
                    "duration_ms": millis(*duration),
                    "first_byte_ms": latency.map(millis),
                    "response_ms": response.map(millis),
                    "bytes": bytes,
                }),
            ),
            Self::Report {
                request_id,
                duration,
                init,
                status,
                ..
            } => (
                "invocation_end",
                json!({
                    "request_id": request_id,
                    "status": status_word(status.as_deref()),
                    "error_type": error_type(status.as_deref()),
                    "duration_ms": millis(*duration),
                    "init_ms": init.map(millis),
                }),
            ),
            Self::InvocationFailed { request_id, error } => (
                "invocation_error",
                json!({
                    "request_id": request_id,
                    "error_type": error.error_type(),
                    "message": error.to_string(),
                }),
            ),
            Self::StreamError { request_id, error } => (
                "invocation_error",
                json!({
                    "request_id": request_id,
                    "error_type": error.error_type,
                    "message": error.message,
                }),
            ),
            Self::BadAnswer { request_id, reason } => (
                "invocation_error",
                json!({ "request_id": request_id, "message": reason }),
            ),
            Self::Retry {
                request_id,
                attempt,
                after,
            } => (
                "retry",
                json!({ "request_id": request_id, "attempt": attempt, "after_ms": millis(*after) }),
            ),
            Self::Access(access) => ("request", access.members()),
            Self::Restart { reason } => ("restart", json!({ "reason": reason })),
            Self::Stopping { reason, message } => {
                ("shutdown", json!({ "reason": reason, "message": message }))
            }
            // Nobody has asked to tell these apart.
            other => ("note", json!({ "text": other.to_string() })),
        }
    }
}

impl Access {
    fn members(&self) -> Value {
        let (end, message) = match &self.end {
            AccessEnd::Complete => ("complete", None),
            AccessEnd::FunctionError(error_type) => ("function_error", Some(error_type)),
            AccessEnd::Cut(reason) => ("cut", Some(reason)),
            AccessEnd::Refused(reason) => ("refused", Some(reason)),
            AccessEnd::ClientGone => ("client_gone", None),
        };
        json!({
            "request_id": self.request_id,
            "method": self.method,
            "target": self.target,
            "status": self.status,
            "first_byte_ms": self.first_byte.map(millis),
            "duration_ms": millis(self.duration),
            "bytes": self.bytes,
            "end": end,
            "message": message,
        })
    }
}

fn status_word(status: Option<&str>) -> &'static str {
    match status {
        None => "success",
        Some("timeout") => "timeout",
        Some(_) => "error",
    }
}

fn error_type(status: Option<&str>) -> Option<&str> {
    status.filter(|status| *status != "timeout")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_entry_is_an_object_without_what_does_not_apply() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_783_670_400_123);
        let report = Entry::Report {
            request_id: "a".to_owned(),
            duration: Duration::from_micros(1500),
            memory_mb: 128,
            max_memory_mb: None,
            init: None,
            status: Some("Runtime.ExitError".to_owned()),
        };
        assert_eq!(
            report.to_json(now),
            json!({
                "event": "invocation_end",
                "time": "2026-07-10T08:00:00.123Z",
                "request_id": "a",
                "status": "error",
                "error_type": "Runtime.ExitError",
                "duration_ms": 1.5,
            })
        );
        let other = Entry::RestoreStart.to_json(now);
        assert_eq!(
            (&other["event"], &other["text"]),
            (&json!("note"), &json!("RESTORE_START"))
        );
    }
}
