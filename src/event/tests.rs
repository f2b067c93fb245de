// SPDX-License-Identifier: Apache-2.0
//! Each kind by its marks, and what each makes of the same request. The whole sample events are black-box tests.

use super::*;
use crate::front::Source;
use serde_json::{Value, json};

fn decode_json(event: &Value) -> Result<Event, Refused> {
    decode(&Bytes::from(event.to_string()))
}

fn front(event: &Value) -> Front {
    match decode_json(event) {
        Ok(event) => event.front,
        Err(refused) => refused.front,
    }
}

/// Re-authored with invented values in the shape that function URLs send (AWS, "Invoking Lambda function URLs").
fn url(change: impl FnOnce(&mut Value)) -> Result<Event, Refused> {
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
            "x-hop": "1",
            "x-streamgate-event": "forged"
        },
        "requestContext": {
            "http": { "method": "POST" },
            "domainName": "abc.lambda-url.eu-central-1.on.aws",
            "unknown": { "λ": [1.0, 12_345_678_901_234_567_890_u64] }
        },
        "body": "hello",
        "isBase64Encoded": false
    });
    change(&mut event);
    decode_json(&event)
}

fn error(result: Result<Event, Refused>) -> EventError {
    result.unwrap_err().error
}

#[test]
fn what_is_no_json_is_quoted() {
    let refuse = |payload: &'static [u8]| decode(&Bytes::from_static(payload)).unwrap_err();
    let refused = refuse(b"hello, world");
    assert_eq!(
        refused.error.to_string(),
        "event is not JSON: `hello, world`"
    );
    assert_eq!(refused.front, Front::Other(Source::Direct));
    for payload in [
        &b""[..],
        br#"{"version":"2.0"} x"#,
        b"[1, 2",
        b"{\"a\": \x01}",
    ] {
        assert!(
            matches!(refuse(payload).error, EventError::NotJson { .. }),
            "{payload:?}"
        );
    }
}

#[test]
fn what_is_no_utf8_is_no_json() {
    for payload in [&b"\"\xff\""[..], b"[\"\xff\"]", b"{\"a\":\"\xff\"}"] {
        let refused = decode(&Bytes::from_static(payload)).unwrap_err();
        assert!(
            matches!(refused.error, EventError::NotUtf8 { .. }),
            "{payload:?}"
        );
    }
}

#[test]
fn json_without_marks_is_an_event_of_its_own_and_passes_as_it_is() {
    for payload in [
        "null",
        " 1.50 ",
        // More than any number type holds.
        "1e999",
        "[1,2]",
        "{}",
        "\"GET /\"",
        r#"{"version":"2.0"}"#,
        r#"{"version":2}"#,
        r#"{"version":"1.0","requestContext":{"http":{}}}"#,
        r#"{"version":"2.0","requestContext":[]}"#,
        r#"{"version":"2.0","requestContext":{"http":"GET"}}"#,
        r#"{"httpMethod":"GET"}"#,
        r#"{"requestContext":{"elb":1}}"#,
    ] {
        let event = decode(&Bytes::from(payload)).unwrap();
        assert_eq!(event.front, Front::Other(Source::Direct), "{payload}");
        assert_eq!(event.request.body(), payload);
        assert_eq!(event.request.method(), "POST");
    }
}

#[test]
fn each_kind_is_told_by_its_marks() {
    let cases = [
        (
            json!({ "requestContext": { "elb": {} }, "headers": {} }),
            Front::Alb,
        ),
        (
            json!({ "requestContext": { "elb": {} }, "multiValueHeaders": {} }),
            Front::AlbMultiValue,
        ),
        (
            json!({ "requestContext": { "connectionId": "a=", "eventType": "MESSAGE" } }),
            Front::WebSocket,
        ),
        (
            json!({ "version": "2.0", "requestContext": { "http": {}, "domainName": "a.lambda-url.b.on.aws" } }),
            Front::FunctionUrl,
        ),
        (
            json!({ "version": "2.0", "requestContext": { "http": {}, "domainName": "api.example" } }),
            Front::HttpApi,
        ),
        (
            json!({ "version": "2.0", "requestContext": { "serviceArn": "arn" } }),
            Front::Lattice,
        ),
        (
            json!({ "raw_path": "/", "is_base64_encoded": false }),
            Front::Lattice,
        ),
        (
            json!({ "version": "1.0", "httpMethod": "GET", "resource": "/", "requestContext": {} }),
            Front::HttpApiV1,
        ),
        (
            json!({ "httpMethod": "GET", "requestContext": { "identity": {} } }),
            Front::Rest,
        ),
        (
            json!({ "Records": [{ "eventSource": "aws:sqs" }] }),
            Front::Other(Source::Sqs),
        ),
        (
            json!({ "Records": [{ "EventSource": "aws:sns" }] }),
            Front::Other(Source::Sns),
        ),
        (
            json!({ "Records": [{ "eventSource": "aws:s3" }] }),
            Front::Other(Source::S3),
        ),
        (
            json!({ "Records": [{ "eventSource": "aws:dynamodb" }] }),
            Front::Other(Source::DynamoDb),
        ),
        (
            json!({ "Records": [{ "eventSource": "aws:kinesis" }] }),
            Front::Other(Source::Kinesis),
        ),
        (json!({ "Records": [] }), Front::Other(Source::Direct)),
        (
            json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} }),
            Front::Other(Source::EventBridge),
        ),
        (
            json!({ "messageVersion": "1.0", "agent": {}, "actionGroup": "orders" }),
            Front::Other(Source::BedrockAgent),
        ),
    ];
    for (event, expected) in cases {
        assert_eq!(front(&event), expected, "{event}");
    }
}

