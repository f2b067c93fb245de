// SPDX-License-Identifier: Apache-2.0
//! What the scripted Lambda has recorded of a request, byte for byte.

use std::fmt;
use std::time::Instant;

use serde_json::Value;

use crate::http::End;
use crate::wire::{Head, find};

/// One request of the adapter, as far as it has come.
#[derive(Clone)]
pub struct Exchange {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// Request line and headers.
    pub head: Head,
    /// The bytes of each read, the head included.
    pub reads: Vec<Vec<u8>>,
    /// The body's chunks, or reads where it has a length.
    pub chunks: Vec<Vec<u8>>,
    /// What followed the terminating chunk.
    pub trailers: Vec<(String, String)>,
    /// How the body ended, when it has.
    pub end: Option<End>,
    /// The status it was answered with, when it was.
    pub answered: Option<u16>,
    /// Whether it is a reply that Lambda has taken, answered or not.
    pub is_taken: bool,
    /// When the head had arrived.
    pub at: Instant,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Read by people in a failure message, where lists of byte values help no one.
        let body = String::from_utf8_lossy(&self.body())
            .chars()
            .take(2_000)
            .collect::<String>();
        f.debug_struct("Exchange")
            .field("start", &self.head.start)
            .field("headers", &self.head.headers)
            .field("reads", &self.reads.len())
            .field("body", &body)
            .field("trailers", &self.trailers)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// The whole body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body())
            .unwrap_or_else(|error| panic!("no JSON ({error}) in {self:?}"))
    }

    /// The last part of the path.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.head.target().rsplit('/').next().unwrap_or_default()
    }

    /// Takes a streamed reply apart at its delimiter.
    #[must_use]
    pub fn streamed(&self) -> Streamed {
        let body = self.body();
        let delimiter = find(&body, &[0; 8]).unwrap_or_else(|| panic!("no delimiter in {self:?}"));
        let prelude = serde_json::from_slice(&body[..delimiter])
            .unwrap_or_else(|error| panic!("the prelude is no JSON ({error}): {self:?}"));
        Streamed {
            prelude,
            payload: body[delimiter + 8..].to_vec(),
        }
    }

    /// A trailer's value.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let found = self
            .trailers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Everything that was read, as one string of bytes.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        self.reads.concat()
    }

    /// Whether it asks for the next invocation.
    pub fn is_poll(&self) -> bool {
        self.head.target().ends_with("/invocation/next")
    }

    /// The id of the invocation that it answers, if it answers one.
    pub fn invocation(&self) -> Option<&str> {
        let (_, rest) = self.head.target().split_once("/invocation/")?;
        Some(rest.split_once('/')?.0)
    }

    /// Whether it answers this invocation.
    pub fn is_reply_to(&self, id: &str) -> bool {
        self.invocation() == Some(id)
    }
}

/// A streamed reply in its parts.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// The JSON before the delimiter.
    pub prelude: Value,
    /// What follows it.
    pub payload: Vec<u8>,
}
