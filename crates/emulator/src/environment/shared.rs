// SPDX-License-Identifier: Apache-2.0
//! The state of one environment as its parts share it: changed under a lock, awaited without one.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Responses;
use crate::fault::Fault;
use crate::faults::Faults;
use crate::invocation::{Answer, InvocationError};
use crate::journal::Journal;
use crate::log_tail::LogTails;
use crate::output::Output;
use crate::pace::Pace;
use crate::replies::Tally;
use crate::sandbox::{Credentials, Place, Sandbox};
use crate::settings::{Bandwidth, FrontKind};
use crate::state::{Accepted, Refusal, RuntimeCall, State};
use crate::telemetry::Telemetry;

/// [`State`] with notifications, and the constants that both APIs tell.
#[derive(Debug)]
pub(crate) struct Shared {
    state: watch::Sender<State>,
    /// Of this environment: each entry comes behind what the processes wrote before it.
    pub(crate) journal: Journal,
    pub(crate) output: Arc<Output>,
    pub(crate) tails: Arc<LogTails>,
    pub(crate) responses: Responses,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) faults: Faults,
    pub(crate) tally: Arc<Tally>,
    pub(crate) function_arn: String,
    pub(crate) function_name: String,
    pub(crate) handler: String,
    /// Of an environment that is restored from a snapshot.
    pub(crate) credentials: Option<Credentials>,
    external: Vec<String>,
    bandwidth: Bandwidth,
    front: FrontKind,
}

impl Shared {
    pub(crate) fn new(sandbox: &Sandbox, place: &Place) -> Self {
        let tails = Arc::<LogTails>::default();
        let telemetry = Arc::new(Telemetry::new(place.about.clone()));
        let telling = {
            let (journal, tails) = (place.journal.clone(), Arc::clone(&tails));
            let telemetry = Arc::clone(&telemetry);
            Journal::new(move |entry| {
                tails.see(entry);
                telemetry.see(entry);
                journal.write(entry);
            })
        };
        let output = Output::new(telling.clone(), sandbox.output);
        let journal = {
            let output = Arc::clone(&output);
            Journal::new(move |entry| {
                output.drain();
                telling.write(entry);
            })
        };
        Self {
            state: watch::Sender::new(State::new(sandbox.concurrency)),
            journal,
            output,
            tails,
            responses: Responses::default(),
            telemetry,
            faults: Faults::new(&sandbox.faults),
            tally: Arc::clone(&sandbox.tally),
            function_arn: sandbox.function_arn.clone(),
            function_name: sandbox.function_name.clone(),
            handler: sandbox.handler.clone(),
            credentials: place.credentials.clone(),
            bandwidth: sandbox.bandwidth,
            front: sandbox.front,
            external: sandbox
                .extensions
                .iter()
                .map(|program| program.name.clone())
                .collect(),
        }
    }

    /// Whether several invocations may be open at once.
    pub(crate) fn is_managed(&self) -> bool {
        self.peek(State::is_managed)
    }

    /// Whether there is a restore to wait for.
    pub(crate) fn has_restore(&self) -> bool {
        self.credentials.is_some()
    }

    /// The pace of a stream that begins now.
    pub(crate) fn pace(&self) -> Pace {
        Pace::new(self.bandwidth, self.front, Instant::now())
    }

    pub(crate) fn is_external(&self, name: &str) -> bool {
        self.external.iter().any(|known| known == name)
    }

    /// Changes the state and wakes whoever waits for it, unless the change was refused.
    pub(crate) fn apply<R, E>(
        &self,
        change: impl FnOnce(&mut State) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut outcome = None;
        self.state.send_if_modified(|state| {
            let result = change(state);
            let modified = result.is_ok();
            outcome = Some(result);
            modified
        });
        outcome.expect("the closure is called exactly once")
    }

    /// Changes the state and wakes whoever waits for it.
    pub(crate) fn apply_always<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let outcome = self.apply(|state| Ok::<_, std::convert::Infallible>(change(state)));
        match outcome {
            Ok(result) => result,
        }
    }

    /// Reads the state.
    pub(crate) fn peek<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.state.borrow())
    }

    /// Tries `take` after each change until it takes something.
    pub(crate) async fn poll<R>(&self, mut take: impl FnMut(&mut State) -> Option<R>) -> R {
        let mut changes = self.state.subscribe();
        loop {
            changes.mark_unchanged();
            if let Ok(taken) = self.apply(|state| take(state).ok_or(())) {
                return taken;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Resolves when `condition` holds.
    pub(crate) async fn until(&self, mut condition: impl FnMut(&State) -> bool) {
        if self
            .state
            .subscribe()
            .wait_for(|state| condition(state))
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves when the environment cannot go on.
    pub(crate) async fn fault(&self) -> Fault {
        self.until(|state| state.fault().is_some()).await;
        self.peek(State::fault).expect("the first fault stays")
    }

    /// Resolves when the invocation of this sequence number was given up, with the reason.
    pub(crate) async fn aborted(&self, sequence: u64) -> InvocationError {
        let mut reason = None;
        self.until(|state| {
            reason = state.abort_reason(sequence);
            reason.is_some()
        })
        .await;
        reason.unwrap_or(InvocationError::Truncated)
    }

    /// Lets a reply in, and counts it either way.
    pub(crate) fn accept(
        &self,
        call: RuntimeCall,
        request_id: &str,
        attempt_id: Option<&str>,
    ) -> Result<Accepted, Refusal> {
        let outcome = self.apply(|state| state.accept(call, request_id, attempt_id));
        match &outcome {
            Ok(_) => self.tally.answered(request_id),
            Err(refusal) => self.tally.refused(request_id, refusal),
        }
        outcome
    }

    /// Gives an open invocation up: a waiting front gets the error, a response under way is broken off.
    pub(crate) fn abort(&self, sequence: u64, error: &InvocationError) {
        if let Some(reply_to) = self.apply_always(|state| state.abort(sequence, error)) {
            self.tally.lost();
            let _ = reply_to.send(Answer::Failed(error.clone()));
        }
    }

    /// Gives up whatever is open.
    pub(crate) fn abort_all(&self, error: &InvocationError) {
        for sequence in self.peek(|state| state.open().collect::<Vec<_>>()) {
            self.abort(sequence, error);
        }
    }
}
