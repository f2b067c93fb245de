// SPDX-License-Identifier: Apache-2.0
//! Why an execution environment cannot go on.

use std::time::Duration;

use crate::invocation::{InvocationError, ReportedError};

/// What ended an environment before its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The runtime process could not be started.
    #[error("runtime process {program:?} could not be started: {reason}")]
    RuntimeLaunch {
        /// The program that was tried.
        program: String,
        /// The system's reason.
        reason: String,
    },
    /// The runtime process ended, with whatever status.
    #[error("runtime process exited without being asked to ({status})")]
    RuntimeExit {
        /// Exit code or signal.
        status: String,
    },
    /// The runtime process was killed, as its environment used more memory than there is. The words are the service's
    /// (seen in public reports, such as adobe/helix-html2md-service issue #1001).
    #[error("Runtime exited with error: signal: killed (out of memory, {0} MB)")]
    OutOfMemory(u32),
    /// The runtime reported `/runtime/init/error` and then a process exited.
    #[error("runtime reported an init error: {0}")]
    RuntimeInitError(ReportedError),
    /// An extension could not be started.
    #[error("extension {name:?} could not be started: {reason}")]
    ExtensionLaunch {
        /// File name of the extension.
        name: String,
        /// The system's reason.
        reason: String,
    },
    /// An extension process ended, with whatever status.
    #[error("extension {name:?} exited without being asked to ({status})")]
    ExtensionExit {
        /// File name of the extension.
        name: String,
        /// Exit code or signal.
        status: String,
    },
    /// An extension reported `/init/error`.
    #[error("extension {name:?} reported an init error: {error}")]
    ExtensionInitError {
        /// File name of the extension.
        name: String,
        /// What it reported.
        error: ReportedError,
    },
    /// An extension reported `/exit/error`.
    #[error("extension {name:?} reported an exit error: {error}")]
    ExtensionExitError {
        /// File name of the extension.
        name: String,
        /// What it reported.
        error: ReportedError,
    },
    /// Init did not end within its limit.
    #[error("init not done after {:.2} seconds: {missing}", .limit.as_secs_f64())]
    InitTimeout {
        /// The limit that passed.
        limit: Duration,
        /// What was still awaited.
        missing: String,
    },
    /// The runtime reported `/runtime/restore/error`, or `/runtime/init/error` while it was restored.
    #[error("runtime reported a restore error: {0}")]
    RestoreError(ReportedError),
    /// The runtime was not ready within the limit after the restore.
    #[error("restore not done after {:.2} seconds (SnapStartTimeoutException): no call of /runtime/invocation/next", .0.as_secs_f64())]
    RestoreTimeout(Duration),
    /// The function's timeout passed.
    #[error("task timed out after {:.2} seconds", .0.as_secs_f64())]
    Timeout(Duration),
}

impl Fault {
    /// The platform's name for it (source: RIE `internal/lambda/fatalerror/fatalerror.go`).
    pub(crate) fn error_type(&self) -> &str {
        match self {
            Self::RuntimeLaunch { .. } => "Runtime.InvalidEntrypoint",
            Self::OutOfMemory(_) => "Runtime.OutOfMemory",
            Self::RuntimeExit { .. } => "Runtime.ExitError",
            Self::RuntimeInitError(error) | Self::RestoreError(error) => &error.error_type,
            Self::RestoreTimeout(_) => "Runtime.RestoreHookUserTimeout",
            Self::ExtensionLaunch { .. } => "Extension.LaunchError",
            Self::ExtensionExit { .. } => "Extension.Crash",
            Self::ExtensionInitError { .. } => "Extension.InitError",
            Self::ExtensionExitError { .. } => "Extension.ExitError",
            Self::InitTimeout { .. } | Self::Timeout(_) => "Sandbox.Timeout",
        }
    }

    /// `shutdownReason` of the SHUTDOWN event, lower case as RIE sends it (`internal/lambda/rapid/handlers.go`).
    pub(crate) fn shutdown_reason(&self) -> &'static str {
        match self {
            Self::Timeout(_) | Self::InitTimeout { .. } => "timeout",
            _ => "failure",
        }
    }

    /// How a REPORT tells it: `timeout`, or the error type.
    pub(crate) fn status(&self) -> String {
        if self.is_timeout() {
            "timeout".to_owned()
        } else {
            self.error_type().to_owned()
        }
    }

    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::InitTimeout { .. })
    }
}

impl From<&Fault> for InvocationError {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Timeout(limit) => Self::TimedOut(*limit),
            other => Self::Environment {
                error_type: other.error_type().to_owned(),
                message: other.to_string(),
            },
        }
    }
}
