// SPDX-License-Identifier: Apache-2.0
//! The lines that people read, and their colours.

use std::fmt;
use std::time::Duration;

use super::{Access, AccessEnd, Entry};
use crate::clock::report_millis;

impl Entry {
    pub(super) fn paint(&self) -> &'static str {
        match self {
            Self::InitFailed { .. }
            | Self::RestoreReport { error: Some(_), .. }
            | Self::Reported { .. }
            | Self::InvocationFailed { .. }
            | Self::StreamError { .. }
            | Self::Abandoned { .. }
            | Self::BadAnswer { .. } => "\x1b[1;31m",
            Self::Refused { .. }
            | Self::Faulted { .. }
            | Self::Retry { .. }
            | Self::TelemetryDropped { .. }
            | Self::Killed { .. }
            | Self::Frozen { running: 1.., .. } => "\x1b[33m",
            Self::Access(access) if access.end != AccessEnd::Complete => "\x1b[31m",
            Self::Access(access) if access.status.is_some_and(|status| status >= 500) => "\x1b[31m",
            Self::Access(_) | Self::Restart { .. } => "\x1b[36m",
            _ => "\x1b[2m",
        }
    }
}

/// Lines that the service writes, too.
impl Entry {
    fn init(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InitDone {
                duration,
                reported: true,
                ..
            } => write!(
                f,
                "INIT_REPORT Init Duration: {} ms\tPhase: init",
                report_millis(*duration)
            ),
            Self::InitDone {
                duration,
                reported: false,
                ..
            } => write!(
                f,
                "INIT_DONE Init Duration: {} ms",
                report_millis(*duration)
            ),
            Self::InitFailed {
                duration,
                phase,
                error_type,
                message,
            } => write!(
                f,
                "INIT_REPORT Init Duration: {} ms\tPhase: {phase}\t{}\n  {message}",
                report_millis(*duration),
                bad_end(error_type),
                message = first_line(message)
            ),
            _ => Ok(()),
        }
    }

    fn report(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report {
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
                write!(
                    f,
                    "REPORT RequestId: {request_id}\tDuration: {} ms\tBilled Duration: {billed} ms\tMemory Size: {memory_mb} MB",
                    report_millis(*duration)
                )?;
                if let Some(used) = max_memory_mb {
                    write!(f, "\tMax Memory Used: {used} MB")?;
                }
                if let Some(init) = init {
                    write!(f, "\tInit Duration: {} ms", report_millis(*init))?;
                }
                match status {
                    None => Ok(()),
                    Some(status) => write!(f, "\t{}", bad_end(status)),
                }
            }
            _ => Ok(()),
        }
    }
}

