// SPDX-License-Identifier: Apache-2.0
//! From the first system call to the first poll, and starts that fail.

use std::fs;

use integration_tests::adapter::Adapter;
use integration_tests::app::{App, Diary, free_port};
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::local::Local;
use integration_tests::waiting::eventually;

#[test]
fn registration_comes_before_everything_and_the_poll_when_the_app_is_ready() {
    let lambda = FakeLambda::bind();
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("listen");
    let diary = Diary::default();
    let (key, value) = diary.variable();
    let _adapter = Adapter::entrypoint(&lambda)
        .env("LISTEN_GATE", gate.to_str().unwrap())
        .env(key, &value)
        .start();
    let _ = diary.line("started");
    assert_eq!(
        lambda.requests("/extension/register").len(),
        1,
        "registered before the app was started"
    );
    assert_eq!(lambda.polls(), 0, "no poll while the app does not listen");
    fs::write(&gate, "").unwrap();
    lambda.wait_for_poll();
    assert_eq!(
        diary.count("listening"),
        1,
        "the poll means that the app listens"
    );
    let all = lambda.wait("all requests", |exchanges| Some(exchanges.to_vec()));
    assert_eq!(
        all[0].verb(),
        "register",
        "registration is the first request"
    );
}

#[test]
fn every_registered_extension_asks_for_its_next_event() {
    // Init does not end otherwise, not even for one that registered without events.
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::entrypoint(&lambda).start();
    lambda.wait("the extension's poll", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.head.target().ends_with("/event/next"))
            .map(|_| ())
    });
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
}

#[test]
fn an_app_is_ready_by_its_status_and_not_before() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let unhealthy = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_READINESS_PATH", "/status?code=503")
        .env("STREAMGATE_READINESS_TIMEOUT", "500ms");
    let mut adapter = unhealthy.start();
    assert!(!adapter.finish().success());
    assert_eq!(lambda.polls(), 0);
    assert!(
        init_error(&lambda).contains("503"),
        "the last answer is named"
    );

    let lambda = FakeLambda::bind();
    let _adapter = Adapter::extension(&lambda, app.address())
        .env("STREAMGATE_READINESS_PATH", "/status?code=503")
        .env("STREAMGATE_READINESS_HEALTHY", "200,503")
        .start();
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
}

#[test]
fn an_app_that_speaks_no_http_is_ready_when_it_accepts_if_so_set() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::extension(&lambda, listener.local_addr().unwrap())
        .env("STREAMGATE_READINESS_PROTOCOL", "tcp")
        .start();
    lambda.wait_for_poll();
}

/// The message of the init error that Lambda was told as the runtime's.
fn init_error(lambda: &FakeLambda) -> String {
    let errors = lambda.requests("/runtime/init/error");
    assert_eq!(errors.len(), 1, "one init error: {errors:?}");
    let error: &Exchange = &errors[0];
    let body = error.json();
    assert_eq!(
        error.head.header("lambda-runtime-function-error-type"),
        body["errorType"].as_str()
    );
    body["errorMessage"].as_str().unwrap().to_owned()
}

#[test]
fn an_app_that_exits_before_it_is_ready_is_an_init_error_with_code_and_stderr() {
    for code in [0, 1, 3, 127, 255] {
        let lambda = FakeLambda::bind();
        let mut adapter = Adapter::entrypoint(&lambda)
            .env("EXIT_AT_START", &code.to_string())
            .env("STDERR_AT_START", "first line\nError: no such database\n")
            .start();
        let status = adapter.finish();
        assert!(!status.success(), "exit with {code}");
        let message = init_error(&lambda);
        assert!(message.contains(&format!("code {code}")), "{message:?}");
        assert!(message.contains("Error: no such database"), "{message:?}");
        assert_eq!(lambda.polls(), 0);
        // The app's own words are not lost to the log.
        assert!(
            adapter
                .stderr()
                .iter()
                .any(|line| line == "Error: no such database"),
            "{}",
            adapter.transcript()
        );
    }
}

#[test]
fn an_app_that_is_killed_before_it_is_ready_is_an_init_error_with_the_signal() {
    for (number, name) in [(9, "SIGKILL"), (6, "SIGABRT"), (15, "SIGTERM")] {
        let lambda = FakeLambda::bind();
        let mut adapter = Adapter::entrypoint(&lambda)
            .env("KILL_SELF_AT_START", &number.to_string())
            .start();
        assert!(!adapter.finish().success());
        let message = init_error(&lambda);
        assert!(
            message.contains(&format!("signal {number}")) || message.contains(name),
            "{message:?}"
        );
    }
}

