// SPDX-License-Identifier: Apache-2.0
//! The one loop of an environment: waits for what happens, asks [`Lifecycle`] what it means, and does that.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::Adapter;
use super::phase::{Event, Lifecycle, Order, Phase};
use super::serve::Pollers;
use super::start::{StartError, Tail};
use super::stop::Stops;
use crate::app::health::Health;
use crate::app::process::{Exited, SpawnError};
use crate::app::readiness::{NotReady, probe, until_ready};
use crate::app::{App, AppClient};
use crate::logging::chain;
use crate::proxy::Proxy;
use crate::runtime_api::RuntimeApiError;
use crate::settings::AsyncInit;

/// Lambda gives the init phase 10 s, of which we do not see the beginning.
const INIT_SHARE: Duration = Duration::from_secs(9);
/// How long an app may take to stop that has failed its check, or that Lambda no longer needs.
const GIVE_UP_TIMEOUT: Duration = Duration::from_millis(500);
/// How long open invocations may still take whose app is gone: long enough to post what is left to say.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the news of an app's end may take, once it no longer answers.
const NEWS_TIMEOUT: Duration = Duration::from_millis(500);

/// Why the app is down.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the app {0}")]
    Exited(Exited),
    #[error(transparent)]
    NotReady(NotReady),
    #[error("{}", chain(.0))]
    NotStarted(SpawnError),
}

impl Trouble {
    /// An app that does not answer may be one that ends; then this is the cause to tell.
    async fn or_exited(self, app: &mut App) -> Self {
        if matches!(self, Self::Exited(_)) || !app.is_launched() {
            return self;
        }
        match timeout(NEWS_TIMEOUT, app.exited()).await {
            Ok(exited) => Self::Exited(exited),
            Err(_) => self,
        }
    }

    /// The code to exit with: a start that ends well has failed all the same, as no one is left to serve.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Exited(exited) => exited.code().max(1),
            _ => 1,
        }
    }

    fn log(&self) {
        match self {
            Self::Exited(exited) => tracing::error!("app {exited}{}", Tail(&exited.stderr)),
            trouble => tracing::error!("{trouble}"),
        }
    }

    fn into_start_error(self) -> StartError {
        match self {
            Self::Exited(exited) => StartError::Exited(exited),
            Self::NotReady(error) => StartError::NotReady(error),
            Self::NotStarted(error) => StartError::Spawn(error),
        }
    }
}

/// What happened.
enum News {
    Failed(Trouble),
    /// Ready, and listening since then.
    Ready(Instant),
    RestartIsDue,
    InitEnds,
    Suspected,
}

type Check<'a> = Pin<Box<dyn Future<Output = Result<Instant, NotReady>> + 'a>>;

