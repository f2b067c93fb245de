// SPDX-License-Identifier: Apache-2.0
//! One invocation, from its payload to its outcome. Read this file first, and `exchange` next.
//!
//! ```text
//! next ─ payload ─▶ event::decode ─ request ─▶ policy ─▶ app ─ response ─▶ reply ─▶ Runtime API
//! ```
//!
//! Plain async functions that keep no state between calls, so that invocations may overlap. Nothing here ends the
//! environment: whatever the event, the app or Lambda does, the caller goes on to the next event.

mod exchange;
mod record;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, StatusCode};

use crate::alarm::Alarm;
use crate::app::AppClient;
use crate::app::health::Health;
use crate::background::{Background, Token, Waited};
use crate::deadline::Deadline;
use crate::event::{self, Refused};
use crate::logging::chain;
use crate::metrics::{Metrics, Outcome};
use crate::policy;
use crate::runtime_api::{Invocation, RuntimeApi, RuntimeApiError};
use crate::settings::{Environment, Settings};
use exchange::{Exchange, Trouble};
pub(crate) use record::AppState;
use record::Record;

/// What is the same for all invocations of an environment, beside the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    /// What events carry.
    pub(crate) event_secret: &'a HeaderValue,
    /// The adapter's own variables.
    pub(crate) environment: &'a Environment,
}

/// The way between Lambda and the app.
#[derive(Debug)]
pub(crate) struct Proxy<'a> {
    pub(crate) runtime_api: &'a RuntimeApi,
    app: &'a AppClient,
    pub(crate) health: &'a Rc<Health>,
    /// `None`: the app has no way to tell of work behind its response.
    background: Option<&'a Rc<Background>>,
    metrics: &'a Metrics,
    settings: &'a Settings,
    event_secret: &'a HeaderValue,
    /// What the app is told of the function, as JSON.
    env_config: String,
    streamed_once: OnceCell<()>,
    /// Those that no invocation uses; a timer that is kept is seldom set.
    alarms: RefCell<Vec<Rc<Alarm>>>,
}

impl<'a> Proxy<'a> {
    pub(crate) fn new(
        runtime_api: &'a RuntimeApi,
        app: &'a AppClient,
        health: &'a Rc<Health>,
        background: Option<&'a Rc<Background>>,
        metrics: &'a Metrics,
        settings: &'a Settings,
        standing: Standing<'a>,
    ) -> Self {
        Self {
            runtime_api,
            app,
            health,
            background,
            metrics,
            settings,
            event_secret: standing.event_secret,
            env_config: policy::env_config(standing.environment),
            streamed_once: OnceCell::new(),
            alarms: RefCell::default(),
        }
    }

    /// Has the app looked after if nobody listens for it any more.
    pub(crate) async fn suspect_if_gone(&self) {
        if self.app.authority().connect().await.is_err() {
            self.health.suspect();
        }
    }

    /// Answers one invocation. An error is one of the Runtime API: the app's own become replies.
    pub(crate) async fn answer(
        &self,
        invocation: &Invocation,
    ) -> Result<AppState, RuntimeApiError> {
        let began_at = Alarm::now();
        let deadline = self.deadline(invocation, began_at);
        let alarm = self.alarms.borrow_mut().pop().unwrap_or_default();
        let token = self.background.map(Background::issue);
        let record = Rc::new(Record::new(began_at));
        let exchange = |front| Exchange {
            proxy: self,
            invocation,
            front,
            record: Rc::clone(&record),
            alarm: Rc::clone(&alarm),
            deadline,
            token: token.as_ref(),
        };
        let replied = match event::decode(&invocation.payload) {
            Ok(event) => {
                let route = (event.request.method().clone(), event.request.uri().clone());
                let _ = record.route.0.set(route);
                exchange(event.front).serve(event).await
            }
            Err(Refused { error, front }) => {
                let trouble = Trouble::new(StatusCode::BAD_REQUEST, chain(&error));
                exchange(front).tell(trouble).await
            }
        };
        if replied.is_err() {
            record.outcome.set(Outcome::Lost);
        }
        self.metrics.served(&record.served(&invocation.id));
        replied?;
        if let Some(token) = &token {
            let until = deadline.map(|deadline| deadline.of_app);
            self.wait_for_background(token, until).await;
        }
        self.alarms.borrow_mut().push(alarm);
        Ok(record.app.get())
    }

    /// Lambda tells the time of day; from here on it is an instant, which no change of the clock moves.
    fn deadline(&self, invocation: &Invocation, now: Instant) -> Option<Deadline> {
        let margin = self.settings.deadline_margin?;
        let deadline = Duration::from_millis(invocation.deadline_ms()?);
        let wall_now = SystemTime::UNIX_EPOCH.elapsed().ok()?;
        Deadline::new(deadline, wall_now, now, margin)
    }

    /// Holds the invocation open, behind its reply, while the app works for it.
    async fn wait_for_background(&self, token: &Token, until: Option<Instant>) {
        let began_at = Alarm::now();
        let failures = self.health.failures();
        let most = began_at.checked_add(self.settings.background_max);
        let until = most.into_iter().chain(until).min();
        let waited = tokio::select! {
            biased;
            waited = token.wait(until.map(Into::into)) => waited,
            () = self.health.failed_since(failures) => Waited::TimeIsUp,
        };
        let elapsed_ms = u64::try_from(began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        match waited {
            Waited::Not => {}
            Waited::Done => tracing::debug!(elapsed_ms, "background work is done"),
            Waited::TimeIsUp => tracing::warn!(
                elapsed_ms,
                "background work is not done, but its time is up; lambda may freeze it"
            ),
        }
    }
}
