// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::settings::Environment;

const SECRET: HeaderValue = HeaderValue::from_static("0123456789abcdef");

fn settings(variables: &[(&str, &str)]) -> Settings {
    variables
        .iter()
        .copied()
        .collect::<Environment>()
        .settings()
        .unwrap()
}

fn ask(
    front: Front,
    variables: &[(&str, &str)],
    target: &str,
    headers: &[(&str, &str)],
) -> Result<Request<Bytes>, Refusal> {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::new()).unwrap();
    let context = Some("{\"stage\":\"prod\"}".to_owned());
    let trace = HeaderValue::from_static(
        "Root=1-6a8f3c21-4d1e7b0a95c2f8e3a6b47d10;Parent=53995c3f42cd8ad8;Sampled=1",
    );
    let facts = Facts {
        trace: Some(&trace),
        ..Facts::default()
    };
    apply(
        &settings(variables),
        &SECRET,
        Event {
            front,
            request,
            context,
        },
        facts,
    )
}

fn client(
    variables: &[(&str, &str)],
    target: &str,
    headers: &[(&str, &str)],
) -> Result<Request<Bytes>, Refusal> {
    ask(Front::FunctionUrl, variables, target, headers)
}

#[test]
fn the_app_is_told_the_context_and_the_trace() {
    let request = client(&[], "/x", &[]).unwrap();
    assert_eq!(
        request.headers()["x-amzn-request-context"],
        "{\"stage\":\"prod\"}"
    );
    assert_eq!(
        request.headers()["traceparent"],
        "00-6a8f3c214d1e7b0a95c2f8e3a6b47d10-53995c3f42cd8ad8-01"
    );
    let own = client(&[], "/x", &[("traceparent", "theirs")]).unwrap();
    assert_eq!(
        own.headers()["traceparent"],
        "theirs",
        "a client's own trace goes on"
    );
}

#[test]
fn an_event_goes_to_its_path_with_its_secret() {
    let request = ask(Front::Other(crate::front::Source::Sqs), &[], "/", &[]).unwrap();
    assert_eq!(request.uri(), "/events");
    assert_eq!(request.headers()["x-streamgate-event"], "sqs");
    assert_eq!(request.headers()["x-streamgate-event-secret"], SECRET);
    let request = ask(
        Front::WebSocket,
        &[("STREAMGATE_WEBSOCKET_PATH", "/ws")],
        "/?a=1",
        &[],
    )
    .unwrap();
    assert_eq!(request.uri(), "/ws?a=1");
}

#[test]
fn a_query_that_does_not_fit_behind_the_path_of_its_event_is_refused() {
    let path = format!("/{}", "p".repeat(100));
    let target = format!("/?{}", "q".repeat(usize::from(u16::MAX) - 10));
    let refusal = ask(
        Front::WebSocket,
        &[("STREAMGATE_WEBSOCKET_PATH", &path)],
        &target,
        &[],
    )
    .unwrap_err();
    assert_eq!(refusal, Refusal::TargetTooLong);
    assert_eq!(refusal.status(), 414);
}

#[test]
fn a_client_reaches_the_path_of_events_unless_that_is_private() {
    assert!(client(&[], "/events", &[]).is_ok());
    let private = &[("STREAMGATE_EVENTS_PATH_PRIVATE", "true")];
    for target in ["/events", "/%65vents?a=1", "//events/", "/websocket"] {
        assert_eq!(
            client(private, target, &[]).unwrap_err(),
            Refusal::PrivatePath,
            "{target}"
        );
    }
    assert!(client(private, "/events2", &[]).is_ok());
    let below = &[
        ("STREAMGATE_EVENTS_PATH_PRIVATE", "true"),
        ("STREAMGATE_BASE_PATH", "/api"),
    ];
    assert_eq!(
        client(below, "/api/events", &[]).unwrap_err(),
        Refusal::PrivatePath
    );
}

