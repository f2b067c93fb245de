// SPDX-License-Identifier: Apache-2.0
//! The one loop of an environment: waits for what happens, asks [`Lifecycle`] what it means, and does that.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use super::Adapter;
use super::phase::{Event, Lifecycle, Order, Phase};
use super::serve::Pollers;
use super::snapstart::SnapStartError;
use super::start::{StartError, Tail};
use super::stop::{Stop, Stops};
use crate::app::health::Health;
use crate::app::process::{Exited, Group, SpawnError};
use crate::app::readiness::{NotReady, probe, until_ready};
use crate::app::{App, AppClient};
use crate::logging::chain;
use crate::proxy::{Proxy, Standing};
use crate::runtime_api::RuntimeApiError;
use crate::settings::AsyncInit;
use crate::wakes::when_woken;

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
    NotReady(#[from] NotReady),
    #[error("{}", chain(.0))]
    NotStarted(SpawnError),
    #[error("{}", chain(.0))]
    SnapStart(#[from] SnapStartError),
}

impl Trouble {
    /// An app that does not answer may be one that ends; then this is the cause to tell.
    async fn or_exited(self, app: &mut App) -> Self {
        if !matches!(self, Self::NotReady(_)) || !app.is_launched() {
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
            Self::SnapStart(error) => StartError::SnapStart(error),
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

type Check<'a> = Pin<Box<dyn Future<Output = Result<Instant, Trouble>> + 'a>>;

/// How it all ends.
enum End {
    Stop(Stop),
    LambdaLost(RuntimeApiError),
    /// The app did not become ready in the init phase.
    InitFailed(Trouble),
    /// The app failed too often.
    GivenUp(Trouble),
}

impl Adapter {
    /// Keeps the app up and serves, until the environment ends; gives the code to exit with.
    pub(super) async fn supervise(
        &self,
        app: App,
        listens_since: Option<Instant>,
        mut stops: Stops,
    ) -> u8 {
        let client = Rc::clone(app.client());
        let stderr = Rc::clone(app.stderr());
        let mut keeper = Keeper::new(self, app, listens_since);
        let health = Rc::clone(&keeper.health);
        let pollers = Pollers::new(
            Proxy::new(
                &self.runtime_api,
                &client,
                &health,
                self.control.as_ref().map(|_| &self.background),
                &self.metrics,
                &self.settings,
                Standing {
                    event_secret: &self.event_secret,
                    environment: &self.environment,
                },
            ),
            &stderr,
            self.concurrency(),
        );
        let mut polling = pin!(async {
            tokio::select! {
                biased;
                lost = pollers.run() => lost,
                never = self.control() => match never {},
            }
        });
        let end = loop {
            let waiting = when_woken(async {
                tokio::select! {
                    biased;
                    stop = stops.next() => Err(End::Stop(stop)),
                    news = keeper.news() => Ok(news),
                }
            });
            let news = tokio::select! {
                biased;
                news = waiting => news,
                error = &mut polling => Err(End::LambdaLost(error)),
            };
            let news = match news {
                Ok(news) => news,
                Err(end) => break end,
            };
            // Invocations go on beside whatever is done about it.
            let end = tokio::select! {
                biased;
                error = &mut polling => Some(End::LambdaLost(error)),
                end = keeper.take(news, &pollers) => end,
            };
            if let Some(end) = end {
                break end;
            }
        };
        let mut app = keeper.app;
        match end {
            End::Stop(stop) => {
                tracing::info!(reason = %stop, "environment ends");
                let budget = self.budget(&stop);
                let until = Instant::now() + budget;
                pollers.drain(polling, budget / 2).await;
                self.drain(&stop, until, app, stops).await
            }
            End::LambdaLost(error) => {
                tracing::error!(error = chain(&error), "runtime API is lost");
                app.stop(LAST_WORDS_TIMEOUT).await;
                stops.release_stub(1).await;
                1
            }
            End::InitFailed(trouble) => {
                app.stop(GIVE_UP_TIMEOUT).await;
                self.give_up_start(&trouble.into_start_error(), stops).await
            }
            End::GivenUp(trouble) => {
                trouble.log();
                pollers.drain(polling, LAST_WORDS_TIMEOUT).await;
                tracing::error!(
                    "app cannot be kept up; the environment ends, and lambda replaces it"
                );
                app.stop(Duration::ZERO).await;
                let code = trouble.exit_code();
                stops.release_stub(code).await;
                code
            }
        }
    }
}

/// Keeps the app up.
struct Keeper<'a> {
    adapter: &'a Adapter,
    app: App,
    health: Rc<Health>,
    lifecycle: Lifecycle,
    /// Asks whether the app is ready, or still well.
    check: Option<Check<'a>>,
    restart_at: Option<Instant>,
}

impl<'a> Keeper<'a> {
    fn new(adapter: &'a Adapter, app: App, listens_since: Option<Instant>) -> Self {
        Self {
            adapter,
            check: Some(adapter.first_check(&app, listens_since)),
            app,
            health: Rc::default(),
            lifecycle: Lifecycle::new(adapter.settings.restart_limit),
            restart_at: None,
        }
    }

    /// Waits for news of the app. May be dropped and called again.
    async fn news(&mut self) -> News {
        let phase = self.lifecycle.phase();
        tokio::select! {
            biased;
            exited = self.app.exited() => News::Failed(Trouble::Exited(exited)),
            checked = run(&mut self.check) => match checked {
                Ok(listens_since) => News::Ready(listens_since),
                Err(trouble) => News::Failed(trouble),
            },
            () = at(self.restart_at) => News::RestartIsDue,
            () = at(self.adapter.init_ends_at()), if phase == Phase::Starting => News::InitEnds,
            () = self.health.suspected(), if phase == Phase::Serving => News::Suspected,
        }
    }

    /// Does what the news ask for.
    async fn take(&mut self, news: News, pollers: &Pollers<'_>) -> Option<End> {
        match news {
            News::Ready(listens_since) => {
                let phase = self.lifecycle.phase();
                self.check = None;
                self.lifecycle.on(Event::Ready);
                self.health.set_ready();
                let ready_at = Instant::now();
                pollers.open();
                // The first poll goes out before the line that tells of it.
                yield_now().await;
                self.adapter.report_ready(phase, listens_since, ready_at);
                None
            }
            News::InitEnds => {
                self.lifecycle.on(Event::InitEnds);
                tracing::warn!(
                    elapsed_ms = self.adapter.elapsed_ms(),
                    "app is not ready yet, but the init phase is about to end: the first invocation waits for it"
                );
                pollers.open();
                None
            }
            News::Suspected => {
                if self.lifecycle.on(Event::Suspected) == Order::Probe {
                    self.check = Some(self.adapter.probe(&self.app));
                }
                None
            }
            News::RestartIsDue => {
                self.restart_at = None;
                match self.app.restart() {
                    Ok(()) => {
                        self.adapter.metrics.restarted();
                        self.check = Some(self.adapter.check(&self.app));
                        None
                    }
                    Err(error) => self.failed(Trouble::NotStarted(error)).await,
                }
            }
            News::Failed(trouble) => {
                let trouble = trouble.or_exited(&mut self.app).await;
                if pollers.take_served() {
                    self.lifecycle.on(Event::Served);
                }
                self.failed(trouble).await
            }
        }
    }

    async fn failed(&mut self, trouble: Trouble) -> Option<End> {
        self.check = None;
        self.health.set_failed(&trouble.to_string());
        match self.lifecycle.on(Event::AppFailed) {
            Order::FailInit => Some(End::InitFailed(trouble)),
            Order::GiveUp => Some(End::GivenUp(trouble)),
            Order::Restart(pause) => {
                trouble.log();
                if self.app.is_launched() {
                    let (failures, pause_ms) = (self.lifecycle.failures(), millis(pause));
                    tracing::warn!(failures, pause_ms, "app is started again");
                }
                // Its children too, which may hold its port.
                self.app.stop(GIVE_UP_TIMEOUT).await;
                self.restart_at = Some(Instant::now() + pause);
                None
            }
            Order::Nothing | Order::Poll | Order::Probe => None,
        }
    }
}

impl Adapter {
    /// The check of an app that comes up, until it is ready.
    pub(super) async fn until_ready(
        &self,
        app: AppClient,
        group: Option<Group>,
    ) -> Result<Instant, NotReady> {
        until_ready(self.readiness_client(app), &self.settings.readiness, group).await
    }

    /// The first check of an environment, which under SnapStart ends behind the snapshot.
    fn first_check(&self, app: &App, listens_since: Option<Instant>) -> Check<'_> {
        let (client, group) = (Rc::clone(app.client()), app.group());
        Box::pin(async move {
            let ready = || async { self.until_ready(Rc::clone(&client), group).await };
            let listens_since = match listens_since {
                Some(since) => since,
                None => ready().await?,
            };
            if self
                .initialization_type()
                .is_some_and(|kind| kind == "snap-start")
            {
                let ready_again = async {
                    // In time or not is for the snapshot's own bound to say.
                    while ready().await.is_err() {}
                };
                Box::pin(self.through_snapshot(&client, ready_again)).await?;
            }
            Ok(listens_since)
        })
    }

    /// The check of an app that is started again.
    fn check(&self, app: &App) -> Check<'_> {
        let (client, group) = (Rc::clone(app.client()), app.group());
        Box::pin(async move { Ok(self.until_ready(client, group).await?) })
    }

    /// The check of an app that is up.
    fn probe(&self, app: &App) -> Check<'_> {
        let (client, group) = (Rc::clone(app.client()), app.group());
        let client = self.readiness_client(client);
        Box::pin(async move { Ok(probe(client, &self.settings.readiness, group).await?) })
    }

    fn readiness_client(&self, app: AppClient) -> AppClient {
        let other = self.settings.readiness.port.map(|port| self.client(port));
        // The host is that of the app itself, so it resolves.
        other.and_then(Result::ok).unwrap_or(app)
    }

    /// Takes the app's word of background work.
    async fn control(&self) -> Infallible {
        match &self.control {
            Some(control) => control.run(&self.background).await,
            None => pending().await,
        }
    }

    fn initialization_type(&self) -> Option<&OsStr> {
        self.environment.get("AWS_LAMBDA_INITIALIZATION_TYPE")
    }

    fn report_ready(&self, phase: Phase, listens_since: Instant, ready_at: Instant) {
        let since_start = |at: Instant| millis(at.saturating_duration_since(self.began_at));
        let (listening_ms, ready_ms) = (since_start(listens_since), since_start(ready_at));
        let (spawned_ms, first_poll_ms) = (self.spawned_ms, self.elapsed_ms());
        match phase {
            Phase::Starting => {
                self.metrics.ready(self.began_at.elapsed());
                tracing::info!(
                    app.address = %self.settings.host,
                    spawned_ms,
                    listening_ms,
                    ready_ms,
                    first_poll_ms,
                    "app is ready"
                );
            }
            Phase::Recovering => tracing::info!(ready_ms, "app is ready after all"),
            Phase::Serving | Phase::Probing | Phase::Over => {}
        }
    }

    /// When an app that is not ready is no longer waited for: the init phase ends soon.
    pub(super) fn init_ends_at(&self) -> Option<Instant> {
        let hands_over = hands_over(self.settings.async_init, self.initialization_type());
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

/// Whether the init phase is left to its end, by the setting and by what Lambda says of its kind.
fn hands_over(setting: AsyncInit, kind: Option<&OsStr>) -> bool {
    match setting {
        AsyncInit::Always => true,
        AsyncInit::Never => false,
        AsyncInit::Auto => kind.is_none_or(|kind| kind == "on-demand"),
    }
}

async fn run(check: &mut Option<Check<'_>>) -> Result<Instant, Trouble> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_init_phase_with_a_limit_is_handed_over() {
        let auto = |kind: Option<&str>| hands_over(AsyncInit::Auto, kind.map(OsStr::new));
        assert!(auto(Some("on-demand")) && auto(None));
        for kind in [
            "provisioned-concurrency",
            "snap-start",
            "lambda-managed-instances",
        ] {
            assert!(!auto(Some(kind)), "{kind}");
            let kind = Some(OsStr::new(kind));
            assert!(hands_over(AsyncInit::Always, kind) && !hands_over(AsyncInit::Never, kind));
        }
    }
}
