// SPDX-License-Identifier: Apache-2.0
//! The marks that tell the kinds of event apart. The first that fits counts, from the most special to the least.

use serde_json::value::RawValue;

use super::fields::Object;
use crate::front::{Front, Source};

/// What made an event. `context` is its `requestContext`.
pub(super) fn front(event: &Object<'_>, context: &Object<'_>) -> Front {
    if context.has_object("elb") {
        // The reply has to be in the form of the request, and a target group sends one of the two.
        let is_multi_value = event.get("multiValueHeaders").is_some();
        return if is_multi_value {
            Front::AlbMultiValue
        } else {
            Front::Alb
        };
    }
    let is_event = |kind| context.is("eventType", kind);
    if context.has_text("connectionId")
        && ["CONNECT", "MESSAGE", "DISCONNECT"]
            .into_iter()
            .any(is_event)
    {
        return Front::WebSocket;
    }
    let is_v2 = event.is("version", "2.0");
    if is_v2 && context.has_object("http") {
        // A custom domain can only be an HTTP API's.
        let domain = context.get("domainName").map_or("", RawValue::get);
        return if domain.contains(".lambda-url.") {
            Front::FunctionUrl
        } else {
            Front::HttpApi
        };
    }
    let has = |name| event.get(name).is_some();
    if is_v2
        && ["serviceNetworkArn", "serviceArn"]
            .into_iter()
            .any(|name| context.get(name).is_some())
        || is_lattice_v1(event) && (has("query_string_parameters") || has("is_base64_encoded"))
    {
        return Front::Lattice;
    }
    if has("httpMethod") && (context.get("identity").is_some() || has("resource")) {
        return if event.is("version", "1.0") {
            Front::HttpApiV1
        } else {
            Front::Rest
        };
    }
    Front::Other(source(event))
}

/// Tells the two versions of a Lattice event apart.
pub(super) fn is_lattice_v1(event: &Object<'_>) -> bool {
    event.get("raw_path").is_some()
}

fn source(event: &Object<'_>) -> Source {
    let has = |name| event.get(name).is_some();
    if let Some(source) = event.get("Records").and_then(source_of_records) {
        return source;
    }
    if event.has_text("source") && has("detail-type") && has("detail") {
        return Source::EventBridge;
    }
    if has("messageVersion") && has("agent") && has("actionGroup") {
        return Source::BedrockAgent;
    }
    Source::Direct
}

fn source_of_records(records: &RawValue) -> Option<Source> {
    let records: Vec<&RawValue> = serde_json::from_str(records.get()).ok()?;
    let first = Object::parse(records.first()?.get()).ok()?;
    // SNS writes its members with capitals.
    let source = first
        .get("eventSource")
        .or_else(|| first.get("EventSource"))?;
    match source.get() {
        "\"aws:sqs\"" => Some(Source::Sqs),
        "\"aws:sns\"" => Some(Source::Sns),
        "\"aws:s3\"" => Some(Source::S3),
        "\"aws:dynamodb\"" => Some(Source::DynamoDb),
        "\"aws:kinesis\"" => Some(Source::Kinesis),
        _ => None,
    }
}
