// SPDX-License-Identifier: Apache-2.0
//! What is known of the app, for whoever waits for it. Written by the lifecycle, but for a suspicion, which comes from
//! an invocation.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::AppClient;

/// How long the news of an app's end take as a rule.
const QUICK_NEWS_TIMEOUT: Duration = Duration::from_millis(50);
/// How long they may take, once nobody listens on its port.
const NEWS_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotReady,
    Ready,
    Suspected,
}

#[derive(Debug, Clone)]
struct Known {
    state: State,
    /// How often the app has failed.
    failures: usize,
    /// Why it failed last.
    cause: Option<Arc<str>>,
}

/// What is known of the app.
#[derive(Debug)]
pub(crate) struct Health(watch::Sender<Known>);

impl Default for Health {
    fn default() -> Self {
        Self(watch::Sender::new(Known {
            state: State::NotReady,
            failures: 0,
            cause: None,
        }))
    }
}

impl Health {
    pub(crate) fn is_ready(&self) -> bool {
        self.0.borrow().state == State::Ready
    }

    /// Waits until the app is ready.
    pub(crate) async fn ready(&self) {
        self.until(|known| known.state == State::Ready).await;
    }

    pub(crate) fn set_ready(&self) {
        self.0.send_modify(|known| known.state = State::Ready);
    }

    /// The app is down, for this reason.
    pub(crate) fn set_failed(&self, cause: &str) {
        self.0.send_modify(|known| {
            known.state = State::NotReady;
            known.failures += 1;
            known.cause = Some(cause.into());
        });
    }

    /// An invocation has cause to doubt that the app is well.
    pub(crate) fn suspect(&self) {
        self.0.send_if_modified(|known| {
            let is_news = known.state == State::Ready;
            if is_news {
                known.state = State::Suspected;
            }
            is_news
        });
    }

    /// Waits for a suspicion.
    pub(crate) async fn suspected(&self) {
        self.until(|known| known.state == State::Suspected).await;
    }

    /// How often the app has failed so far.
    pub(crate) fn failures(&self) -> usize {
        self.0.borrow().failures
    }

    /// Waits until it has failed more often.
    pub(crate) async fn failed_since(&self, failures: usize) {
        self.until(|known| known.failures > failures).await;
    }

    /// Why it failed last, if it has.
    pub(crate) fn last_cause(&self) -> Option<Arc<str>> {
        self.0.borrow().cause.clone()
    }

    /// Why the app broke off, where it has failed since there were so many failures. The news takes a moment: a
    /// process's sockets close one after another, and then its parent is told.
    pub(crate) async fn cause_since(&self, failures: usize, app: &AppClient) -> Option<Arc<str>> {
        let failed = || self.failed_since(failures);
        if timeout(QUICK_NEWS_TIMEOUT, failed()).await.is_err() {
            if app.authority().connect().await.is_ok() {
                return None;
            }
            self.suspect();
            timeout(NEWS_TIMEOUT, failed()).await.ok()?;
        }
        self.last_cause()
    }

    async fn until(&self, mut holds: impl FnMut(&Known) -> bool) {
        // The sender is ours, so the wait cannot end without it.
        let _ = self.0.subscribe().wait_for(|known| holds(known)).await;
    }
}
