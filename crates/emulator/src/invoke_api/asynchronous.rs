// SPDX-License-Identifier: Apache-2.0
//! Asynchronous invocations: taken at once, carried out behind the answer, tried again where the function fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::refusal::Refusal;
use crate::invocation::{Answer, InvocationError};
use crate::invoke::{Call, Invoker};
use crate::journal::{Entry, Journal};

/// Events that may be waiting or under way; one more is refused (429). The service has room for many more.
const CAPACITY: usize = 1000;

/// How often a failed invocation is tried again (source: AWS page "Error handling and retries for asynchronous
/// invocations").
const RETRIES: u32 = 2;

/// The events that nobody waits for. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    invoker: Invoker,
    retry_interval: Duration,
    journal: Journal,
    room: Arc<Semaphore>,
    /// Ends with the last handle: what waits for its next attempt is then given up.
    tasks: Arc<std::sync::Mutex<JoinSet<()>>>,
}

impl Queue {
    pub(super) fn new(invoker: Invoker, retry_interval: Duration, journal: &Journal) -> Self {
        Self {
            invoker,
            retry_interval,
            journal: journal.clone(),
            room: Arc::new(Semaphore::new(CAPACITY)),
            tasks: Arc::default(),
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// If too many are waiting.
    pub(super) fn take(&self, call: Call) -> Result<(), Refusal> {
        let room = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| Refusal::TooMany)?;
        let (invoker, journal, interval) = (
            self.invoker.clone(),
            self.journal.clone(),
            self.retry_interval,
        );
        let mut tasks = self
            .tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Those that are done are let go of.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            carry_out(&invoker, &journal, interval, call).await;
            drop(room);
        });
        Ok(())
    }
}

async fn carry_out(invoker: &Invoker, journal: &Journal, interval: Duration, call: Call) {
    let request_id = call.request_id.to_string();
    for retry in 0..=RETRIES {
        let attempt = Call {
            trace_root: call.trace_root.clone(),
            event: call.event.clone(),
            context: call.context.clone(),
            ..call
        };
        let called = invoker.invoke(attempt).await;
        let Answer::Failed(error) = called.answer else {
            return;
        };
        let is_final = error != InvocationError::Throttled && Refusal::instead_of(&error).is_some();
        if is_final || retry == RETRIES {
            journal.write(&Entry::Abandoned {
                request_id,
                reason: error.line(),
            });
            return;
        }
        // Twice as long the second time.
        let after = interval * (retry + 1);
        journal.write(&Entry::Retry {
            request_id: request_id.clone(),
            attempt: usize::try_from(retry).unwrap_or(usize::MAX) + 2,
            after,
        });
        tokio::time::sleep(after).await;
    }
}
