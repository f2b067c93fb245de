// SPDX-License-Identifier: Apache-2.0
//! What scripts use: events as JSON, and `.env` files.

use std::io::Write;

use serde_json::{Value, json};

use crate::function::Function;
use crate::sdk::SDKS;

fn objects(function: &Function) -> Vec<Value> {
    let lines = function.program().stdout();
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn with_json_each_event_is_an_object_and_nothing_else_is_written() {
    let mut function = Function::start(&["--json"]);
    let _ = SDKS[0].invoke(
        &function,
        &json!({ "do": "stream", "chunks": ["12345"], "print": ["a line"] }),
    );
    let _ = SDKS[0].invoke(&function, &json!({ "do": "exit" }));
    let _ = SDKS[0].invoke(&function, &json!({ "do": "echo" }));
    function.stop();
    let objects = objects(&function);
    let of = |event: &str| {
        let found: Vec<&Value> = objects.iter().filter(|one| one["event"] == event).collect();
        assert!(!found.is_empty(), "no {event} in {objects:#?}");
        found
    };
    let ready = of("ready")[0];
    assert!(
        ready["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    assert_eq!(ready["invoke_api_url"], format!("{}/", function.endpoint()));
    assert_eq!(
        (&ready["front"], &ready["invoke_mode"]),
        (&json!("url"), &json!("RESPONSE_STREAM"))
    );
    let inits = of("init_end");
    assert!(
        inits.iter().any(|end| end["status"] == "success"),
        "{inits:?}"
    );
    let id = of("invocation_start")[0]["request_id"].as_str().unwrap();
    let done = of("runtime_done")[0];
    assert_eq!(
        (&done["request_id"], &done["bytes"]),
        (&json!(id), &json!(5))
    );
    assert!(done["first_byte_ms"].as_f64().unwrap() <= done["duration_ms"].as_f64().unwrap());
    let ends = of("invocation_end");
    assert_eq!(ends[0]["request_id"], id);
    assert_eq!(ends[0]["status"], "success");
    assert_eq!(ends[1]["status"], "error");
    assert_eq!(ends[1]["error_type"], "Runtime.ExitError");
    let request = of("request")[0];
    assert_eq!(request["request_id"], id);
    assert_eq!(
        (&request["status"], &request["bytes"]),
        (&json!(200), &json!(5))
    );
    assert_eq!(
        (&request["method"], &request["end"]),
        (&json!("POST"), &json!("complete"))
    );
    let logs = of("log");
    let line = logs.iter().find(|log| log["line"] == "a line").unwrap();
    assert_eq!(
        (&line["source"], &line["stream"]),
        (&json!("function"), &json!("stdout"))
    );
    assert_eq!(of("shutdown").last().unwrap()["reason"], "spindown");
    for object in &objects {
        assert!(
            object["event"] == "ready" || object["time"].is_string(),
            "{object}"
        );
    }
    assert!(
        function.program().stderr().is_empty(),
        "{:?}",
        function.program().stderr()
    );
}

#[test]
fn an_env_file_gives_variables_that_env_overrides() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = "# of the app\nPLAIN=a b # c\nexport QUOTED=\"x\\ny\"\nDOLLAR='$HOME'\nOVER=file\n";
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let mut function = Function::start(&["--env-file", path, "--env", "OVER=option"]);
    let names = ["PLAIN", "QUOTED", "DOLLAR", "OVER"];
    let answer = SDKS[0].invoke(&function, &json!({ "do": "echo", "variables": names }));
    let payload: Value = serde_json::from_str(answer["payload"].as_str().unwrap()).unwrap();
    assert_eq!(
        payload["variables"],
        json!({ "PLAIN": "a b", "QUOTED": "x\ny", "DOLLAR": "$HOME", "OVER": "option" })
    );
    function.stop();
}
