// SPDX-License-Identifier: Apache-2.0
//! Settings that change what becomes of a request or a reply.

use integration_tests::adapter::Adapter;
use integration_tests::event::{Event, function_url};
use integration_tests::fake_lambda::FakeLambda;
use serde_json::{Value, json};

use crate::fronts::{ClientRequest, FRONTS, Front};
use crate::samples::bytes;
use crate::stage::Stage;

fn with_headers(target: &str, headers: &[(&str, &str)]) -> Value {
    let mut event = function_url("GET", target);
    for (name, value) in headers {
        event["headers"][*name] = json!(value);
    }
    event
}

/// The error texts of a start that these variables make impossible.
fn refused_start(variables: &[(&str, &str)]) -> String {
    let lambda = FakeLambda::bind();
    let mut adapter = Adapter::entrypoint(&lambda);
    for (name, value) in variables {
        adapter = adapter.env(name, value);
    }
    let mut adapter = adapter.start();
    assert!(!adapter.finish().success(), "{variables:?} were taken");
    adapter.stderr().join("\n")
}

#[test]
fn the_base_path_is_removed_once_at_the_end_of_a_segment() {
    for name in ["STREAMGATE_BASE_PATH", "AWS_LWA_REMOVE_BASE_PATH"] {
        let stage = Stage::with(&[
            (name, "/api/v1"),
            ("STREAMGATE_INVOKE_MODE", "response_stream"),
        ]);
        for (target, wanted, prefix) in [
            (
                "/api/v1/items?a=/api/v1",
                "/items?a=/api/v1",
                Some("/api/v1"),
            ),
            ("/api/v1", "/", Some("/api/v1")),
            ("/api/v1?a=1", "/?a=1", Some("/api/v1")),
            ("/api/v1/", "/", Some("/api/v1")),
            ("/api/v1/api/v1/x", "/api/v1/x", Some("/api/v1")),
            ("/api/v1//x", "//x", Some("/api/v1")),
            ("/api/v10/x", "/api/v10/x", None),
            ("/api/v1.0", "/api/v1.0", None),
            ("/x/api/v1", "/x/api/v1", None),
            ("/", "/", None),
        ] {
            let head = stage.seen_of(&function_url("GET", target)).head;
            assert_eq!(head.target(), wanted, "{name}: {target}");
            assert_eq!(
                head.header("x-forwarded-prefix"),
                prefix,
                "{name}: {target}"
            );
        }
    }
}

#[test]
fn the_base_path_is_removed_whichever_front_the_request_came_through() {
    let stage = Stage::with(&[("STREAMGATE_BASE_PATH", "/live")]);
    for front in FRONTS {
        let seen = stage.seen_of(&front.event(&ClientRequest::get("/live/items%2F1")));
        let wanted = match front {
            // The front has decoded the path.
            Front::HttpApi | Front::HttpApiV1 => "/items/1",
            _ => "/items%2F1",
        };
        assert_eq!(seen.head.target(), wanted, "{front:?}");
        assert_eq!(seen.head.all("x-forwarded-prefix"), ["/live"], "{front:?}");
    }
}

#[test]
fn a_public_request_to_the_path_of_events_passes_as_any_other() {
    let stage = Stage::start();
    for front in FRONTS {
        let mut request = ClientRequest::get("/events");
        request
            .headers
            .push(("x-streamgate-event".to_owned(), "sqs".to_owned()));
        request
            .headers
            .push(("x-streamgate-event-secret".to_owned(), "guess".to_owned()));
        let seen = stage.seen_of(&front.event(&request));
        assert_eq!(seen.head.start, "GET /events HTTP/1.1", "{front:?}");
        assert_eq!(seen.head.header("x-streamgate-event"), None, "{front:?}");
        assert_eq!(
            seen.head.header("x-streamgate-event-secret"),
            None,
            "{front:?}"
        );
    }
}

#[test]
fn a_private_path_of_events_is_closed_to_every_front_and_open_to_events() {
    let stage = Stage::with(&[
        ("STREAMGATE_EVENTS_PATH", "/in/events"),
        ("STREAMGATE_EVENTS_PATH_PRIVATE", "true"),
        ("STREAMGATE_INVOKE_MODE", "buffered"),
    ]);
    for front in FRONTS {
        for path in [
            "/in/events",
            "/in/events/",
            "//in/events",
            "/in/./events",
            "/in/x/../events",
            "/in/%65vents",
        ] {
            let (reply, seen) = stage.invoke(Event::json(&front.event(&ClientRequest::get(path))));
            assert_eq!(front.received(&reply).status, 403, "{front:?}: {path}");
            assert_eq!(seen.len(), 0, "{front:?}: {path}");
        }
        let seen = stage.seen_of(&front.event(&ClientRequest::get("/in/events2")));
        assert_eq!(seen.head.target(), "/in/events2", "{front:?}");
    }
    assert_eq!(
        stage.seen(Event::raw(bytes("sqs"))).head.target(),
        "/in/events"
    );
}