#[test]
fn only_the_end_of_a_long_stderr_is_reported() {
    let lambda = FakeLambda::bind();
    let noise = "x".repeat(99);
    let text = format!(
        "the beginning\n{}the end\n",
        format!("{noise}\n").repeat(1_000)
    );
    let mut adapter = Adapter::entrypoint(&lambda)
        .env("EXIT_AT_START", "1")
        .env("STDERR_AT_START", &text)
        .start();
    assert!(!adapter.finish().success());
    let message = init_error(&lambda);
    assert!(
        message.contains("the end") && !message.contains("the beginning"),
        "{} bytes",
        message.len()
    );
    assert!(message.len() < 32 * 1024, "{} bytes", message.len());
}

#[test]
fn a_zip_app_that_exits_before_it_is_ready_is_an_init_error_too() {
    let (program, _) = Local::shape(integration_tests::local::Shape::ZipLayer)
        .script("#!/bin/sh\necho 'missing module' >&2\nexit 42\n")
        .spawn();
    let _ = program.any_line("missing module");
    let _ = program.any_line("code 42");
}

#[test]
fn an_app_on_the_wrong_port_is_named_as_such() {
    // It ignores PORT and listens where it likes.
    let elsewhere = free_port();
    let lambda = FakeLambda::bind();
    let port = free_port();
    let mut adapter = Adapter::entrypoint(&lambda)
        .env("STREAMGATE_PORT", &port.to_string())
        .env("BIND_PORT", &elsewhere.to_string())
        .env("STREAMGATE_READINESS_TIMEOUT", "1")
        .start();
    assert!(!adapter.finish().success());
    let message = init_error(&lambda);
    assert!(
        message.contains(&port.to_string()),
        "where it was looked for: {message:?}"
    );
    assert!(
        message.contains(&elsewhere.to_string()),
        "where it listens: {message:?}"
    );
    adapter.mark().wait_until_gone();
}

#[test]
fn one_line_says_how_long_each_step_to_the_first_poll_took() {
    let lambda = FakeLambda::bind();
    let adapter = Adapter::entrypoint(&lambda).start();
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    let line = adapter.any_line("app is ready");
    let names = [
        "spawned_ms=",
        "listening_ms=",
        "ready_ms=",
        "first_poll_ms=",
    ];
    let steps = names.map(|name| {
        let (_, rest) = line
            .split_once(&format!(" {name}"))
            .unwrap_or_else(|| panic!("no {name} in {line}"));
        let number = rest.split(' ').next().unwrap_or_default();
        number.parse::<u64>().unwrap()
    });
    assert!(steps.is_sorted(), "{line}");
    let lines = adapter.stdout().into_iter().chain(adapter.stderr());
    assert_eq!(
        lines.filter(|line| line.contains("app is ready")).count(),
        1
    );
}

#[test]
fn while_an_app_is_waited_for_a_line_a_second_says_what_was_found() {
    let lambda = FakeLambda::bind();
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("may-listen");
    let adapter = Adapter::entrypoint(&lambda)
        .env("LISTEN_GATE", gate.to_str().unwrap())
        .start();
    let told = || {
        let lines = adapter.stdout().into_iter().chain(adapter.stderr());
        let told = lines.filter_map(|line| {
            let (_, rest) = line.split_once(" waited_ms=")?;
            let number = rest.split(' ').next()?.parse::<u64>();
            number.ok().filter(|_| line.contains("not ready yet"))
        });
        told.collect::<Vec<_>>()
    };
    let told = eventually("three lines", || {
        Some(told()).filter(|told| told.len() >= 3)
    });
    for pair in told.windows(2) {
        assert!(pair[1] - pair[0] >= 990, "{told:?}");
    }
    let line = adapter.any_line("not ready yet");
    assert!(line.contains("cannot connect"), "{line}");
    std::fs::write(gate, "").unwrap();
    assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
}

#[test]
fn what_the_system_refused_an_app_is_explained_in_the_init_error() {
    let lambda = FakeLambda::bind();
    let mut adapter = Adapter::entrypoint(&lambda)
        .env(
            "STDERR_AT_START",
            "Error: EROFS: read-only file system, mkdir 'cache'\n",
        )
        .env("EXIT_AT_START", "1")
        .start();
    assert!(!adapter.finish().success());
    let message = init_error(&lambda);
    assert!(message.contains("only /tmp can be written to"), "{message}");
}
