// SPDX-License-Identifier: Apache-2.0
//! Events of an API Gateway REST API with a `{proxy+}` resource (sources: AWS pages "Lambda proxy integrations in API
//! Gateway" and "Amazon API Gateway important notes"; capture).
//!
//! The path stays encoded, both query maps are decoded. Names of headers that the gateway makes are capitalised, the
//! client's are lower case: the casing of HTTP/1.1 clients is lost here, and HTTP/2 clients have no other.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::request::Parts;
use serde_json::{Value, json};

use super::body::{self, Encoded};
use super::query::{self, Escapes, last};
use super::{Arrival, headers};
use crate::clock::access_log_time;
use crate::settings::ACCOUNT_ID;

/// Stays at the gateway, beside the headers of the connection (source: "Amazon API Gateway important notes");
/// `content-length` is missing in captures.
const DROPPED: [&str; 5] = [
    "content-length",
    "content-md5",
    "max-forwards",
    "server",
    "www-authenticate",
];

/// The gateway's own spelling of the headers that it makes.
const GATEWAY_MADE: [&str; 6] = [
    "Host",
    "User-Agent",
    "X-Amzn-Trace-Id",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
];

pub(super) const STAGE: &str = "prod";

pub(super) fn build(
    binary: &[String],
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let path = head.uri.path();
    // The root has a resource of its own: `{proxy+}` does not match it.
    let proxy = path.strip_prefix('/').filter(|proxy| !proxy.is_empty());
    let resource = if proxy.is_some() { "/{proxy+}" } else { "/" };
    let parameters = query::multi(head.uri.query().unwrap_or_default(), Escapes::Decoded);
    let headers = headers(&head.headers, arrival);
    let encoded = if is_binary(binary, body::essence(&head.headers).as_deref()) {
        Encoded::base64(body)
    } else {
        Encoded::lossy(body)
    };
    serde_json::to_vec(&json!({
        "resource": resource,
        "path": path,
        "httpMethod": head.method.as_str(),
        "headers": last(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": or_null(&last(&parameters)),
        "multiValueQueryStringParameters": or_null(&parameters),
        "pathParameters": proxy.map(|proxy| json!({ "proxy": proxy })),
        "stageVariables": null,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": arrival.api_id,
            "deploymentId": "local0",
            "domainName": arrival.domain,
            "domainPrefix": arrival.api_id,
            "extendedRequestId": arrival.extended_id,
            "httpMethod": head.method.as_str(),
            "identity": identity(&headers, arrival),
            "operationName": null,
            "path": format!("/{STAGE}{path}"),
            "protocol": format!("{:?}", head.version),
            "requestId": arrival.request_id,
            "requestTime": access_log_time(arrival.epoch_millis),
            "requestTimeEpoch": arrival.epoch_millis,
            "resourceId": "local0",
            "resourcePath": resource,
            "stage": STAGE,
        },
        "isBase64Encoded": encoded.is_base64,
        "body": encoded.non_empty(),
    }))
}

/// Whether a media type is one of the API's `binaryMediaTypes`, which match as a whole, or everything is.
/// A body without a type counts as JSON (source: AWS page "Content type conversions in API Gateway").
pub(crate) fn is_binary(binary: &[String], essence: Option<&str>) -> bool {
    let essence = essence.unwrap_or("application/json");
    binary
        .iter()
        .any(|known| known == "*/*" || known.eq_ignore_ascii_case(essence))
}

pub(super) fn headers(client: &HeaderMap, arrival: &Arrival<'_>) -> BTreeMap<String, Vec<String>> {
    let mut headers = headers::lines(client);
    headers.retain(|name, _| !DROPPED.contains(&name.as_str()));
    // A signature is for the gateway, not for the function.
    if headers
        .get("authorization")
        .is_some_and(|values| values.iter().any(|value| value.starts_with("AWS4-")))
    {
        headers.remove("authorization");
    }
    for (name, value) in headers::made(client, arrival) {
        headers.insert(name.to_owned(), vec![value]);
    }
    for name in GATEWAY_MADE {
        if let Some(values) = headers.remove(name.to_ascii_lowercase().as_str()) {
            headers.insert(name.to_owned(), values);
        }
    }
    headers
}

fn or_null<K: serde::Serialize + Ord, V: serde::Serialize>(map: &BTreeMap<K, V>) -> Value {
    if map.is_empty() {
        Value::Null
    } else {
        json!(map)
    }
}

fn identity(headers: &BTreeMap<String, Vec<String>>, arrival: &Arrival<'_>) -> Value {
    json!({
        "accessKey": null,
        "accountId": null,
        "caller": null,
        "cognitoAuthenticationProvider": null,
        "cognitoAuthenticationType": null,
        "cognitoIdentityId": null,
        "cognitoIdentityPoolId": null,
        "principalOrgId": null,
        "sourceIp": arrival.source_ip,
        "user": null,
        "userAgent": headers.get("User-Agent").and_then(|values| values.last()),
        "userArn": null,
    })
}
