// SPDX-License-Identifier: Apache-2.0
//! What happened as events of schema version 2022-12-13
//! (source: AWS page "Lambda Telemetry API `Event` schema reference").

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Category, Event};
use crate::clock::{epoch_millis, millis, rfc3339_millis};
use crate::invocation::InvocationError;
use crate::journal::{Entry, LogSource};

const VERSION: &str = "$LATEST";

/// What events tell of the function.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) function_name: String,
    /// `AWS_LAMBDA_INITIALIZATION_TYPE`.
    pub(crate) initialization_type: &'static str,
    /// Whether lines that are JSON objects are sent as objects (source: same page, "function").
    pub(crate) json_logs: bool,
    pub(crate) memory_mb: u32,
}

/// The events that an entry makes, in the service's order.
#[expect(clippy::too_many_lines, reason = "a table, with an arm for each entry")]
pub(super) fn of(
    entry: &Entry,
    about: &About,
    extensions: &[(String, Vec<String>)],
    now: SystemTime,
) -> Vec<Event> {
    let platform = |kind: &str, record: Value| event(Category::Platform, kind, &record, now);
    let initialization_type = about.initialization_type;
    match entry {
        Entry::InitStart { phase, .. } => vec![platform(
            "platform.initStart",
            json!({
                "initializationType": initialization_type,
                "phase": phase.to_string(),
                "functionName": about.function_name,
                "functionVersion": VERSION,
                "instanceMaxMemory": u64::from(about.memory_mb) * 1024 * 1024,
            }),
        )],
        Entry::InitDone {
            duration, phase, ..
        } => {
            let done = json!({
                "initializationType": initialization_type,
                "phase": phase.to_string(),
                "status": "success",
            });
            let mut events = vec![platform("platform.initRuntimeDone", done.clone())];
            events.extend(extensions.iter().map(|(name, subscribed)| {
                let record = json!({ "name": name, "state": "Ready", "events": subscribed });
                platform("platform.extension", record)
            }));
            events.push(platform(
                "platform.initReport",
                with_duration(done, *duration),
            ));
            events
        }
        Entry::InitFailed {
            duration,
            phase,
            error_type,
            ..
        } => {
            let done = json!({
                "initializationType": initialization_type,
                "phase": phase.to_string(),
                "status": if error_type == "Sandbox.Timeout" { "timeout" } else { "error" },
                "errorType": error_type,
            });
            vec![
                platform("platform.initRuntimeDone", done.clone()),
                platform("platform.initReport", with_duration(done, *duration)),
            ]
        }
        Entry::TelemetrySubscribed { name, types } => vec![platform(
            "platform.telemetrySubscription",
            json!({ "name": name, "state": "Subscribed", "types": types }),
        )],
        Entry::Start {
            request_id,
            trace_id,
        } => vec![platform(
            "platform.start",
            json!({
                "requestId": request_id,
                "version": VERSION,
                "tracing": { "type": "X-Amzn-Trace-Id", "value": trace_id },
            }),
        )],
        Entry::RuntimeDone { .. } => {
            vec![platform("platform.runtimeDone", runtime_done(entry, now))]
        }
        Entry::Report {
            request_id,
            duration,
            memory_mb,
            max_memory_mb,
            init,
            status,
        } => {
            let billed = (*duration + init.unwrap_or_default())
                .as_micros()
                .div_ceil(1000);
            let mut record = json!({
                "requestId": request_id,
                "metrics": {
                    "durationMs": millis(*duration),
                    "billedDurationMs": u64::try_from(billed).unwrap_or(u64::MAX),
                    "memorySizeMB": memory_mb,
                },
            });
            if let Some(used) = max_memory_mb {
                record["metrics"]["maxMemoryUsedMB"] = json!(used);
            }
            if let Some(init) = init {
                record["metrics"]["initDurationMs"] = json!(millis(*init));
            }
            set_status(&mut record, status.as_deref());
            vec![platform("platform.report", record)]
        }
        Entry::InvocationFailed {
            request_id,
            error: InvocationError::Environment { message, .. },
        } => vec![platform(
            "platform.fault",
            json!(format!("RequestId: {request_id} {message}")),
        )],
        Entry::RestoreStart => vec![platform(
            "platform.restoreStart",
            json!({ "functionName": about.function_name, "functionVersion": VERSION }),
        )],
        Entry::RestoreReport { duration, error } => {
            let mut done = json!({ "status": "success" });
            if let Some((error_type, _)) = error {
                set_status(&mut done, Some(error_type));
            }
            vec![
                platform("platform.restoreRuntimeDone", done.clone()),
                platform("platform.restoreReport", with_duration(done, *duration)),
            ]
        }
        Entry::Log { source, line, .. } => {
            let (category, kind) = match source {
                LogSource::Function => (Category::Function, "function"),
                LogSource::Extension(_) => (Category::Extension, "extension"),
            };
            vec![event(
                category,
                kind,
                &line_record(line, about.json_logs),
                now,
            )]
        }
        _ => Vec::new(),
    }
}

/// That events were dropped.
pub(super) fn logs_dropped(records: usize, bytes: usize, reason: &str) -> bytes::Bytes {
    let record = json!({
        "droppedRecords": records,
        "droppedBytes": bytes,
        "reason": reason,
    });
    event(
        Category::Platform,
        "platform.logsDropped",
        &record,
        SystemTime::now(),
    )
    .json
}

