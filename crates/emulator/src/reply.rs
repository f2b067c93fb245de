// SPDX-License-Identifier: Apache-2.0
//! Reads what a function answers to an HTTP front: the prelude of a stream and the buffered payload format 2.0.
//!
//! Pure. Which headers a function URL lets through under their own name is decided here as well.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

/// Content type that announces a prelude.
pub(crate) const PRELUDE_TYPE: &str = "application/vnd.awslambda.http-integration-response";

/// Why an answer is no HTTP response.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error("{what} is not a JSON object: {start:?}")]
    NotAnObject { what: &'static str, start: String },
    #[error("statusCode {0} is not an integer from 200 to 599")]
    StatusCode(String),
    #[error("{member} is not {expected}")]
    Member {
        member: &'static str,
        expected: &'static str,
    },
    #[error("value of header {name:?} is {value}, not a string")]
    HeaderNotAString { name: String, value: String },
    #[error("header {0:?} cannot be sent")]
    Header(String),
    #[error("body is not valid base64")]
    Base64,
}

/// The head that a prelude describes.
pub(crate) fn decode_prelude(prelude: &[u8]) -> Result<Parts, ReplyError> {
    head(&object("the prelude", prelude)?)
}

/// The response that a buffered payload describes: payload format 2.0, or any other JSON, which is then the body of a
/// 200 (source: AWS page "Invoking Lambda function URLs").
pub(crate) fn decode_payload(payload: &Bytes) -> Result<Response<Bytes>, ReplyError> {
    let json = serde_json::from_slice::<Value>(payload).map_err(|_| ReplyError::NotAnObject {
        what: "the response",
        start: start_of(payload),
    })?;
    let Some(envelope) = json
        .as_object()
        .filter(|envelope| envelope.contains_key("statusCode"))
    else {
        let mut response = Response::new(payload.clone());
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        return Ok(response);
    };
    let mut head = head(envelope)?;
    // The front end frames the body itself.
    head.headers.remove(remapped(&header::CONTENT_LENGTH));
    let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
    if !bodyless {
        head.headers
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
    }
    let text = match envelope.get("body") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => {
            return Err(ReplyError::Member {
                member: "body",
                expected: "a string",
            });
        }
    };
    let body = match envelope.get("isBase64Encoded") {
        None | Some(Value::Null | Value::Bool(false)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(Value::Bool(true)) => STANDARD
            .decode(text)
            .map_err(|_| ReplyError::Base64)?
            .into(),
        Some(_) => {
            return Err(ReplyError::Member {
                member: "isBase64Encoded",
                expected: "a boolean",
            });
        }
    };
    Ok(Response::from_parts(head, body))
}

fn object(what: &'static str, json: &[u8]) -> Result<Map<String, Value>, ReplyError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(ReplyError::NotAnObject {
            what,
            start: start_of(json),
        }),
    }
}

fn start_of(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned()
}

fn head(object: &Map<String, Value>) -> Result<Parts, ReplyError> {
    let (mut head, ()) = Response::new(()).into_parts();
    if let Some(status) = object.get("statusCode") {
        // A final 1xx cannot be written; what the service does with one is not known.
        head.status = status
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (200..=599).contains(status))
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or_else(|| ReplyError::StatusCode(status.to_string()))?;
    }
    let headers = match object.get("headers") {
        None | Some(Value::Null) => None,
        Some(headers) => Some(headers.as_object().ok_or(ReplyError::Member {
            member: "headers",
            expected: "an object",
        })?),
    };
    for (name, value) in headers.into_iter().flatten() {
        let Value::String(value) = value else {
            return Err(ReplyError::HeaderNotAString {
                name: name.clone(),
                value: value.to_string(),
            });
        };
        append(&mut head.headers, name, value)?;
    }
    let cookies = match object.get("cookies") {
        None | Some(Value::Null) => None,
        Some(cookies) => Some(cookies.as_array().ok_or(ReplyError::Member {
            member: "cookies",
            expected: "a list of strings",
        })?),
    };
    for cookie in cookies.into_iter().flatten() {
        let cookie = cookie.as_str().ok_or(ReplyError::Member {
            member: "cookies",
            expected: "a list of strings",
        })?;
        append(&mut head.headers, header::SET_COOKIE.as_str(), cookie)?;
    }
    Ok(head)
}

