// SPDX-License-Identifier: Apache-2.0
//! Events that no front should send and some client may try: each costs its own invocation, nothing else.

use integration_tests::event::Event;
use integration_tests::fake_lambda::Exchange;
use integration_tests::process::status_kib;
use serde_json::{Value, json};

use crate::fronts::{ClientRequest, FRONTS, Front};
use crate::samples::{bytes, sample};
use crate::stage::Stage;
use crate::witness::Seen;

/// What the whole corpus may cost the adapter. Its largest event has 6 MB.
const MEMORY_KIB: usize = 48 * 1024;

/// All fronts, with the two kinds of event that an invoker may send beside them.
const SAMPLES: [&str; 9] = [
    "function-url-post-json",
    "http-api-v2-post-named-stage",
    "http-api-v1-payload",
    "rest-v1-post-json",
    "alb-single-value",
    "alb-multi-value",
    "vpc-lattice-v1",
    "vpc-lattice-v2",
    "websocket-connect",
];

fn front_of(sample: &str) -> Option<Front> {
    FRONTS.into_iter().find(|front| {
        front
            .sample()
            .split('-')
            .take(2)
            .eq(sample.split('-').take(2))
            && {
                let same = |word: &str| front.sample().contains(word) == sample.contains(word);
                same("multi") && same("v1") && same("v2")
            }
    })
}

/// The status that the client of this front gets, or nothing where the invocation failed.
fn status(reply: &Exchange) -> Option<u64> {
    if reply.verb() == "error" {
        let error = reply.json();
        assert!(
            error["errorType"].is_string() && error["errorMessage"].is_string(),
            "{error}"
        );
        return None;
    }
    if reply
        .head
        .header("lambda-runtime-function-response-mode")
        .is_some()
    {
        return reply.streamed().prelude["statusCode"].as_u64();
    }
    reply.json()["statusCode"].as_u64()
}

/// Asserts that a client got a 400 in its front's form, and the app nothing.
fn is_bad_request(reply: &Exchange, seen: &[Seen], of: &str) {
    assert_eq!(status(reply), Some(400), "{of}: {reply:?}");
    assert!(seen.is_empty(), "{of}: the app saw {seen:?}");
}

fn with(sample_name: &str, pointer: &str, value: &Value) -> Option<Value> {
    let mut event = sample(sample_name);
    *event.pointer_mut(pointer)? = value.clone();
    Some(event)
}

#[test]
fn an_event_cut_short_is_an_error_wherever_it_was_cut() {
    let stage = Stage::start();
    for name in SAMPLES.into_iter().chain(["sqs", "direct-invoke"]) {
        let whole = bytes(name);
        let end = whole.iter().rposition(|&byte| byte == b'}').unwrap();
        for cut in (0..=end).step_by(97).chain([end]) {
            let (reply, seen) = stage.invoke(Event::raw(&whole[..cut]));
            assert_eq!(reply.verb(), "error", "{name} cut at {cut}");
            assert!(seen.is_empty(), "{name} cut at {cut}");
        }
        stage.serves(name);
    }
}

/// The pointers of all members, however deep.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => return,
    };
    for (name, value) in members {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(place.clone());
        places(value, &place, found);
    }
}

#[test]
fn a_wrong_type_in_any_field_is_a_400_or_harms_nobody() {
    let stage = Stage::start();
    for name in SAMPLES {
        let mut all = Vec::new();
        places(&sample(name), "", &mut all);
        for place in &all {
            for value in [
                json!(null),
                json!(true),
                json!(-7.5),
                json!("x"),
                json!([]),
                json!([[{}]]),
                json!({ "x": {} }),
            ] {
                let event = with(name, place, &value).unwrap();
                let (reply, seen) = stage.invoke(Event::json(&event));
                // Taken as it is, refused, or, without the marks of its front, an event of its own.
                let answered = status(&reply);
                match seen.as_slice() {
                    [] => assert_eq!(answered, Some(400), "{name}: {place} as {value}: {reply:?}"),
                    [seen] if seen.head.target() == "/events" => {
                        let marks = [
                            "/requestContext",
                            "/version",
                            "/httpMethod",
                            "/raw_path",
                            "/query_string",
                            "/is_base64",
                            "/resource",
                        ];
                        let is_mark = marks.iter().any(|mark| place.starts_with(mark));
                        assert!(is_mark, "{name}: {place} as {value} was taken for no HTTP");
                        assert_eq!(
                            seen.body,
                            event.to_string().as_bytes(),
                            "{name}: {place} as {value}"
                        );
                    }
                    [seen] => {
                        assert_ne!(seen.head.target(), "/", "{name}: {place} as {value}");
                        assert_eq!(answered, Some(200), "{name}: {place} as {value}");
                    }
                    _ => panic!("{name}: {place} as {value}: the app saw {seen:?}"),
                }
            }
        }
        stage.serves(name);
    }
}

