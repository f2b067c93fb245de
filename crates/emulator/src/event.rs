// SPDX-License-Identifier: Apache-2.0
//! Builds the event of a function URL, payload format 2.0 (source: AWS page "Invoking Lambda function URLs").
//!
//! Pure. Path and query stay as the client sent them in `rawPath` and `rawQueryString`; only the convenience copies,
//! `requestContext.http.path` and `queryStringParameters`, are decoded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use serde::{Serialize, Serializer};

use crate::clock::access_log_time;

/// What the front end knows about a request beyond the request itself.
#[derive(Clone, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) source_ip: String,
    pub(crate) url_id: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) epoch_millis: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    query_string_parameters: Vec<(String, String)>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'static str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: HttpContext<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext<'a> {
    method: &'a str,
    path: String,
    protocol: String,
    source_ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

fn as_map<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// The event for a request whose body has been read.
///
/// # Errors
/// None in practice: all keys are strings.
pub(crate) fn build(
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let headers = headers(&head.headers, body.len(), arrival);
    let raw_query_string = head.uri.query().unwrap_or_default();
    let text = if is_text(&head.headers) {
        std::str::from_utf8(body).ok()
    } else {
        None
    };
    serde_json::to_vec(&Event {
        version: "2.0",
        route_key: "$default",
        raw_path: head.uri.path(),
        raw_query_string,
        cookies: cookies(&head.headers),
        query_string_parameters: query_parameters(raw_query_string),
        request_context: RequestContext {
            account_id: "anonymous",
            api_id: arrival.url_id,
            domain_name: arrival.domain,
            domain_prefix: arrival.url_id,
            http: HttpContext {
                method: head.method.as_str(),
                path: decode(head.uri.path(), Plus::Literal),
                protocol: format!("{:?}", head.version),
                source_ip: &arrival.source_ip,
                user_agent: headers.get("user-agent").cloned(),
            },
            request_id: &arrival.request_id,
            route_key: "$default",
            stage: "$default",
            time: access_log_time(arrival.epoch_millis),
            time_epoch: arrival.epoch_millis,
        },
        headers,
        is_base64_encoded: text.is_none() && !body.is_empty(),
        body: match text {
            _ if body.is_empty() => None,
            Some(text) => Some(Cow::Borrowed(text)),
            None => Some(Cow::Owned(STANDARD.encode(body))),
        },
    })
}

/// Headers that concern the connection between client and front end alone (source: RFC 9110 section 7.6.1), and
/// `expect`, which the front end answers.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

fn headers(
    client: &HeaderMap,
    body_length: usize,
    arrival: &Arrival<'_>,
) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for name in client.keys() {
        if HOP_BY_HOP.contains(name) || name.as_str().starts_with("proxy-") {
            continue;
        }
        let separator = if *name == header::COOKIE { "; " } else { "," };
        let values: Vec<_> = client
            .get_all(name)
            .iter()
            .map(|value| text(value.as_bytes()))
            .collect();
        headers.insert(name.as_str().to_owned(), values.join(separator));
    }
    if body_length > 0 {
        headers.insert("content-length".to_owned(), body_length.to_string());
    }
    headers.insert("x-amzn-trace-id".to_owned(), arrival.trace_id.clone());
    // What the client put there stays in front: only the last element is the front end's.
    let forwarded_for = match headers.get("x-forwarded-for") {
        Some(claimed) => format!("{claimed}, {}", arrival.source_ip),
        None => arrival.source_ip.clone(),
    };
    headers.insert("x-forwarded-for".to_owned(), forwarded_for);
    // A real function URL speaks https alone, and apps decide by this; so no event says anything else.
    headers.insert("x-forwarded-port".to_owned(), "443".to_owned());
    headers.insert("x-forwarded-proto".to_owned(), "https".to_owned());
    headers
}

/// A header value as text: UTF-8 where it is, else byte by byte.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

fn cookies(client: &HeaderMap) -> Vec<String> {
    client
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| {
            text(line.as_bytes())
                .split(';')
                .map(|cookie| cookie.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Decoded parameters in the order of first appearance, the values of a repeated name joined with a comma.
fn query_parameters(query: &str) -> Vec<(String, String)> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name, Plus::Space), decode(value, Plus::Space));
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => parameters.push((name, value)),
        }
    }
    parameters
}

#[derive(Clone, Copy, PartialEq)]
enum Plus {
    Literal,
    Space,
}

/// Undoes percent encoding; what is no escape stays, what is no UTF-8 is replaced.
fn decode(encoded: &str, plus: Plus) -> String {
    let hex = |byte: Option<&u8>| {
        byte.and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = if byte == b'%' {
            hex(bytes.get(at + 1)).zip(hex(bytes.get(at + 2)))
        } else {
            None
        };
        if let Some((high, low)) = escape {
            decoded.push(high * 16 + low);
            at += 3;
        } else {
            decoded.push(if byte == b'+' && plus == Plus::Space {
                b' '
            } else {
                byte
            });
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Whether a body goes into the event as text: by its content type and only if it is not compressed
/// (source: ministackorg/ministack PR #766, tested against AWS for HTTP API; assumed to hold for function URLs).
fn is_text(client: &HeaderMap) -> bool {
    let Some(content_type) = client
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let text_type = essence.starts_with("text/")
        || [
            "application/json",
            "application/xml",
            "application/javascript",
        ]
        .contains(&essence.as_str());
    text_type && !client.contains_key(header::CONTENT_ENCODING)
}

#[cfg(test)]
mod tests;
