// SPDX-License-Identifier: Apache-2.0
//! The Telemetry API, with a real extension that subscribes to it.

use integration_tests::waiting::eventually;
use serde_json::{Value, json};

use crate::function::{Function, script};
use crate::sdk::SDKS;

/// With the extension, and `runtime.py` as the image's own entry point.
fn start(options: &[&str]) -> Function {
    let (extension, runtime) = (script("extension.py"), script("runtime.py"));
    let mut words = vec!["--extension", extension.to_str().unwrap()];
    words.extend(["--adapter", runtime.to_str().unwrap()]);
    words.extend(options);
    Function::with(&words, None)
}

fn parsed(function: &Function) -> Vec<Value> {
    let notes = function.notes();
    let values = notes.iter().filter(|note| note.starts_with('{'));
    values
        .filter_map(|note| serde_json::from_str(note).ok())
        .collect()
}

/// The events so far, once one of this type is among them.
fn events(function: &Function, until: &str) -> Vec<Value> {
    eventually(format!("{until} in {:?}", function.notes()), || {
        let events: Vec<Value> = parsed(function)
            .into_iter()
            .filter(|value| value.get("type").is_some())
            .collect();
        let there = events.iter().any(|event| event["type"] == until);
        there.then_some(events)
    })
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types.collect()
}

fn answer_to(function: &Function, call: &str) -> Value {
    eventually(format!("the answer to {call}"), || {
        let mut values = parsed(function).into_iter();
        values.find(|value| value["call"] == call)
    })
}