#[test]
fn the_authorization_comes_from_another_header() {
    for name in [
        "STREAMGATE_AUTHORIZATION_SOURCE",
        "AWS_LWA_AUTHORIZATION_SOURCE",
    ] {
        let stage = Stage::with(&[
            (name, "X-Auth"),
            ("STREAMGATE_INVOKE_MODE", "response_stream"),
        ]);
        let event = with_headers(
            "/",
            &[
                ("x-auth", "Bearer real"),
                ("authorization", "AWS4-HMAC-SHA256 x"),
            ],
        );
        let head = stage.seen_of(&event).head;
        assert_eq!(head.all("authorization"), ["Bearer real"], "{name}");
        assert_eq!(head.header("x-auth"), None, "{name}");
    }
}

#[test]
fn headers_are_renamed_copied_and_dropped_in_order() {
    let map = "rename:x-one:x-uno, copy:x-two:x-dos,drop:x-three,copy:x-uno:x-again";
    let stage = Stage::with(&[("STREAMGATE_HEADER_MAP", map)]);
    let sent = [
        ("x-one", "1"),
        ("x-two", "2"),
        ("x-three", "3"),
        ("x-dos", "there before"),
    ];
    let head = stage.seen_of(&with_headers("/", &sent)).head;
    assert_eq!(head.all("x-one"), [] as [&str; 0]);
    assert_eq!(head.all("x-uno"), ["1"]);
    assert_eq!(head.all("x-two"), ["2"]);
    assert_eq!(head.all("x-dos"), ["2"]);
    assert_eq!(head.all("x-three"), [] as [&str; 0]);
    assert_eq!(head.all("x-again"), ["1"]);
}

#[test]
fn a_rule_cannot_write_what_an_app_trusts() {
    for to in [
        "x-streamgate-event-secret",
        "x-amzn-request-context",
        "X-Amzn-Lambda-Context",
        "x-amz-tenant-id",
        "host",
        "transfer-encoding",
    ] {
        for rule in ["rename", "copy"] {
            let map = format!("{rule}:x-client:{to}");
            let stderr = refused_start(&[("STREAMGATE_HEADER_MAP", &map)]);
            assert!(
                stderr.contains("STREAMGATE_HEADER_MAP") && stderr.contains(&map),
                "{stderr}"
            );
        }
    }
    let secret = refused_start(&[("STREAMGATE_HEADER_MAP", "move:a:b")]);
    assert!(secret.contains("rename:from:to"), "{secret}");
}

#[test]
fn the_host_comes_from_another_header_only_with_the_secret_of_the_origin() {
    let stage = Stage::with(&[
        ("STREAMGATE_HOST_FROM", "x-forwarded-host"),
        ("STREAMGATE_ORIGIN_SECRET", "x-origin: s3cret-of-the-proxy"),
    ]);
    let own = function_url("GET", "/")["headers"]["host"]
        .as_str()
        .unwrap()
        .to_owned();
    for (sent, host) in [
        (
            vec![
                ("x-forwarded-host", "shop.example"),
                ("x-origin", "s3cret-of-the-proxy"),
            ],
            "shop.example",
        ),
        (
            vec![
                ("x-forwarded-host", "evil.example"),
                ("x-origin", "s3cret-of-the-prox"),
            ],
            &own,
        ),
        (
            vec![
                ("x-forwarded-host", "evil.example"),
                ("x-origin", "s3cret-of-the-proxy,s3cret-of-the-proxy"),
            ],
            &own,
        ),
        (
            vec![("x-forwarded-host", "evil.example"), ("x-origin", "")],
            &own,
        ),
        (vec![("x-forwarded-host", "evil.example")], &own),
        (vec![("x-origin", "s3cret-of-the-proxy")], &own),
    ] {
        let head = stage.seen_of(&with_headers("/", &sent)).head;
        assert_eq!(head.all("host"), [host], "{sent:?}");
        assert_eq!(
            head.header("x-origin"),
            None,
            "the secret is not for the app: {sent:?}"
        );
    }
}

#[test]
fn the_host_cannot_be_taken_from_a_client_without_a_secret() {
    let stderr = refused_start(&[("STREAMGATE_HOST_FROM", "x-forwarded-host")]);
    assert!(stderr.contains("STREAMGATE_ORIGIN_SECRET"), "{stderr}");
}

#[test]
fn a_bad_secret_is_named_but_not_shown() {
    for (name, value) in [
        ("STREAMGATE_EVENT_SECRET", "tooshort"),
        ("STREAMGATE_ORIGIN_SECRET", "nocolonhere"),
        ("STREAMGATE_REQUIRE_HEADER", "nocolonhere"),
    ] {
        let stderr = refused_start(&[(name, value)]);
        assert!(stderr.contains(name), "{stderr}");
        assert!(!stderr.contains(value), "{stderr}");
    }
}

