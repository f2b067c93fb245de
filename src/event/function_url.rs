// SPDX-License-Identifier: Apache-2.0
//! Function URL events: payload format 2.0.
//!
//! Source: AWS, "Invoking Lambda function URLs", request payload format. `rawPath` is still percent-encoded as the
//! client sent it, and `rawQueryString` is verbatim. Repeated headers were joined with a comma by the front.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use serde::Deserialize;

use super::fields::{Pairs, Text};
use super::{Event, EventError, target};
use crate::front::Front;
use crate::headers;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow)]
    raw_path: Text<'a>,
    #[serde(borrow, default)]
    raw_query_string: Option<Text<'a>>,
    #[serde(borrow, default)]
    headers: Option<Pairs<'a>>,
    #[serde(borrow, default)]
    cookies: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    request_context: Context<'a>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct Context<'a> {
    #[serde(borrow)]
    http: Http<'a>,
}

#[derive(Deserialize)]
struct Http<'a> {
    #[serde(borrow)]
    method: Text<'a>,
}

pub(super) fn decode(payload: &[u8]) -> Result<Event, EventError> {
    let payload: Payload =
        serde_json::from_slice(payload).map_err(|source| EventError::Malformed {
            kind: "function URL",
            source,
        })?;
    let query = payload.raw_query_string.unwrap_or_default();
    let target = target::join(&payload.raw_path.0, &query.0)
        .ok_or_else(|| EventError::Target(format!("{}?{}", payload.raw_path.0, query.0)))?;
    let method = &payload.request_context.http.method.0;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| EventError::Method(method.to_string()))?;

    let mut request = Request::new(body(payload.body, payload.is_base64_encoded)?);
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = header_map(
        &payload.headers.unwrap_or_default(),
        payload.cookies.as_deref(),
    )?;
    Ok(Event {
        front: Front::FunctionUrl,
        request,
    })
}

fn header_map(pairs: &Pairs<'_>, cookies: Option<&[Text<'_>]>) -> Result<HeaderMap, EventError> {
    let mut map = HeaderMap::with_capacity(pairs.0.len() + 2);
    for (name, value) in &pairs.0 {
        let unfit = || EventError::Header(name.escape_default().to_string());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        map.append(
            key,
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit())?,
        );
    }
    headers::remove_hop_by_hop(&mut map);
    // The body has been read by the front, so its length is ours to state and there is nothing to wait for.
    map.remove(header::CONTENT_LENGTH);
    map.remove(header::EXPECT);
    // Cookies come twice, as a header and as a list; HTTP APIs send the list alone.
    if let (Some(cookies), None) = (cookies, map.get(header::COOKIE)) {
        let joined = cookies
            .iter()
            .map(|cookie| cookie.0.as_ref())
            .collect::<Vec<_>>()
            .join("; ");
        if !joined.is_empty() {
            let value = HeaderValue::try_from(joined)
                .map_err(|_| EventError::Header("cookie".to_owned()))?;
            map.insert(header::COOKIE, value);
        }
    }
    Ok(map)
}

fn body(body: Option<Text<'_>>, is_base64: bool) -> Result<Bytes, EventError> {
    let text = body.unwrap_or_default().0;
    if is_base64 {
        return BASE64
            .decode(text.as_bytes())
            .map(Bytes::from)
            .map_err(EventError::Body);
    }
    Ok(match text {
        Cow::Borrowed(text) => Bytes::copy_from_slice(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Re-authored with invented values in the shape that function URLs send (AWS, "Invoking Lambda function URLs").
    fn event(change: impl FnOnce(&mut Value)) -> Result<Event, EventError> {
        let mut event = json!({
            "version": "2.0",
            "rawPath": "/items/blue%20pen",
            "rawQueryString": "tag=one&tag=two&plus=a+b&empty=",
            "cookies": ["session=abc123", "theme=dark"],
            "headers": {
                "host": "abc.lambda-url.eu-central-1.on.aws",
                "cookie": "session=abc123; theme=dark",
                "x-probe": "first,second",
                "content-length": "5",
                "connection": "close, x-hop",
                "x-hop": "1"
            },
            "requestContext": { "http": { "method": "POST" }, "domainName": "abc.lambda-url.eu-central-1.on.aws" },
            "body": "hello",
            "isBase64Encoded": false
        });
        change(&mut event);
        crate::event::decode(event.to_string().as_bytes())
    }

    fn bytes(event: Event) -> Vec<u8> {
        event.request.into_body().to_vec()
    }

    #[test]
    fn an_event_becomes_the_request_that_the_client_sent() {
        let event = event(|_| ()).unwrap();
        assert_eq!(event.front, Front::FunctionUrl);
        assert_eq!(event.request.method(), "POST");
        assert_eq!(
            event.request.uri(),
            "/items/blue%20pen?tag=one&tag=two&plus=a+b&empty="
        );
        let headers = event.request.headers();
        assert_eq!(headers["x-probe"], "first,second");
        assert_eq!(
            headers.get_all("cookie").iter().collect::<Vec<_>>(),
            ["session=abc123; theme=dark"]
        );
        for absent in ["connection", "x-hop", "content-length"] {
            assert!(!headers.contains_key(absent), "{absent}");
        }
        assert_eq!(bytes(event), b"hello");
    }

    #[test]
    fn cookies_come_from_the_list_where_there_is_no_header() {
        let event = event(|event| {
            event["headers"].as_object_mut().unwrap().remove("cookie");
        });
        assert_eq!(
            event.unwrap().request.headers()["cookie"],
            "session=abc123; theme=dark"
        );
    }

    #[test]
    fn a_base64_body_is_decoded_once() {
        let binary = |body: &str| {
            event(|event| {
                event["isBase64Encoded"] = json!(true);
                event["body"] = json!(body);
            })
        };
        assert_eq!(
            bytes(binary("iVBORw0KGgoA//6A").unwrap()),
            b"\x89PNG\r\n\x1a\n\0\xff\xfe\x80"
        );
        assert!(matches!(binary("not base64!"), Err(EventError::Body(_))));
    }

    #[test]
    fn a_missing_body_is_empty() {
        for absent in [Value::Null, json!("")] {
            let event = event(|event| {
                event["body"] = absent;
                event["isBase64Encoded"] = json!(true);
            });
            assert_eq!(bytes(event.unwrap()), b"");
        }
    }

    #[test]
    fn a_line_break_in_a_header_can_never_start_another() {
        for hostile in ["a\r\nx-evil: 1", "a\nb", "a\0b"] {
            let error = event(|event| event["headers"]["x-probe"] = json!(hostile)).unwrap_err();
            assert_eq!(
                error.to_string(),
                "event has a header `x-probe` whose name or value cannot be sent"
            );
        }
        assert!(matches!(
            event(|event| event["headers"]["x y"] = json!("1")),
            Err(EventError::Header(_))
        ));
    }

    #[test]
    fn a_field_of_another_type_is_named() {
        let error = event(|event| event["rawPath"] = json!(7)).unwrap_err();
        assert!(
            matches!(&error, EventError::Malformed { source, .. } if source.to_string().contains("string"))
        );
        assert!(matches!(
            event(|event| event["headers"] = json!([])),
            Err(EventError::Malformed { .. })
        ));
        let method = json!("GET /x");
        assert!(matches!(
            event(|event| event["requestContext"]["http"]["method"] = method),
            Err(EventError::Method(_))
        ));
    }
}
