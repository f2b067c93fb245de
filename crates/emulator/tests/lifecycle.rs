// SPDX-License-Identifier: Apache-2.0
//! Phases, extensions, faults and the end of an environment.

mod support;

use std::fs;
use std::time::Duration;

use streamgate_emulator::{Entry, InitPhase, MemoryLimit};
use support::{Lambda, PATIENCE, post};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const SLEEP: &str = "exec sleep 1000";
/// Says that it was started, and when it got SIGTERM.
const TERMINABLE: &str =
    "trap 'echo term > $DIR/term; exit 0' TERM\necho up > $DIR/up\nwhile :; do sleep 0.01; done";
/// Exits once the test says so.
const OBEDIENT: &str = "while [ ! -e $DIR/leave ]; do sleep 0.01; done";

fn answer(lambda: &Lambda) {
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    post.write(b"0\r\n\r\n");
    assert_eq!(post.message().status, 202);
}

fn init_failure(lambda: &Lambda) -> (InitPhase, String, String) {
    lambda.entry(|entry| match entry {
        Entry::InitFailed {
            phase,
            error_type,
            message,
            ..
        } => Some((phase, error_type, message)),
        _ => None,
    })
}

#[test]
fn the_runtime_starts_after_the_extensions_have_registered() {
    let lambda = Lambda::with_scripts(TERMINABLE, &[("one", SLEEP), ("two", SLEEP)], |_| ());
    let one = lambda.register("one", "");
    assert!(!lambda.path("up").exists());
    let two = lambda.register("two", "\"INVOKE\"");
    lambda.file("up");
    let _client = lambda.request(GET);
    let _idle = lambda.extension_next(&one);
    let mut invoked = lambda.extension_next(&two);
    let event = lambda.next();
    let told = invoked.message();
    assert!(
        told.headers
            .contains_key("lambda-extension-event-identifier")
    );
    let told = told.json();
    assert_eq!(told["eventType"], "INVOKE");
    assert_eq!(told["requestId"], event.request_id());
    assert_eq!(
        told["deadlineMs"].to_string(),
        event.headers["lambda-runtime-deadline-ms"]
    );
    assert_eq!(
        told["tracing"]["value"],
        event.headers["lambda-runtime-trace-id"].as_str()
    );
}

#[test]
fn the_next_event_waits_for_extensions_and_runtime() {
    let lambda = Lambda::with_scripts(SLEEP, &[("one", SLEEP)], |_| ());
    let id = lambda.register("one", "\"INVOKE\"");
    let mut client = lambda.request(GET);
    let mut invoked = lambda.extension_next(&id);
    answer(&lambda);
    assert_eq!(
        client.message().status,
        200,
        "the client is served before the invocation is over"
    );
    assert_eq!(invoked.message().json()["eventType"], "INVOKE");
    let _second = lambda.request("GET /second HTTP/1.1\r\nhost: x\r\n\r\n");
    let waiting =
        lambda.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    let _again = lambda.extension_next(&id);
    let mut waiting = waiting;
    assert_eq!(waiting.message().json()["rawPath"], "/second");
}

#[test]
fn a_function_error_is_a_502() {
    let lambda = Lambda::start(|_| ());
    let mut client = lambda.request(GET);
    let path = format!(
        "/2018-06-01/runtime/invocation/{}/error",
        lambda.next().request_id()
    );
    let report = post(
        &path,
        "lambda-runtime-function-error-type: Function.Demo\r\n",
        "{\"errorMessage\":\"on purpose\"}",
    );
    assert_eq!(lambda.call(&report).message().status, 202);
    let response = client.message();
    assert_eq!(
        (response.status, response.text()),
        (502, "Internal Server Error".to_owned())
    );
}

