// SPDX-License-Identifier: Apache-2.0
//! The state of one execution environment, and which call may change it how.
//!
//! Pure: no clock, no socket, no process. A transition is refused unless it is listed; the lists follow AWS's Runtime
//! Interface Emulator, `internal/lambda/core/states.go` and `externalagent_states.go`. The two APIs, the process
//! watchers and the lifecycle all change the same [`State`] and wait for what the others made of it.

mod extensions;

use bytes::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

pub(crate) use extensions::{EventKind, Extension, ExtensionEvent, ExtensionKind, RegisterError};

use crate::fault::Fault;
use crate::invocation::{Answer, Invocation, InvocationError, ReportedError};
use crate::settings::InvokeMode;

/// Where the runtime is in its loop; names as in the service's error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeState {
    Started,
    InitError,
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
}

impl RuntimeState {
    fn after(self, call: RuntimeCall) -> Option<Self> {
        match (self, call) {
            (Self::Started | Self::Ready | Self::ResponseSent, RuntimeCall::Next) => {
                Some(Self::Ready)
            }
            // A second `next` while an invocation is open returns the same event again.
            (Self::Running, RuntimeCall::Next)
            | (Self::Ready | Self::Running, RuntimeCall::Delivered) => Some(Self::Running),
            (Self::Running, RuntimeCall::Response) => Some(Self::InvocationResponse),
            (Self::Running, RuntimeCall::Error) => Some(Self::InvocationErrorResponse),
            (Self::InvocationResponse | Self::InvocationErrorResponse, RuntimeCall::Sent) => {
                Some(Self::ResponseSent)
            }
            (Self::Started, RuntimeCall::InitError) => Some(Self::InitError),
            _ => None,
        }
    }
}

/// A call that the current state does not allow.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("runtime in state {state:?} does not take {call:?}")]
    Transition {
        state: RuntimeState,
        call: RuntimeCall,
    },
    #[error("no open invocation has the request id {0:?}")]
    RequestId(String),
    #[error("invocation id {0:?} belongs to an earlier attempt")]
    Stale(String),
}

/// The invocation that the environment is working on.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) sequence: u64,
    pub(crate) request_id: Uuid,
    pub(crate) attempt_id: Uuid,
    pub(crate) trace_id: String,
    pub(crate) event: Bytes,
    pub(crate) deadline_ms: u64,
    mode: InvokeMode,
    reply_to: Option<oneshot::Sender<Answer>>,
    /// Why the environment gave the invocation up: a response still under way is to be broken off.
    aborted: Option<InvocationError>,
}

/// A response or an error that was let in: where it goes, and in which form.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) sequence: u64,
    pub(crate) mode: InvokeMode,
    pub(crate) reply_to: oneshot::Sender<Answer>,
}

/// The SHUTDOWN event for extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shutdown {
    pub(crate) reason: &'static str,
    pub(crate) deadline_ms: u64,
}

