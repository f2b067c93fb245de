// SPDX-License-Identifier: Apache-2.0
//! Events of an API Gateway WebSocket API (source: AWS page "API Gateway mapping template and access logging variable
//! reference", samples of powertools-lambda-python).
//!
//! A WebSocket client would have to hold a connection; here each HTTP request is one event of the same connection:
//! `/@connect` is CONNECT, with headers and query, `/@disconnect` is DISCONNECT, and the body of a request for any
//! other path is a MESSAGE, which has neither headers nor a path. `x-connection-id` names another connection.

use std::collections::BTreeMap;

use http::HeaderName;
use http::request::Parts;
use serde_json::{Value, json};

use super::body::Encoded;
use super::query::{self, Escapes, last};
use super::{Arrival, headers, rest};
use crate::clock::access_log_time;

/// The connection that requests belong to unless they say another.
pub(crate) const CONNECTION: &str = "bG9jYWxzZ2NvbgI=";

const CONNECTION_HEADER: HeaderName = HeaderName::from_static("x-connection-id");

/// Path of the request that stands for the opening of a connection.
pub(crate) const CONNECT: &str = "/@connect";

/// Path of the request that stands for its end.
const DISCONNECT: &str = "/@disconnect";

/// The connection that a request belongs to.
pub(crate) fn connection_id(head: &Parts) -> String {
    headers::values(&head.headers, &CONNECTION_HEADER)
        .pop()
        .unwrap_or_else(|| CONNECTION.to_owned())
}

pub(super) fn build(
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let (route, kind) = match head.uri.path() {
        CONNECT => ("$connect", "CONNECT"),
        DISCONNECT => ("$disconnect", "DISCONNECT"),
        _ => ("$default", "MESSAGE"),
    };
    let mut context = json!({
        "apiId": arrival.api_id,
        "connectedAt": arrival.epoch_millis,
        "connectionId": connection_id(head),
        "domainName": arrival.domain,
        "eventType": kind,
        "extendedRequestId": arrival.extended_id,
        "identity": { "sourceIp": arrival.source_ip },
        "messageDirection": "IN",
        "requestId": arrival.extended_id,
        "requestTime": access_log_time(arrival.epoch_millis),
        "requestTimeEpoch": arrival.epoch_millis,
        "routeKey": route,
        "stage": rest::STAGE,
    });
    let user_agent = headers::values(&head.headers, &http::header::USER_AGENT).pop();
    if let Some(user_agent) = user_agent {
        insert(&mut context["identity"], "userAgent", user_agent.into());
    }
    let mut event = json!({ "isBase64Encoded": false });
    match kind {
        "CONNECT" => {
            let mut headers = rest::headers(&head.headers, arrival);
            headers.remove(CONNECTION_HEADER.as_str());
            insert(&mut event, "headers", json!(last(&headers)));
            insert(&mut event, "multiValueHeaders", json!(headers));
            let parameters = query::multi(head.uri.query().unwrap_or_default(), Escapes::Decoded);
            // Without a query the members are missing.
            if !parameters.is_empty() {
                insert(
                    &mut event,
                    "queryStringParameters",
                    json!(last(&parameters)),
                );
                insert(
                    &mut event,
                    "multiValueQueryStringParameters",
                    json!(parameters),
                );
            }
        }
        "DISCONNECT" => {
            let headers: BTreeMap<_, _> = [
                ("Host", arrival.domain),
                ("x-api-key", ""),
                ("X-Forwarded-For", ""),
                ("x-restapi", ""),
            ]
            .map(|(name, value)| (name.to_owned(), vec![value.to_owned()]))
            .into();
            insert(&mut event, "headers", json!(last(&headers)));
            insert(&mut event, "multiValueHeaders", json!(headers));
            insert(&mut context, "disconnectStatusCode", 1005.into());
            let reason = "Client-side close frame status not set";
            insert(&mut context, "disconnectReason", reason.into());
        }
        _ => {
            // A text frame is UTF-8; how anything else would arrive is assumed.
            let encoded = Encoded::text_if(true, body);
            insert(&mut event, "isBase64Encoded", encoded.is_base64.into());
            insert(&mut event, "body", encoded.text.into());
            insert(
                &mut context,
                "messageId",
                arrival.extended_id.clone().into(),
            );
        }
    }
    insert(&mut event, "requestContext", context);
    serde_json::to_vec(&event)
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
