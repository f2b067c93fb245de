// SPDX-License-Identifier: Apache-2.0
//! Stopping: where the word of an environment's end comes from, how much time there is, and the one drain.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout};

use super::Adapter;
use crate::app::App;
use crate::extension_api::{Extension, ExtensionApiError, Shutdown};
use crate::handover::{Stub, StubEvent};
use crate::logging::chain;

/// From SIGTERM to SIGKILL, Lambda grants 2 s where an extension is registered from `/opt/extensions`; we keep the
/// last 100 ms for ourselves.
const EXTENSION_BUDGET: Duration = Duration::from_millis(1_900);
/// A runtime process alone gets 500 ms. If Lambda grants less, the app dies with us, which is no worse.
const ENTRYPOINT_BUDGET: Duration = Duration::from_millis(450);
/// Kept back from the deadline of SHUTDOWN for reaping and exit.
const EXIT_RESERVE: Duration = Duration::from_millis(100);

/// Why the environment ends.
#[derive(Debug)]
pub(super) enum Stop {
    /// Lambda said so to the extension.
    Shutdown(Shutdown),
    /// SIGTERM or SIGINT came to this process.
    Signal,
    /// SIGTERM came to the stub.
    StubTerminated,
    /// The runtime process is gone, so Lambda will end the environment.
    StubGone,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown(shutdown) => write!(f, "shutdown ({})", shutdown.reason),
            Self::Signal => f.write_str("signal"),
            Self::StubTerminated => f.write_str("signal to the runtime process"),
            Self::StubGone => f.write_str("runtime process is gone"),
        }
    }
}

/// This process's own signals.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one. May be dropped and called again.
    pub(super) async fn next(&mut self) {
        poll_fn(|context| {
            let signals = [&mut self.terminate, &mut self.interrupt];
            let mut came = signals
                .map(|signal| signal.poll_recv(context).is_ready())
                .into_iter();
            if came.any(|came| came) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Lambda's word to an extension.
type Word = Pin<Box<dyn Future<Output = Result<Shutdown, ExtensionApiError>>>>;

/// Where stops come from.
pub(super) struct Stops {
    /// `None`: not registered, or no word will come any more.
    shutdown: Option<Word>,
    signals: Signals,
    stub: Option<Stub>,
    /// One that came before all this was there.
    early: Option<Stop>,
}

impl Stops {
    pub(super) fn new(extension: Option<Extension>, signals: Signals) -> Self {
        let shutdown =
            extension.map(|extension| Box::pin(async move { extension.shutdown().await }) as Word);
        Self {
            shutdown,
            signals,
            stub: None,
            early: None,
        }
    }

    /// Where the first one has come already.
    pub(super) fn after(stop: Stop, signals: Signals) -> Self {
        Self {
            early: Some(stop),
            ..Self::new(None, signals)
        }
    }

    pub(super) fn set_stub(&mut self, stub: Stub) {
        self.stub = Some(stub);
    }

    /// Waits for a stop. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Stop {
        if let Some(stop) = self.early.take() {
            return stop;
        }
        loop {
            let stub = async {
                match &mut self.stub {
                    Some(stub) => stub.event().await,
                    None => pending().await,
                }
            };
            let shutdown = async {
                match &mut self.shutdown {
                    Some(shutdown) => shutdown.await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                shutdown = shutdown => match shutdown {
                    Ok(shutdown) => return Stop::Shutdown(shutdown),
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "no word of a shutdown will come from lambda");
                        self.shutdown = None;
                    }
                },
                () = self.signals.next() => return Stop::Signal,
                event = stub => return match event {
                    StubEvent::Terminated => Stop::StubTerminated,
                    StubEvent::Gone => Stop::StubGone,
                },
            }
        }
    }

    /// Lets the runtime process exit with this code, if a stub is it.
    pub(super) async fn release_stub(mut self, code: u8) {
        if let Some(stub) = self.stub.take() {
            stub.release(code).await;
        }
    }
}

impl Adapter {
    /// How long everything may take from this stop on.
    pub(super) fn budget(&self, stop: &Stop) -> Duration {
        let granted = match stop {
            Stop::Shutdown(shutdown) => shutdown.remaining.saturating_sub(EXIT_RESERVE),
            Stop::Signal if !self.is_extension => ENTRYPOINT_BUDGET,
            Stop::Signal | Stop::StubTerminated | Stop::StubGone => EXTENSION_BUDGET,
        };
        self.settings.shutdown_timeout.unwrap_or(granted)
    }

    /// Stops the app in order and returns the code to exit with.
    pub(super) async fn drain(
        &self,
        stop: &Stop,
        until: Instant,
        mut app: App,
        stops: Stops,
    ) -> u8 {
        let mut code = 0;
        let left = until.saturating_duration_since(Instant::now());
        if let Some(exited) = app.stop(left).await {
            tracing::info!("app {exited}");
            code = exited.code();
        }
        self.leave(stop, code, stops).await
    }

    /// Lets the runtime process go and returns the code to exit with.
    pub(super) async fn leave(&self, stop: &Stop, code: u8, mut stops: Stops) -> u8 {
        if let Some(stub) = stops.stub.take() {
            stub.release(code).await;
        }
        if !self.is_extension {
            return code;
        }
        // Lambda tells the extension last. It counts one that has gone before as crashed.
        if let (false, Some(shutdown)) = (matches!(stop, Stop::Shutdown(_)), stops.shutdown) {
            let _ = timeout(EXTENSION_BUDGET, shutdown).await;
        }
        0
    }
}
