// SPDX-License-Identifier: Apache-2.0
//! What is reported to Lambda when an invocation or the start fails, and the error types that we report. Pure.

use bytes::Bytes;
use serde::Serialize;

/// What is reported to Lambda when an invocation, or the start, fails.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    error_type: &'static str,
    error_message: String,
    stack_trace: [String; 0],
}

impl Failure {
    pub(crate) fn new(error_type: &'static str, message: impl Into<String>) -> Self {
        Self {
            error_type,
            error_message: message.into(),
            stack_trace: [],
        }
    }

    pub(crate) fn to_json(&self) -> Bytes {
        // A struct of strings has no value that cannot be written.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }

    pub(crate) fn error_type(&self) -> &'static str {
        self.error_type
    }
}

/// The error types. Lambda records one only if letters alone follow the dot.
pub(crate) mod error_type {
    /// The event cannot be made a request.
    pub(crate) const EVENT: &str = "Function.InvalidEvent";
    /// The app answered with a status that fails the invocation, or gave no answer to an event.
    pub(crate) const APP_STATUS: &str = "Function.AppStatus";
    /// The app broke off its response after the head had been sent.
    pub(crate) const APP_STREAM: &str = "Function.AppStreamBroken";
    /// Lambda did not take the reply to its end.
    pub(crate) const REPLY_LOST: &str = "Function.ReplyLost";
    /// The app's answer was not complete shortly before Lambda's deadline.
    pub(crate) const APP_TIMEOUT: &str = "Function.AppTimeout";
    /// A stream reached a limit that the user has set.
    pub(crate) const STREAM_LIMIT: &str = "Function.StreamLimit";
    /// A fault of the adapter.
    pub(crate) const ADAPTER: &str = "Runtime.AdapterFault";
    /// The app could not be started, or ended before it was ready.
    pub(crate) const APP_START: &str = "Runtime.AppStartFailed";
    /// The app did not become ready in time.
    pub(crate) const APP_NOT_READY: &str = "Runtime.AppNotReady";
    /// The app's hook before the snapshot failed, or there was no snapshot. The runtimes' own name.
    pub(crate) const BEFORE_SNAPSHOT: &str = "Runtime.BeforeSnapshotError";
    /// The app's hook after the restore failed. The runtimes' own name.
    pub(crate) const AFTER_RESTORE: &str = "Runtime.AfterRestoreError";
    /// The restore took too long. Lambda's own name.
    pub(crate) const RESTORE_TIMEOUT: &str = "Runtime.RestoreHookUserTimeout";
    /// A setting does not parse.
    pub(crate) const SETTINGS: &str = "Runtime.InvalidSettings";
}
