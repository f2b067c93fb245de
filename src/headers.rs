// SPDX-License-Identifier: Apache-2.0
//! Which headers may not be forwarded. Pure.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName};

/// Headers that belong to one connection and end there (RFC 9110, section 7.6.1; the `proxy-*` of section 11.7).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the headers that belong to one connection, those that `Connection` names among them.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Without it there is no request; no option of a connection can take it away.
        .filter(|name| name != header::HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Headers by which an app trusts what it is told: a client's own are always removed.
const RESERVED: [HeaderName; 4] = [REQUEST_CONTEXT, LAMBDA_CONTEXT, TENANT_ID, X_RAY];
const RESERVED_PREFIX: &str = "x-streamgate-";

/// The event's `requestContext`, as AWS Lambda Web Adapter names it.
pub(crate) const REQUEST_CONTEXT: HeaderName = HeaderName::from_static("x-amzn-request-context");
/// What Lambda says of the invocation, as AWS Lambda Web Adapter names it.
pub(crate) const LAMBDA_CONTEXT: HeaderName = HeaderName::from_static("x-amzn-lambda-context");
/// The tenant of a function with tenant isolation.
pub(crate) const TENANT_ID: HeaderName = HeaderName::from_static("x-amz-tenant-id");
/// X-Ray's trace context.
pub(crate) const X_RAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");
/// The trace context of W3C.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The part of the path that was taken off.
pub(crate) const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// What sent an event that is no HTTP request.
pub(crate) const EVENT_SOURCE: HeaderName = HeaderName::from_static("x-streamgate-event");
/// Which event of a WebSocket API it is.
pub(crate) const WEBSOCKET_EVENT: HeaderName =
    HeaderName::from_static("x-streamgate-websocket-event");
/// Proves that an event is one.
pub(crate) const EVENT_SECRET: HeaderName = HeaderName::from_static("x-streamgate-event-secret");

/// By which an app names a request at the adapter's own address.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-streamgate-token");
/// In a response: the app goes on for so many seconds at most. No client sees it.
pub(crate) const BACKGROUND: HeaderName = HeaderName::from_static("x-streamgate-background");

/// Whether the adapter alone may set this header. CGI and all that came of it (WSGI, Rack, PHP) make one variable of
/// `x_a` and `x-a`, so that one could pose as the other.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    let mut name = Cow::Borrowed(name.as_str());
    if name.contains('_') {
        name = name.replace('_', "-").into();
    }
    name.starts_with(RESERVED_PREFIX) || RESERVED.iter().any(|reserved| *reserved == *name)
}

/// Removes what only the adapter may say.
pub(crate) fn remove_reserved(headers: &mut HeaderMap) {
    let reserved: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_reserved(name))
        .cloned()
        .collect();
    for name in reserved {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn cleaned(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        remove_hop_by_hop(&mut headers);
        headers
    }

    #[test]
    fn headers_of_one_connection_end_there() {
        let headers = cleaned(&[
            ("connection", "close, X-One"),
            ("connection", "x-two"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
        ]);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-three"]);
    }

    #[test]
    fn what_only_the_adapter_may_say_is_removed() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-amzn-request-context",
            "x-amz-tenant-id",
            "x-streamgate-event",
            "x-streamgate-anything",
            "x_amzn_request_context",
            "x-streamgate_event",
            "x_streamgate-event",
        ] {
            headers.append(name, HeaderValue::from_static("forged"));
            headers.append(name, HeaderValue::from_static("twice"));
        }
        headers.insert("x-amzn-tls-version", HeaderValue::from_static("TLSv1.3"));
        remove_reserved(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-amzn-tls-version"]);
    }

    #[test]
    fn connection_cannot_take_the_host_away() {
        assert!(cleaned(&[("connection", "host"), ("host", "a.example")]).contains_key("host"));
    }
}