#[test]
fn a_required_header_has_to_be_there_with_its_value() {
    let required = &[("STREAMGATE_REQUIRE_HEADER", "x-verify: s3cret")];
    assert!(client(required, "/", &[("x-verify", "s3cret")]).is_ok());
    for headers in [
        &[][..],
        &[("x-verify", "s3cre")],
        &[("x-verify", "s3cret2")],
        &[("x-other", "s3cret")],
    ] {
        assert_eq!(
            client(required, "/", headers).unwrap_err(),
            Refusal::HeaderMissing,
            "{headers:?}"
        );
    }
    assert!(
        ask(Front::Other(crate::front::Source::Sqs), required, "/", &[]).is_ok(),
        "events have no client"
    );
}

#[test]
fn the_host_comes_from_a_proxy_only_if_it_proves_itself() {
    let trusted = &[
        ("STREAMGATE_HOST_FROM", "x-forwarded-host"),
        ("STREAMGATE_ORIGIN_SECRET", "x-origin: s3cret"),
    ];
    let host = |headers: &[(&str, &str)]| {
        let request = client(trusted, "/", headers).unwrap();
        assert!(
            !request.headers().contains_key("x-origin"),
            "the app does not see the secret"
        );
        request.headers()["host"].to_str().unwrap().to_owned()
    };
    let forwarded = ("x-forwarded-host", "www.example");
    assert_eq!(
        host(&[("host", "a.on.aws"), forwarded, ("x-origin", "s3cret")]),
        "www.example"
    );
    assert_eq!(
        host(&[("host", "a.on.aws"), forwarded, ("x-origin", "guess")]),
        "a.on.aws"
    );
    assert_eq!(host(&[("host", "a.on.aws"), forwarded]), "a.on.aws");
}

#[test]
fn headers_are_moved_copied_and_dropped_in_order() {
    let rules = &[
        ("STREAMGATE_AUTHORIZATION_SOURCE", "x-auth"),
        (
            "STREAMGATE_HEADER_MAP",
            "rename:x-a:x-b,copy:x-b:x-c,drop:x-d",
        ),
    ];
    let request = client(
        rules,
        "/",
        &[
            ("x-auth", "Bearer 1"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-b", "old"),
            ("x-d", "4"),
        ],
    );
    let request = request.unwrap();
    let values = |name: &str| {
        request
            .headers()
            .get_all(name)
            .iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(values("authorization"), ["Bearer 1"]);
    assert_eq!(
        (values("x-b"), values("x-c")),
        (
            vec![HeaderValue::from_static("1"), HeaderValue::from_static("2")],
            values("x-b")
        )
    );
    for gone in ["x-auth", "x-a", "x-d"] {
        assert!(values(gone).is_empty(), "{gone}");
    }
}

#[test]
fn a_base_path_is_told_where_it_was_taken_off() {
    let request = client(&[("STREAMGATE_BASE_PATH", "/api/")], "/api/items?a=1", &[]).unwrap();
    assert_eq!(request.uri(), "/items?a=1");
    assert_eq!(request.headers()["x-forwarded-prefix"], "/api");
    let other = client(&[("STREAMGATE_BASE_PATH", "/api")], "/apis", &[]).unwrap();
    assert_eq!(other.uri(), "/apis");
    assert!(!other.headers().contains_key("x-forwarded-prefix"));
}

#[test]
fn the_lambda_context_tells_of_the_function_as_web_adapter_does() {
    let environment: Environment = [
        ("AWS_LAMBDA_FUNCTION_NAME", "shop"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ]
    .into_iter()
    .collect();
    assert_eq!(
        env_config(&environment),
        r#"{"function_name":"shop","memory":512,"version":"$LATEST","log_stream":"","log_group":""}"#
    );
    let nothing = env_config(&Environment::default());
    assert!(
        nothing.starts_with(r#"{"function_name":"","memory":0,"#),
        "{nothing}"
    );
}

#[test]
fn the_lambda_context_is_ascii_and_survives_a_client_context_that_is_no_json() {
    let context = lambda_context([
        ("request_id", Field::Text("1\"2")),
        ("deadline", Field::Number(7)),
        ("client_context", Field::Json("{\"custom\":\"λ\"}")),
        ("identity", Field::Json("not json")),
        ("env_config", Field::Own("{}")),
    ]);
    assert_eq!(
        context.unwrap(),
        r#"{"request_id":"1\"2","deadline":7,"client_context":{"custom":"\u03bb"},"identity":null,"env_config":{}}"#
    );
}