#[test]
fn a_function_url_event_becomes_the_request_that_the_client_sent() {
    let event = url(|_| ()).unwrap();
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
    for absent in [
        "connection",
        "x-hop",
        "content-length",
        "x-streamgate-event",
    ] {
        assert!(!headers.contains_key(absent), "{absent}");
    }
    assert_eq!(event.request.body(), "hello");
}

#[test]
fn the_request_context_passes_with_fields_that_nobody_knows() {
    let context = url(|_| ()).unwrap().context.unwrap();
    assert!(
        context.contains(r#""unknown":{"\u03bb":[1.0,12345678901234567890]}"#),
        "{context}"
    );
    let spaced = br#"{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"},
	"note":"a  b"}}"#;
    let context = decode(&Bytes::from_static(spaced))
        .unwrap()
        .context
        .unwrap();
    assert_eq!(context, r#"{"http":{"method":"GET"},"note":"a  b"}"#);
}

#[test]
fn cookies_come_from_the_list_where_there_is_no_header() {
    let event = url(|event| {
        event["headers"].as_object_mut().unwrap().remove("cookie");
    });
    assert_eq!(
        event.unwrap().request.headers()["cookie"],
        "session=abc123; theme=dark"
    );
}

#[test]
fn an_http_api_has_decoded_the_path() {
    let event = url(|event| {
        event["rawPath"] = json!("/live/items/blue pen/100%/ñ");
        event["requestContext"]["domainName"] = json!("api.example");
    });
    let event = event.unwrap();
    assert_eq!(event.front, Front::HttpApi);
    assert_eq!(
        event.request.uri().path(),
        "/live/items/blue%20pen/100%25/%C3%B1"
    );
}

#[test]
fn lists_keep_every_value_of_headers_and_parameters() {
    let event = |context: Value, next: &str| {
        let event = json!({
            "httpMethod": "GET", "path": "/a%20b", "resource": "/", "requestContext": context,
            "headers": { "x-probe": "second" }, "multiValueHeaders": { "X-Probe": ["first", "second"] },
            "queryStringParameters": { "tag": "two" },
            "multiValueQueryStringParameters": { "tag": ["one", "two"], "next": [next], "empty": [""] },
        });
        decode_json(&event).unwrap().request
    };
    // REST APIs decode parameters; ALBs do not.
    for (context, next) in [
        (json!({ "identity": {} }), "https://x?y=a b"),
        (json!({ "elb": {} }), "https%3A%2F%2Fx%3Fy%3Da%20b"),
    ] {
        let request = event(context, next);
        assert_eq!(
            request.uri(),
            "/a%20b?empty=&next=https%3A%2F%2Fx%3Fy%3Da%20b&tag=one&tag=two"
        );
        assert_eq!(
            request
                .headers()
                .get_all("x-probe")
                .iter()
                .collect::<Vec<_>>(),
            ["first", "second"]
        );
    }
}

#[test]
fn lattice_has_the_query_in_the_path() {
    let v2 = json!({
        "version": "2.0", "path": "/a%20b?tag=one&tag=two", "method": "POST", "headers": { "x-probe": ["first", "second"] },
        "queryStringParameters": { "tag": ["one", "two"] }, "body": "aGk=", "isBase64Encoded": true,
        "requestContext": { "serviceArn": "arn" }
    });
    let request = decode_json(&v2).unwrap().request;
    assert_eq!(
        (request.uri().to_string().as_str(), request.body().as_ref()),
        ("/a%20b?tag=one&tag=two", &b"hi"[..])
    );
    let v1 = json!({
        "raw_path": "/a%20b", "method": "GET", "headers": { "x-probe": "first, second" },
        "query_string_parameters": { "tag": "two" }, "is_base64_encoded": false
    });
    let request = decode_json(&v1).unwrap().request;
    assert_eq!(
        (
            request.uri().to_string().as_str(),
            &request.headers()["x-probe"]
        ),
        ("/a%20b?tag=two", &"first, second".parse().unwrap())
    );
}

