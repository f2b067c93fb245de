// SPDX-License-Identifier: Apache-2.0
//! Connections that are kept for the next request.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use super::connection::Connection;

/// How long an app's connection may have been idle. Node's servers close theirs after 5 s, which is the shortest time
/// that is common; one that is about to be closed is not worth the race.
pub(super) const APP_IDLE_LIMIT: Duration = Duration::from_secs(4);

/// Connections that are kept, the last one on top.
#[derive(Default)]
pub(super) struct Idle {
    kept: RefCell<Vec<(SystemTime, Box<Connection>)>>,
    clearings: Cell<u64>,
}

impl Idle {
    pub(super) fn keep(&self, connection: Box<Connection>) {
        let kept = (SystemTime::now(), connection);
        self.kept.borrow_mut().push(kept);
    }

    /// A connection whose peer has not closed it. The peer may have done so while the environment was frozen, so the
    /// socket is asked as well as the clock. Closes those that have been idle for longer than `limit`.
    pub(super) async fn take(&self, limit: Option<Duration>) -> Option<Box<Connection>> {
        if let Some(limit) = limit {
            let now = SystemTime::now();
            let mut kept = self.kept.borrow_mut();
            kept.retain(|(since, _)| is_fresh(*since, now, limit));
        }
        loop {
            let (_, mut connection) = self.kept.borrow_mut().pop()?;
            if poll_fn(|context| Poll::Ready(connection.poll_ready(context).is_ready())).await {
                return Some(connection);
            }
        }
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        self.kept.borrow_mut().clear();
        self.clearings.set(self.clearings.get() + 1);
    }

    /// How often all were closed. A connection that was taken before the last time is one of a peer that is no more.
    pub(super) fn clearings(&self) -> u64 {
        self.clearings.get()
    }
}

/// Whether a connection may be used that has been idle since then. By the wall clock: the monotonic one may stand still
/// while the environment is frozen or in a snapshot. What lies in the future says that the clock was set, and then
/// nothing is known.
fn is_fresh(since: SystemTime, now: SystemTime, limit: Duration) -> bool {
    now.duration_since(since).is_ok_and(|idle| idle <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_fresh_for_so_long_and_never_if_the_clock_went_back() {
        let since = SystemTime::UNIX_EPOCH + Duration::from_hours(490_000);
        let limit = APP_IDLE_LIMIT;
        let tick = Duration::from_nanos(1);
        for (now, fresh) in [
            (since, true),
            (since + limit, true),
            (since + limit + tick, false),
            (since + Duration::from_hours(24 * 365), false),
            (since - tick, false),
            (SystemTime::UNIX_EPOCH, false),
        ] {
            assert_eq!(is_fresh(since, now, limit), fresh, "{now:?}");
        }
    }
}
