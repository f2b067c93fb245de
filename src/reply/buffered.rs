// SPDX-License-Identifier: Apache-2.0
//! Buffered replies: one JSON document with the body in it, in the form that each front takes.
//!
//! Sources: AWS, "Invoking Lambda function URLs"; "Create AWS Lambda proxy integrations for HTTP APIs"; "Lambda proxy
//! integrations in API Gateway"; "Lambda functions as targets" (Elastic Load Balancing; VPC Lattice).
//!
//! | front | headers | cookies | also |
//! |---|---|---|---|
//! | function URL, HTTP API | `headers`, repeats joined | `cookies` | |
//! | REST API, HTTP API (1.0) | `multiValueHeaders` | among them | no other key is allowed |
//! | ALB, multi-value | `multiValueHeaders` | among them | `statusDescription` |
//! | ALB | `headers`, repeats joined | among them, each in a letter case of its own | `statusDescription` |
//! | Lattice, WebSocket | `headers`, repeats joined | as ALB | |

use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

use super::{ReplyError, write_cookies, write_headers, write_string, write_text};
use crate::front::Front;
use crate::headers;

/// Encodes a whole response for its front. A body that is UTF-8 and not encoded goes as text, any other as base64:
/// what counts is its bytes, not the type that it claims.
///
/// # Errors
///
/// A reply over the front's limit.
pub fn buffered(front: Front, response: Response<Bytes>) -> Result<Bytes, ReplyError> {
    let (mut head, body) = response.into_parts();
    headers::remove_hop_by_hop(&mut head.headers);
    let is_encoded = head.headers.contains_key(header::CONTENT_ENCODING);
    let text = std::str::from_utf8(&body).ok().filter(|_| !is_encoded);

    let mut json = Vec::with_capacity(1024 + body.len() * 4 / 3);
    json.extend_from_slice(b"{\"statusCode\":");
    json.extend_from_slice(head.status.as_str().as_bytes());
    json.push(b',');
    if matches!(front, Front::Alb | Front::AlbMultiValue) {
        json.extend_from_slice(b"\"statusDescription\":");
        let reason = head.status.canonical_reason().unwrap_or("Unknown");
        write_string(
            &mut json,
            format!("{} {reason}", head.status.as_str()).as_bytes(),
        );
        json.push(b',');
    }
    match front {
        Front::Rest | Front::HttpApiV1 | Front::AlbMultiValue => {
            write_multi_value_headers(&mut json, &head.headers);
        }
        Front::FunctionUrl | Front::HttpApi => {
            write_cookies(&mut json, &head.headers);
            write_headers(&mut json, &head.headers);
        }
        Front::Alb | Front::Lattice | Front::WebSocket | Front::Other(_) => {
            write_headers(&mut json, &head.headers);
            write_cookies_by_case(&mut json, &head.headers);
        }
    }
    json.extend_from_slice(b"},\"isBase64Encoded\":");
    json.extend_from_slice(if text.is_some() { b"false" } else { b"true" });
    json.extend_from_slice(b",\"body\":");
    write_body(&mut json, &body, text);
    json.push(b'}');
    within_limit(front, Bytes::from(json))
}

/// The result of an event that is no HTTP request: the app's JSON byte for byte, `null` for nothing, and a JSON string
/// for anything else, in base64 where it is no text.
///
/// # Errors
///
/// A result over the limit.
pub fn result(front: Front, body: &Bytes) -> Result<Bytes, ReplyError> {
    let json = if body.is_empty() {
        Bytes::from_static(b"null")
    } else if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        body.clone()
    } else {
        let mut json = Vec::with_capacity(body.len() + 2);
        write_body(&mut json, body, std::str::from_utf8(body).ok());
        Bytes::from(json)
    };
    within_limit(front, json)
}

fn within_limit(front: Front, json: Bytes) -> Result<Bytes, ReplyError> {
    let limit = front.reply_limit();
    if json.len() > limit {
        return Err(ReplyError::BufferedTooLarge {
            size: json.len(),
            limit,
        });
    }
    Ok(json)
}

/// Appends a body as a JSON string: its text where it is one, else base64.
fn write_body(json: &mut Vec<u8>, body: &[u8], text: Option<&str>) {
    if let Some(text) = text {
        write_text(json, text);
    } else {
        json.push(b'"');
        BASE64.encode_append(body, json);
        json.push(b'"');
    }
}

/// Appends `"multiValueHeaders":{…` without its closing brace.
fn write_multi_value_headers(json: &mut Vec<u8>, headers: &HeaderMap) {
    json.extend_from_slice(b"\"multiValueHeaders\":{");
    let mut separator = "";
    for name in headers
        .keys()
        .filter(|name| **name != header::CONTENT_LENGTH)
    {
        json.extend_from_slice(separator.as_bytes());
        write_string(json, name.as_str().as_bytes());
        let mut bracket = ":[";
        for value in headers.get_all(name).iter().map(HeaderValue::as_bytes) {
            json.extend_from_slice(bracket.as_bytes());
            write_string(json, value);
            bracket = ",";
        }
        json.push(b']');
        separator = ",";
    }
}

