// SPDX-License-Identifier: Apache-2.0
//! One environment of the pool over its whole time: init, invocations, freezes, resets, the end.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::environment::Environment;
use crate::fault::Fault;
use crate::invocation::{Answer, Invocation};
use crate::journal::{Entry, InitPhase};
use crate::sandbox::{Place, Sandbox};

const SPINDOWN: &str = "spindown";

/// What the pool is told about the environment of this number.
#[derive(Debug)]
pub(super) struct News {
    pub(super) number: u32,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Init is done.
    Live(Weak<Environment>),
    /// One of the invocations that it was handed is over.
    Freed,
    /// It is being stopped.
    Stopping,
    /// It has fallen, and its processes are gone.
    Down,
}

/// An environment, whether its processes run or not.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: u32,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) place: Arc<Place>,
    pub(super) listener: Arc<TcpListener>,
    /// What the service needs before init: a machine, the code.
    pub(super) cold_start_delay: Duration,
    pub(super) news: mpsc::UnboundedSender<News>,
    /// Turns true when the function is to end, whatever is open.
    pub(super) stop: watch::Receiver<bool>,
}

/// An environment that is no more.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) number: u32,
    /// What it was handed and had not begun with.
    pub(super) left: Vec<Invocation>,
}

/// An invocation that is over, or whose environment has to be.
struct Finished {
    outcome: Result<(), Fault>,
    /// Dropped when the environment is done with the invocation.
    _guard: Option<oneshot::Sender<Infallible>>,
}

impl Slot {
    /// Serves until `invocations` closes or the function is stopped, then shuts the environment down in order.
    ///
    /// Init runs at once. An environment that fell is started again inside the next invocation and under the
    /// function's own timeout: the "suppressed init" of AWS page "Understanding the Lambda execution environment
    /// lifecycle".
    pub(super) async fn run(self, mut invocations: mpsc::Receiver<Invocation>) -> Ended {
        let mut stop = self.stop.clone();
        let mut environment = tokio::select! {
            started = self.cold_start() => started.ok(),
            () = stopped(&mut stop) => return self.ended(None, invocations),
        };
        let mut running = FuturesUnordered::new();
        loop {
            let mut invocation = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(finished) = running.next() => {
                    let Finished { outcome, _guard } = finished;
                    if let Err(fault) = outcome {
                        // The fault is that of all who are in this environment.
                        self.tell(What::Stopping);
                        let others: Vec<_> = running.by_ref().collect().await;
                        self.reset(environment.take(), &fault).await;
                        for _ in &others {
                            self.tell(What::Freed);
                        }
                    }
                    self.tell(What::Freed);
                    continue;
                }
                fault = fault_of(environment.as_deref()), if running.is_empty() => {
                    self.tell(What::Stopping);
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
                    () = stopped(&mut stop) => return self.ended(Some(invocation), invocations),
                };
                match started {
                    Ok(started) => environment.insert(started),
                    Err(fault) => {
                        let _ = invocation.reply_to.send(Answer::Failed((&fault).into()));
                        self.tell(What::Freed);
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
            self.place.journal.write(&Entry::Stopping {
                reason: SPINDOWN,
                message: None,
            });
            environment.stop(SPINDOWN).await;
        }
        self.ended(None, invocations)
    }

    fn ended(&self, first: Option<Invocation>, mut rest: mpsc::Receiver<Invocation>) -> Ended {
        rest.close();
        let rest = std::iter::from_fn(|| rest.try_recv().ok());
        Ended {
            number: self.number,
            left: first.into_iter().chain(rest).collect(),
        }
    }

    /// A pool that has gone needs no news.
    fn tell(&self, what: What) {
        let number = self.number;
        let _ = self.news.send(News { number, what });
    }

    async fn cold_start(&self) -> Result<Arc<Environment>, Fault> {
        tokio::time::sleep(self.cold_start_delay).await;
        self.start(InitPhase::Init).await
    }

    async fn start(&self, phase: InitPhase) -> Result<Arc<Environment>, Fault> {
        let started = Environment::start(
            Arc::clone(&self.sandbox),
            Arc::clone(&self.place),
            Arc::clone(&self.listener),
            phase,
        )
        .await
        .map(Arc::new);
        self.tell(match &started {
            Ok(environment) => What::Live(Arc::downgrade(environment)),
            Err(_) => What::Down,
        });
        started
    }

    async fn reset(&self, environment: Option<Arc<Environment>>, fault: &Fault) {
        let reason = fault.shutdown_reason();
        self.place.journal.write(&Entry::Stopping {
            reason,
            message: Some(format!("{}: {fault}", fault.error_type())),
        });
        if let Some(environment) = environment {
            environment.stop(reason).await;
        }
        self.tell(What::Down);
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A pool that has gone has stopped, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

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
