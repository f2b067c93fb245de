// SPDX-License-Identifier: Apache-2.0
//! One execution environment: init, invocations, shutdown.
//!
//! Order and timing of the phases; the rules of who may call what are in [`state`](crate::state), starting and killing
//! processes is in [`sandbox`](crate::sandbox). A reset keeps the environment's address and `/tmp`, as on the service
//! (source: AWS page "Understanding the Lambda execution environment lifecycle").

mod runtime_done;
mod shared;
mod shutdown;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::time::Instant;

pub(crate) use runtime_done::Responses;
use runtime_done::RuntimeDone;
pub(crate) use shared::Shared;

use crate::api;
use crate::clock::epoch_millis;
use crate::fault::Fault;
use crate::invocation::{Invocation, InvocationError};
use crate::journal::{Entry, InitPhase, Journal};
use crate::sandbox::{Freeze, Generation, Initialization, Place, Sandbox};
use crate::state::State;

/// The on-demand limit for extensions, runtime and static code together
/// (source: AWS page "Understanding the Lambda execution environment lifecycle").
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// The limit where init is not part of a request, unless the function's timeout is longer (source: same page).
const LONG_INIT_LIMIT: Duration = Duration::from_secs(130);
/// The limit of a restore, hooks included (source: same page).
const RESTORE_LIMIT: Duration = Duration::from_secs(10);

/// A started environment; dropping it closes its APIs and kills its processes.
#[derive(Debug)]
pub(crate) struct Environment {
    sandbox: Arc<Sandbox>,
    shared: Arc<Shared>,
    generation: Arc<Generation>,
    apis: tokio::task::JoinHandle<Infallible>,
    /// How long init took, until a REPORT line has told it.
    init: Mutex<Option<Duration>>,
}

