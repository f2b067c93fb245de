// SPDX-License-Identifier: Apache-2.0
//! Payload format 2.0, of function URLs and of HTTP APIs (sources: AWS pages "Invoking Lambda function URLs" and
//! "Create AWS Lambda proxy integrations for HTTP APIs", captures of both).
//!
//! A function URL leaves `rawPath` as the client sent it, an HTTP API decodes it. Both leave `rawQueryString` alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header;
use http::request::Parts;
use serde::{Serialize, Serializer};

use super::body::{self, Encoded};
use super::query::{self, Plus, decode};
use super::{Arrival, headers};
use crate::clock::access_log_time;
use crate::settings::ACCOUNT_ID;

/// Which of the two front ends it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Flavour {
    FunctionUrl,
    HttpApi,
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
    path: &'a str,
    protocol: String,
    source_ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

fn as_map<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

pub(super) fn build(
    flavour: Flavour,
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut headers = headers::joined(&head.headers, arrival);
    if flavour == Flavour::HttpApi {
        headers.remove(header::COOKIE.as_str());
    }
    // An HTTP API says it even where it is nothing.
    if !body.is_empty() || flavour == Flavour::HttpApi {
        headers.insert("content-length".to_owned(), body.len().to_string());
    }
    let raw_query_string = head.uri.query().unwrap_or_default();
    let path = decode(head.uri.path(), Plus::Literal);
    let encoded = Encoded::text_if(body::is_text(&head.headers), body);
    serde_json::to_vec(&Event {
        version: "2.0",
        route_key: "$default",
        raw_path: match flavour {
            Flavour::FunctionUrl => head.uri.path(),
            Flavour::HttpApi => &path,
        },
        raw_query_string,
        cookies: headers::cookies(&head.headers),
        query_string_parameters: query::joined(raw_query_string),
        request_context: RequestContext {
            account_id: match flavour {
                Flavour::FunctionUrl => "anonymous",
                Flavour::HttpApi => ACCOUNT_ID,
            },
            api_id: arrival.api_id,
            domain_name: arrival.domain,
            domain_prefix: arrival.api_id,
            http: HttpContext {
                method: head.method.as_str(),
                path: &path,
                protocol: format!("{:?}", head.version),
                source_ip: &arrival.source_ip,
                user_agent: headers.get("user-agent").cloned(),
            },
            request_id: match flavour {
                Flavour::FunctionUrl => &arrival.request_id,
                Flavour::HttpApi => &arrival.extended_id,
            },
            route_key: "$default",
            stage: "$default",
            time: access_log_time(arrival.epoch_millis),
            time_epoch: arrival.epoch_millis,
        },
        headers,
        is_base64_encoded: encoded.is_base64,
        body: encoded.non_empty(),
    })
}