/// Lines that only this program has.
impl Entry {
    fn other(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TelemetrySubscribed { name, types } => write!(
                f,
                "TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{}]",
                types.join(",")
            ),
            Self::TelemetryDropped {
                name,
                records,
                reason,
            } => write!(f, "TELEMETRY\tName: {name}\tDropped: {records}\t{reason}"),
            Self::Log { line, .. } => f.write_str(line),
            Self::RuntimeDone { request_id, .. } => {
                write!(f, "RUNTIME_DONE RequestId: {request_id}")
            }
            Self::Called(called) => write!(f, "CALL RequestId: {}", called.request_id),
            Self::Answered(answered) => write!(
                f,
                "ANSWER RequestId: {}\tStatus: {}",
                answered.request_id, answered.status
            ),
            Self::Piece { request_id, data } => {
                write!(f, "PIECE RequestId: {request_id}\tSize: {} B", data.len())
            }
            Self::Retry {
                request_id,
                attempt,
                after,
            } => write!(
                f,
                "RETRY RequestId: {request_id}\tAttempt: {attempt}\tAfter: {} ms",
                report_millis(*after)
            ),
            Self::Abandoned { request_id, reason } => {
                write!(f, "ABANDONED RequestId: {request_id}\t{reason}")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InitStart { runtime, .. } => write!(f, "INIT_START Runtime: {runtime}"),
            Self::ExtensionRegistered { name, kind, events } => write!(
                f,
                "EXTENSION\tName: {name}\tState: Registered\t{kind}\tEvents: [{}]",
                events.join(",")
            ),
            Self::TelemetrySubscribed { .. }
            | Self::TelemetryDropped { .. }
            | Self::Log { .. }
            | Self::RuntimeDone { .. }
            | Self::Called(_)
            | Self::Answered(_)
            | Self::Piece { .. }
            | Self::Retry { .. }
            | Self::Abandoned { .. } => self.other(f),
            Self::InitDone { .. } | Self::InitFailed { .. } => self.init(f),
            Self::Reported { call, error } => write!(f, "ERROR {call} reported {error}"),
            Self::Start { request_id, .. } => {
                write!(f, "START RequestId: {request_id} Version: $LATEST")
            }
            Self::End { request_id } => write!(f, "END RequestId: {request_id}"),
            Self::Report { .. } => self.report(f),
            Self::InvocationFailed { request_id, error } => {
                write!(f, "ERROR RequestId: {request_id} {}", error.line())
            }
            Self::StreamError { request_id, error } => write!(
                f,
                "ERROR RequestId: {request_id} the stream ended with error trailers, which the client of a function URL does not see: {error}"
            ),
            Self::Paced { request_id } => write!(
                f,
                "PACED RequestId: {request_id} goes on at 2 MB/s, as on the service; --bandwidth off does not"
            ),
            Self::Refused {
                call,
                status,
                reason,
            } => write!(f, "REFUSED {call} -> {status}: {reason}"),
            Self::Faulted { call, fault } => write!(f, "FAULT {call}: {fault}"),
            Self::Replies(replies) => write!(f, "REPLIES {replies}"),
            Self::BadAnswer { request_id, reason } => {
                write!(f, "ERROR RequestId: {request_id} {reason}")
            }
            Self::Frozen {
                stopped,
                running: 0,
            } => write!(f, "FREEZE Processes: {stopped}"),
            Self::Frozen { stopped, running } => {
                write!(f, "FREEZE Processes: {stopped}\tNot stopped: {running}")
            }
            Self::Thawed { after } => write!(f, "THAW Frozen: {} ms", report_millis(*after)),
            Self::RestoreStart => f.write_str("RESTORE_START"),
            Self::RestoreReport { duration, error } => {
                write!(
                    f,
                    "RESTORE_REPORT Restore Duration: {} ms",
                    report_millis(*duration)
                )?;
                match error {
                    None => Ok(()),
                    Some((error_type, message)) => {
                        write!(f, "\tStatus: error\tError Type: {error_type}\n  {message}")
                    }
                }
            }
            Self::Restart { reason } => write!(f, "RESTART {reason}"),
            Self::Stopping {
                reason,
                message: None,
            } => write!(f, "SHUTDOWN Reason: {reason}"),
            Self::Stopping {
                reason,
                message: Some(message),
            } => write!(f, "SHUTDOWN Reason: {reason}: {}", first_line(message)),
            Self::Killed { process, reason } => write!(f, "SIGKILL {process}: {reason}"),
            Self::Access(access) => access.fmt(f),
        }
    }
}

/// Of an error that was told in full before, such as one with a stack trace.
fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

/// How a phase ended, if not well.
fn bad_end(status: &str) -> String {
    match status {
        "timeout" | "Sandbox.Timeout" => "Status: timeout".to_owned(),
        error_type => format!("Status: error\tError Type: {error_type}"),
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |duration: Duration| format!("{} ms", report_millis(duration));
        let status = self
            .status
            .map_or_else(|| "-".to_owned(), |status| status.to_string());
        let first_byte = self.first_byte.map_or_else(|| "-".to_owned(), millis);
        write!(
            f,
            "{} {} {status}  first byte {first_byte}  total {}  {} bytes  ",
            self.method,
            self.target,
            millis(self.duration),
            self.bytes
        )?;
        match &self.end {
            AccessEnd::Complete => f.write_str("complete"),
            AccessEnd::FunctionError(error_type) => {
                write!(f, "ended by error trailers ({error_type})")
            }
            AccessEnd::Cut(reason) => write!(f, "cut: {}", first_line(reason)),
            AccessEnd::Refused(reason) => f.write_str(first_line(reason)),
            AccessEnd::ClientGone => f.write_str("client gone"),
        }
    }
}
