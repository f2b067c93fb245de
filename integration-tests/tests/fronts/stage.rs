// SPDX-License-Identifier: Apache-2.0
//! The scripted Lambda, the adapter and the app that keeps what it sees, ready for events.

use integration_tests::adapter::Adapter;
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::http::End;
use integration_tests::process::Program;
use serde_json::Value;

use crate::witness::{Seen, Witness};

/// The secret that the tests give to the adapter.
pub(crate) const SECRET: &str = "a-secret-of-the-test";

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) lambda: FakeLambda,
    pub(crate) app: Witness,
    pub(crate) adapter: Program,
}

impl Stage {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With these variables of the adapter; it is idle afterwards.
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let lambda = FakeLambda::bind();
        let app = Witness::bind();
        let mut adapter = Adapter::extension(&lambda, app.address());
        for (name, value) in variables {
            adapter = adapter.env(name, value);
        }
        let adapter = adapter.start();
        lambda.wait_for_poll();
        Self {
            lambda,
            app,
            adapter,
        }
    }

    /// The reply to an event, and what the app saw of it.
    pub(crate) fn invoke(&self, event: Event) -> (Exchange, Vec<Seen>) {
        self.app.take();
        let reply = self.lambda.invoke(event);
        assert_eq!(reply.end, Some(End::Complete), "{reply:?}");
        (reply, self.app.take())
    }

    /// What the app saw of an event that reaches it.
    pub(crate) fn seen(&self, event: Event) -> Seen {
        let (reply, mut seen) = self.invoke(event);
        assert_eq!(
            seen.len(),
            1,
            "the app saw {seen:?}; the reply was {reply:?}"
        );
        seen.remove(0)
    }

    pub(crate) fn seen_of(&self, event: &Value) -> Seen {
        self.seen(Event::json(event))
    }

    /// The status of the reply to an event of a function URL, and how many requests the app saw.
    pub(crate) fn status_of(&self, event: &Value) -> (u64, usize) {
        let (reply, seen) = self.invoke(Event::json(event));
        let status = &reply.streamed().prelude["statusCode"];
        (status.as_u64().unwrap(), seen.len())
    }

    /// Asserts that an ordinary request is served.
    pub(crate) fn serves(&self, after: &str) {
        self.app
            .answer(*b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready");
        let (reply, seen) = self.invoke(Event::get("/after"));
        assert_eq!(reply.streamed().payload, b"ready", "after {after}");
        assert_eq!(seen.len(), 1, "after {after}");
        assert_eq!(seen[0].head.target(), "/after", "after {after}");
    }

    /// The same where replies are buffered.
    pub(crate) fn serves_buffered(&self) {
        self.app
            .answer(*b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready");
        let (reply, _) = self.invoke(Event::get("/after"));
        assert_eq!(reply.json()["body"], "ready");
    }
}
