// SPDX-License-Identifier: Apache-2.0
//! What is told of an invocation: to the log, and to whoever looks after the app.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::time::Instant;

use http::{Method, Uri};

use crate::alarm::Alarm;
use crate::body::{Broken, End, Limit};
use crate::metrics::{Outcome, Served};
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
    pub(super) route: Route,
    began_at: Instant,
    first_byte_at: Cell<Option<Instant>>,
    /// Of the response's body, as far as it was passed on.
    pub(super) bytes: Cell<u64>,
    pub(super) app: Cell<AppState>,
    pub(super) outcome: Cell<Outcome>,
}

impl Record {
    pub(super) fn new(began_at: Instant) -> Self {
        Self {
            route: Route::default(),
            began_at,
            first_byte_at: Cell::default(),
            bytes: Cell::default(),
            app: Cell::new(AppState::Good),
            outcome: Cell::new(Outcome::Replied),
        }
    }

    /// The reply begins.
    pub(super) fn reply_begins(&self) {
        self.first_byte_at.set(Some(Alarm::now()));
    }

    pub(super) fn served<'a>(&self, request_id: &'a str) -> Served<'a> {
        let first_byte_at = self.first_byte_at.get();
        Served {
            request_id,
            outcome: self.outcome.get(),
            duration: Alarm::now() - self.began_at,
            first_byte: first_byte_at.map(|at| at - self.began_at),
            bytes: self.bytes.get(),
        }
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        let elapsed = Alarm::now() - self.began_at;
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// The body of a streamed reply is over, or was dropped.
    pub(super) fn body_ended(&self, end: End, bytes: u64, errors: StreamErrors) {
        self.bytes.set(bytes);
        let (route, elapsed_ms) = (&self.route, self.elapsed_ms());
        match end {
            End::Failed(broken) => {
                let (app, outcome) = match broken {
                    Broken::ByApp(_) => (AppState::Failed, Outcome::BrokenOff),
                    Broken::AtLimit(Limit::Deadline | Limit::Idle) => {
                        (AppState::TimedOut, Outcome::TimedOut)
                    }
                    Broken::AtLimit(Limit::Duration) => (AppState::Good, Outcome::TimedOut),
                    Broken::Coding(_) => (AppState::Good, Outcome::BrokenOff),
                };
                self.app.set(app);
                self.outcome.set(outcome);
                let reply = match errors {
                    StreamErrors::Trailers => "ends with error trailers",
                    StreamErrors::Abort => "is cut",
                };
                tracing::error!(%route, elapsed_ms, body.bytes = bytes, reply, "{broken}");
            }
            end => {
                tracing::debug!(?end, body.bytes = bytes, "response body ended");
            }
        }
    }

    /// Lambda did not take the reply: its client reads slowly, or not at all.
    pub(super) fn reply_was_cut(&self) {
        self.outcome.set(Outcome::Lost);
        let (route, elapsed_ms) = (&self.route, self.elapsed_ms());
        tracing::error!(%route, elapsed_ms, "reply is cut: lambda has not taken it");
    }
}

/// Method and path, without the query; none where the event could not be read.
#[derive(Default)]
pub(super) struct Route(pub(super) OnceCell<(Method, Uri)>);

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            Some((method, uri)) => write!(f, "{method} {}", uri.path()),
            None => f.write_str("-"),
        }
    }
}
