// SPDX-License-Identifier: Apache-2.0
//! What each front end decodes, joins, repeats or loses.

use serde_json::json;

use super::*;
use FrontKind::{
    Alb, AlbMulti, FunctionUrl, HttpApi, LatticeV1, LatticeV2, Rest, RestStream, WebSocket,
};

fn at<'a>(event: &'a Value, pointer: &str) -> &'a Value {
    event.pointer(pointer).unwrap_or(&Value::Null)
}

#[test]
fn paths() {
    for (kind, pointer, path) in [
        (FunctionUrl, "/rawPath", "/a%20b/%2F//c+d"),
        (FunctionUrl, "/requestContext/http/path", "/a b////c+d"),
        (HttpApi, "/rawPath", "/a b////c+d"),
        (HttpApi, "/requestContext/http/path", "/a b////c+d"),
        (Rest, "/path", "/a%20b/%2F//c+d"),
        (Rest, "/requestContext/path", "/prod/a%20b/%2F//c+d"),
        (Rest, "/pathParameters/proxy", "a%20b/%2F//c+d"),
        (Alb, "/path", "/a%20b/%2F//c+d"),
        (AlbMulti, "/path", "/a%20b/%2F//c+d"),
        (LatticeV1, "/raw_path", "/a%20b/%2F//c+d?x=%20&y"),
        (LatticeV2, "/path", "/a%20b/%2F//c+d?x=%20&y"),
    ] {
        let event = of(kind, Request::get("/a%20b/%2F//c+d?x=%20&y"), b"");
        assert_eq!(at(&event, pointer), path, "{kind} {pointer}");
    }
    let root = of(Rest, Request::get("/"), b"");
    assert_eq!(at(&root, "/resource"), "/");
    assert_eq!(at(&root, "/pathParameters"), &Value::Null);
}

#[test]
fn queries() {
    let target = "/?b=1&a=x+y&b=%2B&flag";
    for (kind, pointer, expected) in [
        (
            FunctionUrl,
            "/rawQueryString",
            json!("b=1&a=x+y&b=%2B&flag"),
        ),
        (HttpApi, "/rawQueryString", json!("b=1&a=x+y&b=%2B&flag")),
        (
            HttpApi,
            "/queryStringParameters",
            json!({"a": "x y", "b": "1,+", "flag": ""}),
        ),
        (
            Rest,
            "/queryStringParameters",
            json!({"a": "x y", "b": "+", "flag": ""}),
        ),
        (
            Rest,
            "/multiValueQueryStringParameters",
            json!({"a": ["x y"], "b": ["1", "+"], "flag": [""]}),
        ),
        (
            Alb,
            "/queryStringParameters",
            json!({"a": "x+y", "b": "%2B", "flag": ""}),
        ),
        (Alb, "/multiValueQueryStringParameters", Value::Null),
        (
            AlbMulti,
            "/multiValueQueryStringParameters",
            json!({"a": ["x+y"], "b": ["1", "%2B"], "flag": [""]}),
        ),
        (AlbMulti, "/queryStringParameters", Value::Null),
        (
            LatticeV1,
            "/query_string_parameters",
            json!({"a": "x+y", "b": "%2B", "flag": ""}),
        ),
        (
            LatticeV2,
            "/queryStringParameters",
            json!({"a": ["x+y"], "b": ["1", "%2B"], "flag": [""]}),
        ),
    ] {
        let event = of(kind, Request::get(target), b"");
        assert_eq!(at(&event, pointer), &expected, "{kind} {pointer}");
    }
    for (kind, pointer, expected) in [
        (FunctionUrl, "/queryStringParameters", Value::Null),
        (Rest, "/queryStringParameters", Value::Null),
        (Rest, "/multiValueQueryStringParameters", Value::Null),
        (Alb, "/queryStringParameters", json!({})),
        (AlbMulti, "/multiValueQueryStringParameters", json!({})),
    ] {
        let event = of(kind, Request::get("/"), b"");
        assert_eq!(at(&event, pointer), &expected, "{kind} without a query");
    }
}

#[test]
fn repeated_headers_and_cookies() {
    let lines = json!(["a=1; b=2", "c=3"]);
    for (kind, pointer, expected) in [
        (FunctionUrl, "/headers/x-probe", json!("one,two")),
        (FunctionUrl, "/headers/cookie", json!("a=1; b=2; c=3")),
        (FunctionUrl, "/cookies", json!(["a=1", "b=2", "c=3"])),
        (HttpApi, "/headers/x-probe", json!("one,two")),
        (HttpApi, "/headers/cookie", Value::Null),
        (HttpApi, "/cookies", json!(["a=1", "b=2", "c=3"])),
        (Rest, "/headers/x-probe", json!("two")),
        (Rest, "/headers/cookie", json!("c=3")),
        (Rest, "/multiValueHeaders/x-probe", json!(["one", "two"])),
        (Rest, "/multiValueHeaders/cookie", lines.clone()),
        (Rest, "/cookies", Value::Null),
        (Alb, "/headers/x-probe", json!("two")),
        (Alb, "/headers/cookie", json!("c=3")),
        (Alb, "/multiValueHeaders", Value::Null),
        (
            AlbMulti,
            "/multiValueHeaders/x-probe",
            json!(["one", "two"]),
        ),
        (AlbMulti, "/multiValueHeaders/cookie", lines.clone()),
        (AlbMulti, "/headers", Value::Null),
        (LatticeV1, "/headers/x-probe", json!("one, two")),
        (LatticeV2, "/headers/x-probe", json!(["one", "two"])),
        (LatticeV2, "/headers/cookie", lines),
    ] {
        let request = Request::get("/")
            .header("x-probe", "one")
            .header("x-probe", "two")
            .header("cookie", "a=1; b=2")
            .header("cookie", "c=3");
        let event = of(kind, request, b"");
        assert_eq!(at(&event, pointer), &expected, "{kind} {pointer}");
    }
}