/// Appends a `set-cookie` for each cookie, behind other headers. A map takes a name once, and cookies cannot be
/// joined; but names differ by letter case there and are the same to the client.
fn write_cookies_by_case(json: &mut Vec<u8>, headers: &HeaderMap) {
    let mut separator = if json.last() == Some(&b'{') { "" } else { "," };
    for (index, cookie) in headers.get_all(header::SET_COOKIE).iter().enumerate() {
        json.extend_from_slice(separator.as_bytes());
        separator = ",";
        write_string(json, in_case(header::SET_COOKIE.as_str(), index).as_bytes());
        json.push(b':');
        write_string(json, cookie.as_bytes());
    }
}

/// A name in the letter case of this number: each bit is a letter. There are 512 for `set-cookie`.
fn in_case(name: &str, number: usize) -> String {
    let mut letter = 0;
    let case = |c: char| {
        let is_upper = c.is_ascii_alphabetic() && {
            letter += 1;
            number >> (letter - 1) & 1 == 1
        };
        if is_upper { c.to_ascii_uppercase() } else { c }
    };
    name.chars().map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Source;
    use serde_json::{Value, json};

    fn reply(front: Front, headers: &[(&str, &str)], body: &'static [u8]) -> Value {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let bytes = buffered(front, response.body(Bytes::from_static(body)).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    const HEADERS: &[(&str, &str)] = &[
        ("content-type", "text/html"),
        ("set-cookie", "a=1"),
        ("vary", "accept"),
        ("set-cookie", "b=2"),
        ("vary", "origin"),
        ("content-length", "5"),
        ("connection", "close"),
    ];

    #[test]
    fn each_front_gets_headers_and_cookies_in_its_own_form() {
        let joined = json!({ "content-type": "text/html", "vary": "accept, origin" });
        let lists = json!({
            "content-type": ["text/html"], "set-cookie": ["a=1", "b=2"], "vary": ["accept", "origin"]
        });
        let by_case = json!({
            "content-type": "text/html", "vary": "accept, origin", "set-cookie": "a=1", "Set-cookie": "b=2"
        });
        let with = |keys: Value| {
            let mut reply = json!({ "statusCode": 200, "isBase64Encoded": false, "body": "héy\"" });
            reply
                .as_object_mut()
                .unwrap()
                .extend(keys.as_object().unwrap().clone());
            reply
        };
        for (front, expected) in [
            (
                Front::FunctionUrl,
                json!({ "cookies": ["a=1", "b=2"], "headers": joined }),
            ),
            (
                Front::HttpApi,
                json!({ "cookies": ["a=1", "b=2"], "headers": joined }),
            ),
            (Front::HttpApiV1, json!({ "multiValueHeaders": lists })),
            (Front::Rest, json!({ "multiValueHeaders": lists })),
            (
                Front::AlbMultiValue,
                json!({ "multiValueHeaders": lists, "statusDescription": "200 OK" }),
            ),
            (
                Front::Alb,
                json!({ "headers": by_case, "statusDescription": "200 OK" }),
            ),
            (Front::Lattice, json!({ "headers": by_case })),
            (Front::WebSocket, json!({ "headers": by_case })),
        ] {
            assert_eq!(
                reply(front, HEADERS, "héy\"".as_bytes()),
                with(expected),
                "{front:?}"
            );
        }
    }

    #[test]
    fn bytes_decide_what_is_base64_not_the_type() {
        let url = |headers, body| reply(Front::FunctionUrl, headers, body);
        let reply_to = url(&[("content-type", "text/plain")], b"\xff\x00");
        assert_eq!(
            (&reply_to["isBase64Encoded"], &reply_to["body"]),
            (&json!(true), &json!("/wA="))
        );
        let encoded = url(&[("content-encoding", "gzip")], b"plain");
        assert_eq!(
            (&encoded["isBase64Encoded"], &encoded["body"]),
            (&json!(true), &json!("cGxhaW4="))
        );
        assert_eq!(
            url(&[("content-type", "image/svg+xml")], b"<svg/>")["isBase64Encoded"],
            json!(false)
        );
    }

    #[test]
    fn a_reply_over_the_limit_is_refused_with_its_size() {
        for (front, limit) in [
            (Front::FunctionUrl, 6 << 20),
            (Front::Alb, 1 << 20),
            (Front::WebSocket, 128 << 10),
        ] {
            let body = Bytes::from(vec![0xff; limit * 3 / 4]);
            let error = buffered(front, Response::new(body)).unwrap_err();
            assert!(
                matches!(error, ReplyError::BufferedTooLarge { size, .. } if size > limit),
                "{front:?}"
            );
        }
    }

    #[test]
    fn the_result_of_an_event_is_the_apps_json_byte_for_byte() {
        let result = |body: &'static [u8]| {
            result(Front::Other(Source::Direct), &Bytes::from_static(body)).unwrap()
        };
        assert_eq!(
            result(b"{\"n\": 12345678901234567890.10 }"),
            &b"{\"n\": 12345678901234567890.10 }"[..]
        );
        assert_eq!(result(b""), &b"null"[..]);
        assert_eq!(result(b"done\n"), &b"\"done\\n\""[..]);
        assert_eq!(result(b"\xff\x00"), &b"\"/wA=\""[..]);
    }

    #[test]
    fn a_name_has_as_many_cases_as_its_letters_allow() {
        let names: std::collections::BTreeSet<_> = (0..512)
            .map(|number| in_case("set-cookie", number))
            .collect();
        assert_eq!(names.len(), 512);
    }
}