/// Would break the framing of the front end's own connection (RFC 9110 section 7.6.1).
const DROPPED: [&str; 5] = [
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), ReplyError> {
    let unfit = || ReplyError::Header(name.to_owned());
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit())?;
    if !DROPPED.contains(&name.as_str()) {
        headers.append(remapped(&name), value);
    }
    Ok(())
}

/// The name under which a function URL passes a header on. The service renames headers that are its own to set; the
/// list is what has been seen there and may be longer (source: cargo-lambda issue #862 for content-length).
fn remapped(name: &HeaderName) -> HeaderName {
    match name.as_str() {
        "content-length" => HeaderName::from_static("x-amzn-remapped-content-length"),
        "connection" => HeaderName::from_static("x-amzn-remapped-connection"),
        "date" => HeaderName::from_static("x-amzn-remapped-date"),
        "server" => HeaderName::from_static("x-amzn-remapped-server"),
        _ => name.clone(),
    }
}

/// Whether a response content type announces a prelude.
pub(crate) fn announces_prelude(content_type: &str) -> bool {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case(PRELUDE_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prelude_gives_status_headers_and_cookies() {
        let prelude = br#"{"statusCode":418,"headers":{"Vary":"a, b","content-length":"5","transfer-encoding":"chunked"},"cookies":["a=1","b=2; Expires=Fri, 10 Jul 2026 09:00:00 GMT"]}"#;
        let head = decode_prelude(prelude).unwrap();
        assert_eq!(head.status, 418);
        assert_eq!(head.headers["vary"], "a, b");
        assert_eq!(head.headers["x-amzn-remapped-content-length"], "5");
        assert!(
            !head.headers.contains_key("transfer-encoding")
                && !head.headers.contains_key("content-length")
        );
        assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(decode_prelude(b"{}").unwrap().status, 200);
    }

    #[test]
    fn a_prelude_that_is_no_head_is_named() {
        for (prelude, message) in [
            (r"[1]", r#"the prelude is not a JSON object: "[1]""#),
            (
                r#"{"statusCode":"200"}"#,
                r#"statusCode "200" is not an integer from 200 to 599"#,
            ),
            (
                r#"{"statusCode":103}"#,
                "statusCode 103 is not an integer from 200 to 599",
            ),
            (
                r#"{"headers":{"vary":["a","b"]}}"#,
                r#"value of header "vary" is ["a","b"], not a string"#,
            ),
            (
                r#"{"headers":{"x":"a\nb"}}"#,
                r#"header "x" cannot be sent"#,
            ),
            (
                r#"{"headers":{"x y":"a"}}"#,
                r#"header "x y" cannot be sent"#,
            ),
            (r#"{"headers":[]}"#, "headers is not an object"),
            (r#"{"cookies":"a=1"}"#, "cookies is not a list of strings"),
        ] {
            assert_eq!(
                decode_prelude(prelude.as_bytes()).unwrap_err().to_string(),
                message,
                "{prelude}"
            );
        }
    }

    #[test]
    fn a_buffered_payload_gives_the_response() {
        let sample = Bytes::from_static(
            br#"{"statusCode":200,"headers":{"content-type":"text/html","content-length":"999"},"cookies":["a=1"],"body":"<p>hello</p>","isBase64Encoded":false}"#,
        );
        let response = decode_payload(&sample).unwrap();
        assert_eq!(response.headers()["content-type"], "text/html");
        assert_eq!(response.headers().len(), 2);
        assert_eq!(response.body(), "<p>hello</p>");
        let binary =
            Bytes::from_static(br#"{"statusCode":200,"body":"AP8=","isBase64Encoded":true}"#);
        assert_eq!(decode_payload(&binary).unwrap().body().as_ref(), [0, 255]);
        let empty = decode_payload(&Bytes::from_static(br#"{"statusCode":204}"#)).unwrap();
        assert!(empty.headers().is_empty() && empty.body().is_empty());
    }

    #[test]
    fn json_without_a_status_is_the_body_itself() {
        for payload in [r#"{"message":"hi"}"#, r#""text""#, "null", "[]"] {
            let response = decode_payload(&Bytes::from(payload)).unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.body(), payload);
        }
    }

    #[test]
    fn a_streamed_answer_is_no_buffered_payload() {
        let streamed = Bytes::from_static(b"{\"statusCode\":200}\0\0\0\0\0\0\0\0body");
        assert!(matches!(
            decode_payload(&streamed),
            Err(ReplyError::NotAnObject { .. })
        ));
    }
}
