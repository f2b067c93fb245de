// SPDX-License-Identifier: Apache-2.0
//! The four shapes, and what the app is given in each.

use std::fs;

use integration_tests::adapter::Adapter;
use integration_tests::app::{App, Diary, free_port};
use integration_tests::binaries;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::local::{Local, SHAPES, Shape};
use integration_tests::process::is_alive;
use serde_json::Value;

#[test]
fn every_shape_serves_requests() {
    for shape in SHAPES {
        let local = Local::shape(shape).start();
        for _ in 0..3 {
            let response = local.get("/");
            assert_eq!(
                (response.status(), response.text()),
                (200, "ready".to_owned()),
                "{shape:?}"
            );
        }
    }
}

/// What the app knows of itself in this shape.
fn process(local: &Local) -> Value {
    local.get("/process").json()
}

#[test]
fn a_zip_app_gets_what_the_runtime_process_had() {
    for shape in [Shape::ZipLayer, Shape::OsOnly] {
        let local = Local::shape(shape)
            .env("FROM_THE_FUNCTION", "a value = with signs")
            .start();
        let process = process(&local);
        let env = &process["env"];
        assert_eq!(env["_HANDLER"], "run.sh", "{shape:?}");
        let root = env["LAMBDA_TASK_ROOT"]
            .as_str()
            .unwrap_or_else(|| panic!("{shape:?}: no task root in {env}"));
        assert!(fs::metadata(root).unwrap().is_dir());
        let same = |a: &str, b: &str| fs::canonicalize(a).unwrap() == fs::canonicalize(b).unwrap();
        assert!(
            same(process["cwd"].as_str().unwrap(), root),
            "{shape:?}: {process}"
        );
        assert_eq!(env["FROM_THE_FUNCTION"], "a value = with signs");
        for name in [
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "LAMBDA_RUNTIME_DIR",
        ] {
            assert!(
                env[name].is_string(),
                "{shape:?}: {name} is missing from {env}"
            );
        }
        assert!(env["PORT"].is_string(), "{shape:?}: {env}");
        // Its output is the function's log stream.
        let _ = local.program().any_line("app writes to its stdout");
        let _ = local.program().any_line("app writes to its stderr");
    }
}

#[test]
fn an_image_app_gets_what_the_runtime_process_had() {
    for shape in [Shape::ImageAttach, Shape::ImageEntrypoint] {
        let local = Local::shape(shape).env("FROM_THE_FUNCTION", "yes").start();
        let process = process(&local);
        assert_eq!(process["env"]["FROM_THE_FUNCTION"], "yes", "{shape:?}");
        assert!(
            process["env"]["AWS_LAMBDA_LOG_GROUP_NAME"].is_string(),
            "{shape:?}: {process}"
        );
        let _ = local.program().any_line("app writes to its stdout");
        let _ = local.program().any_line("app writes to its stderr");
    }
}

#[test]
fn a_launched_app_has_a_process_group_of_its_own() {
    for shape in [Shape::ZipLayer, Shape::OsOnly, Shape::ImageEntrypoint] {
        let local = Local::shape(shape).start();
        let process = process(&local);
        assert_eq!(process["pgid"], process["pid"], "{shape:?}: {process}");
    }
}

#[test]
fn the_app_has_the_stdio_of_the_runtime_process() {
    let lambda = FakeLambda::bind();
    let task = tempfile::tempdir().unwrap();
    let adapter = Adapter::layer_extension(&lambda).start();
    registered(&lambda);
    let app = binaries::misbehave().display().to_string();
    let stub = Adapter::stub(&lambda, &[])
        .env("_HANDLER", &app)
        .env("LAMBDA_TASK_ROOT", &task.path().display().to_string())
        .env("ONLY_IN_THE_RUNTIME", "yes")
        .in_directory(task.path())
        .start();
    let process: Value =
        serde_json::from_slice(&lambda.invoke(Event::get("/process")).streamed().payload).unwrap();
    assert_eq!(process["env"]["ONLY_IN_THE_RUNTIME"], "yes");
    assert_eq!(process["env"]["_HANDLER"], *app);
    assert_eq!(
        fs::canonicalize(process["cwd"].as_str().unwrap()).unwrap(),
        fs::canonicalize(task.path()).unwrap()
    );
    // Standard error passes the adapter on its way, which keeps its last lines.
    for fd in 0..2 {
        let stubs = fs::read_link(format!("/proc/{}/fd/{fd}", stub.pid())).unwrap();
        assert_eq!(
            process["fds"][fd],
            *stubs.display().to_string(),
            "descriptor {fd}"
        );
    }
    let _ = stub.stdout_line("app writes to its stdout");
    let _ = stub.stderr_line("app writes to its stderr");
    assert!(
        !adapter
            .stdout()
            .iter()
            .any(|line| line.contains("app writes"))
    );
    assert!(
        is_alive(stub.pid()),
        "the stub stays: its end is the end of the environment"
    );
}

fn registered(lambda: &FakeLambda) {
    lambda.wait("the registration", |exchanges| {
        let mut exchanges = exchanges.iter();
        exchanges
            .any(|exchange| exchange.verb() == "register" && exchange.answered.is_some())
            .then_some(())
    });
}

