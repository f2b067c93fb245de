// SPDX-License-Identifier: Apache-2.0
//! From the event to the app: what the client sent is what the app sees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::http::Request;
use integration_tests::local::Local;
use integration_tests::wire::Head;
use serde_json::{Value, json};

/// Targets as a client may write them.
const TARGETS: &[&str] = &[
    "/",
    "/plain",
    "/items/blue%20pen",
    "/a+b",
    "/a%2Fb%2fc",
    "//double//slash/",
    "/a/./b/../c/..",
    "/%E4%BD%A0%e5%a5%bd",
    "/~!$&'()*+,;=:@",
    "/a;b=c,d",
    "/%25%00%0d%0a",
    "/q?a=1&a=2&a=1&b",
    "/q?empty=&plus=a+b&encoded=a%2Bb&space=%20",
    "/q?next=https%3A%2F%2Fexample.org%2Fx%3Fy%3D1%26z",
    "/q?next=https://example.org/?x=1",
    "/q?a=b?c=d&&=&?",
    "/q?%zz=%",
];

/// The head of the request that the app saw.
fn seen(raw: &[u8]) -> Head {
    let parsed = Head::parse(raw).unwrap();
    parsed
        .unwrap_or_else(|| panic!("no request head: {:?}", String::from_utf8_lossy(raw)))
        .0
}

fn inspect(event: &mut Value) -> &mut Value {
    event["headers"]["x-behave"] = json!("/inspect");
    event
}

fn started() -> (FakeLambda, App, integration_tests::process::Program) {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    (lambda, app, adapter)
}

#[test]
fn the_request_target_reaches_the_app_byte_for_byte() {
    let (lambda, _app, _adapter) = started();
    for target in TARGETS {
        let reply = lambda.invoke(Event::json(inspect(&mut function_url("GET", target))));
        assert_eq!(seen(&reply.streamed().payload).target(), *target);
    }
}

#[test]
fn the_request_target_passes_the_function_url_byte_for_byte() {
    let local = Local::builder().start();
    let mut client = local.client();
    for target in TARGETS {
        let request = Request::get(target).header("x-behave", "/inspect");
        assert_eq!(seen(&client.exchange(&request).body()).target(), *target);
    }
}

#[test]
fn an_empty_query_is_no_query() {
    // The event has no trace of a question mark without anything after it.
    let local = Local::builder().start();
    let response = local.exchange(&Request::get("/q?").header("x-behave", "/inspect"));
    assert_eq!(seen(&response.body()).target(), "/q");
}

#[test]
fn bytes_that_may_not_stand_on_a_request_line_are_escaped_and_no_others() {
    let (lambda, _app, _adapter) = started();
    let cases = [
        ("/a b", "/a%20b"),
        ("/na\u{ef}ve", "/na%C3%AFve"),
        ("/tab\there", "/tab%09here"),
        ("/line\r\nx-injected: 1", "/line%0D%0Ax-injected:%201"),
        ("/nul\0", "/nul%00"),
        ("/already%20there and not", "/already%20there%20and%20not"),
    ];
    for (raw, wanted) in cases {
        let reply = lambda.invoke(Event::json(inspect(&mut function_url("GET", raw))));
        let head = seen(&reply.streamed().payload);
        assert_eq!(head.target(), wanted, "for {raw:?}");
        assert_eq!(head.header("x-injected"), None);
    }
    let mut event = function_url("GET", "/q");
    event["rawQueryString"] = json!("a=b c&d=\u{fc}&e=#f");
    let reply = lambda.invoke(Event::json(inspect(&mut event)));
    assert_eq!(
        seen(&reply.streamed().payload).target(),
        "/q?a=b%20c&d=%C3%BC&e=%23f"
    );
}

#[test]
fn every_method_reaches_the_app() {
    let local = Local::builder().start();
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        let response = local.exchange(&Request::new(method, "/inspect"));
        assert_eq!(seen(&response.body()).method(), method);
    }
}

#[test]
fn request_headers_reach_the_app() {
    let local = Local::builder().start();
    let request = Request::get("/inspect")
        .header("x-probe", "first")
        .header("X-Probe", "second")
        .header("accept-language", "de, en;q=0.5")
        .header("x-empty", "")
        .header("authorization", "Bearer abc.def");
    let head = seen(&local.exchange(&request).body());
    // The function URL joins repeated headers with a bare comma.
    assert_eq!(head.all("x-probe").join(","), "first,second");
    assert_eq!(head.header("accept-language"), Some("de, en;q=0.5"));
    assert_eq!(head.header("x-empty"), Some(""));
    assert_eq!(head.header("authorization"), Some("Bearer abc.def"));
    assert_eq!(head.all("host").len(), 1);
    assert_eq!(head.header("x-forwarded-proto"), Some("https"));
}

#[test]
fn the_host_of_the_event_is_the_host_the_app_sees() {
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("GET", "/inspect");
    let host = event["headers"]["host"].as_str().unwrap().to_owned();
    let reply = lambda.invoke(Event::json(inspect(&mut event)));
    assert_eq!(seen(&reply.streamed().payload).all("host"), [host]);
}

