// SPDX-License-Identifier: Apache-2.0
//! Serving: polls for invocations and answers each, until something ends the environment.

use std::cell::Cell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::Adapter;
use super::start::Tail;
use super::stop::{Stop, Stops};
use crate::app::App;
use crate::app::process::Exited;
use crate::failure::{Failure, error_type};
use crate::logging::chain;
use crate::proxy::{AppState, Proxy};
use crate::runtime_api::{Invocation, RuntimeApiError};

/// Waits between polls that fail, doubled each time; the sum of all is some 20 s, and then the environment is given up.
const POLL_RETRY_INTERVAL: Duration = Duration::from_millis(10);
const POLL_RETRIES: u32 = 11;
/// How long an invocation may still take whose app is gone: long enough to post what is left to say. And how long the
/// news of an app's end may take, once it no longer listens.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Why serving ended.
enum Ending {
    Stop(Stop),
    AppExited(Exited),
    LambdaLost(RuntimeApiError),
}

impl Adapter {
    pub(super) async fn serve(&self, mut app: App, mut stops: Stops) -> u8 {
        let client = Rc::clone(app.client());
        let poller = Poller {
            proxy: Proxy::new(
                &self.runtime_api,
                &client,
                &self.settings,
                &self.event_secret,
            ),
            app_is_launched: app.is_launched(),
            is_open: Cell::new(false),
            is_draining: Cell::new(false),
        };
        let mut polling = pin!(poller.run());
        let ending = tokio::select! {
            biased;
            stop = stops.next() => Ending::Stop(stop),
            exited = app.exited() => Ending::AppExited(exited),
            error = &mut polling => Ending::LambdaLost(error),
        };
        match ending {
            Ending::Stop(stop) => {
                let budget = self.budget(&stop);
                let until = Instant::now() + budget;
                poller.drain(polling, budget / 2).await;
                self.drain(&stop, until, Some(app), stops).await
            }
            Ending::AppExited(exited) => {
                poller.drain(polling, LAST_WORDS_TIMEOUT).await;
                tracing::error!("app {exited}{}", Tail(&exited.stderr));
                // Its children, if it has left some.
                app.stop(Duration::ZERO).await;
                let code = exited.code().max(1);
                stops.release_stub(code).await;
                code
            }
            Ending::LambdaLost(error) => {
                tracing::error!(error = chain(&error), "runtime API is lost");
                app.stop(LAST_WORDS_TIMEOUT).await;
                stops.release_stub(1).await;
                1
            }
        }
    }
}

/// The loop around [`Proxy`].
struct Poller<'a> {
    proxy: Proxy<'a>,
    app_is_launched: bool,
    /// An invocation is open.
    is_open: Cell<bool>,
    /// No more polls after the open invocation.
    is_draining: Cell<bool>,
}

impl Poller<'_> {
    /// Ends only when Lambda cannot be reached.
    async fn run(&self) -> RuntimeApiError {
        let mut failures = 0;
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
            self.is_open.set(true);
            let app = self.answer(&invocation).await;
            self.is_open.set(false);
            if self.is_draining.get() {
                std::future::pending::<()>().await;
            }
            if app == AppState::Failed && self.app_is_launched && !self.proxy.app_listens().await {
                // It is about to be reported as ended, and a new invocation would be lost on it.
                sleep(LAST_WORDS_TIMEOUT).await;
            }
        }
    }

    async fn answer(&self, invocation: &Invocation) -> AppState {
        // Whatever it holds is of this invocation, but for connections, and those are dropped with it.
        match AssertUnwindSafe(self.proxy.answer(invocation))
            .catch_unwind()
            .await
        {
            Ok(Ok(app)) => app,
            Ok(Err(error)) => {
                tracing::error!(invocation.id, error = chain(&error), "reply was not taken");
                AppState::Good
            }
            Err(_) => {
                tracing::error!(invocation.id, "adapter panicked");
                let failure = Failure::new(
                    error_type::ADAPTER,
                    "the adapter panicked; its log says where",
                );
                let _ = self.proxy.runtime_api.fail(invocation, &failure).await;
                AppState::Good
            }
        }
    }

    /// Lets the open invocation end, if there is one, within its share of the time.
    async fn drain(
        &self,
        mut polling: Pin<&mut impl Future<Output = RuntimeApiError>>,
        share: Duration,
    ) {
        self.is_draining.set(true);
        let closed = std::future::poll_fn(|context| {
            if self.is_open.get()
                && polling.as_mut().poll(context).is_pending()
                && self.is_open.get()
            {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        });
        if timeout(share, closed).await.is_err() {
            tracing::warn!("invocation is cut: the environment ends");
        }
    }
}
