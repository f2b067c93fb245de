// SPDX-License-Identifier: Apache-2.0
//! The record of one HTTP exchange. It is written exactly once, when it is dropped, however the exchange ended.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

use crate::journal::{Access, AccessEnd, Answered, Called, Entry, Journal};

#[derive(Debug)]
pub(crate) struct Record {
    journal: Journal,
    front: &'static str,
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
    /// `front` is what answers, such as `function URL`.
    pub(crate) fn begin<B>(journal: &Journal, front: &'static str, request: &Request<B>) -> Self {
        Self {
            journal: journal.clone(),
            front,
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

    /// This event is what was made of the request and its headers.
    pub(crate) fn called(&self, headers: &HeaderMap, event: &Bytes) {
        let Some(request_id) = &self.request_id else {
            return;
        };
        self.journal.write(&Entry::Called(Called {
            request_id: request_id.clone(),
            front: self.front,
            method: self.method.clone(),
            target: self.target.clone(),
            headers: pairs(headers),
            event: event.clone(),
        }));
    }

    /// The head is on its way to the client. `prelude` is what a stream began with.
    pub(crate) fn head(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        prelude: Option<&Bytes>,
    ) {
        self.status = Some(status);
        self.first_byte = Some(self.began.elapsed());
        if let Some(request_id) = &self.request_id {
            self.journal.write(&Entry::Answered(Answered {
                request_id: request_id.clone(),
                status: status.as_u16(),
                headers: pairs(headers),
                prelude: prelude.map(|text| String::from_utf8_lossy(text).into_owned()),
            }));
        }
    }

    pub(crate) fn sent(&mut self, data: &Bytes) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if let Some(request_id) = &self.request_id {
            self.journal.write(&Entry::Piece {
                request_id: request_id.clone(),
                data: data.clone(),
            });
        }
    }

    /// How the exchange ended; the first word counts. Without one the client has left.
    pub(crate) fn end(&mut self, end: AccessEnd) {
        self.end.get_or_insert(end);
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
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
