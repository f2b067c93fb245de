// SPDX-License-Identifier: Apache-2.0
//! What becomes of a request between its event and the app: whom it is from, what the adapter adds, what it may not
//! reach. Pure.
//!
//! An app may trust the headers that are set here, since a client's own under these names were removed when the event
//! was read.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri, header};

use crate::event::Event;
use crate::front::Front;
use crate::headers::{
    EVENT_SECRET, EVENT_SOURCE, FORWARDED_PREFIX, LAMBDA_CONTEXT, REQUEST_CONTEXT, TENANT_ID,
    TRACEPARENT, WEBSOCKET_EVENT, X_RAY,
};
use crate::route;
use crate::settings::{Environment, HeaderRule, SecretHeader, Settings};
use crate::trace::traceparent;

/// Why a request does not reach the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It has to carry a header, and does not.
    #[error("the request lacks the header that this function requires")]
    HeaderMissing,
    /// An app may take its path for one of those of events.
    #[error("this path is not open to clients")]
    PrivatePath,
    /// Its query does not fit behind the path of its kind of event.
    #[error("the request target is longer than one can be")]
    TargetTooLong,
}

impl Refusal {
    /// The status of the reply.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::HeaderMissing | Self::PrivatePath => StatusCode::FORBIDDEN,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
        }
    }
}

/// What Lambda says of an invocation, for the app.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    /// The `x-amzn-lambda-context` header.
    pub(crate) lambda_context: Option<HeaderValue>,
    /// X-Ray's trace context, as the invocation has it.
    pub(crate) trace: Option<&'a HeaderValue>,
    /// The tenant, where the function has any.
    pub(crate) tenant: Option<&'a HeaderValue>,
}

/// Makes the request that the app gets.
pub(crate) fn apply(
    settings: &Settings,
    event_secret: &HeaderValue,
    event: Event,
    facts: Facts<'_>,
) -> Result<Request<Bytes>, Refusal> {
    let Event {
        front,
        mut request,
        context,
    } = event;
    match front {
        Front::Other(source) => {
            *request.uri_mut() = with_path(&Uri::from_static("/"), &settings.events_path)?;
            request
                .headers_mut()
                .insert(EVENT_SOURCE, HeaderValue::from_static(source.name()));
            request
                .headers_mut()
                .insert(EVENT_SECRET, event_secret.clone());
        }
        Front::WebSocket => {
            // Only a connection's first event has a client's headers; the others belong to a connection that passed.
            let opens = request
                .headers()
                .get(WEBSOCKET_EVENT)
                .is_some_and(|kind| kind == "CONNECT");
            if opens {
                require_header(settings, &request)?;
            }
            *request.uri_mut() = with_path(request.uri(), &settings.websocket_path)?;
            request
                .headers_mut()
                .insert(EVENT_SECRET, event_secret.clone());
        }
        _ => of_client(settings, &mut request)?,
    }
    let headers = request.headers_mut();
    set(
        headers,
        &REQUEST_CONTEXT,
        context.and_then(|json| HeaderValue::try_from(json).ok()),
    );
    set(headers, &LAMBDA_CONTEXT, facts.lambda_context);
    set(headers, &TENANT_ID, facts.tenant.cloned());
    set(headers, &X_RAY, facts.trace.cloned());
    if !headers.contains_key(TRACEPARENT) {
        let parent = facts
            .trace
            .and_then(|trace| traceparent(trace.to_str().ok()?));
        set(
            headers,
            &TRACEPARENT,
            parent.and_then(|parent| HeaderValue::try_from(parent).ok()),
        );
    }
    Ok(request)
}

fn with_path(target: &Uri, path: &str) -> Result<Uri, Refusal> {
    route::with_path(target, path).ok_or(Refusal::TargetTooLong)
}

