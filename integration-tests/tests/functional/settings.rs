// SPDX-License-Identifier: Apache-2.0
//! Settings and command lines, right and wrong: what is wrong is named.

use std::net::TcpListener;
use std::process::Command;

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::binaries;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::local::Local;
use integration_tests::process::{Mark, Program};

/// A variable, a value that it does not take, and a word that tells what it does take.
const WRONG: &[(&str, &str, &str)] = &[
    ("STREAMGATE_PORT", "eighty", "65535"),
    ("STREAMGATE_PORT", "70000", "65535"),
    ("PORT", "http", "65535"),
    ("AWS_LWA_PORT", "-1", "65535"),
    ("STREAMGATE_INVOKE_MODE", "stream", "response_stream"),
    ("AWS_LWA_INVOKE_MODE", "streaming", "response_stream"),
    ("AWS_LWA_ASYNC_INIT", "later", "true"),
    ("STREAMGATE_READINESS_PROTOCOL", "udp", "tcp"),
    ("STREAMGATE_READINESS_HEALTHY", "2xx", "-"),
    ("STREAMGATE_READINESS_TIMEOUT", "soon", "second"),
    ("STREAMGATE_SHUTDOWN_TIMEOUT", "-5", "second"),
    ("STREAMGATE_READINESS_PATH", "ready", "/"),
    ("STREAMGATE_LOG_LEVEL", "loud", "debug"),
    ("STREAMGATE_LOG_FORMAT", "xml", "json"),
];

#[test]
fn a_wrong_value_is_an_error_that_names_variable_value_and_what_is_accepted() {
    for (variable, value, accepted) in WRONG {
        let lambda = FakeLambda::bind();
        let mut adapter = Adapter::entrypoint(&lambda).env(variable, value).start();
        let status = adapter.finish();
        assert!(!status.success(), "{variable}={value} was taken");
        let stderr = adapter.stderr().join("\n");
        for word in [*variable, *value, *accepted] {
            assert!(
                stderr.contains(word),
                "{variable}={value}: {word:?} is not in {stderr:?}"
            );
        }
        assert_eq!(
            adapter.mark().carriers().len(),
            0,
            "the app must not have been started"
        );
    }
}

#[test]
fn a_wrong_value_is_told_to_lambda() {
    let lambda = FakeLambda::bind();
    let mut adapter = Adapter::layer_extension(&lambda)
        .env("STREAMGATE_INVOKE_MODE", "sometimes")
        .start();
    assert!(!adapter.finish().success());
    let errors = lambda.requests("/init/error");
    let told = errors
        .iter()
        .any(|error| String::from_utf8_lossy(&error.body()).contains("sometimes"));
    assert!(told, "no init error names the value: {errors:?}");
}

#[test]
fn every_wrong_value_is_reported_in_one_run() {
    let lambda = FakeLambda::bind();
    let adapter = Adapter::entrypoint(&lambda)
        .env("STREAMGATE_PORT", "none")
        .env("STREAMGATE_INVOKE_MODE", "never")
        .env("STREAMGATE_LOG_FORMAT", "nothing");
    let mut adapter = adapter.start();
    assert!(!adapter.finish().success());
    let stderr = adapter.stderr().join("\n");
    for word in [
        "STREAMGATE_PORT",
        "STREAMGATE_INVOKE_MODE",
        "STREAMGATE_LOG_FORMAT",
    ] {
        assert!(stderr.contains(word), "{word} is not in {stderr:?}");
    }
}

#[test]
fn an_unknown_setting_is_a_warning_with_the_nearest_name() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_INVOKE_MOD", "buffered")
        .start();
    let line = adapter.any_line("STREAMGATE_INVOKE_MOD");
    assert!(line.contains("STREAMGATE_INVOKE_MODE"), "{line}");
    assert_eq!(
        lambda.invoke(Event::get("/")).streamed().payload,
        b"ready",
        "and it serves"
    );
}

#[test]
fn an_apps_own_variable_that_is_named_as_in_lwa_stops_nothing() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address())
        .env("ASYNC_INIT", "later")
        .env("READINESS_CHECK_PORT", "admin")
        .start();
    for (own, kept) in [
        ("ASYNC_INIT=`later`", "not set: auto"),
        ("READINESS_CHECK_PORT=`admin`", "not set: the app's port"),
    ] {
        let line = adapter.any_line(own);
        assert!(line.contains("WARN") && line.contains(kept), "{line}");
    }
    let reply = lambda.invoke(Event::get("/")).streamed();
    assert_eq!(reply.payload, b"ready", "and it streams");
}

#[test]
fn the_settings_of_lwa_are_understood() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let port = app.address().port().to_string();
    let _adapter = Adapter::layer_extension(&lambda)
        .env("AWS_LWA_PORT", &port)
        .env("AWS_LWA_HOST", "127.0.0.1")
        .env("AWS_LWA_READINESS_CHECK_PORT", &port)
        .env("AWS_LWA_READINESS_CHECK_PATH", "/ready")
        .env("AWS_LWA_READINESS_CHECK_PROTOCOL", "TCP")
        .env("AWS_LWA_READINESS_CHECK_MIN_UNHEALTHY_STATUS", "500")
        .env("AWS_LWA_INVOKE_MODE", "RESPONSE_STREAM")
        .start();
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
}

