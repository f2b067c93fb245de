// SPDX-License-Identifier: Apache-2.0
//! Invocations as an HTTP archive, which browsers' developer tools and others open.
//!
//! Source: "HTTP Archive (HAR) format", version 1.2, W3C Web Performance Working Group, 2012.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::invocation::Invocation;
use crate::clock::rfc3339_millis;
use crate::invoke_api;

/// The archive. A body of an answer is its beginning, as far as it is kept; one of a request is whole.
pub(super) fn har<'a>(invocations: impl Iterator<Item = &'a Invocation>) -> Value {
    json!({
        "log": {
            "version": "1.2",
            "creator": { "name": "streamgate-local", "version": env!("CARGO_PKG_VERSION") },
            "entries": invocations.map(entry).collect::<Vec<_>>(),
        }
    })
}

fn entry(one: &Invocation) -> Value {
    let first = one.first.unwrap_or(one.begin);
    let end = one.end.unwrap_or(first);
    let header = |headers: &[(String, String)], wanted: &str| {
        let found = headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let host = header(&one.request_headers, "host");
    let body = body(one);
    let mut entry = json!({
        "startedDateTime": rfc3339_millis(epoch_millis(one.begin)),
        "time": end - one.begin,
        "request": {
            "method": one.method,
            "url": format!("http://{host}{}", one.target),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": pairs(&one.request_headers),
            "queryString": query(&one.target),
            "headersSize": -1,
            "bodySize": body.len(),
        },
        "response": {
            "status": one.status.unwrap_or(0),
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": pairs(&one.response_headers),
            "content": {
                "size": one.bytes,
                "mimeType": header(&one.response_headers, "content-type"),
                "text": String::from_utf8_lossy(&one.excerpt),
            },
            "redirectURL": header(&one.response_headers, "location"),
            "headersSize": -1,
            "bodySize": one.bytes,
        },
        "cache": {},
        "timings": { "send": 0, "wait": first - one.begin, "receive": end - first },
        "_requestId": one.id,
        "_front": one.front,
    });
    if !body.is_empty() {
        let media_type = header(&one.request_headers, "content-type");
        entry["request"]["postData"] = post_data(&media_type, &body);
    }
    entry
}

/// The body of the request, which the event has.
fn body(one: &Invocation) -> Cow<'_, [u8]> {
    /// Those members that every front end's event has under one of two names.
    #[derive(Deserialize)]
    struct Event {
        body: Option<String>,
        #[serde(default, rename = "isBase64Encoded", alias = "is_base64_encoded")]
        is_base64: bool,
    }
    if one.front == invoke_api::TITLE {
        return Cow::Borrowed(&one.event);
    }
    let event: Option<Event> = serde_json::from_slice(&one.event).ok();
    let Some(Event { body, is_base64 }) = event else {
        return Cow::default();
    };
    let text = body.unwrap_or_default().into_bytes();
    Cow::Owned(if is_base64 {
        STANDARD.decode(text).unwrap_or_default()
    } else {
        text
    })
}

/// HAR 1.2 knows nothing but text here, and custom members that begin with `_`.
fn post_data(media_type: &str, body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => json!({ "mimeType": media_type, "text": text }),
        Err(_) => {
            json!({ "mimeType": media_type, "text": STANDARD.encode(body), "_encoding": "base64" })
        }
    }
}

fn pairs(headers: &[(String, String)]) -> Vec<Value> {
    headers
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

/// As the client wrote it.
fn query(target: &str) -> Vec<Value> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({ "name": name, "value": value })
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds since 1970 fit for as long as there are such clocks"
)]
fn epoch_millis(at: f64) -> u64 {
    at as u64
}
