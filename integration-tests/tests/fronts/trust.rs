// SPDX-License-Identifier: Apache-2.0
//! Headers by which an app trusts what it is told: the adapter's alone, whatever a client sends.

use integration_tests::event::{Event, function_url};
use serde_json::{Value, json};

use crate::fronts::{ClientRequest, FRONTS};
use crate::samples::{bytes, sample};
use crate::stage::Stage;

const RESERVED: [&str; 9] = [
    "x-amzn-request-context",
    "x-amzn-lambda-context",
    "x-amz-tenant-id",
    "x-amzn-trace-id",
    "x-streamgate-event",
    "x-streamgate-event-secret",
    "x-streamgate-websocket-event",
    "x-streamgate-websocket-connection-id",
    "x-streamgate-anything-else",
];

fn lambda_context(event: Event) -> Value {
    let stage = Stage::start();
    let seen = stage.seen(event);
    let contexts = seen.head.all("x-amzn-lambda-context");
    assert_eq!(contexts.len(), 1, "{contexts:?}");
    assert!(
        contexts[0].bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{contexts:?}"
    );
    serde_json::from_str(contexts[0]).unwrap()
}

#[test]
fn what_only_the_adapter_may_say_is_removed_whichever_front_it_came_through() {
    let stage = Stage::start();
    for front in FRONTS {
        let mut request = ClientRequest::get("/");
        for name in RESERVED {
            // A map of the event may hold a name in any letter case.
            for name in [name.to_owned(), name.to_ascii_uppercase()] {
                request.headers.push((name, "forged".to_owned()));
            }
        }
        request
            .headers
            .push(("x-kept".to_owned(), "sent".to_owned()));
        let seen = stage.seen_of(&front.event(&request));
        let forged = seen
            .head
            .headers
            .iter()
            .filter(|(_, value)| value.contains("forged"));
        assert_eq!(forged.count(), 0, "{front:?}: {:?}", seen.head);
        assert_eq!(seen.head.all("x-kept"), ["sent"], "{front:?}");
    }
}

#[test]
fn what_only_the_adapter_may_say_is_removed_from_a_websocket_handshake() {
    let stage = Stage::start();
    let mut event = sample("websocket-connect");
    for name in RESERVED {
        event["multiValueHeaders"][name] = json!(["forged", "forged"]);
        event["headers"][name] = json!("forged");
    }
    let seen = stage.seen_of(&event);
    let forged = seen
        .head
        .headers
        .iter()
        .filter(|(_, value)| value.contains("forged"));
    assert_eq!(forged.count(), 0, "{:?}", seen.head);
    assert_eq!(seen.head.all("x-streamgate-websocket-event"), ["CONNECT"]);
}

#[test]
fn the_app_is_told_what_lambda_says_of_the_invocation() {
    let client_context = json!({ "client": { "app_title": "na\u{ef}ve" }, "custom": { "a": 1 } });
    let identity = json!({ "cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool" });
    let event = Event::get("/")
        .header("Lambda-Runtime-Deadline-Ms", "33333333333333")
        .header(
            "Lambda-Runtime-Trace-Id",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
        )
        .header("Lambda-Runtime-Client-Context", &client_context.to_string())
        .header("Lambda-Runtime-Cognito-Identity", &identity.to_string())
        .header("Lambda-Runtime-Aws-Tenant-Id", "tenant-7");
    let wanted = json!({
        "request_id": "8476a536-e9f4-11e8-9739-000000000001",
        "deadline": 33_333_333_333_333_u64,
        "invoked_function_arn": "arn:aws:lambda:eu-central-1:123456789012:function:itest",
        "xray_trace_id": "Root=1-5759e988-bd862e3fe1be46a994272793",
        "client_context": client_context,
        "identity": identity,
        "tenant_id": "tenant-7",
    });
    let mut context = lambda_context(event);
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&context[name], value, "{name}");
        context.as_object_mut().unwrap().remove(name);
    }
}

