// SPDX-License-Identifier: Apache-2.0

use http::Request;
use serde_json::Value;

use super::*;

const DOMAIN: &str = "kq3v7m2x5zn4c8r1t6w9y0b2d5f7h3j4.lambda-url.eu-central-1.on.aws";

/// The samples are re-authored from captures of the service, with invented values.
macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/events/",
            $name
        )))
        .unwrap()
    };
}

mod golden;
mod rules;

fn arrival() -> Arrival<'static> {
    Arrival {
        request_id: "5b0c1f7e-8a39-4d52-9c1e-2f6a7d80b314".into(),
        extended_id: "BTq4PgT1liAEJQw=".into(),
        trace_id: "Root=1-6a8f3c21-4d1e7b0a95c2f8e3a6b47d10".into(),
        source_ip: "203.0.113.24".into(),
        api_id: "kq3v7m2x5zn4c8r1t6w9y0b2d5f7h3j4",
        domain: DOMAIN,
        region: "eu-central-1",
        epoch_millis: 1_783_670_400_123,
    }
}

/// The event of a function URL, with the headers that all its samples have.
fn event(request: http::request::Builder, body: &[u8]) -> Value {
    let request = request
        .header("accept", "*/*")
        .header("host", DOMAIN)
        .header("user-agent", "curl/8.7.1")
        .header("x-amzn-tls-cipher-suite", "TLS_AES_128_GCM_SHA256")
        .header("x-amzn-tls-version", "TLSv1.3");
    of(FrontKind::FunctionUrl, request, body)
}

/// The event of any front end; a REST API takes PNG alone as binary.
fn of(kind: FrontKind, request: http::request::Builder, body: &[u8]) -> Value {
    with(kind, request, body, &arrival())
}

fn with(
    kind: FrontKind,
    request: http::request::Builder,
    body: &[u8],
    arrival: &Arrival<'_>,
) -> Value {
    let (head, ()) = request.body(()).unwrap().into_parts();
    let binary = ["image/png".to_owned()];
    serde_json::from_slice(&build(kind, &binary, &head, body, arrival).unwrap()).unwrap()
}

const TARGET: &str = "/items/blue%20pen?tag=one&tag=two&next=https%3A%2F%2Fexample.org%2Fx%3Fy%3D1&plus=a+b&pct=a%2Bb&empty=";

#[test]
fn a_get_becomes_the_golden_event() {
    let request = Request::get(TARGET)
        .header("x-probe", "first")
        .header("x-probe", "second");
    assert_eq!(event(request, b""), sample!("function-url-get.json"));
}

#[test]
fn a_json_post_becomes_the_golden_event() {
    let request = Request::post(TARGET)
        .header("x-probe", "first")
        .header("x-probe", "second")
        .header("content-type", "application/json")
        .header("cookie", "session=abc123; theme=dark");
    let body = r#"{"colour":"blue","note":"naïve λ"}"#;
    assert_eq!(
        event(request, body.as_bytes()),
        sample!("function-url-post-json.json")
    );
}

#[test]
fn a_binary_post_becomes_the_golden_event() {
    let request = Request::post("/upload")
        .header("content-type", "image/png")
        .header("cookie", "session=abc123");
    let body = b"\x89PNG\r\n\x1a\n\x00\xff\xfe\x80";
    assert_eq!(
        event(request, body),
        sample!("function-url-post-base64.json")
    );
}

#[test]
fn a_form_post_becomes_the_golden_event() {
    let request =
        Request::post("/login").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(
        event(request, b"token=abc+123&next=%2Fhome"),
        sample!("function-url-post-form.json")
    );
}

#[test]
fn hop_by_hop_headers_stay_at_the_front_end() {
    let request = Request::get("/")
        .header("connection", "keep-alive")
        .header("te", "trailers")
        .header("proxy-authorization", "x")
        .header("x-forwarded-for", "10.0.0.1");
    let headers = event(request, b"")["headers"].clone();
    for name in ["connection", "te", "proxy-authorization", "content-length"] {
        assert_eq!(headers[name], Value::Null, "{name}");
    }
    assert_eq!(headers["x-forwarded-for"], "10.0.0.1, 203.0.113.24");
}

#[test]
fn text_that_is_not_utf8_or_is_compressed_goes_as_base64() {
    let request = || Request::post("/").header("content-type", "text/plain");
    assert_eq!(event(request(), b"caf\xe9")["isBase64Encoded"], true);
    assert_eq!(
        event(request().header("content-encoding", "gzip"), b"x")["isBase64Encoded"],
        true
    );
    assert_eq!(event(request(), b"x")["isBase64Encoded"], false);
    assert_eq!(event(Request::post("/"), b"x")["body"], "eA==");
}
