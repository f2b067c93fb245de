// SPDX-License-Identifier: Apache-2.0
//! `InvokeWithResponseStream` by unmodified SDKs.

use integration_tests::gate::Gate;
use serde_json::{Value, json};

use crate::function::Function;
use crate::sdk::{SDKS, STREAM, Sdk};

fn input(event: &Value) -> Value {
    json!({ "FunctionName": "local", "Payload": event.to_string() })
}

fn streamed(sdk: Sdk, function: &Function, input: &Value) -> Vec<Value> {
    sdk.begin(function, STREAM, input).finish()
}

#[test]
fn each_piece_is_an_event_as_it_comes() {
    let gate = Gate::bind();
    let mut function = Function::gated(&[], Some(&gate));
    for sdk in SDKS {
        let event = json!({ "do": "stream", "gated": true, "chunks": ["one", "two", "three"] });
        let mut call = sdk.begin(&function, STREAM, &input(&event));
        let mut keeper = gate.accept();
        // Each is here while the next one has not been sent.
        for (number, chunk) in ["one", "two", "three"].into_iter().enumerate() {
            assert_eq!(
                call.line(&format!("\"{chunk}\"")),
                json!({ "chunk": chunk }),
                "{sdk:?}"
            );
            assert_eq!(
                call.so_far().len(),
                number + 2,
                "{sdk:?}: {:?}",
                call.so_far()
            );
            keeper.open();
        }
        let lines = call.finish();
        assert_eq!(
            lines[0],
            json!({ "status": 200, "version": "$LATEST", "type": "application/vnd.amazon.eventstream" }),
            "{sdk:?}"
        );
        assert_eq!(lines[4..], [json!({ "complete": {} })], "{sdk:?}");
    }
    function.stop();
}

#[test]
fn a_stream_that_fails_ends_with_code_and_details() {
    let gate = Gate::bind();
    let mut function = Function::gated(&[], Some(&gate));
    for sdk in SDKS {
        for (end, code, words) in [
            ("trailers", "Runtime.StreamError", "in the middle"),
            ("cut", "Unhandled", "Runtime.TruncatedResponse"),
            // Its POST breaks off and the process ends: whichever is seen first.
            ("exit", "Unhandled", "\"errorType\":\"Runtime."),
        ] {
            let event = json!({ "do": "stream", "gated": true, "chunks": ["some"], "end": end });
            let mut call = sdk.begin(&function, STREAM, &input(&event));
            let mut keeper = gate.accept();
            let _ = call.line("\"some\"");
            keeper.open();
            let lines = call.finish();
            assert_eq!(lines[1], json!({ "chunk": "some" }), "{sdk:?} {end}");
            let complete = &lines[2]["complete"];
            assert_eq!(complete["ErrorCode"], code, "{sdk:?} {end} {lines:?}");
            let details = complete["ErrorDetails"].as_str().unwrap();
            assert!(details.contains(words), "{sdk:?} {end} {details}");
        }
    }
    function.stop();
}

#[test]
fn a_function_error_is_told_at_the_streams_end() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        let lines = streamed(sdk, &function, &input(&json!({ "do": "fail" })));
        assert_eq!(lines.len(), 2, "{sdk:?} {lines:?}");
        let complete = &lines[1]["complete"];
        assert_eq!(complete["ErrorCode"], "Unhandled");
        let details: Value =
            serde_json::from_str(complete["ErrorDetails"].as_str().unwrap()).unwrap();
        assert_eq!(details["errorMessage"], "as asked");
    }
    function.stop();
}

#[test]
fn the_tail_of_the_log_comes_with_the_streams_end() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        let event = json!({ "do": "stream", "chunks": ["x"], "print": ["from the function"] });
        let mut input = input(&event);
        input["LogType"] = json!("Tail");
        let lines = streamed(sdk, &function, &input);
        let log = lines[2]["complete"]["LogResult"].as_str().unwrap();
        assert!(log.starts_with("START RequestId: "), "{sdk:?} {log}");
        assert!(log.contains("\nfrom the function\n"), "{sdk:?} {log}");
        assert!(log.contains("\nREPORT RequestId: "), "{sdk:?} {log}");
    }
    function.stop();
}

#[test]
fn a_large_stream_arrives_whole() {
    let mut function = Function::start(&[]);
    let chunk = "0123456789abcdef";
    for sdk in SDKS {
        let event = json!({ "do": "stream", "chunks": [chunk], "times": 128 * 1024 });
        let lines = streamed(sdk, &function, &input(&event));
        let chunks = lines.iter().filter_map(|line| line["chunk"].as_str());
        assert_eq!(
            chunks.collect::<String>(),
            chunk.repeat(128 * 1024),
            "{sdk:?}"
        );
        assert_eq!(lines.last().unwrap(), &json!({ "complete": {} }));
    }
    function.stop();
}

#[test]
fn errors_before_the_stream_are_exceptions() {
    let mut function = Function::start(&[]);
    for sdk in SDKS {
        for (input, exception) in [
            (
                json!({ "FunctionName": "other" }),
                "ResourceNotFoundException",
            ),
            (
                json!({ "FunctionName": "local", "Payload": "no json" }),
                "InvalidRequestContentException",
            ),
        ] {
            let answer = sdk.call(&function, STREAM, &input);
            assert_eq!(answer["exception"], exception, "{sdk:?} {answer}");
        }
    }
    function.stop();
}
