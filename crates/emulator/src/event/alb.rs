// SPDX-License-Identifier: Apache-2.0
//! Events of an Application Load Balancer (source: AWS page "Lambda functions as targets"; capture).
//!
//! Nothing is decoded, neither path nor query. Multi-value headers are an attribute of the target group: with it the
//! event has lists, without it the last value of each name.

use http::request::Parts;
use serde_json::json;

use super::body::{self, Encoded};
use super::query::{self, Escapes, last};
use super::{Arrival, headers};
use crate::settings::ACCOUNT_ID;

/// The target group's attribute `lambda.multi_value_headers.enabled`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Values {
    Last,
    All,
}

pub(super) fn build(
    values: Values,
    head: &Parts,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut headers = headers::lines(&head.headers);
    if !body.is_empty() {
        headers.insert("content-length".to_owned(), vec![body.len().to_string()]);
    }
    for (name, value) in headers::made(&head.headers, arrival) {
        headers.insert(name.to_owned(), vec![value]);
    }
    let parameters = query::multi(head.uri.query().unwrap_or_default(), Escapes::Kept);
    let encoded = Encoded::text_if(body::is_text(&head.headers) || body.is_empty(), body);
    let target_group = format!(
        "arn:aws:elasticloadbalancing:{}:{ACCOUNT_ID}:targetgroup/local/{}",
        arrival.region, arrival.api_id
    );
    let mut event = json!({
        "requestContext": { "elb": { "targetGroupArn": target_group } },
        "httpMethod": head.method.as_str(),
        "path": head.uri.path(),
        "body": encoded.text,
        "isBase64Encoded": encoded.is_base64,
    });
    let (of_query, of_headers) = match values {
        Values::Last => ("queryStringParameters", "headers"),
        Values::All => ("multiValueQueryStringParameters", "multiValueHeaders"),
    };
    let maps = match values {
        Values::Last => (json!(last(&parameters)), json!(last(&headers))),
        Values::All => (json!(parameters), json!(headers)),
    };
    if let Some(event) = event.as_object_mut() {
        event.insert(of_query.to_owned(), maps.0);
        event.insert(of_headers.to_owned(), maps.1);
    }
    serde_json::to_vec(&event)
}