#[test]
fn cookies_reach_the_app_once() {
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("GET", "/inspect");
    event["cookies"] = json!(["session=abc123", "theme=dark"]);
    event["headers"]["cookie"] = json!("session=abc123; theme=dark");
    let reply = lambda.invoke(Event::json(&event));
    assert_eq!(
        seen(&reply.streamed().payload).all("cookie"),
        ["session=abc123; theme=dark"]
    );

    let mut event = function_url("GET", "/inspect");
    event["cookies"] = json!(["only=here"]);
    let reply = lambda.invoke(Event::json(&event));
    assert_eq!(seen(&reply.streamed().payload).all("cookie"), ["only=here"]);
}

#[test]
fn cookies_pass_the_function_url() {
    let local = Local::builder().start();
    let request = Request::get("/inspect").header("cookie", "a=1; b=\"two\"");
    let head = seen(&local.exchange(&request).body());
    assert_eq!(head.all("cookie"), ["a=1; b=\"two\""]);
}

#[test]
fn hop_by_hop_headers_stop_before_the_app() {
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("GET", "/inspect");
    let hop_by_hop = [
        ("connection", "close, x-hop"),
        ("x-hop", "for one connection"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic abc"),
        ("proxy-authenticate", "Basic"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
    ];
    for (name, value) in hop_by_hop {
        event["headers"][name] = json!(value);
    }
    event["headers"]["x-end-to-end"] = json!("stays");
    let head = seen(&lambda.invoke(Event::json(&event)).streamed().payload);
    for (name, value) in hop_by_hop {
        assert!(
            !head.all(name).contains(&value),
            "{name} reached the app: {head:?}"
        );
    }
    assert_eq!(head.header("x-end-to-end"), Some("stays"));
}

#[test]
fn a_binary_request_body_reaches_the_app_unharmed() {
    let every_byte: Vec<u8> = (0..=255).chain(*b"\xc3\x28 \xff\xfe").collect();
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("POST", "/echo");
    event["headers"]["content-type"] = json!("application/octet-stream");
    event["body"] = json!(BASE64.encode(&every_byte));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(
        lambda.invoke(Event::json(&event)).streamed().payload,
        every_byte
    );

    let local = Local::builder().start();
    let response = local.exchange(&Request::post(
        "/echo",
        "application/octet-stream",
        every_byte.clone(),
    ));
    assert_eq!(response.body(), every_byte);
    assert_eq!(
        response.head.header("content-type"),
        Some("application/octet-stream")
    );
}

#[test]
fn a_text_request_body_reaches_the_app_unharmed() {
    let text = "{\"note\":\"na\u{ef}ve \u{3bb} \u{1f980} \\u0000 \\\" \r\n\"}";
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("POST", "/echo");
    event["headers"]["content-type"] = json!("application/json");
    event["body"] = json!(text);
    let payload = lambda.invoke(Event::json(&event)).streamed().payload;
    assert_eq!(String::from_utf8(payload).unwrap(), text);

    let local = Local::builder().start();
    let response = local.exchange(&Request::post("/echo", "application/json", text));
    assert_eq!(response.text(), text);
}

#[test]
fn a_request_body_has_the_length_of_its_bytes() {
    // What the event claims counts for nothing: REST events have no length, and a client's may be wrong.
    let (lambda, _app, _adapter) = started();
    let mut event = function_url("POST", "/inspect");
    event["headers"]["content-length"] = json!("1000");
    event["body"] = json!("\u{e9}t\u{e9}");
    let head = seen(&lambda.invoke(Event::json(&event)).streamed().payload);
    assert_eq!(head.all("content-length"), ["5"]);
}

#[test]
fn a_large_request_body_reaches_the_app() {
    let body = integration_tests::pattern::Pattern::bytes(4 * 1024 * 1024);
    let local = Local::builder().start();
    let response = local.exchange(&Request::post("/echo", "image/png", body.clone()));
    assert!(
        response.body() == body,
        "{} bytes came back",
        response.body().len()
    );
}

#[test]
fn the_app_connection_is_kept_for_the_next_invocation() {
    let (lambda, app, adapter) = started();
    for _ in 0..10 {
        assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    }
    // One for the readiness check may come before it.
    let connections = established_to(adapter.pid(), app.address().port());
    assert!(
        connections <= 2,
        "{connections} connections to the app are open"
    );
    // Polls and replies share one connection, the extension's long poll has another; registration may have a third.
    assert!(
        lambda.connections() <= 4,
        "{} connections to Lambda were made",
        lambda.connections()
    );
}

/// Open sockets of a process whose peer is this port on loopback.
fn established_to(pid: i32, port: u16) -> usize {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|link| link.display().to_string())
        .collect();
    let peer = format!("0100007F:{port:04X}");
    let mine = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let inode = columns.get(9).copied().unwrap_or_default();
        columns.get(2) == Some(&peer.as_str()) && sockets.contains(&format!("socket:[{inode}]"))
    };
    table.lines().filter(mine).count()
}
