// SPDX-License-Identifier: Apache-2.0
//! The function: takes invocations in turn and sees to it that there is an environment for each.
//!
//! One environment, so requests queue where the service would start a second one.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::environment::Environment;
use crate::fault::Fault;
use crate::invocation::{Answer, Invocation};
use crate::journal::{Entry, InitPhase};
use crate::sandbox::Sandbox;

/// Invocations that wait for the environment; a front whose invocation is one too many waits to hand it over.
pub(crate) const QUEUE: usize = 1024;

/// What an environment of the function is made from.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) listener: Arc<TcpListener>,
}

/// An invocation that is over, or whose environment has to be.
struct Finished {
    outcome: Result<(), Fault>,
    /// Dropped when the environment is done with the invocation.
    _guard: Option<oneshot::Sender<Infallible>>,
}

impl Function {
    /// Serves until `stop` resolves or all fronts are gone, then shuts the environment down in order.
    ///
    /// Init runs at once, before any invocation, as it may on the service. An environment that fell is replaced inside
    /// the next invocation and under the function's own timeout: the "suppressed init" of AWS page "Understanding the
    /// Lambda execution environment lifecycle".
    pub(crate) async fn run(
        self,
        mut invocations: mpsc::Receiver<Invocation>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut environment = tokio::select! {
            started = self.start(InitPhase::Init) => started.ok(),
            _ = &mut stop => return,
        };
        let mut running = FuturesUnordered::new();
        loop {
            let mut invocation = tokio::select! {
                biased;
                _ = &mut stop => break,
                Some(finished) = running.next() => {
                    if let Finished { outcome: Err(fault), _guard } = finished {
                        // The fault is that of all who are in this environment.
                        let _others: Vec<_> = running.by_ref().collect().await;
                        self.reset(environment.take(), &fault).await;
                    }
                    continue;
                }
                fault = fault_of(environment.as_deref()), if running.is_empty() => {
                    self.reset(environment.take(), &fault).await;
                    continue;
                }
                () = can_freeze(environment.as_deref()), if self.sandbox.freezes && running.is_empty() => {
                    if let Some(environment) = &environment {
                        environment.freeze().await;
                    }
                    continue;
                }
                next = invocations.recv(), if running.len() < self.sandbox.concurrency => match next {
                    Some(invocation) => invocation,
                    None => break,
                },
            };
            let began = Instant::now();
            let current = if let Some(current) = &environment {
                current
            } else {
                let started = tokio::select! {
                    started = self.start(InitPhase::Invoke) => started,
                    _ = &mut stop => return,
                };
                match started {
                    Ok(started) => environment.insert(started),
                    Err(fault) => {
                        let _ = invocation.reply_to.send(Answer::Failed((&fault).into()));
                        continue;
                    }
                }
            };
            current.thaw();
            let (current, guard) = (Arc::clone(current), invocation.guard.take());
            running.push(async move {
                Finished {
                    outcome: current.invoke(invocation, began).await,
                    _guard: guard,
                }
            });
        }
        drop(running);
        if let Some(environment) = environment {
            self.sandbox.journal.write(&Entry::Stopping {
                reason: SPINDOWN,
                message: None,
            });
            environment.stop(SPINDOWN).await;
        }
        let replies = self.sandbox.tally.replies();
        self.sandbox.journal.write(&Entry::Replies(replies));
    }

    async fn start(&self, phase: InitPhase) -> Result<Arc<Environment>, Fault> {
        let (sandbox, listener) = (Arc::clone(&self.sandbox), Arc::clone(&self.listener));
        let started = Environment::start(sandbox, listener, phase).await?;
        Ok(Arc::new(started))
    }

    async fn reset(&self, environment: Option<Arc<Environment>>, fault: &Fault) {
        let reason = fault.shutdown_reason();
        self.sandbox.journal.write(&Entry::Stopping {
            reason,
            message: Some(format!("{}: {fault}", fault.error_type())),
        });
        if let Some(environment) = environment {
            environment.stop(reason).await;
        }
    }
}

const SPINDOWN: &str = "spindown";

async fn fault_of(environment: Option<&Environment>) -> Fault {
    match environment {
        Some(environment) => environment.fault().await,
        None => std::future::pending().await,
    }
}

async fn can_freeze(environment: Option<&Environment>) {
    match environment {
        Some(environment) if !environment.is_frozen() => environment.idle().await,
        _ => std::future::pending().await,
    }
}
