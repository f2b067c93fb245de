// SPDX-License-Identifier: Apache-2.0
//! The events that wait for one subscriber, until there are enough of them or the first has waited long enough.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::records;
use super::subscription::Buffering;

/// How many full batches may wait behind one that is not taken; what comes then is dropped and told so (assumed).
const BATCHES: usize = 4;

/// The mailbox of one subscriber.
#[derive(Debug)]
pub(super) struct Mailbox {
    buffering: Buffering,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Bytes>,
    bytes: usize,
    since: Option<Instant>,
    dropped: Dropped,
    hurried: bool,
    closed: bool,
}

/// Events that found no room, or no listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// What is sent at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) events: Vec<Bytes>,
}

const FALLEN_BEHIND: &str =
    "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";

impl Mailbox {
    pub(super) fn new(buffering: Buffering) -> Self {
        Self {
            buffering,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn push(&self, event: Bytes) {
        let mut waiting = self.lock();
        if waiting.bytes + event.len() > self.buffering.max_bytes * BATCHES {
            waiting.dropped.records += 1;
            waiting.dropped.bytes += event.len();
            return;
        }
        waiting.since.get_or_insert_with(Instant::now);
        waiting.bytes += event.len();
        waiting.events.push_back(event);
        drop(waiting);
        self.changed.notify_one();
    }

    /// These were never taken by the subscriber.
    pub(super) fn dropped(&self, batch: &Batch) {
        let mut waiting = self.lock();
        waiting.dropped.records += batch.events.len();
        waiting.dropped.bytes += batch.events.iter().map(Bytes::len).sum::<usize>();
    }

    /// Lets nothing wait for a batch to fill.
    pub(super) fn hurry(&self) {
        self.lock().hurried = true;
        self.changed.notify_one();
    }

    /// Ends it once it is empty.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        (waiting.hurried, waiting.closed) = (true, true);
        drop(waiting);
        self.changed.notify_one();
    }

    /// Resolves when a batch is due; `None` after the last one of a mailbox that was closed.
    pub(super) async fn batch(&self) -> Option<Batch> {
        loop {
            let due_at = {
                let mut waiting = self.lock();
                if waiting.is_due(&self.buffering, Instant::now()) {
                    return Some(waiting.take(&self.buffering));
                }
                if waiting.closed {
                    return None;
                }
                waiting.since.map(|since| since + self.buffering.timeout)
            };
            let timeout = async {
                match due_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timeout => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_due(&self, buffering: &Buffering, now: Instant) -> bool {
        let Some(since) = self.since else {
            return false;
        };
        self.hurried
            || self.events.len() >= buffering.max_items
            || self.bytes >= buffering.max_bytes
            || now.duration_since(since) >= buffering.timeout
    }

    fn take(&mut self, buffering: &Buffering) -> Batch {
        let mut events = Vec::new();
        let mut bytes = 0;
        while let Some(event) = self.events.front()
            && events.len() < buffering.max_items
            && (events.is_empty() || bytes + event.len() <= buffering.max_bytes)
        {
            bytes += event.len();
            events.extend(self.events.pop_front());
        }
        self.bytes -= bytes;
        self.since = (!self.events.is_empty()).then(Instant::now);
        let Dropped { records, bytes } = std::mem::take(&mut self.dropped);
        if records > 0 {
            events.push(records::logs_dropped(records, bytes, FALLEN_BEHIND));
        }
        Batch { events }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn mailbox() -> Mailbox {
        Mailbox::new(Buffering {
            max_items: 3,
            max_bytes: 100,
            timeout: Duration::from_hours(1),
        })
    }

    /// How many events are due, if a batch is.
    fn batch(mailbox: &Mailbox) -> Option<usize> {
        let batch = mailbox.batch().now_or_never()?;
        batch.map(|batch| batch.events.len())
    }

    #[tokio::test]
    async fn a_batch_is_due_by_items_by_bytes_or_in_a_hurry() {
        let mailbox = mailbox();
        assert_eq!(batch(&mailbox), None);
        for _ in 0..4 {
            mailbox.push(Bytes::from_static(b"12345"));
        }
        assert_eq!(batch(&mailbox), Some(3));
        assert_eq!(batch(&mailbox), None);
        mailbox.push(Bytes::from(vec![b'x'; 95]));
        assert_eq!(batch(&mailbox), Some(2));
        mailbox.push(Bytes::from_static(b"last"));
        assert_eq!(batch(&mailbox), None);
        mailbox.hurry();
        assert_eq!(batch(&mailbox), Some(1));
        assert_eq!(batch(&mailbox), None);
        mailbox.close();
        assert!(matches!(mailbox.batch().now_or_never(), Some(None)));
    }

    #[tokio::test]
    async fn what_finds_no_room_is_told_with_the_next_batch() {
        let mailbox = mailbox();
        for _ in 0..10 {
            mailbox.push(Bytes::from(vec![b'x'; 90]));
        }
        let batch = mailbox.batch().await.unwrap();
        assert_eq!(batch.events.len(), 2);
        let told: serde_json::Value = serde_json::from_slice(&batch.events[1]).unwrap();
        assert_eq!(told["type"], "platform.logsDropped");
        assert_eq!(told["record"]["droppedRecords"], 6);
        assert_eq!(told["record"]["droppedBytes"], 540);
    }
}
