// SPDX-License-Identifier: Apache-2.0
//! The emulator's own log: typed entries, and the lines that people read.
//!
//! Everything a person should know goes through one [`Journal`]; what the app and the adapter print does not, their
//! output is inherited. START, END and REPORT read as Lambda writes them (source: AWS page "Understanding the Lambda
//! execution environment lifecycle").

mod json;
mod lines;

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::invocation::{InvocationError, ReportedError};
use crate::replies::Replies;

/// Something worth a line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Entry {
    /// An environment starts.
    InitStart {
        /// What the runtime process is.
        runtime: String,
        /// In which phase it runs.
        phase: InitPhase,
    },
    /// An extension registered.
    ExtensionRegistered {
        /// Name it registered under.
        name: String,
        /// `external` or `internal`.
        kind: &'static str,
        /// The events that it subscribed to.
        events: Vec<String>,
    },
    /// An extension subscribed to the Telemetry API.
    TelemetrySubscribed {
        /// Name of the extension.
        name: String,
        /// The types of events that it gets.
        types: Vec<String>,
    },
    /// Telemetry could not be delivered and was dropped.
    TelemetryDropped {
        /// Name of the extension.
        name: String,
        /// Events that were dropped.
        records: usize,
        /// Why.
        reason: String,
    },
    /// A line that a process of the environment wrote.
    Log {
        /// Whose process.
        source: LogSource,
        /// On which of its outputs.
        stream: LogStream,
        /// Without its line end.
        line: String,
    },
    /// Init ended well.
    InitDone {
        /// From the start of the first process.
        duration: Duration,
        /// In which phase it ran.
        phase: InitPhase,
        /// Whether the service tells of it, too: of provisioned environments.
        reported: bool,
    },
    /// Init did not end well.
    InitFailed {
        /// From the start of the first process.
        duration: Duration,
        /// In which phase it ran.
        phase: InitPhase,
        /// The platform's error type.
        error_type: String,
        /// What happened.
        message: String,
    },
    /// A runtime or an extension reported an error outside an invocation.
    Reported {
        /// Which call reported it.
        call: &'static str,
        /// Type and message.
        error: ReportedError,
    },
    /// The environment got an invocation.
    Start {
        /// Its request id.
        request_id: String,
        /// `Root=…;Parent=…;Sampled=…`.
        trace_id: String,
    },
    /// The runtime is done with an invocation, extensions may not be. Not told of managed instances.
    RuntimeDone {
        /// Its request id.
        request_id: String,
        /// Since START.
        duration: Duration,
        /// From START to the first byte of the response.
        latency: Option<Duration>,
        /// From the first byte of the response to its end.
        response: Option<Duration>,
        /// Bytes of the response.
        bytes: u64,
        /// `timeout`, or an error type.
        status: Option<String>,
    },
    /// An asynchronous invocation failed and is tried again.
    Retry {
        /// Its request id.
        request_id: String,
        /// Which attempt comes next, counted from 1.
        attempt: usize,
        /// When.
        after: Duration,
    },
    /// An asynchronous invocation was given up.
    Abandoned {
        /// Its request id.
        request_id: String,
        /// Why.
        reason: String,
    },
    /// The environment is done with an invocation.
    End {
        /// Its request id.
        request_id: String,
    },
    /// What an invocation took.
    Report {
        /// Its request id.
        request_id: String,
        /// From START to END; a suppressed init is part of it.
        duration: Duration,
        /// The function's memory size in MB.
        memory_mb: u32,
        /// The most that the environment has used so far in MB, where that can be known.
        max_memory_mb: Option<u64>,
        /// How long init took, if this is the first invocation after it.
        init: Option<Duration>,
        /// `timeout`, or an error type.
        status: Option<String>,
    },
    /// An invocation failed, or its stream did.
    InvocationFailed {
        /// Its request id.
        request_id: String,
        /// Why.
        error: InvocationError,
    },
    /// A stream ended with error trailers, which a function URL hides from its client.
    StreamError {
        /// Its request id.
        request_id: String,
        /// The decoded trailers.
        error: ReportedError,
    },
    /// A stream is beyond what goes at full speed.
    Paced {
        /// Its request id.
        request_id: String,
    },
    /// A call to one of the APIs was refused.
    Refused {
        /// Method and path.
        call: String,
        /// Status of the answer.
        status: u16,
        /// Why.
        reason: String,
    },
    /// The fault script lets a call go wrong.
    Faulted {
        /// Kind and number of the call.
        call: String,
        /// What becomes of it.
        fault: String,
    },
    /// What became of all invocations, told at the end.
    Replies(Replies),
    /// The function's answer is not what the front can use.
    BadAnswer {
        /// Its request id.
        request_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The environment stands still until its next event.
    Frozen {
        /// Processes that were stopped.
        stopped: usize,
        /// Processes that did not stop.
        running: usize,
    },
    /// The environment goes on.
    Thawed {
        /// How long it was frozen.
        after: Duration,
    },
    /// The snapshot of the initialized environment is restored.
    RestoreStart,
    /// The restore ended, well or not.
    RestoreReport {
        /// Until the runtime asked for an event.
        duration: Duration,
        /// Error type and what happened.
        error: Option<(String, String)>,
    },
    /// All environments are ended and begun again.
    Restart {
        /// What for.
        reason: String,
    },
    /// The environment goes down.
    Stopping {
        /// `spindown`, `timeout` or `failure`.
        reason: &'static str,
        /// What happened, unless all is well.
        message: Option<String>,
    },
    /// A process had to be killed.
    Killed {
        /// Which one.
        process: String,
        /// What it had not done.
        reason: String,
    },
    /// One HTTP exchange of the front end.
    Access(Access),
    /// A front end calls the function. For machines.
    Called(Called),
    /// A response's head is on its way to the client. For machines.
    Answered(Answered),
    /// A piece of a response's body goes to the client. For machines.
    Piece {
        /// The invocation's request id.
        request_id: String,
        /// Its bytes.
        data: Bytes,
    },
}