impl Environment {
    /// Opens the APIs and runs init, within [`INIT_LIMIT`] or, inside an invocation, the function's timeout.
    ///
    /// # Errors
    /// Whatever keeps the environment from its first event. All its processes are gone then.
    ///
    /// # Cancel safety
    /// Dropping the future kills what was started.
    pub(crate) async fn start(
        sandbox: Arc<Sandbox>,
        place: Arc<Place>,
        listener: Arc<TcpListener>,
        phase: InitPhase,
    ) -> Result<Self, Fault> {
        let began = Instant::now();
        let limit = match phase {
            InitPhase::Init if has_long_init(&sandbox, &place) => {
                LONG_INIT_LIMIT.max(sandbox.timeout)
            }
            InitPhase::Init => INIT_LIMIT,
            InitPhase::Invoke => sandbox.timeout,
        };
        let is_reported =
            phase == InitPhase::Init && place.initialization == Initialization::Provisioned;
        let shared = Arc::new(Shared::new(&sandbox, &place));
        let apis = tokio::spawn(api::serve(listener, Arc::clone(&shared)));
        let generation = Generation::new(&sandbox, &place);
        let environment = Self {
            sandbox,
            shared,
            generation,
            apis,
            init: Mutex::new(None),
        };
        environment.journal().write(&Entry::InitStart {
            runtime: environment.sandbox.describe(),
            phase,
        });
        let outcome = tokio::time::timeout_at(began + limit, environment.initialize()).await;
        let fault = match outcome {
            Ok(Ok(())) => {
                let duration = began.elapsed();
                environment.journal().write(&Entry::InitDone {
                    duration,
                    phase,
                    reported: is_reported,
                });
                if environment.shared.has_restore() {
                    return environment.restore().await;
                }
                let told = Some(duration).filter(|_| phase == InitPhase::Init && !is_reported);
                *environment.init() = told;
                return Ok(environment);
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::InitTimeout {
                limit,
                missing: environment.shared.peek(State::missing_for_init),
            },
        };
        environment.journal().write(&Entry::InitFailed {
            duration: began.elapsed(),
            phase,
            error_type: fault.error_type().to_owned(),
            message: fault.to_string(),
        });
        environment.stop(fault.shutdown_reason()).await;
        Err(fault)
    }

    /// Makes a snapshot, which here is a moment of standing still, and goes on from it as a restored environment.
    async fn restore(self) -> Result<Self, Fault> {
        self.freeze().await;
        self.thaw();
        let began = Instant::now();
        self.journal().write(&Entry::RestoreStart);
        self.shared.apply_always(State::restore);
        let ready = self.or_fault(self.shared.until(State::is_ready));
        let outcome = tokio::time::timeout(RESTORE_LIMIT, ready)
            .await
            .unwrap_or(Err(Fault::RestoreTimeout(RESTORE_LIMIT)));
        self.journal().write(&Entry::RestoreReport {
            duration: began.elapsed(),
            error: outcome
                .as_ref()
                .err()
                .map(|fault| (fault.error_type().to_owned(), fault.to_string())),
        });
        if let Err(fault) = outcome {
            self.stop(fault.shutdown_reason()).await;
            return Err(fault);
        }
        Ok(self)
    }

    fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Extensions first, and the runtime process only when all of them have registered
    /// (source: RIE `internal/lambda/rapid/handlers.go`, doInit).
    async fn initialize(&self) -> Result<(), Fault> {
        let _working = self.generation.working();
        for program in &self.sandbox.extensions {
            self.shared
                .apply_always(|state| state.expect_extension(&program.name));
        }
        for program in &self.sandbox.extensions {
            self.generation.spawn_extension(program, &self.shared)?;
        }
        self.or_fault(
            self.shared
                .until(|state| state.unregistered().next().is_none()),
        )
        .await?;
        self.generation.spawn_runtime(&self.shared)?;
        self.or_fault(self.shared.until(State::init_done)).await?;
        self.shared.apply_always(State::close_registration);
        Ok(())
    }

    fn init(&self) -> std::sync::MutexGuard<'_, Option<Duration>> {
        self.init.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn or_fault(&self, awaited: impl Future<Output = ()>) -> Result<(), Fault> {
        tokio::select! {
            () = awaited => Ok(()),
            fault = self.shared.fault() => Err(fault),
        }
    }

    /// Resolves when a process exits although no invocation is open.
    pub(crate) async fn fault(&self) -> Fault {
        self.shared.fault().await
    }

    /// Resolves when nobody in the environment has anything to do but wait.
    pub(crate) async fn idle(&self) {
        self.shared.until(State::is_idle).await;
    }

    /// Whether all that is open was answered, so that a moment may do until the environment is free.
    pub(crate) fn is_settling(&self) -> bool {
        self.shared.peek(State::is_settling)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.generation.is_frozen()
    }

    /// Stops all processes.
    pub(crate) async fn freeze(&self) {
        let Freeze { stopped, running } = self.generation.freeze().await;
        self.journal().write(&Entry::Frozen { stopped, running });
    }

    /// Lets them go on, if they were stopped.
    pub(crate) fn thaw(&self) {
        if let Some(after) = self.generation.thaw() {
            self.journal().write(&Entry::Thawed { after });
        }
    }

    /// Gives the environment an invocation and resolves when runtime and extensions are done with it. The function's
    /// timeout runs from `began`.
    ///
    /// # Errors
    /// The fault after which the environment has to be stopped. The front has been told.
    ///
    /// # Cancel safety
    /// After a drop the invocation stays open; only [`Environment::stop`] makes sense then.
    pub(crate) async fn invoke(
        &self,
        mut invocation: Invocation,
        began: Instant,
    ) -> Result<(), Fault> {
        let request_id = invocation.request_id.to_string();
        let log = invocation.log.take();
        let _working = self.generation.working();
        let deadline = began + self.sandbox.timeout;
        let deadline_at = SystemTime::now() + deadline.saturating_duration_since(Instant::now());
        self.journal().write(&Entry::Start {
            request_id: request_id.clone(),
            trace_id: invocation.trace_id.clone(),
        });
        self.shared.tally.begun();
        let sequence = self
            .shared
            .apply_always(|state| state.begin(invocation, epoch_millis(deadline_at)));
        let runtime_done = RuntimeDone::new(&self.shared, &request_id, sequence, began);
        let outcome = tokio::select! {
            // A finished invocation counts as such, even if the next thing that happens is already known.
            biased;
            () = self.done_with(sequence, &runtime_done) => Ok(()),
            fault = self.shared.fault() => Err(fault),
            () = tokio::time::sleep_until(deadline) => Err(Fault::Timeout(self.sandbox.timeout)),
        };
        if let Err(fault) = &outcome {
            runtime_done.failed(fault);
            let error = InvocationError::from(fault);
            self.shared.abort(sequence, &error);
            self.journal().write(&Entry::InvocationFailed {
                request_id: request_id.clone(),
                error,
            });
        }
        // A managed instance goes on: the others that are open have time left.
        let goes_on = match &outcome {
            Ok(()) => true,
            Err(fault) => fault.is_timeout() && self.sandbox.concurrency > 1,
        };
        let duration = began.elapsed();
        self.journal().write(&Entry::End {
            request_id: request_id.clone(),
        });
        let init = self.init().take();
        let max_memory_mb = self.generation.max_memory_mb().await;
        self.journal().write(&Entry::Report {
            request_id: request_id.clone(),
            duration,
            memory_mb: self.sandbox.memory_mb,
            max_memory_mb,
            init,
            status: outcome.as_ref().err().map(Fault::status),
        });
        let tail = self.shared.tails.take(&request_id);
        if let Some(log) = log {
            // Most callers do not ask for it.
            let _ = log.send(tail);
        }
        if !goes_on {
            return outcome;
        }
        // Nothing is waited for from here until the pool knows, so that it takes what is almost free for busy at no time.
        self.shared
            .apply_always(|state| state.end_invocation(sequence));
        Ok(())
    }
}

impl Environment {
    /// Resolves when the runtime and then the extensions are done with an invocation.
    async fn done_with(&self, sequence: u64, runtime_done: &RuntimeDone<'_>) {
        if self.sandbox.concurrency == 1 {
            self.shared
                .until(|state| state.runtime_done(sequence))
                .await;
            runtime_done.tell(None);
        }
        self.shared
            .until(|state| state.invocation_done(sequence))
            .await;
    }
}

/// Whether init is not part of a request (source: AWS page "Understanding the Lambda execution environment lifecycle").
fn has_long_init(sandbox: &Sandbox, place: &Place) -> bool {
    sandbox.concurrency > 1
        || sandbox.snapstart
        || place.initialization == Initialization::Provisioned
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.apis.abort();
        self.shared.telemetry.end();
        self.generation.kill_all();
    }
}
