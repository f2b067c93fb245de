// SPDX-License-Identifier: Apache-2.0
//! Apps that end or hang, and are started again.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::adapter::Adapter;
use integration_tests::app::{App, Diary};
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Exchange, FakeLambda};
use integration_tests::gate::Gate;
use integration_tests::local::Local;
use integration_tests::process::is_stopped;
use integration_tests::waiting::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn launched(lambda: &FakeLambda, diary: &Diary) -> Adapter {
    let (key, value) = diary.variable();
    Adapter::entrypoint(lambda).env(key, &value)
}

/// The text of a reply that the adapter made itself, with this status.
fn own_reply(reply: &Exchange, status: u16) -> String {
    assert_eq!(reply.verb(), "response", "{reply:?}");
    let streamed = reply.streamed();
    assert_eq!(streamed.prelude["statusCode"], status, "{reply:?}");
    String::from_utf8(streamed.payload).unwrap()
}

fn is_served(lambda: &FakeLambda, after: &str) {
    let reply = lambda.invoke(Event::get("/"));
    assert_eq!(reply.streamed().payload, b"ready", "after {after}");
}

#[test]
fn an_app_that_ends_during_an_invocation_is_a_502_that_says_how_and_is_started_again() {
    for (target, named) in [
        ("/exit?code=7", "exited with code 7"),
        ("/abort", "was killed by signal 6 (SIGABRT)"),
        ("/exit?code=0", "exited with code 0"),
    ] {
        let lambda = FakeLambda::bind();
        let diary = Diary::default();
        let adapter = launched(&lambda, &diary).start();
        let text = own_reply(&lambda.invoke(Event::get(target)), 502);
        assert!(text.contains(named), "{target}: {text:?}");
        is_served(&lambda, target);
        assert_eq!(diary.count("started"), 2, "{target}");
        let _ = adapter.any_line(named);
    }
}

#[test]
fn an_app_that_ends_in_its_response_is_named_in_the_trailers_and_started_again() {
    let lambda = FakeLambda::bind();
    let (diary, gate) = (Diary::default(), Gate::bind());
    let (key, value) = gate.variable();
    let _adapter = launched(&lambda, &diary).env(key, value).start();
    let id = lambda.queue(Event::get("/exit-in-body?code=9&chunks=1"));
    gate.accept().open();
    let reply = lambda.reply(&id);
    let document = BASE64
        .decode(reply.trailer("lambda-runtime-function-error-body").unwrap())
        .unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let message = document["errorMessage"].as_str().unwrap();
    assert!(message.contains("exited with code 9"), "{message:?}");
    is_served(&lambda, "an exit in a body");
    assert_eq!(diary.count("started"), 2);
}

/// The process of a launched app.
fn pid_of_app(lambda: &FakeLambda) -> Pid {
    let process = lambda.invoke(Event::get("/process")).streamed().payload;
    let process: Value = serde_json::from_slice(&process).unwrap();
    let pid = i32::try_from(process["pid"].as_i64().unwrap()).unwrap();
    Pid::from_raw(pid).unwrap()
}

#[test]
fn an_app_that_hangs_is_killed_and_started_again() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let adapter = launched(&lambda, &diary).start();
    // It accepts, as far as the kernel does that for it, and answers nothing more.
    let app = pid_of_app(&lambda);
    kill_process(app, Signal::STOP).unwrap();
    eventually("an app that stands still", || {
        is_stopped(app.as_raw_pid()).then_some(())
    });
    let late = Event::get("/").deadline_in(Duration::from_secs(2));
    let _ = own_reply(&lambda.invoke(late), 504);
    is_served(&lambda, "a hang");
    assert_eq!(diary.count("started"), 2);
    let _ = adapter.any_line("no answer within");
}

#[test]
fn an_app_that_was_late_but_is_well_goes_on() {
    let lambda = FakeLambda::bind();
    let (diary, gate) = (Diary::default(), Gate::bind());
    let (key, value) = gate.variable();
    let _adapter = launched(&lambda, &diary).env(key, value).start();
    let late = Event::get("/slow-head").deadline_in(Duration::from_secs(1));
    let _ = own_reply(&lambda.invoke(late), 504);
    is_served(&lambda, "a late answer");
    assert_eq!(diary.count("started"), 1);
}

#[test]
fn an_app_that_ends_between_invocations_is_started_again_before_the_next() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let adapter = launched(&lambda, &diary).start();
    kill_process(pid_of_app(&lambda), Signal::KILL).unwrap();
    let _ = adapter.any_line("was killed by signal 9");
    is_served(&lambda, "SIGKILL between invocations");
    assert_eq!(diary.count("started"), 2);
}