/// Everything the parts of one environment have to know of each other.
#[derive(Debug)]
pub(crate) struct State {
    runtime: RuntimeState,
    extensions: Vec<Extension>,
    registration_open: bool,
    open: Option<Open>,
    sequence: u64,
    pub(crate) init_error: Option<ReportedError>,
    pub(crate) shutdown: Option<Shutdown>,
    fault: Option<Fault>,
    stopping: bool,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            runtime: RuntimeState::Started,
            extensions: Vec::new(),
            registration_open: true,
            open: None,
            sequence: 0,
            init_error: None,
            shutdown: None,
            fault: None,
            stopping: false,
        }
    }

    fn runtime_call(&mut self, call: RuntimeCall) -> Result<(), Refusal> {
        let state = self.runtime;
        self.runtime = state
            .after(call)
            .ok_or(Refusal::Transition { state, call })?;
        Ok(())
    }

    /// The runtime asks for an event; it waits with [`State::deliver`].
    pub(crate) fn next(&mut self) -> Result<(), Refusal> {
        self.runtime_call(RuntimeCall::Next)
    }

    /// Hands the open invocation to a waiting `next`, if there is one to hand out.
    pub(crate) fn deliver(&mut self) -> Option<&Open> {
        // An answered invocation stays open until the extensions are done with it, but is not handed out again.
        let waiting = self
            .open
            .as_ref()
            .is_some_and(|open| open.aborted.is_none() && open.reply_to.is_some());
        if !waiting || self.runtime_call(RuntimeCall::Delivered).is_err() {
            return None;
        }
        self.open.as_ref()
    }

    /// Lets a response (or an error) for the open invocation in.
    pub(crate) fn accept(
        &mut self,
        call: RuntimeCall,
        request_id: &str,
        attempt_id: Option<&str>,
    ) -> Result<Accepted, Refusal> {
        let state = self.runtime;
        let Some(open) = self
            .open
            .as_mut()
            .filter(|open| open.request_id.to_string() == request_id)
        else {
            return Err(Refusal::RequestId(request_id.to_owned()));
        };
        if let Some(echo) = attempt_id.filter(|echo| *echo != open.attempt_id.to_string()) {
            return Err(Refusal::Stale(echo.to_owned()));
        }
        let next = state
            .after(call)
            .ok_or(Refusal::Transition { state, call })?;
        let reply_to = open
            .reply_to
            .take()
            .ok_or(Refusal::Transition { state, call })?;
        self.runtime = next;
        Ok(Accepted {
            sequence: open.sequence,
            mode: open.mode,
            reply_to,
        })
    }

    /// The body of the accepted response was consumed.
    pub(crate) fn sent(&mut self, sequence: u64) -> Result<(), Refusal> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.sequence == sequence)
        {
            self.runtime_call(RuntimeCall::Sent)?;
        }
        Ok(())
    }

    /// The runtime says that it cannot start; the environment falls when a process exits.
    pub(crate) fn runtime_init_error(&mut self, error: ReportedError) -> Result<(), Refusal> {
        self.runtime_call(RuntimeCall::InitError)?;
        self.init_error = Some(error);
        Ok(())
    }

    /// Init is over when the runtime and every registered extension wait for an event
    /// (source: AWS page "Understanding the Lambda execution environment lifecycle").
    pub(crate) fn init_done(&self) -> bool {
        self.runtime == RuntimeState::Ready && self.extensions.iter().all(Extension::is_ready)
    }

    /// What init is still waiting for, in words.
    pub(crate) fn missing_for_init(&self) -> String {
        let names = |names: Vec<&str>| names.join(", ");
        let unregistered = names(
            self.unregistered()
                .map(|extension| extension.name.as_str())
                .collect(),
        );
        if !unregistered.is_empty() {
            return format!("extensions that have not registered: {unregistered}");
        }
        if self.runtime != RuntimeState::Ready {
            return "no call of /runtime/invocation/next".to_owned();
        }
        let waiting = self
            .extensions
            .iter()
            .filter(|extension| !extension.is_ready());
        format!(
            "extensions that have not called /event/next: {}",
            names(waiting.map(|one| one.name.as_str()).collect())
        )
    }

    pub(crate) fn close_registration(&mut self) {
        self.registration_open = false;
    }

    /// Opens an invocation for the runtime and the INVOKE extensions.
    pub(crate) fn begin(&mut self, invocation: Invocation, deadline_ms: u64) {
        self.sequence += 1;
        self.open = Some(Open {
            sequence: self.sequence,
            request_id: invocation.request_id,
            attempt_id: invocation.attempt_id,
            trace_id: invocation.trace_id,
            event: invocation.event,
            deadline_ms,
            mode: invocation.mode,
            reply_to: Some(invocation.reply_to),
            aborted: None,
        });
    }

    /// An invocation is over when it was answered, the runtime waits for the next one, and so does every extension
    /// that was told of it (source: RIE `internal/lambda/rapid/handlers.go`, doInvoke).
    pub(crate) fn invocation_done(&self) -> bool {
        let answered = self
            .open
            .as_ref()
            .is_none_or(|open| open.reply_to.is_none());
        let extensions_done = self
            .extensions
            .iter()
            .filter(|extension| extension.wants_invoke())
            .all(|extension| extension.done_with(self.sequence));
        answered && self.runtime == RuntimeState::Ready && extensions_done
    }

    pub(crate) fn end_invocation(&mut self) {
        self.open = None;
    }

    /// Gives the open invocation up; returns where its answer is awaited, if none was begun.
    /// The first reason stays.
    pub(crate) fn abort(&mut self, reason: &InvocationError) -> Option<oneshot::Sender<Answer>> {
        let open = self.open.as_mut()?;
        open.aborted.get_or_insert_with(|| reason.clone());
        open.reply_to.take()
    }

    /// Why the invocation of this sequence number was given up, if it was.
    pub(crate) fn abort_reason(&self, sequence: u64) -> Option<InvocationError> {
        match self.open.as_ref().filter(|open| open.sequence == sequence) {
            Some(open) => open.aborted.clone(),
            None => Some(InvocationError::sandbox_failure("the invocation is over")),
        }
    }

    /// Whether a response is being read.
    pub(crate) fn is_responding(&self) -> bool {
        self.runtime == RuntimeState::InvocationResponse
    }

    /// From here on exits are expected and no longer faults.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Records why the environment cannot go on; the first fault stays.
    pub(crate) fn fail(&mut self, fault: Fault) {
        if !self.stopping && self.fault.is_none() {
            self.fault = Some(match self.init_error.take() {
                Some(error) => Fault::RuntimeInitError(error),
                None => fault,
            });
        }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.clone()
    }
}

#[cfg(test)]
mod tests;
