// SPDX-License-Identifier: Apache-2.0
//! The state of one execution environment, and which call may change it how.
//!
//! Pure: no clock, no socket, no process. A transition is refused unless it is listed; the lists follow AWS's Runtime
//! Interface Emulator, `internal/lambda/core/states.go` and `externalagent_states.go`. The two APIs, the process
//! watchers and the lifecycle all change the same [`State`] and wait for what the others made of it.
//!
//! With one invocation at a time the runtime is in a loop, and its state says which call comes next. Of a managed
//! instance, which has several open, each has its own state ([`managed`]).

mod extensions;
mod managed;
mod runtime;

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

pub(crate) use extensions::{EventKind, Extension, ExtensionEvent, ExtensionKind, RegisterError};
pub(crate) use runtime::{RuntimeCall, RuntimeState};

use crate::fault::Fault;
use crate::invocation::{Answer, CallerContext, Invocation, InvocationError, ReportedError};
use crate::settings::InvokeMode;

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
    #[error("invocation id {0:?} belongs to another attempt")]
    Stale(String),
    /// Managed instances only.
    #[error("invocation {0} was answered already")]
    Answered(String),
    /// Managed instances only.
    #[error("invocation {0} has timed out")]
    Late(String),
    /// Managed instances only.
    #[error("{0} calls of /runtime/invocation/next are waiting already")]
    TooManyPolls(usize),
}

/// An invocation that the environment is working on.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) sequence: u64,
    pub(crate) request_id: Uuid,
    pub(crate) attempt_id: Uuid,
    pub(crate) trace_id: String,
    pub(crate) event: Bytes,
    pub(crate) context: CallerContext,
    pub(crate) deadline_ms: u64,
    mode: InvokeMode,
    /// A poll has got it.
    delivered: bool,
    /// Taken by the answer.
    reply_to: Option<oneshot::Sender<Answer>>,
    /// The answer was consumed to its end.
    sent: bool,
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
    /// How many invocations may be open at once; above 1 it is a managed instance.
    concurrency: usize,
    /// Polls that wait for an event; counted of managed instances only.
    polls: usize,
    extensions: Vec<Extension>,
    registration_open: bool,
    restored: bool,
    open: Vec<Open>,
    /// Request ids of a managed instance's last invocations that timed out.
    timed_out: VecDeque<Uuid>,
    sequence: u64,
    pub(crate) init_error: Option<ReportedError>,
    pub(crate) shutdown: Option<Shutdown>,
    fault: Option<Fault>,
    stopping: bool,
}

impl State {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            runtime: RuntimeState::Started,
            concurrency,
            polls: 0,
            extensions: Vec::new(),
            registration_open: true,
            restored: false,
            open: Vec::new(),
            timed_out: VecDeque::new(),
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

    /// The runtime asks for an event; it waits with [`State::deliver`], until [`State::poll_over`].
    pub(crate) fn next(&mut self) -> Result<(), Refusal> {
        if self.is_managed() {
            return self.managed_next();
        }
        self.runtime_call(RuntimeCall::Next)
    }

    /// A poll got its event, or its connection has gone. `Err` where nobody counts them.
    pub(crate) fn poll_over(&mut self) -> Result<(), ()> {
        self.polls = self.polls.checked_sub(1).ok_or(())?;
        Ok(())
    }

    /// Hands an open invocation to a waiting `next`, if there is one to hand out.
    pub(crate) fn deliver(&mut self) -> Option<&Open> {
        let managed = self.is_managed();
        // An answered invocation stays open until the extensions are done with it, but is not handed out again.
        let waiting = self.open.iter().position(|open| {
            open.aborted.is_none() && open.reply_to.is_some() && !(managed && open.delivered)
        })?;
        if !managed {
            self.runtime_call(RuntimeCall::Delivered).ok()?;
        }
        let open = self.open.get_mut(waiting)?;
        open.delivered = true;
        Some(open)
    }

    /// Lets a response (or an error) for an open invocation in.
    pub(crate) fn accept(
        &mut self,
        call: RuntimeCall,
        request_id: &str,
        attempt_id: Option<&str>,
    ) -> Result<Accepted, Refusal> {
        let (state, managed) = (self.runtime, self.is_managed());
        let Some(open) = self
            .open
            .iter_mut()
            .find(|open| open.request_id.to_string() == request_id)
        else {
            return Err(self.not_open(request_id));
        };
        if let Some(echo) = attempt_id.filter(|echo| *echo != open.attempt_id.to_string()) {
            return Err(Refusal::Stale(echo.to_owned()));
        }
        let refusal = || Refusal::Transition { state, call };
        let reply_to = if managed {
            open.reply_to.take().ok_or_else(|| match open.aborted {
                Some(_) => Refusal::Late(request_id.to_owned()),
                None => Refusal::Answered(request_id.to_owned()),
            })?
        } else {
            let next = state.after(call).ok_or_else(refusal)?;
            let reply_to = open.reply_to.take().ok_or_else(refusal)?;
            self.runtime = next;
            reply_to
        };
        Ok(Accepted {
            sequence: open.sequence,
            mode: open.mode,
            reply_to,
        })
    }

    /// The body of the accepted response was consumed.
    pub(crate) fn sent(&mut self, sequence: u64) -> Result<(), Refusal> {
        let managed = self.is_managed();
        let Some(open) = self.opened(sequence) else {
            return Ok(());
        };
        open.sent = true;
        if managed {
            return Ok(());
        }
        self.runtime_call(RuntimeCall::Sent)
    }