#[test]
fn headers_that_front_ends_make() {
    for (kind, pointer, expected) in [
        (
            HttpApi,
            "/headers/x-forwarded-for",
            json!("10.0.0.1, 203.0.113.24"),
        ),
        (HttpApi, "/headers/content-length", json!("0")),
        (
            Rest,
            "/headers/X-Forwarded-For",
            json!("10.0.0.1, 203.0.113.24"),
        ),
        (Rest, "/headers/x-forwarded-for", Value::Null),
        (Rest, "/headers/X-Forwarded-Proto", json!("https")),
        (Rest, "/headers/Host", json!("example.org")),
        (Rest, "/headers/host", Value::Null),
        (
            Alb,
            "/headers/x-forwarded-for",
            json!("10.0.0.1, 203.0.113.24"),
        ),
        (Alb, "/headers/x-forwarded-port", json!("443")),
        (
            LatticeV1,
            "/headers/x-forwarded-for",
            json!("10.0.0.1, 203.0.113.24"),
        ),
        (LatticeV1, "/headers/x-forwarded-proto", Value::Null),
    ] {
        let request = Request::get("/")
            .header("host", "example.org")
            .header("x-forwarded-for", "10.0.0.1");
        let event = of(kind, request, b"");
        assert_eq!(at(&event, pointer), &expected, "{kind} {pointer}");
    }
}

#[test]
fn headers_that_stay_at_the_front_end() {
    let request = || {
        Request::post("/")
            .header("connection", "keep-alive")
            .header("te", "trailers")
            .header("content-length", "1")
            .header("max-forwards", "3")
            .header("content-md5", "x")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=x")
    };
    for (kind, names) in [
        (
            Rest,
            vec![
                "connection",
                "te",
                "content-length",
                "max-forwards",
                "content-md5",
                "authorization",
            ],
        ),
        (RestStream, vec!["content-length"]),
        (Alb, vec!["connection", "te"]),
        (LatticeV2, vec!["connection", "content-length"]),
        (HttpApi, vec!["connection"]),
    ] {
        let event = of(kind, request(), b"x");
        for name in names {
            assert_eq!(at(&event, "/headers")[name], Value::Null, "{kind} {name}");
        }
    }
    let bearer = Request::get("/").header("authorization", "Bearer x");
    assert_eq!(
        of(Rest, bearer, b"")["headers"]["authorization"],
        "Bearer x"
    );
}

#[test]
fn bodies_as_text_or_base64() {
    let json = "application/json; charset=utf-8";
    let form = "application/x-www-form-urlencoded";
    for (kind, content_type, encoding, bytes, body, is_text) in [
        (HttpApi, json, "", b"x".as_slice(), "x", true),
        (HttpApi, form, "", b"x", "eA==", false),
        (HttpApi, "", "", b"x", "eA==", false),
        (HttpApi, "text/plain", "", b"\xff", "/w==", false),
        (Rest, json, "", b"x", "x", true),
        (Rest, "image/png", "", b"x", "eA==", false),
        (Rest, "IMAGE/PNG; a=b", "", b"x", "eA==", false),
        (Rest, "image/gif", "", b"a\xff", "a\u{fffd}", true),
        (Rest, "", "", b"x", "x", true),
        (Alb, json, "", b"x", "x", true),
        (Alb, json, "gzip", b"x", "eA==", false),
        (Alb, form, "", b"x", "eA==", false),
        (AlbMulti, "", "", b"x", "eA==", false),
        (LatticeV2, "", "", b"x", "x", true),
        (LatticeV2, form, "", b"x", "eA==", false),
        (WebSocket, form, "", b"x", "x", true),
    ] {
        let mut request = Request::post("/");
        for (name, value) in [
            ("content-type", content_type),
            ("content-encoding", encoding),
        ] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let event = of(kind, request, bytes);
        let marked = at(&event, "/isBase64Encoded") == &Value::Bool(true);
        let case = format!("{kind} {content_type:?} {encoding:?}");
        assert_eq!(
            (at(&event, "/body"), marked),
            (&json!(body), !is_text),
            "{case}"
        );
    }
}

#[test]
fn empty_bodies() {
    for (kind, body) in [
        (FunctionUrl, Value::Null),
        (HttpApi, Value::Null),
        (Rest, Value::Null),
        (Alb, json!("")),
        (AlbMulti, json!("")),
        (LatticeV1, json!("")),
        (LatticeV2, Value::Null),
    ] {
        let event = of(
            kind,
            Request::post("/").header("content-type", "image/png"),
            b"",
        );
        assert_eq!(event["body"], body, "{kind}");
        assert_ne!(event["isBase64Encoded"], true, "{kind}");
        assert_ne!(event["is_base64_encoded"], true, "{kind}");
    }
}

#[test]
fn binary_media_types_match_as_a_whole() {
    let list = |types: &[&str]| types.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (types, essence, binary) in [
        (list(&[]), Some("image/png"), false),
        (list(&["*/*"]), None, true),
        (list(&["image/png"]), Some("image/png"), true),
        (list(&["image/*"]), Some("image/png"), false),
        (list(&["application/json"]), None, true),
    ] {
        assert_eq!(is_binary(&types, essence), binary, "{types:?} {essence:?}");
    }
}