#[test]
fn an_extension_gets_platform_function_and_extension_events_in_order() {
    let mut function = start(&[]);
    let answer = SDKS[0].invoke(
        &function,
        &json!({ "do": "stream", "chunks": ["12345", "678"], "print": ["from the function"] }),
    );
    assert_eq!(answer["payload"], "12345678");
    let events = events(&function, "platform.report");
    // On a machine that is too busy for Lambda's limit of 10 s, init is made twice.
    let began = types(&events)
        .iter()
        .rposition(|kind| *kind == "platform.initStart");
    let events = events[began.unwrap()..].to_vec();
    let phase = if began == Some(0) { "init" } else { "invoke" };
    let platform: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"].as_str().unwrap().starts_with("platform."))
        .collect();
    let names: Vec<&str> = platform
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.initRuntimeDone",
            "platform.extension",
            "platform.initReport",
            "platform.start",
            "platform.runtimeDone",
            "platform.report",
        ]
    );
    let record = |at: usize| &platform[at]["record"];
    assert_eq!(record(0)["initializationType"], "on-demand");
    assert_eq!(record(0)["phase"], phase);
    assert_eq!(record(0)["functionName"], "local");
    assert_eq!(
        *record(1),
        json!({
            "name": "extension.py",
            "state": "Subscribed",
            "types": ["platform", "function", "extension"],
        })
    );
    assert_eq!(record(2)["status"], "success");
    assert_eq!(
        *record(3),
        json!({ "name": "extension.py", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"] })
    );
    assert!(record(4)["metrics"]["durationMs"].as_f64().unwrap() > 0.0);
    let id = record(5)["requestId"].as_str().unwrap();
    assert_eq!(record(5)["version"], "$LATEST");
    assert_eq!(record(6)["requestId"], id);
    assert_eq!(record(6)["metrics"]["producedBytes"], 8);
    assert_eq!(record(6)["spans"].as_array().unwrap().len(), 3);
    assert_eq!(record(7)["requestId"], id);
    assert_eq!(record(7)["status"], "success");
    assert_eq!(record(7)["metrics"]["memorySizeMB"], 128);
    // A line of the function stands between start and end of its invocation.
    let at = |wanted: &str, text: &str| {
        let found = events.iter().position(|event| {
            event["type"] == wanted && (text.is_empty() || event["record"] == text)
        });
        found.unwrap_or_else(|| panic!("no {wanted} {text}: {:?}", types(&events)))
    };
    let line = at("function", "from the function");
    assert!(at("platform.start", "") < line && line < at("platform.runtimeDone", ""));
    assert!(at("function", "the runtime starts") < at("platform.initRuntimeDone", ""));
    let _ = at("extension", "the extension starts");
    for event in &events {
        let time = event["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    function.stop();
}

#[test]
fn what_waits_is_delivered_at_the_shutdown() {
    // No batch is due by itself for half a minute.
    let mut function = start(&["--env", "TIMEOUT_MS=30000"]);
    let _ = SDKS[0].invoke(&function, &json!({ "do": "echo" }));
    function.stop();
    let events = events(&function, "platform.report");
    assert_eq!(events[0]["type"], "platform.initStart", "{events:?}");
}

#[test]
fn a_frozen_extension_gets_the_rest_when_it_goes_on() {
    let mut function = start(&["--freeze"]);
    let _ = SDKS[0].invoke(&function, &json!({ "do": "echo" }));
    let _ = function.program().stderr_line("REPORT RequestId: ");
    function.stop();
    let events = events(&function, "platform.report");
    let starts = types(&events);
    assert!(starts.contains(&"platform.runtimeDone"), "{events:?}");
}

#[test]
fn only_what_was_subscribed_to_is_sent() {
    let mut function = start(&["--env", "TYPES=function"]);
    let _ = SDKS[0].invoke(&function, &json!({ "print": ["the one"] }));
    let got = eventually("the line of the function", || {
        let got = events(&function, "function");
        let there = got.iter().any(|event| event["record"] == "the one");
        there.then_some(got)
    });
    assert!(
        types(&got).iter().all(|kind| *kind == "function"),
        "{got:?}"
    );
    function.stop();
}

#[test]
fn a_listener_that_fails_gets_its_batch_again() {
    let mut function = start(&["--env", "REFUSALS=2"]);
    let _ = SDKS[0].invoke(&function, &json!({ "do": "echo" }));
    let got = events(&function, "platform.report");
    assert_eq!(got[0]["type"], "platform.initStart", "{got:?}");
    let starts = types(&got)
        .iter()
        .filter(|kind| **kind == "platform.start")
        .count();
    assert_eq!(starts, 1, "{got:?}");
    function.stop();
}

#[test]
fn an_environment_that_falls_is_told_as_a_fault() {
    let mut function = start(&[]);
    let _ = SDKS[0].invoke(&function, &json!({ "do": "exit" }));
    let got = events(&function, "platform.fault");
    let fault = got.iter().find(|event| event["type"] == "platform.fault");
    let text = fault.unwrap()["record"].as_str().unwrap();
    assert!(
        text.starts_with("RequestId: ") && text.contains("exit status: 7"),
        "{text}"
    );
    let done = events(&function, "platform.runtimeDone");
    let done = done
        .iter()
        .find(|event| event["type"] == "platform.runtimeDone");
    let record = &done.unwrap()["record"];
    assert_eq!(record["status"], "failure");
    assert_eq!(record["errorType"], "Runtime.ExitError");
    function.stop();
}

#[test]
fn subscriptions_are_refused_as_by_the_service() {
    let mut function = start(&[]);
    let _ = SDKS[0].invoke(&function, &json!({ "do": "echo" }));
    for (call, status, words) in [
        ("logs", 202, "Logs.NotSupported"),
        ("tcp", 400, "ValidationError"),
        ("stranger", 403, "Extension.UnknownExtensionIdentifier"),
        ("telemetry", 200, "OK"),
        ("late", 403, "Telemetry.SubscriptionClosed"),
    ] {
        let answer = answer_to(&function, call);
        assert_eq!(answer["status"], status, "{answer}");
        assert!(answer["body"].as_str().unwrap().contains(words), "{answer}");
    }
    function.stop();
}
