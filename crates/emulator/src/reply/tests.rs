// SPDX-License-Identifier: Apache-2.0

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::*;
use crate::settings::FrontKind;

#[test]
fn a_prelude_gives_status_headers_and_cookies() {
    let prelude = br#"{"statusCode":418,"headers":{"Vary":"a, b","content-length":"5","transfer-encoding":"chunked"},"cookies":["a=1","b=2; Expires=Fri, 10 Jul 2026 09:00:00 GMT"]}"#;
    let head = decode_prelude(FrontKind::FunctionUrl, prelude).unwrap();
    assert_eq!(head.status, 418);
    assert_eq!(head.headers["vary"], "a, b");
    assert_eq!(head.headers["x-amzn-remapped-content-length"], "5");
    assert!(
        !head.headers.contains_key("transfer-encoding")
            && !head.headers.contains_key("content-length")
    );
    assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(
        decode_prelude(FrontKind::FunctionUrl, b"{}")
            .unwrap()
            .status,
        200
    );
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
            decode_prelude(FrontKind::FunctionUrl, prelude.as_bytes())
                .unwrap_err()
                .to_string(),
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
    let response = decode_payload_of_url(&sample).unwrap();
    assert_eq!(response.headers()["content-type"], "text/html");
    assert_eq!(response.headers().len(), 2);
    assert_eq!(response.body(), "<p>hello</p>");
    let binary = Bytes::from_static(br#"{"statusCode":200,"body":"AP8=","isBase64Encoded":true}"#);
    assert_eq!(
        decode_payload_of_url(&binary).unwrap().body().as_ref(),
        [0, 255]
    );
    let empty = decode_payload_of_url(&Bytes::from_static(br#"{"statusCode":204}"#)).unwrap();
    assert!(empty.headers().is_empty() && empty.body().is_empty());
}

#[test]
fn json_without_a_status_is_the_body_itself() {
    for payload in [r#"{"message":"hi"}"#, r#""text""#, "null", "[]"] {
        let response = decode_payload_of_url(&Bytes::from(payload)).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.body(), payload);
    }
}

#[test]
fn a_streamed_answer_is_no_buffered_payload() {
    let streamed = Bytes::from_static(b"{\"statusCode\":200}\0\0\0\0\0\0\0\0body");
    assert!(matches!(
        decode_payload_of_url(&streamed),
        Err(ReplyError::NotAnObject { .. })
    ));
}

fn decode_payload_of_url(payload: &Bytes) -> Result<Response<Bytes>, ReplyError> {
    decode_payload(FrontKind::FunctionUrl, payload, Base64::Decoded)
}

fn answer(kind: FrontKind, payload: &Value) -> Result<Response<Bytes>, ReplyError> {
    decode_payload(kind, &payload.to_string().into(), Base64::Decoded)
}

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

#[test]
fn each_sample_is_understood_by_its_front_end() {
    use FrontKind::{Alb, AlbMulti, FunctionUrl, HttpApi, LatticeV1, LatticeV2, Rest, RestStream};
    for (kinds, sample, cookies) in [
        ([Rest, RestStream], sample!("response-rest-v1.json"), 2),
        (
            [FunctionUrl, HttpApi],
            sample!("response-v2-function-url-http-api.json"),
            2,
        ),
        (
            [AlbMulti, AlbMulti],
            sample!("response-alb-multi-value.json"),
            2,
        ),
        ([Alb, Alb], sample!("response-alb-single-value.json"), 1),
        (
            [LatticeV1, LatticeV2],
            sample!("response-vpc-lattice.json"),
            1,
        ),
    ] {
        for kind in kinds {
            let response = answer(kind, &sample).unwrap();
            assert_eq!(response.status(), 200, "{kind}");
            let lines = response.headers().get_all("set-cookie").iter().count();
            assert_eq!(lines, cookies, "{kind}");
            assert!(!response.body().is_empty(), "{kind}");
        }
    }
}

#[test]
fn what_a_front_end_refuses_is_named() {
    use FrontKind::{Alb, AlbMulti, HttpApi, LatticeV2, Rest, WebSocket};
    for (kind, payload, message) in [
        (
            Rest,
            json!({"statusCode": 200, "cookies": ["a=1"]}),
            r#"member "cookies" is not known to this front end"#,
        ),
        (
            Rest,
            json!({"statusCode": 200, "statusDescription": "200 OK"}),
            r#"member "statusDescription" is not known to this front end"#,
        ),
        (Rest, json!({"body": "x"}), "statusCode is not there"),
        (
            Rest,
            json!({"statusCode": 200, "body": {}}),
            "body is not a string",
        ),
        (
            Rest,
            json!({"statusCode": 200, "multiValueHeaders": {"a": "b"}}),
            "multiValueHeaders is not an object of lists",
        ),
        (
            Rest,
            json!("text"),
            r#"the response is not a JSON object: "\"text\"""#,
        ),
        (
            Alb,
            json!({"statusCode": 200, "statusDescription": null}),
            "statusDescription is not a string",
        ),
        (
            Alb,
            json!({"statusCode": 200, "headers": {"a": true}}),
            r#"value of header "a" is true, not a string"#,
        ),
        (
            AlbMulti,
            json!({"statusCode": 200, "multiValueHeaders": {"a": [1]}}),
            r#"value of header "a" is 1, not a string"#,
        ),
        (Alb, json!({}), "statusCode is not there"),
        (
            LatticeV2,
            json!({"statusCode": 200, "headers": {"set-cookie": ["a", "b"]}}),
            r#"value of header "set-cookie" is ["a","b"], not a string"#,
        ),
        (
            HttpApi,
            json!({"statusCode": 200, "body": "?", "isBase64Encoded": true}),
            "body is not valid base64",
        ),
        (
            WebSocket,
            json!([]),
            r#"the response is not a JSON object: "[]""#,
        ),
    ] {
        let error = answer(kind, &payload).unwrap_err().to_string();
        assert_eq!(error, message, "{kind} {payload}");
    }
}

#[test]
fn each_front_end_reads_its_own_header_maps() {
    use FrontKind::{Alb, AlbMulti, HttpApi, Rest, WebSocket};
    let payload = json!({
        "statusCode": 200,
        "headers": {"X-A": "single", "x-b": "same"},
        "multiValueHeaders": {"x-a": ["one", "two"], "x-b": ["same"]},
    });
    for (kind, a, b) in [
        (Rest, vec!["one", "two", "single"], vec!["same"]),
        (WebSocket, vec!["one", "two", "single"], vec!["same"]),
        (Alb, vec!["single"], vec!["same"]),
        (AlbMulti, vec!["one", "two"], vec!["same"]),
        (HttpApi, vec!["single"], vec!["same"]),
    ] {
        let response = answer(kind, &payload).unwrap();
        let values = |name| -> Vec<_> {
            let values = response.headers().get_all(name).iter();
            values.map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!((values("x-a"), values("x-b")), (a, b), "{kind}");
    }
}

#[test]
fn a_default_content_type_is_api_gateways_alone() {
    use FrontKind::{Alb, HttpApi, LatticeV1, Rest};
    for (kind, expected) in [
        (HttpApi, true),
        (Rest, true),
        (Alb, false),
        (LatticeV1, false),
    ] {
        let response = answer(kind, &json!({"statusCode": 200, "body": "x"})).unwrap();
        let added = response.headers().contains_key("content-type");
        assert_eq!(added, expected, "{kind}");
    }
    let empty = answer(Rest, &json!({"statusCode": 204})).unwrap();
    assert!(!empty.headers().contains_key("content-type"));
}

#[test]
fn base64_that_does_not_match_the_media_types_stays_base64() {
    let payload = Bytes::from_static(br#"{"statusCode":200,"body":"AP8=","isBase64Encoded":true}"#);
    for (base64, body) in [
        (Base64::Decoded, b"\x00\xff".as_slice()),
        (Base64::Verbatim, b"AP8="),
    ] {
        let response = decode_payload(FrontKind::Rest, &payload, base64).unwrap();
        assert_eq!(response.body(), body);
    }
}

#[test]
fn a_streamed_answer_to_a_buffered_rest_api_loses_its_body() {
    let streamed = Bytes::from_static(b"{\"statusCode\":201,\"headers\":{\"x-a\":\"b\",\"content-length\":\"4\"}}\0\0\0\0\0\0\0\0body");
    let response = decode_payload(FrontKind::Rest, &streamed, Base64::Decoded).unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers().len(), 1);
    assert!(response.body().is_empty());
}

#[test]
fn a_prelude_for_api_gateway_may_have_lists_but_nothing_unknown() {
    let decode = |prelude: &str| decode_prelude(FrontKind::RestStream, prelude.as_bytes());
    let head = decode(r#"{"statusCode":200,"headers":{"date":"x","content-length":"5"},"multiValueHeaders":{"vary":["a","b"]},"cookies":["a=1"]}"#).unwrap();
    assert_eq!(head.headers.get_all("vary").iter().count(), 2);
    assert_eq!(head.headers["x-amzn-remapped-date"], "x");
    assert_eq!(head.headers["content-length"], "5");
    assert_eq!(head.headers["set-cookie"], "a=1");
    let odd = decode(r#"{"headers":{"content-length":"five"}}"#).unwrap();
    assert!(odd.headers.is_empty());
    for (prelude, message) in [
        (
            r#"{"headers":{"vary":["a","b"]}}"#,
            r#"value of header "vary" is ["a","b"], not a string"#,
        ),
        (
            r#"{"body":""}"#,
            r#"member "body" is not known to this front end"#,
        ),
    ] {
        assert_eq!(decode(prelude).unwrap_err().to_string(), message);
    }
}