#[test]
fn a_request_without_the_required_header_gets_403_before_the_app() {
    let stage = Stage::with(&[("STREAMGATE_REQUIRE_HEADER", "x-from-cdn:only-the-cdn-knows")]);
    let (status, seen) =
        stage.status_of(&with_headers("/", &[("x-from-cdn", "only-the-cdn-knows")]));
    assert_eq!((status, seen), (200, 1));
    for value in [
        "only-the-cdn-know",
        "only-the-cdn-knowss",
        "ONLY-THE-CDN-KNOWS",
        "",
        "x,only-the-cdn-knows",
    ] {
        let (status, seen) = stage.status_of(&with_headers("/", &[("x-from-cdn", value)]));
        assert_eq!((status, seen), (403, 0), "{value:?}");
    }
    assert_eq!(stage.status_of(&function_url("GET", "/")), (403, 0));
    for front in FRONTS.iter().filter(|&&front| front != Front::Url) {
        let (reply, seen) = stage.invoke(Event::json(&front.event(&ClientRequest::get("/"))));
        assert_eq!(
            (front.received(&reply).status, seen.len()),
            (403, 0),
            "{front:?}"
        );
    }
    // No client has sent these.
    assert_eq!(stage.invoke(Event::raw(bytes("sqs"))).1.len(), 1);
}

#[test]
fn chosen_statuses_fail_the_invocation_whatever_made_it() {
    for name in [
        "STREAMGATE_ERROR_STATUS_CODES",
        "AWS_LWA_ERROR_STATUS_CODES",
    ] {
        let stage = Stage::with(&[
            (name, "404,500-501"),
            ("STREAMGATE_INVOKE_MODE", "response_stream"),
        ]);
        for (status, fails) in [
            (404, true),
            (500, true),
            (501, true),
            (405, false),
            (200, false),
        ] {
            stage.app.answer(format!(
                "HTTP/1.1 {status} As Asked\r\ncontent-length: 2\r\n\r\n{{}}"
            ));
            for sample in [
                "function-url-get",
                "http-api-v2-get",
                "alb-multi-value",
                "websocket-message",
                "sqs",
            ] {
                let (reply, _) = stage.invoke(Event::raw(bytes(sample)));
                let verb = if fails { "error" } else { "response" };
                assert_eq!(reply.verb(), verb, "{name}: {sample} {status}");
                if fails {
                    assert_eq!(
                        reply.json()["errorType"],
                        "Function.AppStatus",
                        "{sample} {status}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_redirect_to_the_apps_own_address_is_made_relative() {
    let stage = Stage::with(&[("STREAMGATE_LOCATION_REPAIR", "true")]);
    let app = stage.app.address();
    let port = app.port();
    for (location, wanted) in [
        (
            format!("http://{app}/next?a=%2F#x"),
            "/next?a=%2F#x".to_owned(),
        ),
        (format!("http://{app}"), "/".to_owned()),
        (format!("http://{app}?a=1"), "/?a=1".to_owned()),
        (format!("http://{app}0/x"), format!("http://{app}0/x")),
        (
            format!("http://{app}.example/x"),
            format!("http://{app}.example/x"),
        ),
        (
            "https://elsewhere.example/x".to_owned(),
            "https://elsewhere.example/x".to_owned(),
        ),
        (
            format!("/x?to=http://127.0.0.1:{port}/"),
            format!("/x?to=http://127.0.0.1:{port}/"),
        ),
    ] {
        stage.app.answer(format!(
            "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ));
        let (reply, _) = stage.invoke(Event::get("/"));
        assert_eq!(
            reply.streamed().prelude["headers"]["location"],
            wanted,
            "{location}"
        );
    }
}

#[test]
fn a_redirect_is_left_alone_unless_its_repair_is_asked_for() {
    let stage = Stage::start();
    let location = format!("http://{}/next", stage.app.address());
    stage.app.answer(format!(
        "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    ));
    let (reply, _) = stage.invoke(Event::get("/"));
    assert_eq!(reply.streamed().prelude["headers"]["location"], location);
}

#[test]
fn an_empty_streamed_body_is_padded_where_that_is_asked_for_and_the_status_has_one() {
    let empty = |status| format!("HTTP/1.1 {status} As Asked\r\ncontent-length: 0\r\n\r\n");
    for (setting, padded) in [("true", true), ("false", false)] {
        let stage = Stage::with(&[("STREAMGATE_EMPTY_BODY_PAD", setting)]);
        for (method, answer, may_have_body) in [
            ("GET", empty(200), true),
            ("GET", empty(302), true),
            ("POST", empty(500), true),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), false),
            ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), false),
            ("HEAD", empty(200), false),
        ] {
            stage.app.answer(answer.clone());
            let (reply, _) = stage.invoke(Event::request(method, "/"));
            let streamed = reply.streamed();
            let is_padded = padded && may_have_body;
            let wanted: &[u8] = if is_padded { b" " } else { b"" };
            assert_eq!(streamed.payload, wanted, "{setting}: {method} {answer}");
            let length = &streamed.prelude["headers"]["content-length"];
            assert_eq!(
                length,
                &(if is_padded { Value::Null } else { json!("0") }),
                "{setting}: {method} {answer}"
            );
        }
        stage
            .app
            .answer(*b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx");
        assert_eq!(stage.invoke(Event::get("/")).0.streamed().payload, b"x");
    }
}
