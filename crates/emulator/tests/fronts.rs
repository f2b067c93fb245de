// SPDX-License-Identifier: Apache-2.0
//! Each front end from the client's socket to the runtime's and back.

mod support;

use serde_json::json;
use streamgate_emulator::{AccessEnd, Entry, FrontKind, InvokeMode};
use support::{Lambda, Message, post};

fn lambda(front: FrontKind) -> Lambda {
    Lambda::start(|settings| settings.front = front)
}

/// Sends a request, answers its event and gives event and response.
fn exchange(lambda: &Lambda, request: &str, payload: &str) -> (Message, Message) {
    let mut client = lambda.request(request);
    let event = lambda.next();
    assert_eq!(lambda.answer(&event, payload).status, 202);
    (event, client.message())
}

fn refusal(lambda: &Lambda) -> String {
    lambda.entry(|entry| match entry {
        Entry::Access(access) => match access.end {
            AccessEnd::Refused(reason) => Some(reason),
            _ => None,
        },
        _ => None,
    })
}

const GET: &str = "GET /a%20b?x=1&x=2 HTTP/1.1\r\nhost: example\r\ncookie: a=1\r\n\r\n";

const ERROR: &str = r#"{"message":"Internal server error"}"#;

#[test]
fn http_api() {
    let lambda = lambda(FrontKind::HttpApi);
    let envelope = r#"{"statusCode":201,"headers":{"x-a":"b"},"cookies":["a=1","b=2"],"body":"AP8=","isBase64Encoded":true}"#;
    let (event, response) = exchange(&lambda, GET, envelope);
    let event = event.json();
    assert_eq!(event["rawPath"], "/a b");
    assert_eq!(event["rawQueryString"], "x=1&x=2");
    assert_eq!(event["cookies"], json!(["a=1"]));
    assert_eq!((response.status, response.body), (201, vec![0, 255]));
    assert_eq!(response.headers["set-cookie"], "a=1\nb=2");
    assert_eq!(
        response.headers["apigw-requestid"],
        event["requestContext"]["requestId"].as_str().unwrap()
    );
    let (_, bare) = exchange(&lambda, GET, r#"{"hello":1}"#);
    assert_eq!((bare.status, bare.text()), (200, r#"{"hello":1}"#.into()));
    let (_, error) = exchange(&lambda, GET, "no json");
    assert_eq!((error.status, error.text()), (502, ERROR.into()));
}

#[test]
fn rest() {
    let lambda = lambda(FrontKind::Rest);
    let envelope = r#"{"statusCode":401,"headers":{"www-authenticate":"Basic"},"multiValueHeaders":{"set-cookie":["a=1","b=2"]},"body":"no"}"#;
    let request = post(
        "/a%20b?x=1&x=%2B",
        "content-type: application/json\r\n",
        "{}",
    );
    let (event, response) = exchange(&lambda, &request, envelope);
    let event = event.json();
    assert_eq!(event["path"], "/a%20b");
    assert_eq!(
        event["multiValueQueryStringParameters"]["x"],
        json!(["1", "+"])
    );
    // With the default of */* every body is binary.
    assert_eq!(event["body"], "e30=");
    assert_eq!((response.status, response.text()), (401, "no".into()));
    assert_eq!(response.headers["set-cookie"], "a=1\nb=2");
    assert_eq!(
        response.headers["x-amzn-remapped-www-authenticate"],
        "Basic"
    );
    for name in ["x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"] {
        assert!(response.headers.contains_key(name), "{name}");
    }
    let (_, error) = exchange(&lambda, GET, r#"{"statusCode":200,"cookies":[]}"#);
    assert_eq!((error.status, error.text()), (502, ERROR.into()));
    assert_eq!(
        refusal(&lambda),
        r#"the answer is no buffered response: member "cookies" is not known to this front end"#
    );
}

#[test]
fn rest_decodes_base64_for_its_media_types_only() {
    let lambda = Lambda::start(|settings| {
        settings.front = FrontKind::Rest;
        settings.rest_binary = vec!["image/png".into()];
    });
    let envelope = r#"{"statusCode":200,"body":"AP8=","isBase64Encoded":true}"#;
    for (accept, body) in [
        ("image/png", b"\x00\xff".as_slice()),
        ("image/png;q=0.9, */*", b"\x00\xff"),
        ("*/*", b"AP8="),
        ("text/html, image/png", b"AP8="),
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n");
        let (_, response) = exchange(&lambda, &request, envelope);
        assert_eq!(response.body, body, "{accept}");
    }
}

#[test]
fn rest_stream() {
    let lambda = lambda(FrontKind::RestStream);
    let mut client = lambda.request(GET);
    let event = lambda.next();
    assert_eq!(event.json()["resource"], "/{proxy+}");
    let mut post = lambda.call(&support::streamed_post(&event.request_id()));
    post.chunk(b"{\"statusCode\":200,\"multiValueHeaders\":{\"vary\":[\"a\",\"b\"]},\"headers\":{\"date\":\"x\"}}");
    post.chunk(b"\0\0\0\0\0\0\0\0");
    let head = client.head();
    assert_eq!(head.headers["vary"], "a\nb");
    assert_eq!(head.headers["x-amzn-remapped-date"], "x");
    assert_eq!(head.headers["transfer-encoding"], "chunked");
    for piece in [b"one".as_slice(), b"two"] {
        post.chunk(piece);
        assert_eq!(client.read_chunk().unwrap(), piece);
    }
    post.write(b"0\r\n\r\n");
    assert_eq!(client.read_chunk().unwrap(), b"");
    assert_eq!(post.message().status, 202);
}

#[test]
fn rest_stream_frames_by_a_length_that_the_prelude_has() {
    let lambda = lambda(FrontKind::RestStream);
    for (method, body) in [("GET", "three"), ("HEAD", "")] {
        let mut client = lambda.request(&format!("{method} / HTTP/1.1\r\nhost: x\r\n\r\n"));
        let event = lambda.next();
        let prelude = "{\"headers\":{\"content-length\":\"5\"}}\0\0\0\0\0\0\0\0";
        assert_eq!(
            lambda.answer(&event, &format!("{prelude}{body}")).status,
            202
        );
        let head = client.head();
        assert_eq!(head.headers["content-length"], "5", "{method}");
        assert!(!head.headers.contains_key("transfer-encoding"));
    }
    let mut client = lambda.request("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let event = lambda.next();
    let prelude = "{\"statusCode\":304,\"headers\":{\"content-length\":\"5\"}}\0\0\0\0\0\0\0\0";
    lambda.answer(&event, prelude);
    assert_eq!(client.message().status, 304);
}

#[test]
fn rest_stream_refuses_what_is_no_stream() {
    let lambda = lambda(FrontKind::RestStream);
    for (payload, status) in [
        (r#"{"statusCode":200,"body":"buffered"}"#, 500),
        ("", 500),
        ("[]\0\0\0\0\0\0\0\0", 502),
        (
            "{\"headers\":{\"vary\":[\"a\",\"b\"]}}\0\0\0\0\0\0\0\0",
            502,
        ),
    ] {
        let (_, response) = exchange(&lambda, GET, payload);
        assert_eq!(
            (response.status, response.text()),
            (status, ERROR.into()),
            "{payload}"
        );
    }
}

#[test]
fn alb() {
    let lambda = lambda(FrontKind::Alb);
    let envelope = r#"{"statusCode":200,"statusDescription":"200 OK","headers":{"x-a":"b","content-length":"99"},"multiValueHeaders":{"x-a":["c"]},"body":"hello"}"#;
    let (event, response) = exchange(&lambda, GET, envelope);
    let event = event.json();
    assert_eq!(event["queryStringParameters"], json!({"x": "2"}));
    assert_eq!(event["path"], "/a%20b");
    assert!(event["requestContext"]["elb"].is_object());
    assert_eq!((response.status, response.text()), (200, "hello".into()));
    assert_eq!(response.headers["x-a"], "b");
    assert!(!response.headers.contains_key("x-amzn-trace-id"));
    for payload in [
        r#"{"statusCode":200,"statusDescription":null}"#,
        r#"{"statusCode":200,"headers":{"a":1}}"#,
        "{\"statusCode\":200}\0\0\0\0\0\0\0\0stream",
    ] {
        let (_, error) = exchange(&lambda, GET, payload);
        assert_eq!(error.status, 502, "{payload}");
        assert_eq!(error.headers["server"], "awselb/2.0");
        assert!(error.text().contains("<h1>502 Bad Gateway</h1>"));
    }
}

#[test]
fn alb_multi() {
    let lambda = lambda(FrontKind::AlbMulti);
    let envelope = r#"{"statusCode":200,"headers":{"x-a":"b"},"multiValueHeaders":{"set-cookie":["a=1","b=2"]},"body":"hello"}"#;
    let (event, response) = exchange(&lambda, GET, envelope);
    let event = event.json();
    assert_eq!(
        event["multiValueQueryStringParameters"],
        json!({"x": ["1", "2"]})
    );
    assert_eq!(event["headers"], json!(null));
    assert_eq!(response.headers["set-cookie"], "a=1\nb=2");
    assert!(!response.headers.contains_key("x-a"));
}

#[test]
fn vpc_lattice() {
    for (front, member) in [
        (FrontKind::LatticeV1, "raw_path"),
        (FrontKind::LatticeV2, "path"),
    ] {
        let lambda = lambda(front);
        let envelope = r#"{"statusCode":404,"headers":{"x-a":"b"},"body":"hello"}"#;
        let (event, response) = exchange(&lambda, GET, envelope);
        assert_eq!(event.json()[member], "/a%20b?x=1&x=2", "{front}");
        assert_eq!((response.status, response.text()), (404, "hello".into()));
        let (_, error) = exchange(&lambda, GET, "[]");
        assert_eq!(error.status, 502, "{front}");
    }
}

#[test]
fn websocket() {
    let lambda = lambda(FrontKind::WebSocket);
    let envelope = r#"{"statusCode":200,"body":"hi"}"#;
    let (event, response) = exchange(
        &lambda,
        "GET /@connect?a=1 HTTP/1.1\r\nhost: x\r\n\r\n",
        envelope,
    );
    assert_eq!(event.json()["requestContext"]["eventType"], "CONNECT");
    assert_eq!(event.json()["queryStringParameters"], json!({"a": "1"}));
    assert_eq!((response.status, response.text()), (200, String::new()));
    let connection = event.json()["requestContext"]["connectionId"].clone();
    let (event, response) = exchange(&lambda, &post("/", "", "hello"), envelope);
    assert_eq!(event.json()["body"], "hello");
    assert_eq!(event.json()["requestContext"]["connectionId"], connection);
    assert_eq!((response.status, response.text()), (200, "hi".into()));
    let (event, _) = exchange(
        &lambda,
        "POST /@disconnect HTTP/1.1\r\nhost: x\r\n\r\n",
        envelope,
    );
    assert_eq!(event.json()["requestContext"]["eventType"], "DISCONNECT");
    let (_, error) = exchange(&lambda, &post("/", "", "hello"), "null");
    assert_eq!(error.status, 502);
    assert_eq!(error.json()["connectionId"], connection);
}

#[test]
fn a_function_error_is_each_front_ends_own_502() {
    for (front, body) in [
        (FrontKind::HttpApi, ERROR),
        (FrontKind::Rest, ERROR),
        (FrontKind::RestStream, ERROR),
        (FrontKind::LatticeV2, "502 Bad Gateway"),
    ] {
        let lambda = lambda(front);
        let mut client = lambda.request(GET);
        let id = lambda.next().request_id();
        let path = format!("/2018-06-01/runtime/invocation/{id}/error");
        lambda.call(&post(&path, "", "{}")).message();
        let response = client.message();
        assert_eq!((response.status, response.text()), (502, body.to_owned()));
    }
}

#[test]
fn requests_have_each_front_ends_limit() {
    for (front, limit) in [
        (FrontKind::HttpApi, 6 * 1024 * 1024),
        (FrontKind::Rest, 6 * 1024 * 1024),
        (FrontKind::Alb, 1024 * 1024),
        (FrontKind::WebSocket, 128 * 1024),
    ] {
        let lambda = lambda(front);
        let body = "x".repeat(limit + 1);
        let mut client = lambda.request(&post("/", "content-type: text/plain\r\n", &body));
        assert_eq!(client.message().status, 413, "{front}");
    }
    // An ALB takes the whole MB, and base64 does not count.
    let lambda = lambda(FrontKind::Alb);
    let body = "x".repeat(1024 * 1024);
    let (_, response) = exchange(&lambda, &post("/", "", &body), r#"{"statusCode":200}"#);
    assert_eq!(response.status, 200);
}

#[test]
fn answers_have_each_front_ends_limit() {
    for (front, limit) in [
        (FrontKind::Alb, 1024 * 1024),
        (FrontKind::AlbMulti, 1024 * 1024),
        (FrontKind::WebSocket, 128 * 1024),
        (FrontKind::HttpApi, 6 * 1024 * 1024 + 100),
        (FrontKind::LatticeV2, 6 * 1024 * 1024 + 100),
    ] {
        let lambda = lambda(front);
        for (size, status) in [(limit, 200), (limit + 1, 502)] {
            let mut client = lambda.request(GET);
            let event = lambda.next();
            let envelope = r#"{"statusCode":200,"body":""}"#;
            let fill = "x".repeat(size - envelope.len());
            lambda.answer(&event, &format!(r#"{{"statusCode":200,"body":"{fill}"}}"#));
            assert_eq!(client.message().status, status, "{front} {size}");
        }
    }
}

#[test]
fn any_bytes_are_an_event_and_any_bytes_a_reply() {
    for mode in [InvokeMode::ResponseStream, InvokeMode::Buffered] {
        let lambda = Lambda::start(|settings| settings.invoke_mode = mode);
        let reply = lambda.invoke(b"\xffno json");
        let event = lambda.next();
        assert_eq!(event.body, b"\xffno json");
        assert_eq!(lambda.answer(&event, "neither is this").status, 202);
        let reply = reply.recv_timeout(support::PATIENCE).unwrap();
        assert_eq!(reply.unwrap(), b"neither is this", "{mode}");
    }
}

#[test]
fn a_streamed_reply_to_an_invocation_has_prelude_and_payload() {
    let lambda = Lambda::start(|_| ());
    let reply = lambda.invoke(b"{}");
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    post.chunk(b"payload");
    post.write(b"0\r\n\r\n");
    let reply = reply.recv_timeout(support::PATIENCE).unwrap().unwrap();
    let expected = b"{\"statusCode\":200,\"headers\":{\"content-type\":\"text/plain\"}}\0\0\0\0\0\0\0\0payload";
    assert_eq!(reply, expected);
}

#[test]
fn an_invocation_that_fails_says_why() {
    let lambda = Lambda::start(|_| ());
    let too_large = lambda.invoke(&vec![b' '; 6 * 1024 * 1024 + 1]);
    let error = too_large.recv_timeout(support::PATIENCE).unwrap();
    assert_eq!(
        error.unwrap_err().to_string(),
        "event of 6291457 bytes is larger than 6291456 bytes"
    );
    let reply = lambda.invoke(b"{}");
    let id = lambda.next().request_id();
    let path = format!("/2018-06-01/runtime/invocation/{id}/error");
    let report = r#"{"errorMessage":"on purpose","errorType":"Demo"}"#;
    let header = "lambda-runtime-function-error-type: Function.Demo\r\n";
    lambda.call(&post(&path, header, report)).message();
    let error = reply.recv_timeout(support::PATIENCE).unwrap().unwrap_err();
    assert_eq!(
        (error.error_type(), error.to_string().as_str()),
        ("Function.Demo", "on purpose")
    );
}