#[test]
fn calls_out_of_turn_are_refused_by_name() {
    let lambda = Lambda::start(|_| ());
    let refusal = |text: &str| {
        let answer = lambda.call(text).message();
        (
            answer.status,
            answer.json()["errorType"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let respond = |id: &str, headers: &str| {
        post(
            &format!("/2018-06-01/runtime/invocation/{id}/response"),
            headers,
            "x",
        )
    };
    assert_eq!(
        refusal(&respond("none", "")),
        (400, "InvalidRequestID".into())
    );
    let _client = lambda.request(GET);
    let id = lambda.next().request_id();
    assert_eq!(
        refusal(&respond(&id, "lambda-runtime-invocation-id: stale\r\n")),
        (410, "InvokeTimeout".into())
    );
    assert_eq!(
        refusal(&post("/2018-06-01/runtime/init/error", "", "{}")),
        (403, "InvalidStateTransition".into())
    );
    assert_eq!(
        refusal(&respond(
            &id,
            "lambda-runtime-function-response-mode: bulk\r\n"
        )),
        (400, "InvalidFunctionResponseMode".into())
    );
    assert_eq!(lambda.call(&respond(&id, "")).message().status, 403);
    assert_eq!(
        lambda
            .call(&post("/2018-06-01/nowhere", "", ""))
            .message()
            .status,
        404
    );
}

#[test]
fn extensions_that_are_not_known_are_refused_by_name() {
    let lambda = Lambda::start(|_| ());
    let refusal = |answer: support::Message| (answer.status, answer.json()["errorType"].clone());
    for (header, error_type) in [
        ("", "Extension.MissingExtensionIdentifier"),
        (
            "lambda-extension-identifier: x\r\n",
            "Extension.InvalidExtensionIdentifier",
        ),
        (
            "lambda-extension-identifier: 6d0c6fd4-3f0c-4c3c-9f6e-3f8a1f8f7a11\r\n",
            "Extension.UnknownExtensionIdentifier",
        ),
    ] {
        let text =
            format!("GET /2020-01-01/extension/event/next HTTP/1.1\r\nhost: x\r\n{header}\r\n");
        assert_eq!(
            refusal(lambda.call(&text).message()),
            (403, error_type.into())
        );
    }
    assert_eq!(
        refusal(lambda.try_register("inner", "\"SHUTDOWN\"")),
        (403, "Extension.InvalidEventType".into())
    );
    let _client = lambda.request(GET);
    lambda.next();
    assert_eq!(
        refusal(lambda.try_register("late", "")),
        (403, "Extension.RegistrationClosed".into())
    );
}

#[test]
fn a_runtime_that_exits_fails_init_and_is_started_again_by_the_next_request() {
    let lambda = Lambda::with_scripts("exit 7", &[], |_| ());
    let (phase, error_type, message) = init_failure(&lambda);
    assert_eq!(
        (phase, error_type.as_str()),
        (InitPhase::Init, "Runtime.ExitError")
    );
    assert!(message.contains("exit status: 7"), "{message}");
    assert_eq!(lambda.request(GET).message().status, 502);
    assert_eq!(init_failure(&lambda).0, InitPhase::Invoke);
}

#[test]
fn an_init_that_takes_too_long_is_repeated_inside_the_next_invocation() {
    let lambda = Lambda::start(|_| ());
    let line = lambda.entry_within(3 * PATIENCE, |entry| match entry {
        Entry::InitFailed { .. } => Some(entry.to_string()),
        _ => None,
    });
    assert!(line.contains("\tPhase: init\tStatus: timeout\n"), "{line}");
    assert!(line.contains("init not done after 10.00 seconds"), "{line}");
    let mut client = lambda.request(GET);
    // A call before it would be one to the environment that has failed.
    lambda.entry(|entry| matches!(entry, Entry::InitStart { .. }).then_some(()));
    answer(&lambda);
    assert_eq!(client.message().status, 200);
    // That init is part of the invocation, which ends with the next poll, and is not told by itself.
    let _poll = lambda.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    let init = lambda.entry(|entry| match entry {
        Entry::Report { init, .. } => Some(init),
        _ => None,
    });
    assert_eq!(init, None);
}

#[test]
fn a_runtime_that_uses_too_much_memory_is_killed_and_its_environment_falls() {
    let greedy = "exec python3 -c 'import time; x = b\"x\" * 300_000_000; time.sleep(1000)'";
    let lambda = Lambda::with_scripts(greedy, &[], |settings| {
        settings.memory_limit = MemoryLimit::Enforced;
    });
    let (_, error_type, message) = init_failure(&lambda);
    assert_eq!(error_type, "Runtime.OutOfMemory");
    assert!(message.contains("signal: killed"), "{message}");
}

#[test]
fn a_reported_init_error_is_told_with_its_type() {
    let lambda = Lambda::with_scripts(
        "while [ ! -e $DIR/leave ]; do sleep 0.01; done; exit 1",
        &[],
        |_| (),
    );
    let report = post(
        "/2018-06-01/runtime/init/error",
        "lambda-runtime-function-error-type: Runtime.NoApp\r\n",
        "{\"errorMessage\":\"app exited with 3\"}",
    );
    assert_eq!(lambda.call(&report).message().status, 202);
    fs::write(lambda.path("leave"), "").unwrap();
    let (_, error_type, message) = init_failure(&lambda);
    assert_eq!(error_type, "Runtime.NoApp");
    assert!(message.contains("app exited with 3"), "{message}");
}

#[test]
fn a_missing_runtime_program_is_named() {
    let lambda = Lambda::with_scripts("", &[], |settings| {
        settings.shape = streamgate_emulator::Shape::ImageAttach {
            command: vec!["no-such-program-here".into()],
        };
    });
    let (_, error_type, message) = init_failure(&lambda);
    assert_eq!(error_type, "Runtime.InvalidEntrypoint");
    assert!(message.contains("no-such-program-here"), "{message}");
}

#[test]
fn an_extension_that_exits_fails_the_invocation() {
    let lambda = Lambda::with_scripts(SLEEP, &[("one", OBEDIENT)], |_| ());
    let id = lambda.register("one", "");
    let _idle = lambda.extension_next(&id);
    let mut client = lambda.request(GET);
    lambda.next();
    fs::write(lambda.path("leave"), "").unwrap();
    assert_eq!(client.message().status, 502);
    let status = lambda.entry(|entry| match entry {
        Entry::Report { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status.as_deref(), Some("Extension.Crash"));
}

#[test]
fn a_timeout_resets_the_environment_and_tells_extensions_why() {
    let lambda = Lambda::with_scripts(SLEEP, &[("one", OBEDIENT)], |settings| {
        settings.timeout = Duration::from_millis(200);
    });
    let id = lambda.register("one", "\"SHUTDOWN\"");
    let mut told = lambda.extension_next(&id);
    let mut client = lambda.request(GET);
    lambda.next();
    assert_eq!(client.message().status, 502);
    let event = told.message().json();
    assert_eq!(
        (&event["eventType"], &event["shutdownReason"]),
        (&"SHUTDOWN".into(), &"timeout".into())
    );
    fs::write(lambda.path("leave"), "").unwrap();
}

#[test]
fn without_extensions_the_runtime_is_killed_without_notice() {
    let mut lambda = Lambda::with_scripts(TERMINABLE, &[], |_| ());
    lambda.file("up");
    let _poll = lambda.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    lambda.entry(|entry| matches!(entry, Entry::InitDone { .. }).then_some(()));
    let took = lambda.begin_shutdown().recv_timeout(PATIENCE).unwrap();
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert!(!lambda.path("term").exists());
}

#[test]
fn an_internal_extension_earns_the_runtime_a_sigterm() {
    let mut lambda = Lambda::with_scripts(TERMINABLE, &[], |_| ());
    lambda.file("up");
    let id = lambda.register("inner", "");
    let _idle = lambda.extension_next(&id);
    let _poll = lambda.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    lambda.entry(|entry| matches!(entry, Entry::InitDone { .. }).then_some(()));
    lambda.begin_shutdown().recv_timeout(PATIENCE).unwrap();
    assert_eq!(lambda.file("term"), "term\n");
}

#[test]
fn shutdown_terminates_the_runtime_first_and_then_tells_the_extensions() {
    let mut lambda =
        Lambda::with_scripts(TERMINABLE, &[("one", OBEDIENT), ("silent", SLEEP)], |_| ());
    let one = lambda.register("one", "\"SHUTDOWN\"");
    let silent = lambda.register("silent", "");
    lambda.file("up");
    let mut told = lambda.extension_next(&one);
    let _idle = lambda.extension_next(&silent);
    let _poll = lambda.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    lambda.entry(|entry| matches!(entry, Entry::InitDone { .. }).then_some(()));
    let done = lambda.begin_shutdown();
    let event = told.message().json();
    assert!(
        lambda.path("term").exists(),
        "SIGTERM comes before SHUTDOWN"
    );
    assert_eq!(
        (&event["eventType"], &event["shutdownReason"]),
        (&"SHUTDOWN".into(), &"spindown".into())
    );
    fs::write(lambda.path("leave"), "").unwrap();
    let took = done.recv_timeout(PATIENCE).unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn an_extension_that_stays_is_killed_at_the_deadline() {
    let stubborn = "trap '' TERM\necho up > $DIR/up\nwhile :; do sleep 0.01; done";
    let mut lambda = Lambda::with_scripts(stubborn, &[("one", SLEEP)], |_| ());
    let one = lambda.register("one", "\"SHUTDOWN\"");
    let _told = lambda.extension_next(&one);
    lambda.file("up");
    let _poll = lambda.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    lambda.entry(|entry| matches!(entry, Entry::InitDone { .. }).then_some(()));
    let took = lambda.begin_shutdown().recv_timeout(PATIENCE).unwrap();
    assert!(took >= Duration::from_secs(2), "{took:?}");
    let mut killed = Vec::new();
    while killed.len() < 2 {
        killed.push(lambda.entry(|entry| match entry {
            Entry::Killed { process, .. } => Some(process),
            _ => None,
        }));
    }
    assert_eq!(killed, ["runtime process", "extension \"one\""]);
}

#[test]
fn a_process_that_left_its_group_does_not_outlive_the_environment() {
    let mut lambda =
        Lambda::with_scripts("setsid sleep 1000 & echo $! > $DIR/pid\nwait", &[], |_| ());
    let pid = lambda.file("pid");
    let _poll = lambda.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n");
    lambda.entry(|entry| matches!(entry, Entry::InitDone { .. }).then_some(()));
    lambda.begin_shutdown().recv_timeout(PATIENCE).unwrap();
    // Gone, or a zombie that nobody has waited for.
    let status =
        fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_else(|_| "Z".to_owned());
    assert!(status.contains('Z'), "{status}");
}
