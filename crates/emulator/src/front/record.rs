// SPDX-License-Identifier: Apache-2.0
//! The record of one HTTP exchange. It is written exactly once, when it is dropped, however the exchange ended.

use std::time::{Duration, Instant};

use http::{Request, StatusCode};

use crate::journal::{Access, AccessEnd, Entry, Journal};

#[derive(Debug)]
pub(crate) struct Record {
    journal: Journal,
    request_id: Option<String>,
    method: String,
    target: String,
    began: Instant,
    status: Option<StatusCode>,
    first_byte: Option<Duration>,
    bytes: u64,
    end: Option<AccessEnd>,
}

impl Record {
    pub(crate) fn begin<B>(journal: &Journal, request: &Request<B>) -> Self {
        Self {
            journal: journal.clone(),
            request_id: None,
            method: request.method().to_string(),
            target: request
                .uri()
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            began: Instant::now(),
            status: None,
            first_byte: None,
            bytes: 0,
            end: None,
        }
    }

    /// The request leads to this invocation.
    pub(crate) fn invocation(&mut self, request_id: &str) {
        self.request_id = Some(request_id.to_owned());
    }

    /// The head is on its way to the client.
    pub(crate) fn head(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.first_byte = Some(self.began.elapsed());
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// How the exchange ended; the first word counts. Without one the client has left.
    pub(crate) fn end(&mut self, end: AccessEnd) {
        self.end.get_or_insert(end);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.journal.write(&Entry::Access(Access {
            request_id: self.request_id.take(),
            method: std::mem::take(&mut self.method),
            target: std::mem::take(&mut self.target),
            status: self.status.map(|status| status.as_u16()),
            first_byte: self.first_byte,
            duration: self.began.elapsed(),
            bytes: self.bytes,
            end: self.end.take().unwrap_or(AccessEnd::ClientGone),
        }));
    }
}