#[test]
fn an_invocation_waits_for_an_app_that_comes_up_again() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("may-listen");
    fs::write(&gate, "").unwrap();
    let adapter = launched(&lambda, &diary)
        .env("LISTEN_GATE", gate.to_str().unwrap())
        .start();
    lambda.wait_for_poll();
    fs::remove_file(&gate).unwrap();
    // Its deadline is so near that the poll cannot be held until the app is ready.
    let crash = Event::get("/exit?code=1").deadline_in(Duration::from_secs(3));
    let _ = own_reply(&lambda.invoke(crash), 502);
    let _ = adapter.any_line("app is started again");
    let id = lambda.queue(Event::get("/"));
    lambda.wait("the poll that takes it", |exchanges| {
        let polls = exchanges.iter().filter(|exchange| exchange.is_poll());
        (polls.filter(|poll| poll.answered.is_some()).count() == 2).then_some(())
    });
    assert!(lambda.replies(&id).is_empty(), "it waits");
    fs::write(&gate, "").unwrap();
    assert_eq!(lambda.reply(&id).streamed().payload, b"ready");
}

#[test]
fn an_app_that_does_not_come_up_again_in_time_is_a_503_that_says_why() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("may-listen");
    fs::write(&gate, "").unwrap();
    let _adapter = launched(&lambda, &diary)
        .env("LISTEN_GATE", gate.to_str().unwrap())
        .start();
    lambda.wait_for_poll();
    fs::remove_file(&gate).unwrap();
    let crash = Event::get("/exit?code=5").deadline_in(Duration::from_secs(1));
    let _ = own_reply(&lambda.invoke(crash), 502);
    let late = Event::get("/").deadline_in(Duration::from_secs(1));
    let text = own_reply(&lambda.invoke(late), 503);
    assert!(text.contains("exited with code 5"), "{text:?}");
    fs::write(&gate, "").unwrap();
    is_served(&lambda, "a 503");
}

#[test]
fn an_app_that_fails_again_and_again_is_given_up_with_its_code() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let mut adapter = launched(&lambda, &diary)
        .env("STREAMGATE_RESTART_LIMIT", "2")
        .start();
    for _ in 0..3 {
        let _ = own_reply(&lambda.invoke(Event::get("/exit?code=4")), 502);
    }
    assert_eq!(adapter.finish().code(), Some(4));
    let _ = adapter.any_line("app cannot be kept up");
    assert_eq!(diary.count("started"), 3, "the first and two restarts");
    adapter.mark().wait_until_gone();
}

#[test]
fn what_an_app_serves_between_its_failures_begins_the_count_anew() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let _adapter = launched(&lambda, &diary)
        .env("STREAMGATE_RESTART_LIMIT", "1")
        .start();
    for _ in 0..4 {
        let _ = own_reply(&lambda.invoke(Event::get("/exit")), 502);
        is_served(&lambda, "an exit");
    }
}

#[test]
fn the_children_of_an_app_that_ended_are_gone_before_it_is_started_again() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let adapter = launched(&lambda, &diary).env("SPAWN_HELPER", "1").start();
    lambda.wait_for_poll();
    let _ = diary.line("helper is there");
    let _ = own_reply(&lambda.invoke(Event::get("/exit?code=1")), 502);
    is_served(&lambda, "an exit");
    // Adapter, app and one helper: that of the first app went with it.
    integration_tests::waiting::eventually("three processes", || {
        (diary.count("helper is there") == 2 && adapter.mark().carriers().len() == 3).then_some(())
    });
}

#[test]
fn without_restarts_the_end_of_an_app_is_that_of_the_environment() {
    let diary = Diary::default();
    let (key, value) = diary.variable();
    let local = Local::builder()
        .env(key, &value)
        .env("STREAMGATE_RESTART_LIMIT", "0")
        .start();
    assert_eq!(local.get("/exit?code=3").status(), 502);
    assert_eq!(local.get("/").text(), "ready");
    assert_eq!(diary.count("started"), 2, "by an app of a new environment");
}

#[test]
fn an_attached_app_that_is_gone_is_waited_for() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let address = app.address();
    let adapter = Adapter::extension(&lambda, address).start();
    is_served(&lambda, "the start");
    drop(app);
    let text = own_reply(
        &lambda.invoke(Event::get("/").deadline_in(Duration::from_secs(2))),
        502,
    );
    assert!(text.contains(&address.port().to_string()), "{text:?}");
    let id = lambda.queue(Event::get("/"));
    let _ = adapter.any_line("not ready");
    let _app = App::start_on(address.port(), &[]);
    assert_eq!(lambda.reply(&id).streamed().payload, b"ready");
}

#[test]
fn an_app_that_is_slow_to_start_is_waited_for_by_the_first_invocation() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("may-listen");
    let adapter = launched(&lambda, &diary)
        .env("LISTEN_GATE", gate.to_str().unwrap())
        .start();
    lambda.wait_for_poll();
    let _ = adapter.any_line("the first invocation waits for it");
    let id = lambda.queue(Event::get("/"));
    fs::write(&gate, "").unwrap();
    assert_eq!(lambda.reply(&id).streamed().payload, b"ready");
}
