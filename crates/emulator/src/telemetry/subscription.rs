// SPDX-License-Identifier: Apache-2.0
//! The body of a subscription (source: AWS page "Lambda Telemetry API reference").

use std::time::Duration;

use http::Uri;
use serde_json::Value;

use super::Category;

/// When a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffering {
    pub(super) max_items: usize,
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
}

/// Where batches are sent: a port of the environment, which here is this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) authority: String,
    pub(super) port: u16,
    pub(super) path: String,
}

/// What an extension wants to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) categories: Vec<Category>,
    pub(super) buffering: Buffering,
    pub(super) destination: Destination,
}

/// What is wrong with a subscription.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("the subscription is no JSON object: {0}")]
    Json(String),
    #[error("schemaVersion {0} is none of 2022-07-01, 2022-12-13 and 2025-01-29")]
    Version(Value),
    #[error("types {0} is no list of platform, function and extension")]
    Types(Value),
    #[error("buffering.{name} {given} is not within {from} and {to}")]
    Range {
        name: &'static str,
        given: Value,
        from: u64,
        to: u64,
    },
    #[error("destination.protocol {0} is not HTTP, the one that the local Lambda has")]
    Protocol(Value),
    #[error(
        "destination.URI {0} is no http URI of the host sandbox.localdomain and a port other than 9001"
    )]
    Uri(Value),
}

const VERSIONS: [&str; 3] = ["2022-07-01", "2022-12-13", "2025-01-29"];

/// What means the environment itself. The service knows the first one; the others are how people call this machine.
const HOSTS: [&str; 4] = ["sandbox.localdomain", "sandbox", "localhost", "127.0.0.1"];

/// The service's own (source: AWS page "Accessing real-time telemetry data for extensions using the Telemetry API").
const RESERVED_PORT: u16 = 9001;

impl Subscription {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let json: Value =
            serde_json::from_slice(body).map_err(|error| Invalid::Json(error.to_string()))?;
        if !json.is_object() {
            return Err(Invalid::Json("something else".to_owned()));
        }
        let version = json.get("schemaVersion").cloned().unwrap_or_default();
        if !VERSIONS.iter().any(|known| version == *known) {
            return Err(Invalid::Version(version));
        }
        let types = json.get("types").cloned().unwrap_or_default();
        let categories = types
            .as_array()
            .filter(|types| !types.is_empty())
            .and_then(|types| types.iter().map(category).collect())
            .ok_or(Invalid::Types(types))?;
        Ok(Self {
            categories,
            buffering: buffering(json.get("buffering").unwrap_or(&Value::Null))?,
            destination: destination(json.get("destination").unwrap_or(&Value::Null))?,
        })
    }

    /// The types as they are named.
    pub(super) fn types(&self) -> Vec<String> {
        let names = self.categories.iter().map(|category| match category {
            Category::Platform => "platform",
            Category::Function => "function",
            Category::Extension => "extension",
        });
        names.map(str::to_owned).collect()
    }
}

fn category(name: &Value) -> Option<Category> {
    match name.as_str()? {
        "platform" => Some(Category::Platform),
        "function" => Some(Category::Function),
        "extension" => Some(Category::Extension),
        _ => None,
    }
}

fn buffering(json: &Value) -> Result<Buffering, Invalid> {
    let number = |name: &'static str, default: u64, from: u64, to: u64| {
        let given = json.get(name).unwrap_or(&Value::Null);
        if given.is_null() {
            return Ok(default);
        }
        given
            .as_u64()
            .filter(|number| (from..=to).contains(number))
            .ok_or_else(|| Invalid::Range {
                name,
                given: given.clone(),
                from,
                to,
            })
    };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Buffering {
        max_items: size(number("maxItems", 1000, 1000, 10_000)?),
        max_bytes: size(number("maxBytes", 262_144, 262_144, 1_048_576)?),
        timeout: Duration::from_millis(number("timeoutMs", 1000, 25, 30_000)?),
    })
}

fn destination(json: &Value) -> Result<Destination, Invalid> {
    let protocol = json.get("protocol").cloned().unwrap_or_default();
    if protocol != "HTTP" {
        return Err(Invalid::Protocol(protocol));
    }
    let given = json.get("URI").or_else(|| json.get("uri"));
    let given = given.cloned().unwrap_or_default();
    let read = || {
        let uri: Uri = given.as_str()?.parse().ok()?;
        let host = uri.host().filter(|host| HOSTS.contains(host))?;
        let port = uri.port_u16().unwrap_or(80);
        let known = uri.scheme_str() == Some("http") && port != RESERVED_PORT;
        known.then(|| Destination {
            authority: format!("{host}:{port}"),
            port,
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    };
    read().ok_or_else(|| Invalid::Uri(given.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn valid() -> Value {
        json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform", "function"],
            "buffering": { "maxItems": 1000, "maxBytes": 300_000, "timeoutMs": 25 },
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8124/in?a=b" },
        })
    }

    #[test]
    fn a_subscription_is_read_with_its_defaults() {
        let read = Subscription::parse(valid().to_string().as_bytes()).unwrap();
        assert_eq!(read.types(), ["platform", "function"]);
        assert_eq!(
            read.destination,
            Destination {
                authority: "sandbox.localdomain:8124".to_owned(),
                port: 8124,
                path: "/in?a=b".to_owned(),
            }
        );
        let mut plain = valid();
        plain["buffering"] = Value::Null;
        let read = Subscription::parse(plain.to_string().as_bytes()).unwrap();
        let defaults = Buffering {
            max_items: 1000,
            max_bytes: 262_144,
            timeout: Duration::from_secs(1),
        };
        assert_eq!(read.buffering, defaults);
    }

    #[test]
    fn what_the_service_refuses_is_named() {
        let uri = |uri: &str| json!({ "protocol": "HTTP", "URI": uri });
        for (member, value, words) in [
            ("schemaVersion", json!("2021-01-01"), "2021-01-01"),
            ("schemaVersion", Value::Null, "schemaVersion null"),
            ("types", json!([]), "types []"),
            ("types", json!(["platform", "all"]), "all"),
            (
                "buffering",
                json!({ "maxItems": 10 }),
                "within 1000 and 10000",
            ),
            ("buffering", json!({ "maxBytes": 1 }), "maxBytes 1"),
            ("buffering", json!({ "timeoutMs": 5.5 }), "timeoutMs 5.5"),
            (
                "destination",
                json!({ "protocol": "TCP", "port": 1 }),
                "\"TCP\"",
            ),
            ("destination", uri("http://example.com:80"), "example.com"),
            (
                "destination",
                uri("http://sandbox.localdomain:9001"),
                "9001",
            ),
            (
                "destination",
                uri("https://sandbox.localdomain:8124"),
                "https",
            ),
        ] {
            let mut given = valid();
            given[member] = value;
            let error = Subscription::parse(given.to_string().as_bytes()).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(matches!(Subscription::parse(b"x"), Err(Invalid::Json(_))));
        assert!(matches!(Subscription::parse(b"[]"), Err(Invalid::Json(_))));
    }
}