fn set(headers: &mut http::HeaderMap, name: &HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// What is done with the request of a client alone.
fn of_client(settings: &Settings, request: &mut Request<Bytes>) -> Result<(), Refusal> {
    require_header(settings, request)?;
    if let Some(base) = &settings.base_path
        && let Some(rest) = route::without_base(request.uri(), base)
    {
        *request.uri_mut() = rest;
        set(
            request.headers_mut(),
            &FORWARDED_PREFIX,
            HeaderValue::try_from(base).ok(),
        );
    }
    let path = request.uri().path();
    let own = [&settings.events_path, &settings.websocket_path];
    let is_private = |own: &String| route::may_be(path, own);
    let hooks = [
        &settings.snapstart_before_path,
        &settings.snapstart_after_path,
    ];
    if settings.events_path_private && own.into_iter().any(is_private)
        || hooks.into_iter().flatten().any(is_private)
    {
        return Err(Refusal::PrivatePath);
    }
    if let Some(origin) = &settings.origin_secret {
        let is_from_origin = carries(request, origin);
        let headers = request.headers_mut();
        headers.remove(&origin.name);
        if let (true, Some(source)) = (is_from_origin, &settings.host_from) {
            let host = headers.get(source).cloned();
            set(headers, &header::HOST, host);
        }
    }
    if let Some(source) = &settings.authorization_source {
        let value = request.headers_mut().remove(source);
        set(request.headers_mut(), &header::AUTHORIZATION, value);
    }
    for rule in &settings.header_map {
        change(request.headers_mut(), rule);
    }
    Ok(())
}

fn require_header(settings: &Settings, request: &Request<Bytes>) -> Result<(), Refusal> {
    match &settings.require_header {
        Some(required) if !carries(request, required) => Err(Refusal::HeaderMissing),
        _ => Ok(()),
    }
}

fn change(headers: &mut http::HeaderMap, rule: &HeaderRule) {
    let (from, to, keeps) = match rule {
        HeaderRule::Drop(name) => {
            headers.remove(name);
            return;
        }
        HeaderRule::Rename { from, to } => (from, to, false),
        HeaderRule::Copy { from, to } => (from, to, true),
    };
    let values: Vec<HeaderValue> = headers.get_all(from).iter().cloned().collect();
    if values.is_empty() || from == to {
        return;
    }
    headers.remove(to);
    if !keeps {
        headers.remove(from);
    }
    for value in values {
        headers.append(to, value);
    }
}

/// Whether a request carries a header with this very value, compared in a time that tells nothing of it.
fn carries(request: &Request<Bytes>, header: &SecretHeader) -> bool {
    let expected = header.value.as_bytes();
    request.headers().get_all(&header.name).iter().any(|value| {
        let differences = value
            .as_bytes()
            .iter()
            .zip(expected)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        value.len() == expected.len() && differences == 0
    })
}

/// What Lambda says of an invocation, as JSON that can stand in a header; the names are AWS Lambda Web Adapter's.
pub(crate) fn lambda_context<'a>(
    fields: impl IntoIterator<Item = (&'static str, Field<'a>)>,
) -> Option<HeaderValue> {
    let mut json = String::with_capacity(512);
    let mut separator = '{';
    for (name, value) in fields {
        json.push(separator);
        separator = ',';
        let _ = write!(json, "\"{name}\":");
        match value {
            Field::Number(number) => drop(write!(json, "{number}")),
            Field::Text(text) => json.push_str(&serde_json::to_string(text).unwrap_or_default()),
            Field::Json(text) => {
                let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                json.push_str(if is_json { text } else { "null" });
            }
            Field::Own(text) => json.push_str(text),
        }
    }
    json.push('}');
    HeaderValue::try_from(crate::event::ascii_json(&json)).ok()
}

/// A value of the Lambda context.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field<'a> {
    Number(u64),
    Text(&'a str),
    /// JSON as Lambda gives it, which need not be any.
    Json(&'a str),
    /// JSON of ours.
    Own(&'a str),
}

/// What the Lambda context says of the function, as JSON. Lambda tells its extensions no names of logs.
pub(crate) fn env_config(environment: &Environment) -> String {
    let text = |name| {
        let value = environment.get(name).unwrap_or_default().to_string_lossy();
        serde_json::to_string(&value).unwrap_or_default()
    };
    let memory = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    let memory: Option<u64> = memory.and_then(|value| value.to_str()?.parse().ok());
    format!(
        r#"{{"function_name":{},"memory":{},"version":{},"log_stream":{},"log_group":{}}}"#,
        text("AWS_LAMBDA_FUNCTION_NAME"),
        memory.unwrap_or_default(),
        text("AWS_LAMBDA_FUNCTION_VERSION"),
        text("AWS_LAMBDA_LOG_STREAM_NAME"),
        text("AWS_LAMBDA_LOG_GROUP_NAME"),
    )
}

#[cfg(test)]
mod tests;