impl Entry {
    /// Whether it is no line of the log: what processes write is passed on as it is, and steps are too many to be read.
    fn is_for_machines(&self) -> bool {
        matches!(
            self,
            Self::Log { .. }
                | Self::RuntimeDone { .. }
                | Self::Called(_)
                | Self::Answered(_)
                | Self::Piece { .. }
        )
    }
}

/// A front end calls the function.
#[derive(Clone, Debug)]
pub struct Called {
    /// The invocation's request id.
    pub request_id: String,
    /// What was called, such as `function URL`.
    pub front: &'static str,
    /// The request's method.
    pub method: String,
    /// The request's path and query.
    pub target: String,
    /// The request's headers.
    pub headers: Vec<(String, String)>,
    /// What was made of it.
    pub event: Bytes,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The invocation's request id.
    pub request_id: String,
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// What the function's stream began with, where it did.
    pub prelude: Option<String>,
}

/// Who wrote a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The runtime process, and what it started.
    Function,
    /// The external extension of this name.
    Extension(String),
}

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl fmt::Display for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// When init runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitPhase {
    /// On its own, before any invocation.
    Init,
    /// Inside an invocation, after a failed init or a reset: the "suppressed init".
    Invoke,
}

impl fmt::Display for InitPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        })
    }
}

/// One HTTP exchange of the front end.
#[derive(Clone, Debug)]
pub struct Access {
    /// Request id of the invocation, if the request led to one.
    pub request_id: Option<String>,
    /// The request's method.
    pub method: String,
    /// The request's path and query.
    pub target: String,
    /// Status sent to the client; `None` if the client left before.
    pub status: Option<u16>,
    /// From the request to the response's head.
    pub first_byte: Option<Duration>,
    /// From the request to the end of the response.
    pub duration: Duration,
    /// Bytes of the body handed to the client's connection.
    pub bytes: u64,
    /// How it ended.
    pub end: AccessEnd,
}

/// How an HTTP exchange of the front end ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessEnd {
    /// The whole response was sent.
    Complete,
    /// The stream ended with error trailers; the client saw a clean end.
    FunctionError(String),
    /// The client's transfer was cut.
    Cut(String),
    /// The front answered itself, as the function's answer was missing or of no use.
    Refused(String),
    /// The client left.
    ClientGone,
}

/// Takes the number of the environment and what it has to say.
type Sink = Arc<dyn Fn(u32, &Entry) + Send + Sync>;

/// Where [`Entry`]s go. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    sink: Sink,
    environment: u32,
}

impl Journal {
    /// A journal that calls `sink` for each entry, in order.
    pub fn new(sink: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        Self::numbered(move |_, entry| sink(entry))
    }

    fn numbered(sink: impl Fn(u32, &Entry) + Send + Sync + 'static) -> Self {
        Self {
            sink: Arc::new(sink),
            environment: 1,
        }
    }

    /// This journal, of which `other` learns, too: each entry with the number of its environment.
    #[must_use]
    pub fn told_to(self, other: impl Fn(u32, &Entry) + Send + Sync + 'static) -> Self {
        Self::numbered(move |environment, entry| {
            (self.sink)(environment, entry);
            other(environment, entry);
        })
    }

    /// The part of the environment of this number.
    pub(crate) fn of(&self, environment: u32) -> Self {
        Self {
            sink: Arc::clone(&self.sink),
            environment,
        }
    }

    /// Lines on standard error, those of environments beyond the first with their number at the end, coloured if that is a terminal and `NO_COLOR` is not set
    /// (source: <https://no-color.org>).
    #[must_use]
    pub fn stderr() -> Self {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self::numbered(move |environment, entry| {
            if entry.is_for_machines() {
                return;
            }
            let suffix = match environment {
                1 => String::new(),
                other => format!("\tEnvironment: {other}"),
            };
            let line = if colour {
                format!("{}{entry}{suffix}\x1b[0m\n", entry.paint())
            } else {
                format!("{entry}{suffix}\n")
            };
            // A log that nobody reads any more is no reason to stop serving.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        })
    }

    /// A JSON object for each entry, a line each, on standard output. `docs/local-lambda.md` has their form.
    #[must_use]
    pub fn json() -> Self {
        Self::new(|entry| {
            // Of the steps of a request its end is told, with all that scripts ask for.
            if matches!(
                entry,
                Entry::Called(_) | Entry::Answered(_) | Entry::Piece { .. }
            ) {
                return;
            }
            let line = format!("{}\n", entry.to_json(SystemTime::now()));
            let mut out = std::io::stdout().lock();
            // A log that nobody reads any more is no reason to stop serving.
            let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        })
    }

    pub(crate) fn write(&self, entry: &Entry) {
        (self.sink)(self.environment, entry);
    }
}

impl Default for Journal {
    /// A journal that drops everything.
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}
