// SPDX-License-Identifier: Apache-2.0
//! The Telemetry API of one environment: who has subscribed, and what each is sent.
//!
//! What happens is an [`Entry`] of the journal; `records` makes events of the platform's form of it, `mailbox` collects
//! them as a subscription wants them buffered, and `delivery` posts the batches. Events of the init that came before a
//! subscription are sent, too, as the service does (source: AWS page "Accessing real-time telemetry data for extensions
//! using the Telemetry API").

mod api;
mod delivery;
mod mailbox;
mod records;
mod subscription;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::task::JoinSet;

pub(crate) use api::{LOGS_PATH, TELEMETRY_PATH, logs, subscribe};
pub(crate) use records::About;

use crate::journal::{Entry, Journal};
use mailbox::Mailbox;
use subscription::Subscription;

/// Most events of an init that a later subscription still gets.
const HISTORY_LIMIT: usize = 1000;

/// The types of events that an extension can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    Platform,
    Function,
    Extension,
}

/// One event as it is sent.
#[derive(Clone, Debug)]
struct Event {
    category: Category,
    json: Bytes,
}

/// The subscriptions of one environment.
#[derive(Debug)]
pub(crate) struct Telemetry {
    about: About,
    parts: Mutex<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// What has happened so far, while subscriptions are taken.
    history: Option<Vec<Event>>,
    /// Names and events of the extensions that have registered.
    extensions: Vec<(String, Vec<String>)>,
    subscribers: Vec<Subscriber>,
    deliveries: JoinSet<()>,
}

#[derive(Debug)]
struct Subscriber {
    name: String,
    categories: Vec<Category>,
    mailbox: Arc<Mailbox>,
}

impl Telemetry {
    pub(crate) fn new(about: About) -> Self {
        Self {
            about,
            parts: Mutex::new(Parts {
                history: Some(Vec::new()),
                extensions: Vec::new(),
                subscribers: Vec::new(),
                deliveries: JoinSet::new(),
            }),
        }
    }

    /// Takes what happens.
    pub(crate) fn see(&self, entry: &Entry) {
        let mut parts = self.lock();
        if let Entry::ExtensionRegistered { name, events, .. } = entry {
            parts.extensions.push((name.clone(), events.clone()));
        }
        let events = records::of(entry, &self.about, &parts.extensions, SystemTime::now());
        for event in events {
            if let Some(history) = &mut parts.history
                && history.len() < HISTORY_LIMIT
            {
                history.push(event.clone());
            }
            for subscriber in &parts.subscribers {
                subscriber.offer(&event);
            }
        }
        if matches!(entry, Entry::InitDone { .. }) {
            parts.history = None;
        }
    }

    /// Lets an extension have its events; a second subscription takes the first one's place. False after init.
    fn subscribe(&self, name: &str, subscription: &Subscription, journal: &Journal) -> bool {
        let mut parts = self.lock();
        let Some(history) = parts.history.clone() else {
            return false;
        };
        let mailbox = Arc::new(Mailbox::new(subscription.buffering));
        let subscriber = Subscriber {
            name: name.to_owned(),
            categories: subscription.categories.clone(),
            mailbox: Arc::clone(&mailbox),
        };
        for event in &history {
            subscriber.offer(event);
        }
        parts.subscribers.retain(|known| {
            let other = known.name != name;
            if !other {
                known.mailbox.close();
            }
            other
        });
        parts.subscribers.push(subscriber);
        parts.deliveries.spawn(delivery::run(
            name.to_owned(),
            subscription.destination.clone(),
            mailbox,
            journal.clone(),
        ));
        true
    }

    /// Nothing waits for its batch to fill any more: the environment goes down.
    pub(crate) fn hurry(&self) {
        for subscriber in &self.lock().subscribers {
            subscriber.mailbox.hurry();
        }
    }

    /// What has not been delivered by now is lost: the environment is gone.
    pub(crate) fn end(&self) {
        self.lock().deliveries.abort_all();
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    fn offer(&self, event: &Event) {
        if self.categories.contains(&event.category) {
            self.mailbox.push(event.json.clone());
        }
    }
}
