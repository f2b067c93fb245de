// SPDX-License-Identifier: Apache-2.0
//! Events of VPC Lattice (source: AWS page "Lambda functions as targets in VPC Lattice"; that the path has the query,
//! too: powertools-lambda-typescript `packages/parser/src/schemas/vpc-latticev2.ts`, Envoy's AWS Lambda filter).

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, header};
use serde_json::json;

use super::body::{self, Encoded};
use super::query::{self, Escapes, last};
use super::{Arrival, headers};
use crate::settings::ACCOUNT_ID;

fn target(head: &Parts) -> &str {
    head.uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
}

/// "If the body is not already a string" it is base64; Envoy's rule is that a content type is there and is no text.
fn encoded<'a>(client: &HeaderMap, body: &'a [u8]) -> Encoded<'a> {
    let text = !client.contains_key(header::CONTENT_TYPE) || body::is_text(client);
    Encoded::text_if(text || body.is_empty(), body)
}

/// Lines for each name. Samples have no `content-length`, and of the usual headers only `x-forwarded-for`.
fn lines(client: &HeaderMap, arrival: &Arrival<'_>) -> BTreeMap<String, Vec<String>> {
    let mut lines = headers::lines(client);
    lines.remove(header::CONTENT_LENGTH.as_str());
    lines.insert(
        "x-forwarded-for".to_owned(),
        vec![headers::forwarded_for(client, arrival)],
    );
    lines
}

pub(super) fn v1(
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let parameters = query::multi(head.uri.query().unwrap_or_default(), Escapes::Kept);
    let headers: BTreeMap<_, _> = lines(&head.headers, arrival)
        .into_iter()
        .map(|(name, values)| (name, values.join(", ")))
        .collect();
    let encoded = encoded(&head.headers, body);
    serde_json::to_vec(&json!({
        "raw_path": target(head),
        "method": head.method.as_str(),
        "headers": headers,
        "query_string_parameters": last(&parameters),
        "body": encoded.text,
        "is_base64_encoded": encoded.is_base64,
    }))
}

pub(super) fn v2(
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let arn = |service: &str, resource: &str| {
        format!(
            "arn:aws:{service}:{}:{ACCOUNT_ID}:{resource}",
            arrival.region
        )
    };
    let encoded = encoded(&head.headers, body);
    let mut event = json!({
        "version": "2.0",
        "path": target(head),
        "method": head.method.as_str(),
        "headers": lines(&head.headers, arrival),
        "queryStringParameters": query::multi(head.uri.query().unwrap_or_default(), Escapes::Kept),
        "requestContext": {
            "serviceNetworkArn": arn("vpc-lattice", "servicenetwork/sn-00000000000000000"),
            "serviceArn": arn("vpc-lattice", &format!("service/{}", arrival.api_id)),
            "targetGroupArn": arn("vpc-lattice", "targetgroup/tg-00000000000000000"),
            "identity": { "sourceVpcArn": arn("ec2", "vpc/vpc-00000000000000000") },
            "region": arrival.region,
            "timeEpoch": format!("{}000", arrival.epoch_millis),
        },
        "requestId": arrival.request_id,
    });
    // Absent members stand for no body and for text.
    if let Some(event) = event.as_object_mut() {
        if encoded.is_base64 {
            event.insert("isBase64Encoded".to_owned(), true.into());
        }
        if let Some(text) = encoded.non_empty() {
            event.insert("body".to_owned(), text.into());
        }
    }
    serde_json::to_vec(&event)
}
