// SPDX-License-Identifier: Apache-2.0
//! Work that an app does after its response. Lambda freezes the environment as soon as it is polled again; so while an
//! app says that it works, the poll is held. The app says so by a header of its response, or at the adapter's own
//! address (`control`), with the token that its request carried.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::headers::BACKGROUND;

/// What is known of one invocation's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    None,
    /// Under way, for at most this long behind the response.
    Started(Option<Duration>),
    Done,
}

/// Which invocations have work under way.
#[derive(Debug)]
pub(crate) struct Background {
    /// What tokens begin with, so that one cannot be guessed.
    secret: HeaderValue,
    issued: Cell<u64>,
    open: RefCell<BTreeMap<u64, Work>>,
    changed: Notify,
}

/// A token that belongs to no invocation that is open.
#[derive(Debug, thiserror::Error)]
#[error("no open invocation has this token; it is good until the work is done or its time is up")]
pub(crate) struct UnknownToken;

/// How a wait for background work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// There was no work.
    Not,
    Done,
    /// It is cut short.
    TimeIsUp,
}

impl Background {
    pub(crate) fn new(secret: HeaderValue) -> Rc<Self> {
        Rc::new(Self {
            secret,
            issued: Cell::new(0),
            open: RefCell::default(),
            changed: Notify::new(),
        })
    }

    /// A token for one invocation, good as long as it is held.
    pub(crate) fn issue(self: &Rc<Self>) -> Token {
        let number = self.issued.get() + 1;
        self.issued.set(number);
        self.open.borrow_mut().insert(number, Work::None);
        Token {
            background: Rc::clone(self),
            number,
        }
    }

    /// The app says that it goes on after its response.
    pub(crate) fn start(&self, token: &[u8]) -> Result<(), UnknownToken> {
        self.change(token, Work::Started(None))
    }

    /// The app says that it is done.
    pub(crate) fn finish(&self, token: &[u8]) -> Result<(), UnknownToken> {
        self.change(token, Work::Done)
    }

    fn change(&self, token: &[u8], work: Work) -> Result<(), UnknownToken> {
        let number = token.strip_prefix(self.secret.as_bytes());
        let number = number.and_then(|rest| str::from_utf8(rest.strip_prefix(b"-")?).ok());
        let number = number.and_then(|number| number.parse().ok());
        let mut open = self.open.borrow_mut();
        let known = number.and_then(|number: u64| open.get_mut(&number));
        *known.ok_or(UnknownToken)? = work;
        self.changed.notify_waiters();
        Ok(())
    }

    fn work(&self, number: u64) -> Work {
        self.open
            .borrow()
            .get(&number)
            .copied()
            .unwrap_or(Work::Done)
    }
}

/// One invocation's token.
#[derive(Debug)]
pub(crate) struct Token {
    background: Rc<Background>,
    number: u64,
}

impl Token {
    /// As the app finds it in its request.
    pub(crate) fn to_header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(self.to_string()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes what a response's head says of work, so that no client sees it.
    pub(crate) fn take_announced(&self, headers: &mut HeaderMap) -> Result<(), HeaderValue> {
        let Some(value) = headers.remove(BACKGROUND) else {
            return Ok(());
        };
        let seconds = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let Some(time) = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        else {
            return Err(value);
        };
        let mut open = self.background.open.borrow_mut();
        // Work that is done already stays done.
        if let Some(work @ (Work::None | Work::Started(_))) = open.get_mut(&self.number) {
            *work = Work::Started(Some(time));
        }
        Ok(())
    }

    /// Waits behind a response until the work is done, for no longer than the app said, and than `until`.
    pub(crate) async fn wait(&self, until: Option<Instant>) -> Waited {
        let Work::Started(time) = self.background.work(self.number) else {
            return Waited::Not;
        };
        let announced = time.and_then(|time| Instant::now().checked_add(time));
        let done = async {
            loop {
                let changed = self.background.changed.notified();
                if self.background.work(self.number) == Work::Done {
                    return;
                }
                changed.await;
            }
        };
        let Some(end) = [announced, until].into_iter().flatten().min() else {
            done.await;
            return Waited::Done;
        };
        match timeout_at(end, done).await {
            Ok(()) => Waited::Done,
            Err(_) => Waited::TimeIsUp,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.background.secret.to_str().unwrap_or_default();
        write!(f, "{secret}-{}", self.number)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.background.open.borrow_mut().remove(&self.number);
    }
}