fn event(category: Category, kind: &str, record: &Value, now: SystemTime) -> Event {
    let time = rfc3339_millis(epoch_millis(now));
    let json = json!({ "time": time, "type": kind, "record": record });
    Event {
        category,
        json: json.to_string().into(),
    }
}

fn line_record(line: &str, json_logs: bool) -> Value {
    let object = json_logs.then(|| serde_json::from_str(line).ok()).flatten();
    object
        .filter(Value::is_object)
        .unwrap_or_else(|| json!(line))
}

fn with_duration(mut record: Value, duration: Duration) -> Value {
    record["metrics"] = json!({ "durationMs": millis(duration) });
    record
}

fn set_status(record: &mut Value, status: Option<&str>) {
    match status {
        None => record["status"] = json!("success"),
        Some("timeout") => record["status"] = json!("timeout"),
        Some(error_type) => {
            // Source: same page, "Status": a failed process is `failure`, an error of the platform `error`.
            record["status"] = json!(if error_type.starts_with("Sandbox.") {
                "error"
            } else {
                "failure"
            });
            record["errorType"] = json!(error_type);
        }
    }
}

fn runtime_done(entry: &Entry, now: SystemTime) -> Value {
    let Entry::RuntimeDone {
        request_id,
        duration,
        latency,
        response,
        bytes,
        status,
    } = entry
    else {
        return Value::Null;
    };
    let mut record = json!({
        "requestId": request_id,
        "metrics": { "durationMs": millis(*duration), "producedBytes": bytes },
    });
    set_status(&mut record, status.as_deref());
    if let (Some(latency), Some(response)) = (*latency, *response) {
        let began = now - *duration;
        let span = |name: &str, after: Duration, lasted: Duration| {
            json!({
                "name": name,
                "start": rfc3339_millis(epoch_millis(began + after)),
                "durationMs": millis(lasted),
            })
        };
        let overhead = duration.saturating_sub(latency + response);
        record["spans"] = json!([
            span("responseLatency", Duration::ZERO, latency),
            span("responseDuration", latency, response),
            span("runtimeOverhead", latency + response, overhead),
        ]);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{InitPhase, LogStream};

    fn about(json_logs: bool) -> About {
        About {
            function_name: "app".to_owned(),
            initialization_type: "on-demand",
            json_logs,
            memory_mb: 128,
        }
    }

    fn told(entry: &Entry, about: &About) -> Vec<Value> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_783_670_400_123);
        let extensions = [("ext".to_owned(), vec!["INVOKE".to_owned()])];
        let events = of(entry, about, &extensions, now);
        let values = events
            .iter()
            .map(|event| serde_json::from_slice(&event.json));
        values.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_end_of_init_is_told_in_the_services_order() {
        let entry = Entry::InitDone {
            duration: Duration::from_micros(234_766),
            phase: InitPhase::Init,
            reported: false,
        };
        let time = "2026-07-10T08:00:00.123Z";
        let init =
            json!({ "initializationType": "on-demand", "phase": "init", "status": "success" });
        let mut report = init.clone();
        report["metrics"] = json!({ "durationMs": 234.766 });
        assert_eq!(
            told(&entry, &about(false)),
            [
                json!({ "time": time, "type": "platform.initRuntimeDone", "record": init }),
                json!({
                    "time": time,
                    "type": "platform.extension",
                    "record": { "name": "ext", "state": "Ready", "events": ["INVOKE"] },
                }),
                json!({ "time": time, "type": "platform.initReport", "record": report }),
            ]
        );
    }

    #[test]
    fn the_spans_of_a_response_follow_each_other() {
        let entry = Entry::RuntimeDone {
            request_id: "a".to_owned(),
            duration: Duration::from_millis(100),
            latency: Some(Duration::from_millis(30)),
            response: Some(Duration::from_millis(50)),
            bytes: 16,
            status: None,
        };
        let record = &told(&entry, &about(false))[0]["record"];
        assert_eq!(
            record["metrics"],
            json!({ "durationMs": 100.0, "producedBytes": 16 })
        );
        assert_eq!(record["status"], "success");
        let spans: Vec<_> = record["spans"]
            .as_array()
            .unwrap()
            .iter()
            .map(|span| {
                (
                    span["start"].as_str().unwrap(),
                    span["durationMs"].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            spans,
            [
                ("2026-07-10T08:00:00.023Z", 30.0),
                ("2026-07-10T08:00:00.053Z", 50.0),
                ("2026-07-10T08:00:00.103Z", 20.0),
            ]
        );
    }

    #[test]
    fn a_line_is_text_or_with_json_logs_what_it_says() {
        let entry = |line: &str| Entry::Log {
            source: LogSource::Function,
            stream: LogStream::Stdout,
            line: line.to_owned(),
        };
        for (line, json_logs, record) in [
            (r#"{"level":"INFO"}"#, true, json!({ "level": "INFO" })),
            (r#"{"level":"INFO"}"#, false, json!(r#"{"level":"INFO"}"#)),
            ("plain", true, json!("plain")),
            ("7", true, json!("7")),
        ] {
            let told = told(&entry(line), &about(json_logs));
            assert_eq!(told[0]["record"], record, "{line}");
            assert_eq!(told[0]["type"], "function");
        }
    }
}
