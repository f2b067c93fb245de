// SPDX-License-Identifier: Apache-2.0
//! What is told of an invocation: to the log, and to whoever looks after the app.

use std::cell::Cell;
use std::fmt;
use std::time::Instant;

use http::{Method, Uri};

use crate::alarm::Alarm;
use crate::body::{Broken, End, Limit};
use crate::settings::StreamErrors;

/// What an invocation showed of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppState {
    Good,
    /// It gave no response, or broke one off. It may be gone.
    Failed,
    /// It had not answered in full shortly before Lambda's deadline, or fell silent. It may hang.
    TimedOut,
}

/// What is told of an invocation.
pub(super) struct Record {
    pub(super) id: String,
    pub(super) route: Route,
    pub(super) began_at: Instant,
    pub(super) app: Cell<AppState>,
}

impl Record {
    pub(super) fn elapsed_ms(&self) -> u64 {
        let elapsed = Alarm::now() - self.began_at;
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// The body of a streamed reply is over, or was dropped.
    pub(super) fn body_ended(&self, end: End, bytes: u64, errors: StreamErrors) {
        let Self { id, route, .. } = self;
        let elapsed_ms = self.elapsed_ms();
        match end {
            End::Failed(broken) => {
                self.app.set(match broken {
                    Broken::ByApp(_) => AppState::Failed,
                    Broken::AtLimit(Limit::Deadline | Limit::Idle) => AppState::TimedOut,
                    Broken::AtLimit(Limit::Duration) | Broken::Coding(_) => AppState::Good,
                });
                let reply = match errors {
                    StreamErrors::Trailers => "ends with error trailers",
                    StreamErrors::Abort => "is cut",
                };
                tracing::error!(invocation.id = id, %route, elapsed_ms, body.bytes = bytes, reply, "{broken}");
            }
            end => {
                tracing::debug!(
                    invocation.id = id,
                    ?end,
                    body.bytes = bytes,
                    "response body ended"
                );
            }
        }
    }

    /// Lambda did not take the reply: its client reads slowly, or not at all.
    pub(super) fn reply_was_cut(&self) {
        let Self { id, route, .. } = self;
        let elapsed_ms = self.elapsed_ms();
        tracing::error!(invocation.id = id, %route, elapsed_ms, "reply is cut: lambda has not taken it");
    }
}

/// Method and path, without the query; none where the event could not be read.
pub(super) struct Route(pub(super) Option<(Method, Uri)>);

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((method, uri)) => write!(f, "{method} {}", uri.path()),
            None => f.write_str("-"),
        }
    }
}
