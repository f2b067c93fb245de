// SPDX-License-Identifier: Apache-2.0
//! Serving: polls for invocations and answers each. As many at once as Lambda allows; one that goes wrong never ends
//! the others.

use std::cell::Cell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use crate::app::stderr::AppStderr;
use crate::failure::{Failure, error_type};
use crate::logging::{self, chain};
use crate::proxy::{AppState, Proxy};
use crate::runtime_api::{Invocation, POLL_RESERVE, RuntimeApiError};

/// Waits between polls that fail, doubled each time; the sum of all is some 20 s, and then the environment is given up.
const POLL_RETRY_INTERVAL: Duration = Duration::from_millis(10);
const POLL_RETRIES: u32 = 11;
/// How long the app's standard error may hold a poll. A thread has to come to a processor for a moment, be the machine
/// ever so busy; whoever takes the log may take nothing.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(200);

/// The loops around [`Proxy`].
pub(super) struct Pollers<'a> {
    proxy: Proxy<'a>,
    stderr: &'a AppStderr,
    concurrency: usize,
    /// Polls may begin.
    opened: Notify,
    /// How many invocations are open.
    open: Cell<usize>,
    /// No more polls after the open invocations.
    is_draining: Cell<bool>,
    /// The app has served an invocation since this was last asked.
    served: Cell<bool>,
}

impl<'a> Pollers<'a> {
    pub(super) fn new(proxy: Proxy<'a>, stderr: &'a AppStderr, concurrency: usize) -> Self {
        Self {
            proxy,
            stderr,
            concurrency,
            opened: Notify::new(),
            open: Cell::new(0),
            is_draining: Cell::new(false),
            served: Cell::new(false),
        }
    }

    /// Lets polls begin. More than once is the same as once.
    pub(super) fn open(&self) {
        self.opened.notify_one();
    }

    /// Whether the app has served an invocation since this was last asked.
    pub(super) fn take_served(&self) -> bool {
        self.served.take()
    }

    /// Ends only when Lambda cannot be reached.
    pub(super) async fn run(&self) -> RuntimeApiError {
        self.opened.notified().await;
        if self.concurrency == 1 {
            return self.poll().await;
        }
        let mut loops: FuturesUnordered<_> = (0..self.concurrency).map(|_| self.poll()).collect();
        loop {
            // The others may still reach it.
            match loops.next().await {
                Some(error) if loops.is_empty() => return error,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    async fn poll(&self) -> RuntimeApiError {
        let mut failures = 0;
        self.stderr.settle(|| SETTLE_TIMEOUT).await;
        loop {
            let invocation = match self.proxy.runtime_api.next().await {
                Ok(invocation) => invocation,
                Err(error) if failures == POLL_RETRIES => return error,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "repeating a poll");
                    sleep(POLL_RETRY_INTERVAL * 2_u32.pow(failures)).await;
                    failures += 1;
                    continue;
                }
            };
            failures = 0;
            self.open.set(self.open.get() + 1);
            let span = logging::invocation(&invocation.id);
            let app = self.answer(&invocation).instrument(span).await;
            self.open.set(self.open.get() - 1);
            if self.is_draining.get() {
                std::future::pending::<()>().await;
            }
            match app {
                AppState::Good => self.served.set(true),
                AppState::Failed => self.proxy.suspect_if_gone().await,
                AppState::TimedOut => self.proxy.health.suspect(),
            }
            self.hold(&invocation).await;
            // Last, so that as little as can be is written behind it.
            let limit = || SETTLE_TIMEOUT.min(time_to_poll(&invocation).unwrap_or(SETTLE_TIMEOUT));
            self.stderr.settle(limit).await;
        }
    }

    /// While the app is not ready, Lambda is not asked for more: it would freeze the app's start, and a new invocation
    /// would only wait. But the one that is over counts as open until the next poll, so not beyond its deadline.
    async fn hold(&self, invocation: &Invocation) {
        let health = self.proxy.health;
        if health.is_ready() {
            return;
        }
        match time_to_poll(invocation) {
            Some(left) => {
                let _ = timeout(left, health.ready()).await;
            }
            None => health.ready().await,
        }
    }

    async fn answer(&self, invocation: &Invocation) -> AppState {
        match caught(self.proxy.answer(invocation)).await {
            Some(Ok(app)) => app,
            Some(Err(error)) => {
                let message = chain(&error);
                tracing::error!(error = message, "reply was not taken");
                if error.is_passing() {
                    // An invocation that stays open is handed out again, and the app would do its work twice. If Lambda
                    // has the reply after all, it refuses this.
                    let failure = Failure::new(error_type::REPLY_LOST, message);
                    let _ = self.proxy.runtime_api.fail(invocation, &failure).await;
                }
                AppState::Good
            }
            None => {
                tracing::error!("adapter panicked");
                let failure = Failure::new(
                    error_type::ADAPTER,
                    "the adapter panicked; its log says where",
                );
                let _ = self.proxy.runtime_api.fail(invocation, &failure).await;
                AppState::Good
            }
        }
    }

    /// Lets the open invocations end, if there are some, within their share of the time.
    pub(super) async fn drain(
        &self,
        mut polling: Pin<&mut impl Future<Output = RuntimeApiError>>,
        share: Duration,
    ) {
        self.is_draining.set(true);
        let closed = std::future::poll_fn(|context| {
            let is_open = || self.open.get() > 0;
            if is_open() && polling.as_mut().poll(context).is_pending() && is_open() {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        });
        if timeout(share, closed).await.is_err() {
            tracing::warn!("invocation is cut: the environment ends");
        }
    }
}

/// How long the next poll may be held. `None`: Lambda has named no deadline.
fn time_to_poll(invocation: &Invocation) -> Option<Duration> {
    Some(invocation.time_left()?.saturating_sub(POLL_RESERVE))
}

/// What comes of answering an invocation; `None` is a panic. Whatever that leaves behind is of this invocation, but for
/// connections, and those are dropped with it.
fn caught<T>(answering: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    AssertUnwindSafe(answering).catch_unwind().map(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_its_own_invocation_and_nothing_else() {
        let panics = async { panic!("as a fault of ours would") };
        assert_eq!(caught::<()>(panics).await, None);
        assert_eq!(caught(async { 1 }).await, Some(1));
    }
}
