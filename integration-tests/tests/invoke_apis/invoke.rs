// SPDX-License-Identifier: Apache-2.0
//! `Invoke` by unmodified SDKs.

use integration_tests::gate::Gate;
use integration_tests::waiting::eventually;
use serde_json::{Value, json};

use crate::function::Function;
use crate::sdk::{INVOKE, SDKS};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:local";

fn payload(answer: &Value) -> Value {
    serde_json::from_str(answer["payload"].as_str().unwrap()).unwrap()
}

#[test]
fn an_unmodified_sdk_invokes_and_gets_the_payload() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        let answer = sdk.invoke(&function, &json!({ "do": "echo", "text": "ä" }));
        assert_eq!(answer["status"], 200, "{sdk:?} {answer}");
        assert_eq!(answer["version"], "$LATEST");
        assert_eq!(answer.get("error"), None);
        assert_eq!(answer.get("log"), None);
        let echoed = payload(&answer);
        assert_eq!(echoed["event"], json!({ "do": "echo", "text": "ä" }));
        assert_eq!(echoed["arn"], ARN);
        // No payload at all is an empty object.
        let answer = sdk.call(&function, INVOKE, &json!({ "FunctionName": "local" }));
        assert_eq!(payload(&answer)["event"], json!({}));
    }
    function.stop();
}

#[test]
fn arns_qualifiers_and_the_client_context_reach_the_function() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        for (name, qualifier, arn, version) in [
            (ARN, None, ARN.to_owned(), "$LATEST"),
            ("local:live", None, format!("{ARN}:live"), "$LATEST"),
            ("local", Some("7"), format!("{ARN}:7"), "7"),
            (
                "123456789012:function:local",
                Some("$LATEST"),
                format!("{ARN}:$LATEST"),
                "$LATEST",
            ),
        ] {
            let mut input = json!({
                "FunctionName": name,
                // {"custom":{"key":"value"}}
                "ClientContext": "eyJjdXN0b20iOnsia2V5IjoidmFsdWUifX0=",
            });
            if let Some(qualifier) = qualifier {
                input["Qualifier"] = json!(qualifier);
            }
            let answer = sdk.call(&function, INVOKE, &input);
            assert_eq!(answer["version"], version, "{sdk:?} {name} {answer}");
            let echoed = payload(&answer);
            assert_eq!(echoed["arn"], arn);
            assert_eq!(echoed["client_context"], r#"{"custom":{"key":"value"}}"#);
        }
    }
    function.stop();
}

#[test]
fn the_tail_of_the_log_comes_with_the_answer() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        let event = json!({ "print": ["one line", "another"] });
        let answer = sdk.call(
            &function,
            INVOKE,
            &json!({ "FunctionName": "local", "LogType": "Tail", "Payload": event.to_string() }),
        );
        let log = answer["log"].as_str().unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 5, "{sdk:?} {log}");
        assert!(lines[0].starts_with("START RequestId: "), "{log}");
        assert_eq!(lines[1..3], ["one line", "another"]);
        assert!(lines[3].starts_with("END RequestId: "), "{log}");
        assert!(lines[4].starts_with("REPORT RequestId: "), "{log}");
    }
    // What the function wrote is passed on, too.
    let _ = function.program().stdout_line("another");
    function.stop();
}

#[test]
fn a_tail_has_four_kilobytes_at_most() {
    let function = Function::start(&[]);
    let lines: Vec<String> = (0..500)
        .map(|number| format!("line {number} of many"))
        .collect();
    let event = json!({ "print": lines });
    let answer = SDKS[0].call(
        &function,
        INVOKE,
        &json!({ "FunctionName": "local", "LogType": "Tail", "Payload": event.to_string() }),
    );
    let log = answer["log"].as_str().unwrap();
    assert_eq!(log.len(), 4096);
    assert!(log.contains("\nline 499 of many\nEND RequestId: "), "{log}");
}

#[test]
fn a_function_error_is_marked_and_is_what_the_runtime_reported() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        let answer = sdk.invoke(&function, &json!({ "do": "fail" }));
        assert_eq!(answer["status"], 200, "{sdk:?} {answer}");
        assert_eq!(answer["error"], "Unhandled");
        assert_eq!(
            payload(&answer),
            json!({ "errorMessage": "as asked", "errorType": "Runtime.AsAsked", "stackTrace": [] })
        );
    }
    function.stop();
}

#[test]
fn a_runtime_that_ends_or_answers_too_much_is_a_function_error() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        for (event, error_type, words) in [
            (
                json!({ "do": "exit" }),
                "Runtime.ExitError",
                "exit status: 7",
            ),
            (
                json!({ "do": "large", "size": 6 * 1024 * 1024 + 200 }),
                "Function.ResponseSizeTooLarge",
                "(6291556 bytes)",
            ),
        ] {
            let answer = sdk.invoke(&function, &event);
            assert_eq!(answer["status"], 200, "{sdk:?} {answer}");
            assert_eq!(answer["error"], "Unhandled");
            let told = payload(&answer);
            assert_eq!(told["errorType"], error_type);
            assert!(
                told["errorMessage"].as_str().unwrap().contains(words),
                "{told}"
            );
        }
    }
    function.stop();
}

