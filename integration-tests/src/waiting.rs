// SPDX-License-Identifier: Apache-2.0
//! Bounded waiting: nothing in the suite waits for ever, and nothing waits for time to pass.

use std::fmt::Display;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that normally takes milliseconds. Long, because it only matters when something
/// is broken, and a loaded machine must not look broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a whole test program may run. Every wait is bounded by itself; this bounds what was overlooked.
const WATCHDOG: Duration = Duration::from_mins(15);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls `probe` until it yields something.
pub fn eventually<T>(what: impl Display, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, &what, probe).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Polls `probe` until it yields something or the time is over.
pub fn within<T>(
    limit: Duration,
    _what: &impl Display,
    mut probe: impl FnMut() -> Option<T>,
) -> Option<T> {
    let end_at = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= end_at {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

static WATCHDOG_IS_UP: Once = Once::new();

/// Lets this program run for longer than a test may.
pub fn without_watchdog() {
    WATCHDOG_IS_UP.call_once(|| {});
}

/// Aborts this test program if it is still running after a quarter of an hour.
pub fn watchdog() {
    WATCHDOG_IS_UP.call_once(|| {
        thread::spawn(|| {
            thread::sleep(WATCHDOG);
            eprintln!("the test program ran for {WATCHDOG:?}: giving up");
            std::process::abort();
        });
    });
}

/// State that several threads change and tests wait on.
#[derive(Debug, Default)]
pub struct Watched<T> {
    state: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    /// Wraps the first state.
    pub const fn new(state: T) -> Self {
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The state, to look at.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // A panic in another test thread must not turn into a second, misleading failure here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes everyone who waits on it.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until `probe` finds something in the state, or the time is over.
    pub fn wait<R>(
        &self,
        limit: Duration,
        mut probe: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        let end_at = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = probe(&mut state) {
                return Some(found);
            }
            let left = end_at.checked_duration_since(Instant::now())?;
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