#[test]
fn the_extension_registers_for_shutdown_under_its_file_name() {
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::layer_extension(&lambda).start();
    registered(&lambda);
    let register = lambda.requests("/extension/register").remove(0);
    assert_eq!(
        register.head.header("lambda-extension-name"),
        Some("streamgate")
    );
    assert_eq!(register.json()["events"], serde_json::json!(["SHUTDOWN"]));
}

#[test]
fn the_entrypoint_registers_without_events() {
    // An internal extension may not ask for SHUTDOWN; being registered is what makes Lambda send SIGTERM.
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::entrypoint(&lambda).start();
    lambda.wait_for_poll();
    let register = lambda.requests("/extension/register").remove(0);
    assert_eq!(register.json()["events"], serde_json::json!([]));
}

#[test]
fn a_handler_may_be_a_command_line() {
    let task = tempfile::tempdir().unwrap();
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::layer_extension(&lambda).start();
    registered(&lambda);
    let app = binaries::misbehave().display();
    let _stub = Adapter::stub(&lambda, &[])
        .env(
            "_HANDLER",
            &format!("GREETING='hello world' exec {app} --from \"a shell\""),
        )
        .env("LAMBDA_TASK_ROOT", &task.path().display().to_string())
        .in_directory(task.path())
        .start();
    let process: Value =
        serde_json::from_slice(&lambda.invoke(Event::get("/process")).streamed().payload).unwrap();
    assert_eq!(process["env"]["GREETING"], "hello world");
    assert_eq!(process["argv"][2], "a shell");
}

#[test]
fn the_command_setting_beats_the_handler() {
    let app = binaries::misbehave().display().to_string();
    let local = Local::shape(Shape::ZipLayer)
        .script("#!/bin/sh\nexit 3\n")
        .env("STREAMGATE_COMMAND", &format!("exec {app} --instead"))
        .start();
    assert_eq!(
        process(&local)["argv"],
        serde_json::json!([app, "--instead"])
    );
}

#[test]
fn outside_lambda_the_entrypoint_becomes_the_app() {
    let port = free_port();
    let app = binaries::misbehave().display().to_string();
    let program = Adapter::with_arguments(&["--", &app])
        .env("PORT", &port.to_string())
        .start();
    let _ = program.stderr_line("listening");
    let response = integration_tests::http::get(([127, 0, 0, 1], port).into(), "/process");
    assert_eq!(response.json()["pid"], program.pid());
}

#[test]
fn a_stub_without_an_adapter_becomes_the_app_with_a_warning() {
    let lambda = FakeLambda::bind();
    let task = tempfile::tempdir().unwrap();
    let port = free_port();
    let app = binaries::misbehave().display().to_string();
    let stub = Adapter::stub(&lambda, &[])
        .env("_HANDLER", &app)
        .env("LAMBDA_TASK_ROOT", &task.path().display().to_string())
        .env("PORT", &port.to_string())
        .in_directory(task.path())
        .start();
    let _ = stub.stderr_line("listening");
    let process = integration_tests::http::get(([127, 0, 0, 1], port).into(), "/process").json();
    assert_eq!(
        process["pid"],
        stub.pid(),
        "the same process, as Lambda started it"
    );
    let before = stub
        .stderr()
        .into_iter()
        .take_while(|line| !line.contains("started"))
        .collect::<Vec<_>>();
    assert!(
        before
            .iter()
            .any(|line| line.to_lowercase().contains("adapter")),
        "no warning in {before:?}"
    );
}

#[test]
fn an_adapter_that_its_stub_cannot_reach_attaches_to_the_app() {
    let lambda = FakeLambda::bind();
    // To the stub, the adapter is that of another environment.
    let elsewhere = FakeLambda::bind();
    let task = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let _adapter = Adapter::layer_extension(&lambda)
        .env("STREAMGATE_PORT", &port)
        .start();
    registered(&lambda);
    let diary = Diary::default();
    let (key, value) = diary.variable();
    let stub = Adapter::stub(&elsewhere, &[])
        .env("_HANDLER", &binaries::misbehave().display().to_string())
        .env("LAMBDA_TASK_ROOT", &task.path().display().to_string())
        .env("PORT", &port)
        .env(key, &value)
        .in_directory(task.path())
        .start();
    let reply = lambda.invoke(Event::get("/process"));
    let process: Value = serde_json::from_slice(&reply.streamed().payload).unwrap();
    assert_eq!(process["pid"], stub.pid());
    assert_eq!(
        diary.count("listening"),
        1,
        "one app, not two: {:?}",
        diary.lines()
    );
}

#[test]
fn an_attached_app_is_found_however_late_it_listens() {
    let lambda = FakeLambda::bind();
    let port = free_port();
    let _adapter = Adapter::layer_extension(&lambda)
        .env("STREAMGATE_PORT", &port.to_string())
        .start();
    registered(&lambda);
    assert_eq!(lambda.polls(), 0, "an app that is not there is not ready");
    let _app = App::start_on(port, &[]);
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
}