#[test]
fn our_name_beats_its_aliases() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let _adapter = Adapter::extension(&lambda, app.address())
        .env("PORT", "1")
        .env("AWS_LWA_PORT", "2")
        .start();
    let reply = lambda.invoke(Event::get("/"));
    assert!(
        String::from_utf8_lossy(&reply.body()).contains("ready"),
        "{reply:?}"
    );
}

#[test]
fn a_missing_command_is_an_error_that_says_so() {
    let lambda = FakeLambda::bind();
    let mut adapter = Adapter::entrypoint_of(&lambda, &[]).start();
    assert!(!adapter.finish().success());
    let stderr = adapter.stderr().join("\n");
    assert!(stderr.contains("command"), "{stderr:?}");
    assert!(stderr.lines().count() < 30, "one clear error: {stderr}");
}

#[test]
fn an_unknown_argument_is_an_error_that_names_it() {
    let mut adapter = Adapter::with_arguments(&["--frobnicate"]).start();
    assert!(!adapter.finish().success());
    let stderr = adapter.stderr().join("\n");
    assert!(stderr.contains("--frobnicate"), "{stderr:?}");
}

#[test]
fn a_command_that_does_not_exist_is_an_init_error_that_names_it() {
    let lambda = FakeLambda::bind();
    let mut adapter = Adapter::entrypoint_of(&lambda, &["/nowhere/to/be/found"]).start();
    assert!(!adapter.finish().success());
    let errors = lambda.requests("/runtime/init/error");
    let body = String::from_utf8_lossy(&errors.first().expect("an init error").body()).into_owned();
    assert!(body.contains("/nowhere/to/be/found"), "{body}");
}

#[test]
fn a_fixed_port_that_is_taken_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let lambda = FakeLambda::bind();
    let mut adapter = Adapter::entrypoint(&lambda)
        .env("STREAMGATE_PORT", &port)
        .start();
    assert!(!adapter.finish().success());
    let stderr = adapter.stderr().join("\n");
    assert!(
        stderr.contains(&port) && stderr.contains("use"),
        "{stderr:?}"
    );
    let errors = lambda.requests("/runtime/init/error");
    let body = String::from_utf8_lossy(&errors.first().expect("an init error").body()).into_owned();
    assert!(body.contains(&port), "{body}");
}

#[test]
fn a_fixed_port_is_the_port_of_the_app() {
    let port = integration_tests::app::free_port().to_string();
    let local = Local::builder().env("STREAMGATE_PORT", &port).start();
    assert_eq!(local.get("/process").json()["env"]["PORT"], *port);
}

#[test]
fn apps_get_ports_of_their_own() {
    let locals: Vec<Local> = (0..3).map(|_| Local::builder().start()).collect();
    let ports: Vec<_> = locals
        .iter()
        .map(|local| local.get("/process").json()["env"]["PORT"].clone())
        .collect();
    assert!(
        ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2],
        "{ports:?}"
    );
}

#[test]
fn the_app_is_not_given_the_adapters_own_exec_step() {
    // What the app sees as its command line is what the user wrote.
    let app = binaries::misbehave().display().to_string();
    let local = Local::builder()
        .command(&[&app, "--flag", "two words"])
        .start();
    assert_eq!(
        local.get("/process").json()["argv"],
        serde_json::json!([app, "--flag", "two words"])
    );
}

fn streamgate_local(arguments: &[&str]) -> Program {
    let mut command = Command::new(binaries::streamgate_local());
    command.args(arguments);
    Program::start(command, &Mark::unique())
}

#[test]
fn the_local_lambda_names_what_is_wrong_with_its_command_line() {
    let cases: &[(&[&str], &str)] = &[
        (&["--port", "0"], "COMMAND"),
        (&["--port", "lots", "--", "true"], "lots"),
        (
            &["--port", "0", "--invoke-mode", "SOMETIMES", "--", "true"],
            "SOMETIMES",
        ),
        (&["--port", "0", "--timeout", "soon", "--", "true"], "soon"),
        (
            &["--port", "0", "--adapter", "/nowhere/adapter", "--", "true"],
            "/nowhere/adapter",
        ),
        (
            &["--port", "0", "--frobnicate", "--", "true"],
            "--frobnicate",
        ),
    ];
    for (arguments, named) in cases {
        let mut local = streamgate_local(arguments);
        assert!(!local.finish().success(), "{arguments:?} was taken");
        let stderr = local.stderr().join("\n");
        let found = stderr.to_lowercase().contains(&named.to_lowercase());
        assert!(found, "{arguments:?}: {named:?} is not in {stderr:?}");
    }
}

#[test]
fn the_local_lambda_names_a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let adapter = binaries::streamgate().display().to_string();
    let mut local = streamgate_local(&["--port", &port, "--adapter", &adapter, "--", "true"]);
    assert!(!local.finish().success());
    let stderr = local.stderr().join("\n");
    assert!(
        stderr.contains(&port) && stderr.contains("use"),
        "{stderr:?}"
    );
}