    fn opened(&mut self, sequence: u64) -> Option<&mut Open> {
        self.open.iter_mut().find(|open| open.sequence == sequence)
    }

    /// The runtime says that it cannot start; the environment falls when a process exits.
    pub(crate) fn runtime_init_error(&mut self, error: ReportedError) -> Result<(), Refusal> {
        self.runtime_call(RuntimeCall::InitError)?;
        self.init_error = Some(error);
        Ok(())
    }

    /// The runtime waits for the snapshot to be restored, until [`State::is_restored`].
    pub(crate) fn restore_next(&mut self) -> Result<(), Refusal> {
        self.runtime_call(RuntimeCall::RestoreNext)
    }

    /// The snapshot is restored. A runtime that waits for an event already takes no notice
    /// (source: RIE `internal/lambda/rapid/handlers.go`, handleRestore).
    pub(crate) fn restore(&mut self) {
        let _ = self.runtime_call(RuntimeCall::Restored);
        self.restored = true;
    }

    pub(crate) fn is_restored(&self) -> bool {
        self.restored
    }

    /// The runtime could not be restored: the environment falls.
    pub(crate) fn restore_error(&mut self, error: ReportedError) -> Result<(), Refusal> {
        self.runtime_call(RuntimeCall::RestoreError)?;
        self.fail(Fault::RestoreError(error));
        Ok(())
    }

    /// Whether an init error is one of the restore (source: RIE `internal/lambda/rapi/handler/initerror.go`).
    pub(crate) fn is_restoring(&self) -> bool {
        self.runtime == RuntimeState::Restoring
    }

    /// Whether the runtime waits for an event.
    pub(crate) fn is_ready(&self) -> bool {
        self.runtime == RuntimeState::Ready
    }

    /// Init is over when the runtime and every registered extension wait for an event, or the runtime for the restore
    /// (source: AWS page "Understanding the Lambda execution environment lifecycle").
    pub(crate) fn init_done(&self) -> bool {
        (self.is_ready() || self.runtime == RuntimeState::RestoreReady)
            && self.extensions.iter().all(Extension::is_ready)
    }

    /// Whether nothing is open, and everybody who is awaited at the end of an invocation waits for the next: nobody
    /// misses the time that the environment stands still.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
            && self.is_ready()
            && self.init_done()
            && (!self.is_managed() || self.polls == self.concurrency)
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
        if !self.is_ready() {
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

    /// Opens an invocation for the runtime and the INVOKE extensions; gives its sequence number.
    pub(crate) fn begin(&mut self, invocation: Invocation, deadline_ms: u64) -> u64 {
        self.sequence += 1;
        self.open.push(Open {
            sequence: self.sequence,
            request_id: invocation.request_id,
            attempt_id: invocation.attempt_id,
            trace_id: invocation.trace_id,
            event: invocation.event,
            context: invocation.context,
            deadline_ms,
            mode: invocation.mode,
            delivered: false,
            reply_to: Some(invocation.reply_to),
            sent: false,
            aborted: None,
        });
        self.sequence
    }

    /// Whether the runtime, which takes one invocation at a time, has answered this one and asked for the next.
    pub(crate) fn runtime_done(&self, sequence: u64) -> bool {
        let open = self.open.iter().find(|open| open.sequence == sequence);
        open.is_none_or(|open| open.reply_to.is_none()) && self.is_ready()
    }

    /// An invocation is over when it was answered, the runtime waits for the next one, and so does every extension
    /// that was told of it (source: RIE `internal/lambda/rapid/handlers.go`, doInvoke). That of a managed instance is
    /// over with its answer.
    pub(crate) fn invocation_done(&self, sequence: u64) -> bool {
        let open = self.open.iter().find(|open| open.sequence == sequence);
        if self.is_managed() {
            return open.is_none_or(|open| open.sent);
        }
        let extensions_done = self
            .extensions
            .iter()
            .filter(|extension| extension.wants_invoke())
            .all(|extension| extension.done_with(sequence));
        self.runtime_done(sequence) && extensions_done
    }

    pub(crate) fn end_invocation(&mut self, sequence: u64) {
        self.open.retain(|open| open.sequence != sequence);
    }

    /// Whether something is open and all of it was answered to the end: runtime and extensions have yet to ask for
    /// their next event.
    pub(crate) fn is_settling(&self) -> bool {
        !self.open.is_empty() && self.open.iter().all(|open| open.sent)
    }

    /// Gives an open invocation up; returns where its answer is awaited, if none was begun. The first reason stays.
    pub(crate) fn abort(
        &mut self,
        sequence: u64,
        reason: &InvocationError,
    ) -> Option<oneshot::Sender<Answer>> {
        let open = self.opened(sequence)?;
        open.aborted.get_or_insert_with(|| reason.clone());
        let (request_id, reply_to) = (open.request_id, open.reply_to.take());
        if self.is_managed() && matches!(reason, InvocationError::TimedOut(_)) {
            self.remember_late(request_id);
        }
        reply_to
    }

    /// Sequence numbers of the open invocations.
    pub(crate) fn open(&self) -> impl Iterator<Item = u64> {
        self.open.iter().map(|open| open.sequence)
    }

    /// Why the invocation of this sequence number was given up, if it was.
    pub(crate) fn abort_reason(&self, sequence: u64) -> Option<InvocationError> {
        match self.open.iter().find(|open| open.sequence == sequence) {
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
