// SPDX-License-Identifier: Apache-2.0
//! The loop of a runtime that has one invocation at a time.

/// Where the runtime is in its loop; names as in the service's error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeState {
    Started,
    InitError,
    /// Waits for the snapshot to be restored.
    RestoreReady,
    Restoring,
    RestoreError,
    Ready,
    Running,
    InvocationResponse,
    InvocationErrorResponse,
    ResponseSent,
}

/// A call of the runtime, or its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeCall {
    Next,
    /// The event of a waiting `next` was handed out.
    Delivered,
    Response,
    Error,
    /// The body of a response or an error was consumed.
    Sent,
    InitError,
    RestoreNext,
    /// A waiting `restore/next` was answered.
    Restored,
    RestoreError,
}

impl RuntimeState {
    pub(super) fn after(self, call: RuntimeCall) -> Option<Self> {
        match (self, call) {
            (
                Self::Started | Self::Restoring | Self::Ready | Self::ResponseSent,
                RuntimeCall::Next,
            ) => Some(Self::Ready),
            // A second `next` while an invocation is open returns the same event again.
            (Self::Running, RuntimeCall::Next)
            | (Self::Ready | Self::Running, RuntimeCall::Delivered) => Some(Self::Running),
            (Self::Running, RuntimeCall::Response) => Some(Self::InvocationResponse),
            (Self::Running, RuntimeCall::Error) => Some(Self::InvocationErrorResponse),
            (Self::InvocationResponse | Self::InvocationErrorResponse, RuntimeCall::Sent) => {
                Some(Self::ResponseSent)
            }
            (Self::Started, RuntimeCall::InitError) => Some(Self::InitError),
            (Self::Started, RuntimeCall::RestoreNext) => Some(Self::RestoreReady),
            (Self::RestoreReady, RuntimeCall::Restored) => Some(Self::Restoring),
            (Self::Restoring, RuntimeCall::RestoreError) => Some(Self::RestoreError),
            _ => None,
        }
    }
}
