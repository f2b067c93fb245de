// SPDX-License-Identifier: Apache-2.0
//! Events as a function URL writes them (payload version 2.0), for the scripted Lambda.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

const HOST: &str = "kq3v7m2x5zn4c8r1t6w9y0b2d5f7h3j4.lambda-url.eu-central-1.on.aws";

/// What the Runtime API hands out for one invocation.
#[derive(Clone, Debug)]
pub struct Event {
    /// The payload, byte for byte.
    pub body: Vec<u8>,
    /// Headers beside the request id; without a deadline here, the scripted Lambda sets one.
    pub headers: Vec<(String, String)>,
}

impl Event {
    /// Any payload.
    pub fn raw(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            headers: Vec::new(),
        }
    }

    /// A payload made of JSON.
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::raw(value.to_string())
    }

    /// A GET from a function URL; the target is split at its question mark as the service does.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::json(&function_url("GET", target))
    }

    /// A request of any method from a function URL.
    #[must_use]
    pub fn request(method: &str, target: &str) -> Self {
        Self::json(&function_url(method, target))
    }

    /// Adds a header of the `next` answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the invocation's deadline.
    #[must_use]
    pub fn deadline_in(self, time: Duration) -> Self {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("the clock is set")
            + time;
        self.header("Lambda-Runtime-Deadline-Ms", &at.as_millis().to_string())
    }
}

/// The payload of a function URL request without headers of its own, to be changed at will.
#[must_use]
pub fn function_url(method: &str, target: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "accept": "*/*",
            "host": HOST,
            "user-agent": "itest/1",
            "x-amzn-trace-id": "Root=1-6a8f3c21-4d1e7b0a95c2f8e3a6b47d10",
            "x-forwarded-for": "203.0.113.24",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": HOST.split('.').next(),
            "domainName": HOST,
            "domainPrefix": HOST.split('.').next(),
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.24",
                "userAgent": "itest/1",
            },
            "requestId": "5b0c1f7e-8a39-4d52-9c1e-2f6a7d80b314",
            "routeKey": "$default",
            "stage": "$default",
            "time": "10/Jul/2026:08:00:00 +0000",
            "timeEpoch": 1_783_670_400_123_u64,
        },
        "isBase64Encoded": false,
    })
}
