// SPDX-License-Identifier: Apache-2.0
//! Other adapters and runtimes than Streamgate's.

use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::binaries::{misbehave, repository, streamgate, web_adapter};
use integration_tests::event::function_url;
use integration_tests::gate::Gate;
use integration_tests::http;
use serde_json::{Value, json};

use crate::function::Function;
use crate::sdk::{SDKS, STREAM};

/// Cargo's target folder.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn cargo(arguments: &[&str]) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = command
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
}

fn url(function: &Function) -> std::net::SocketAddr {
    let line = function.program().stdout_line("Function URL");
    let rest = line.strip_prefix("Function URL  http://").unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

#[test]
fn streamgates_own_adapter_streams_to_an_sdk() {
    let gate = Gate::bind();
    let (adapter, app) = (streamgate(), misbehave());
    let mut function = Function::with(
        &[
            "--adapter",
            adapter.to_str().unwrap(),
            "--",
            app.to_str().unwrap(),
        ],
        Some(&gate),
    );
    let event = function_url("GET", "/gated?chunks=2").to_string();
    for sdk in SDKS {
        let input = json!({ "FunctionName": "local", "Payload": event });
        let mut call = sdk.begin(&function, STREAM, &input);
        let mut keeper = gate.accept();
        for number in 0..2 {
            keeper.open();
            let _ = call.line(&format!("chunk {number}"));
        }
        let lines = call.finish();
        let text: String = lines
            .iter()
            .filter_map(|line| line["chunk"].as_str())
            .collect();
        let (prelude, body) = text.split_once("\0\0\0\0\0\0\0\0").unwrap();
        let prelude: Value = serde_json::from_str(prelude).unwrap();
        assert_eq!(prelude["statusCode"], 200, "{sdk:?}");
        assert_eq!(body, "chunk 0\nchunk 1\n", "{sdk:?}");
    }
    function.stop();
}

#[test]
fn a_plain_lambda_runtime_function_needs_no_adapter() {
    let target = target().join("functions");
    cargo(&[
        "build",
        "--quiet",
        "--locked",
        "--manifest-path",
        "integration-tests/functions/plain/Cargo.toml",
        "--target-dir",
        target.to_str().unwrap(),
    ]);
    let program = target.join("debug/plain");
    let mut function = Function::with(&["--adapter", program.to_str().unwrap()], None);
    for sdk in SDKS {
        let answer = sdk.invoke(&function, &json!({ "name": "you" }));
        let payload: Value = serde_json::from_str(answer["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload, json!({ "greeting": "hello, you" }), "{sdk:?}");
        let answer = sdk.invoke(&function, &json!({}));
        assert_eq!(answer["error"], "Unhandled", "{sdk:?} {answer}");
        let lines = sdk
            .begin(
                &function,
                STREAM,
                &json!({ "FunctionName": "local", "Payload": "{\"name\":\"you\"}" }),
            )
            .finish();
        assert_eq!(
            lines[1],
            json!({ "chunk": "{\"greeting\":\"hello, you\"}" }),
            "{sdk:?}"
        );
    }
    function.stop();
}

#[test]
fn aws_lambda_web_adapter_serves_and_streams() {
    let program = web_adapter(env!("CARGO_TARGET_TMPDIR"));
    let gate = Gate::bind();
    let port = integration_tests::app::free_port().to_string();
    let variable = |name: &str, value: &str| format!("{name}={value}");
    let mut function = Function::with(
        &[
            "--image-attach",
            "--adapter",
            program.to_str().unwrap(),
            "--env",
            &variable("AWS_LWA_INVOKE_MODE", "response_stream"),
            "--env",
            &variable("AWS_LWA_PORT", &port),
            "--env",
            &variable("PORT", &port),
            "--",
            misbehave().to_str().unwrap(),
        ],
        Some(&gate),
    );
    let address = url(&function);
    let response = http::get(address, "/bytes?n=100000");
    assert_eq!(response.status(), 200);
    assert_eq!(response.body().len(), 100_000);
    let mut client = http::Client::connect(address);
    client.send(&http::Request::get("/gated?chunks=2"));
    let mut keeper = gate.accept();
    keeper.open();
    assert_eq!(client.head().status(), 200);
    // The second chunk has not left the app.
    assert_eq!(client.data(), b"chunk 0\n");
    keeper.open();
    assert_eq!(client.data(), b"chunk 1\n");
    function.stop();
}