#[test]
fn a_function_that_takes_too_long_is_a_function_error() {
    for sdk in SDKS {
        // Of its own for each: an init inside an invocation would be under the timeout, too.
        let gate = Gate::bind();
        let mut function = Function::gated(&["--timeout", "1"], Some(&gate));
        let answer = sdk.invoke(&function, &json!({ "do": "sleep" }));
        assert_eq!(answer["error"], "Unhandled", "{sdk:?} {answer}");
        let told = payload(&answer);
        assert_eq!(told["errorType"], "Sandbox.Timedout");
        let message = told["errorMessage"].as_str().unwrap();
        assert!(
            message.contains("Task timed out after 1.00 seconds"),
            "{told}"
        );
        function.stop();
    }
}

#[test]
fn a_dry_run_invokes_nothing() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        let input = json!({ "FunctionName": "local", "InvocationType": "DryRun" });
        assert_eq!(
            sdk.call(&function, INVOKE, &input)["status"],
            204,
            "{sdk:?}"
        );
    }
    let _ = SDKS[0].invoke(&function, &json!({ "do": "echo" }));
    assert_eq!(function.notes().len(), 1, "{:?}", function.notes());
    function.stop();
}

#[test]
fn an_event_is_taken_at_once_and_tried_again_twice() {
    let gate = Gate::bind();
    let mut function = Function::gated(&["--retry-interval", "0.01"], Some(&gate));
    for (round, sdk) in SDKS.into_iter().enumerate() {
        let event = json!({ "do": "fail", "gated": true });
        let input = json!({
            "FunctionName": "local",
            "InvocationType": "Event",
            "Payload": event.to_string(),
        });
        // The function waits at its gate when the caller has its answer.
        assert_eq!(
            sdk.call(&function, INVOKE, &input)["status"],
            202,
            "{sdk:?}"
        );
        for _ in 0..3 {
            gate.accept().open();
        }
        eventually("the event to be given up", || {
            let lines = function.program().stderr();
            let given_up = lines
                .iter()
                .filter(|line| line.contains("ABANDONED RequestId: "));
            (given_up.count() == round + 1).then_some(())
        });
        let _ = sdk.invoke(&function, &json!({ "do": "echo" }));
        let notes = function.notes();
        assert_eq!(notes.len(), 4 * (round + 1), "{notes:?}");
        let ids: Vec<&str> = notes[4 * round..]
            .iter()
            .map(|note| note.split(' ').next().unwrap())
            .collect();
        // The attempts share their request id.
        assert!(
            ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3],
            "{ids:?}"
        );
    }
    function.stop();
}

#[test]
fn the_services_errors_are_the_sdks_exceptions() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        for (input, exception, status) in [
            (
                json!({ "FunctionName": "other" }),
                "ResourceNotFoundException",
                404,
            ),
            (
                json!({ "FunctionName": "local", "Payload": "no json" }),
                "InvalidRequestContentException",
                400,
            ),
            (
                json!({ "FunctionName": "local:a", "Qualifier": "b" }),
                "InvalidParameterValueException",
                400,
            ),
            (
                json!({ "FunctionName": "local", "PayloadSize": 6 * 1024 * 1024 + 1 }),
                "RequestTooLargeException",
                413,
            ),
            (
                json!({ "FunctionName": "local", "PayloadSize": 1024 * 1024 + 1, "InvocationType": "Event" }),
                "RequestTooLargeException",
                413,
            ),
        ] {
            let answer = sdk.call(&function, INVOKE, &input);
            assert_eq!(answer["exception"], exception, "{sdk:?} {answer}");
            assert_eq!(answer["status"], status);
        }
        let largest = json!({
            "FunctionName": "local",
            "PayloadSize": 1024 * 1024,
            "InvocationType": "DryRun",
        });
        assert_eq!(
            sdk.call(&function, INVOKE, &largest)["status"],
            204,
            "{sdk:?}"
        );
    }
    assert!(function.notes().is_empty(), "{:?}", function.notes());
    function.stop();
}

#[test]
fn a_streamed_reply_to_invoke_is_collected_as_it_is() {
    let mut function = Function::start(&[]);
    let prelude = "{\"statusCode\":200}\0\0\0\0\0\0\0\0";
    for sdk in SDKS {
        let event = json!({
            "do": "stream",
            "type": "application/vnd.awslambda.http-integration-response",
            "chunks": [prelude, "one ", "two"],
        });
        let answer = sdk.invoke(&function, &event);
        assert_eq!(answer["payload"], format!("{prelude}one two"), "{sdk:?}");
        let event = json!({ "do": "stream", "chunks": ["lost"], "end": "trailers" });
        let answer = sdk.invoke(&function, &event);
        assert_eq!(answer["error"], "Unhandled", "{sdk:?} {answer}");
        assert_eq!(payload(&answer)["errorMessage"], "in the middle");
    }
    function.stop();
}