/// The fields that make the request, for each front.
const NEEDED: [(&str, &str); 9] = [
    (
        "function-url-post-json",
        "/rawPath /rawQueryString /headers /headers/accept /cookies /cookies/0 /body /isBase64Encoded \
         /requestContext/http/method",
    ),
    (
        "http-api-v2-post-named-stage",
        "/rawPath /headers /headers/host /body /isBase64Encoded /requestContext/http/method",
    ),
    (
        "http-api-v1-payload",
        "/path /httpMethod /multiValueHeaders /multiValueHeaders/accept /isBase64Encoded",
    ),
    (
        "rest-v1-post-json",
        "/path /httpMethod /multiValueHeaders /multiValueHeaders/accept /body /isBase64Encoded",
    ),
    (
        "alb-single-value",
        "/path /httpMethod /headers /headers/host /queryStringParameters /body /isBase64Encoded",
    ),
    (
        "alb-multi-value",
        "/path /httpMethod /multiValueHeaders/host /multiValueQueryStringParameters/tag /body /isBase64Encoded",
    ),
    (
        "vpc-lattice-v1",
        "/method /raw_path /headers /headers/host /body /is_base64_encoded",
    ),
    (
        "vpc-lattice-v2",
        "/method /path /headers /headers/host /body",
    ),
    (
        "websocket-connect",
        "/multiValueHeaders /multiValueHeaders/Host /multiValueQueryStringParameters /isBase64Encoded",
    ),
];

#[test]
fn a_field_of_the_wrong_type_that_the_request_needs_is_a_400_in_the_form_of_its_front() {
    let stage = Stage::start();
    for (name, places) in NEEDED {
        for place in places.split(' ') {
            let event = with(name, place, &json!(7)).unwrap();
            let (reply, seen) = stage.invoke(Event::json(&event));
            is_bad_request(&reply, &seen, &format!("{name}: {place}"));
            if let Some(front) = front_of(name) {
                assert_eq!(front.received(&reply).status, 400, "{name}: {place}");
            }
        }
        stage.serves(name);
    }
}

#[test]
fn an_odd_method_is_a_400_and_never_an_event() {
    let stage = Stage::start();
    for front in FRONTS {
        for method in [
            "",
            " ",
            "GE T",
            "GET / HTTP/1.1\r\nx-injected: 1\r\n\r\nGET",
            "G\u{e9}T",
            "GET\0",
            "GET\n",
            "(GET)",
            "\u{1f600}",
        ] {
            let request = ClientRequest {
                method: method.to_owned(),
                ..ClientRequest::get("/")
            };
            let (reply, seen) = stage.invoke(Event::json(&front.event(&request)));
            is_bad_request(&reply, &seen, &format!("{front:?}: {method:?}"));
        }
        stage.serves("odd methods");
    }
}

#[test]
fn a_header_that_cannot_be_sent_is_a_400_and_never_an_event() {
    let stage = Stage::start();
    for front in FRONTS {
        for (name, value) in [
            ("x-value", "a\r\nx-injected: 1"),
            ("x-value", "a\nx-injected: 1"),
            ("x-value", "a\rb"),
            ("x-value", "a\0b"),
            ("x-value", "a\u{7f}b"),
            ("x-name\r\nx-injected", "1"),
            ("x-name: 1\r\nx-injected", "1"),
            ("x name", "1"),
            ("", "1"),
            ("x-n\u{e9}", "1"),
            ("host", "a\r\nx-injected: 1"),
            ("cookie", "a=1\r\nx-injected: 1"),
        ] {
            let mut request = ClientRequest::get("/");
            request.headers.push((name.to_owned(), value.to_owned()));
            let (reply, seen) = stage.invoke(Event::json(&front.event(&request)));
            is_bad_request(&reply, &seen, &format!("{front:?}: {name:?}: {value:?}"));
        }
        let mut request = ClientRequest::get("/");
        request.cookies.push("a=1\r\nx-injected: 1".to_owned());
        let (reply, seen) = stage.invoke(Event::json(&front.event(&request)));
        is_bad_request(&reply, &seen, &format!("{front:?}: a cookie"));
        stage.serves("headers that cannot be sent");
    }
}

#[test]
fn a_body_that_is_no_base64_is_a_400() {
    let stage = Stage::start();
    for front in FRONTS {
        for body in ["%%%", "abc=def", "a", "\u{e9}", "YQ==YQ==", "YQ\n=="] {
            let mut event = front.event(&ClientRequest::get("/"));
            event["body"] = json!(body);
            event[if front == Front::LatticeV1 {
                "is_base64_encoded"
            } else {
                "isBase64Encoded"
            }] = json!(true);
            let (reply, seen) = stage.invoke(Event::json(&event));
            is_bad_request(&reply, &seen, &format!("{front:?}: {body:?}"));
        }
        stage.serves("bad base64");
    }
}