impl Adapter {
    /// Keeps the app up and serves, until the environment ends; gives the code to exit with.
    pub(super) async fn supervise(&self, mut app: App, mut stops: Stops) -> u8 {
        let health = Rc::new(Health::default());
        let client = Rc::clone(app.client());
        let pollers = Pollers::new(
            Proxy::new(
                &self.runtime_api,
                &client,
                &health,
                &self.settings,
                &self.event_secret,
            ),
            self.concurrency(),
        );
        let mut polling = pin!(pollers.run());
        let mut lifecycle = Lifecycle::new(self.settings.restart_limit);
        let mut check = Some(self.check(&app));
        let mut restart_at = None;
        let (stop, polling) = loop {
            let phase = lifecycle.phase();
            let news = tokio::select! {
                biased;
                stop = stops.next() => break (Ok(stop), polling),
                exited = app.exited() => News::Failed(Trouble::Exited(exited)),
                checked = run(&mut check) => News::of_check(checked),
                () = at(restart_at) => News::RestartIsDue,
                () = at(self.init_ends_at()), if phase == Phase::Starting => News::InitEnds,
                () = health.suspected(), if phase == Phase::Serving => News::Suspected,
                error = &mut polling => break (Err(error), polling),
            };
            let (event, trouble) = match news {
                News::Ready(listens_since) => {
                    check = None;
                    health.set_ready();
                    pollers.open();
                    // So that the line tells when the first poll was sent, and does not hold it up.
                    if let Err(error) = beside(polling.as_mut(), std::future::ready(())).await {
                        break (Err(error), polling);
                    }
                    self.report_ready(phase, listens_since);
                    (Event::Ready, None)
                }
                News::RestartIsDue => {
                    restart_at = None;
                    match app.restart() {
                        Ok(()) => {
                            check = Some(self.check(&app));
                            continue;
                        }
                        Err(error) => (Event::AppFailed, Some(Trouble::NotStarted(error))),
                    }
                }
                News::InitEnds => (Event::InitEnds, None),
                News::Suspected => (Event::Suspected, None),
                News::Failed(trouble) => {
                    match beside(polling.as_mut(), trouble.or_exited(&mut app)).await {
                        Ok(trouble) => (Event::AppFailed, Some(trouble)),
                        Err(error) => break (Err(error), polling),
                    }
                }
            };
            if let Some(trouble) = &trouble {
                check = None;
                health.set_failed(&trouble.to_string());
                if pollers.take_served() {
                    lifecycle.on(Event::Served);
                }
            }
            match (lifecycle.on(event), trouble) {
                (Order::Poll, _) if event == Event::InitEnds => {
                    tracing::warn!(
                        elapsed_ms = self.elapsed_ms(),
                        "app is not ready yet, but the init phase is about to end: the first invocation waits for it"
                    );
                    pollers.open();
                }
                (Order::Probe, _) => check = Some(self.probe(&app)),
                (Order::Restart(pause), Some(trouble)) => {
                    trouble.log();
                    if app.is_launched() {
                        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                        tracing::warn!(
                            failures = lifecycle.failures(),
                            pause_ms,
                            "app is started again"
                        );
                    }
                    // Its children too, which may hold its port.
                    if let Err(error) = beside(polling.as_mut(), app.stop(GIVE_UP_TIMEOUT)).await {
                        break (Err(error), polling);
                    }
                    restart_at = Some(Instant::now() + pause);
                }
                (Order::FailInit, Some(trouble)) => {
                    app.stop(GIVE_UP_TIMEOUT).await;
                    return self.give_up_start(&trouble.into_start_error(), stops).await;
                }
                (Order::GiveUp, Some(trouble)) => {
                    trouble.log();
                    pollers.drain(polling, LAST_WORDS_TIMEOUT).await;
                    tracing::error!(
                        failures = lifecycle.failures(),
                        "app cannot be kept up; the environment ends, and lambda replaces it"
                    );
                    app.stop(Duration::ZERO).await;
                    let code = trouble.exit_code();
                    stops.release_stub(code).await;
                    return code;
                }
                _ => {}
            }
        };
        match stop {
            Ok(stop) => {
                tracing::info!(reason = %stop, "environment ends");
                let budget = self.budget(&stop);
                let until = Instant::now() + budget;
                pollers.drain(polling, budget / 2).await;
                self.drain(&stop, until, app, stops).await
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "runtime API is lost");
                app.stop(LAST_WORDS_TIMEOUT).await;
                stops.release_stub(1).await;
                1
            }
        }
    }

    /// The check of an app that comes up.
    pub(super) fn check(&self, app: &App) -> Check<'_> {
        Box::pin(until_ready(
            self.readiness_client(app),
            &self.settings.readiness,
            app.group(),
        ))
    }

    /// The check of an app that is up.
    fn probe(&self, app: &App) -> Check<'_> {
        Box::pin(probe(
            self.readiness_client(app),
            &self.settings.readiness,
            app.group(),
        ))
    }

    fn readiness_client(&self, app: &App) -> AppClient {
        let other = self.settings.readiness.port.map(|port| self.client(port));
        // The host is that of the app itself, so it resolves.
        other
            .and_then(Result::ok)
            .unwrap_or_else(|| Rc::clone(app.client()))
    }

    fn report_ready(&self, phase: Phase, listens_since: Instant) {
        let listening_ms = millis(listens_since.saturating_duration_since(self.began_at));
        let (spawned_ms, ready_ms) = (self.spawned_ms, self.elapsed_ms());
        match phase {
            Phase::Starting => tracing::info!(
                app.address = %self.settings.host,
                spawned_ms,
                listening_ms,
                ready_ms,
                "app is ready"
            ),
            Phase::Recovering => tracing::info!(ready_ms, "app is ready after all"),
            Phase::Serving | Phase::Probing | Phase::Over => {}
        }
    }

    /// When an app that is not ready is no longer waited for: the init phase ends soon.
    pub(super) fn init_ends_at(&self) -> Option<Instant> {
        let hands_over = match self.settings.async_init {
            AsyncInit::Always => true,
            AsyncInit::Never => false,
            AsyncInit::Auto => self
                .environment
                .get("AWS_LAMBDA_INITIALIZATION_TYPE")
                .is_none_or(|kind| kind == "on-demand"),
        };
        hands_over.then(|| self.began_at + INIT_SHARE)
    }

    /// How many invocations may be open at once.
    fn concurrency(&self) -> usize {
        // Lambda tells the runtime process alone, from which the stub brings it.
        let told = self.environment.get("AWS_LAMBDA_MAX_CONCURRENCY");
        let told = told.and_then(|count| count.to_str()?.parse().ok());
        self.settings.max_concurrency.or(told).unwrap_or(1).max(1)
    }
}

impl News {
    fn of_check(checked: Result<Instant, NotReady>) -> Self {
        match checked {
            Ok(listens_since) => Self::Ready(listens_since),
            Err(error) => Self::Failed(Trouble::NotReady(error)),
        }
    }
}

/// Does something while invocations go on. An error is that of the polls.
async fn beside<T>(
    polling: Pin<&mut impl Future<Output = RuntimeApiError>>,
    work: impl Future<Output = T>,
) -> Result<T, RuntimeApiError> {
    tokio::select! {
        biased;
        error = polling => Err(error),
        done = work => Ok(done),
    }
}

async fn run(check: &mut Option<Check<'_>>) -> Result<Instant, NotReady> {
    match check {
        Some(check) => check.await,
        None => pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