#[test]
fn a_client_context_that_is_no_json_is_null() {
    for context in ["no JSON", "{\"a\":", "{} {}"] {
        let event = Event::get("/").header("Lambda-Runtime-Client-Context", context);
        assert_eq!(
            lambda_context(event)["client_context"],
            Value::Null,
            "{context:?}"
        );
    }
    for context in ["[1]", "7", "{\"x\":1}"] {
        let event = Event::get("/").header("Lambda-Runtime-Client-Context", context);
        assert_eq!(lambda_context(event)["client_context"].to_string(), context);
    }
}

#[test]
fn an_event_that_is_no_http_is_told_what_lambda_says_too() {
    let stage = Stage::start();
    let seen =
        stage.seen(Event::raw(bytes("sqs")).header("Lambda-Runtime-Aws-Tenant-Id", "tenant-7"));
    let context: Value =
        serde_json::from_str(seen.head.header("x-amzn-lambda-context").unwrap()).unwrap();
    assert_eq!(context["tenant_id"], "tenant-7");
    assert_eq!(seen.head.all("x-amz-tenant-id"), ["tenant-7"]);
}

#[test]
fn the_tenant_is_the_one_that_lambda_gives() {
    let stage = Stage::start();
    let mut event = function_url("GET", "/");
    event["headers"]["x-amz-tenant-id"] = json!("forged");
    assert_eq!(stage.seen_of(&event).head.header("x-amz-tenant-id"), None);
    let seen = stage.seen(Event::json(&event).header("Lambda-Runtime-Aws-Tenant-Id", "tenant-7"));
    assert_eq!(seen.head.all("x-amz-tenant-id"), ["tenant-7"]);
}

#[test]
fn the_trace_is_the_one_that_lambda_gives_and_the_clients_own_traceparent_goes_on() {
    let stage = Stage::start();
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
    let own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut event = function_url("GET", "/");
    let seen = stage.seen(Event::json(&event).header("Lambda-Runtime-Trace-Id", trace));
    assert_eq!(seen.head.all("x-amzn-trace-id"), [trace]);
    assert_eq!(
        seen.head.all("traceparent"),
        ["00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00"]
    );
    event["headers"]["traceparent"] = json!(own);
    let seen = stage.seen(Event::json(&event).header("Lambda-Runtime-Trace-Id", trace));
    assert_eq!(seen.head.all("traceparent"), [own]);
}

#[test]
fn a_trace_that_x_ray_did_not_write_makes_no_traceparent() {
    let stage = Stage::start();
    for trace in [
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "Root=;Parent=",
        "nothing",
        "Root=1-x-y;Parent=z;Sampled=1",
    ] {
        let seen = stage.seen(Event::get("/").header("Lambda-Runtime-Trace-Id", trace));
        assert_eq!(seen.head.header("traceparent"), None, "{trace}");
    }
}

#[test]
fn what_the_event_says_of_the_length_of_its_body_is_not_believed() {
    let stage = Stage::start();
    for front in FRONTS {
        for claim in ["0", "3", "999999", "-1", "five"] {
            let mut request = ClientRequest::get("/");
            "POST".clone_into(&mut request.method);
            request.body = b"exactly this".to_vec();
            request
                .headers
                .push(("content-length".to_owned(), claim.to_owned()));
            let seen = stage.seen_of(&front.event(&request));
            assert_eq!(
                seen.head.all("content-length"),
                ["12"],
                "{front:?}: {claim}"
            );
            assert_eq!(seen.body, b"exactly this", "{front:?}: {claim}");
        }
    }
}

#[test]
fn headers_of_one_connection_stop_before_the_app_whichever_front_they_came_through() {
    let stage = Stage::start();
    let hop_by_hop = [
        ("connection", "close, x-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic abc"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
    ];
    for front in FRONTS {
        let mut request = ClientRequest::get("/");
        "POST".clone_into(&mut request.method);
        request.body = b"body".to_vec();
        for (name, value) in hop_by_hop {
            request.headers.push((name.to_owned(), value.to_owned()));
        }
        let seen = stage.seen_of(&front.event(&request));
        for (name, value) in hop_by_hop {
            assert!(
                !seen.head.all(name).contains(&value),
                "{front:?}: {name} in {:?}",
                seen.head
            );
        }
        assert_eq!(seen.body, b"body", "{front:?}");
    }
}