#[test]
fn a_websocket_event_is_a_post_that_says_what_it_is() {
    let event = json!({
        "requestContext": {
            "connectionId": "DXs8JfkeliACJkg=", "eventType": "MESSAGE", "routeKey": "$default",
            "domainName": "p2f6.execute-api.eu-central-1.amazonaws.com", "stage": "prod"
        },
        "body": "{\"action\":\"say\"}", "isBase64Encoded": false
    });
    let request = decode_json(&event).unwrap().request;
    assert_eq!(request.method(), "POST");
    assert_eq!(request.body(), "{\"action\":\"say\"}");
    for (name, value) in [
        ("event", "MESSAGE"),
        ("connection-id", "DXs8JfkeliACJkg="),
        ("route", "$default"),
        ("stage", "prod"),
    ] {
        assert_eq!(
            request.headers()[format!("x-streamgate-websocket-{name}")],
            value
        );
    }
}

#[test]
fn a_base64_body_is_decoded_once() {
    let binary = |body: &str| {
        url(|event| {
            event["isBase64Encoded"] = json!(true);
            event["body"] = json!(body);
        })
    };
    assert_eq!(
        binary("iVBORw0KGgoA//6A").unwrap().request.body(),
        &b"\x89PNG\r\n\x1a\n\0\xff\xfe\x80"[..]
    );
    assert!(matches!(error(binary("not base64!")), EventError::Body(_)));
    for absent in [Value::Null, json!("")] {
        let event = url(|event| {
            event["body"] = absent;
            event["isBase64Encoded"] = json!(true);
        });
        assert_eq!(event.unwrap().request.body(), "");
    }
}

#[test]
fn an_http_event_that_cannot_be_read_is_refused_and_not_taken_for_another_kind() {
    let is_refused = |result: Result<Event, Refused>| {
        let refused = result.unwrap_err();
        assert_eq!(refused.front, Front::FunctionUrl);
        refused.error
    };
    for hostile in ["a\r\nx-evil: 1", "a\nb", "a\0b"] {
        let error = is_refused(url(|event| event["headers"]["x-probe"] = json!(hostile)));
        assert_eq!(
            error.to_string(),
            "event has a header `x-probe` whose name or value cannot be sent"
        );
    }
    assert!(matches!(
        is_refused(url(|event| event["headers"]["x y"] = json!("1"))),
        EventError::Header(_)
    ));
    assert!(matches!(
        is_refused(url(|event| event["rawPath"] = json!(7))),
        EventError::Malformed { .. }
    ));
    assert!(matches!(
        is_refused(url(|event| event["headers"] = json!([]))),
        EventError::Malformed { .. }
    ));
    let method = json!("GET /x");
    let error = is_refused(url(|event| {
        event["requestContext"]["http"]["method"] = method;
    }));
    assert!(matches!(error, EventError::Method(_)));
    let missing = is_refused(url(|event| {
        drop(event.as_object_mut().unwrap().remove("rawPath"));
    }));
    assert_eq!(
        missing.to_string(),
        "event has no field `rawPath`, which events of its kind have"
    );
    let lone_surrogate =
        br#"{"version":"2.0","rawPath":"\ud800","requestContext":{"http":{"method":"GET"}}}"#;
    assert!(matches!(
        decode(&Bytes::from_static(lone_surrogate))
            .unwrap_err()
            .error,
        EventError::Malformed {
            field: "rawPath",
            ..
        }
    ));
}

#[test]
fn an_error_quotes_little_of_an_event_and_no_value_of_it() {
    let long = "x ".repeat(100_000);
    for (place, value) in [
        ("/requestContext/http/method", json!(long)),
        ("/headers", json!({ long.as_str(): "value" })),
        ("/headers", json!("authorization: secret")),
        ("/headers", json!({ "x-number": 5_551_234 })),
        ("/cookies", json!("session=secret")),
        ("/rawPath", json!({ "secret": long })),
        ("/isBase64Encoded", json!("secret")),
    ] {
        let error = error(url(|event| {
            *event.pointer_mut(place).unwrap() = value.clone();
        }));
        let text = crate::logging::chain(&error);
        assert!(text.len() < 200, "{place}: {} bytes", text.len());
        assert!(
            !text.contains("secret") && !text.contains("555"),
            "{place}: {text}"
        );
    }
}

#[test]
fn more_headers_than_can_be_held_are_refused() {
    let headers: serde_json::Map<_, _> = (0..40_000)
        .map(|n| (format!("x-{n}"), json!("1")))
        .collect();
    assert!(matches!(
        error(url(|event| event["headers"] = Value::Object(headers))),
        EventError::TooManyHeaders
    ));
}

#[test]
fn depth_does_not_matter() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        decode(&Bytes::from(deep)).unwrap().front,
        Front::Other(Source::Direct)
    );
}