#[test]
fn half_a_surrogate_pair_is_a_400_or_stays_where_nobody_reads_it() {
    let stage = Stage::start();
    for name in SAMPLES {
        let whole = String::from_utf8(bytes(name)).unwrap();
        for half in ["\\ud800", "\\udfff", "\\ud800\\u0041", "\\ud83d\\ud83d"] {
            // In each string of the event, in turn.
            for (at, _) in whole.match_indices(": \"") {
                let event = format!("{}{half}{}", &whole[..at + 3], &whole[at + 3..]);
                let (reply, seen) = stage.invoke(Event::raw(event));
                let refused = reply.verb() == "error" || status(&reply) == Some(400);
                assert!(refused || seen.len() == 1, "{name} at {at}: {reply:?}");
            }
        }
        stage.serves(name);
    }
}

#[test]
fn ten_thousand_headers_and_one_of_a_megabyte_cost_their_own_invocation_only() {
    let stage = Stage::start();
    for front in FRONTS {
        let mut many = ClientRequest::get("/many");
        many.headers = (0..10_000)
            .map(|number| (format!("x-{number}"), "value".to_owned()))
            .collect();
        let mut repeated = ClientRequest::get("/repeated");
        repeated.headers = vec![("x-same".to_owned(), "value".to_owned()); 10_000];
        let mut large = ClientRequest::get("/large");
        large
            .headers
            .push(("x-large".to_owned(), "x".repeat(1024 * 1024)));
        for request in [many, repeated, large] {
            let (reply, seen) = stage.invoke(Event::json(&front.event(&request)));
            match status(&reply) {
                Some(200) => assert_eq!(seen.len(), 1, "{front:?}: {}", request.path),
                answered => assert_eq!(answered, Some(400), "{front:?}: {}", request.path),
            }
            stage.serves(&request.path);
        }
    }
    bounded(&stage);
}

#[test]
fn nesting_without_end_costs_its_own_invocation_only() {
    let stage = Stage::start();
    let lists = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for name in SAMPLES {
        let whole = sample(name).to_string();
        for deep in [&lists, &objects] {
            for member in [
                "\"headers\":",
                "\"body\":",
                "\"requestContext\":",
                "\"unknown\":",
            ] {
                // A member more, in front, or in place of the one there is.
                let added = format!("{{\"unknown\":{deep},{}", &whole[1..]);
                let replaced = whole.replacen(member, &format!("{member}{deep},\"was\":"), 1);
                for event in [added, replaced] {
                    let (reply, seen) = stage.invoke(Event::raw(event));
                    let _ = status(&reply);
                    assert!(seen.len() <= 1, "{name}: {member}");
                }
            }
            stage.serves(name);
        }
    }
    for deep in [&lists, &objects] {
        let (reply, _) = stage.invoke(Event::raw(&deep[..deep.len() / 2]));
        assert_eq!(reply.verb(), "error");
    }
    bounded(&stage);
}

#[test]
fn a_field_that_comes_twice_is_refused_or_harms_nobody() {
    let stage = Stage::start();
    for name in SAMPLES {
        let whole = sample(name).to_string();
        let again = format!("{},{}", &whole[..whole.len() - 1], &whole[1..]);
        let (reply, seen) = stage.invoke(Event::raw(again));
        match seen.as_slice() {
            [] => assert!(
                matches!(status(&reply), None | Some(400)),
                "{name}: {reply:?}"
            ),
            [seen] => assert_eq!(
                seen.head.start,
                stage.seen_of(&sample(name)).head.start,
                "{name}"
            ),
            _ => panic!("{name}: the app saw {seen:?}"),
        }
        stage.serves(name);
    }
}

#[test]
fn many_large_events_leave_no_memory_behind() {
    let stage = Stage::start();
    let text = "x".repeat(5 * 1024 * 1024);
    for _ in 0..10 {
        for sample in ["function-url-post-json", "alb-multi-value"] {
            let event = with(sample, "/body", &json!(text)).unwrap();
            let seen = stage.seen_of(&event);
            assert_eq!(seen.body.len(), text.len());
        }
    }
    bounded(&stage);
}

/// Asserts that the adapter's memory never went over the bound.
fn bounded(stage: &Stage) {
    let peak = status_kib(stage.adapter.pid(), "VmHWM").unwrap();
    assert!(peak < MEMORY_KIB, "the adapter took {peak} KiB");
}
