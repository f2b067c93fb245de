// SPDX-License-Identifier: Apache-2.0
//! One request per environment: busy ones are joined by new ones, idle ones go, fallen ones are replaced.

use std::time::{Duration, Instant};

use integration_tests::gate::{Gate, Keeper};
use integration_tests::http::{Client, Next, Request};
use integration_tests::local::{Builder, Local};
use integration_tests::process::is_stopped;
use integration_tests::waiting::eventually;

fn started(environments: u16, adjust: impl FnOnce(Builder) -> Builder) -> (Local, Gate) {
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let builder = Local::builder().environments(environments).env(key, value);
    (adjust(builder).start(), gate)
}

fn plain(builder: Builder) -> Builder {
    builder
}

/// A stream that has begun, and whoever lets its chunks out.
fn stream(local: &Local, gate: &Gate, target: &str) -> (Client, Keeper) {
    let mut client = local.client();
    client.send(&Request::get(target));
    let keeper = gate.accept();
    assert_eq!(client.head().status(), 200);
    (client, keeper)
}

fn pid(local: &Local) -> i64 {
    local.get("/process").json()["pid"]
        .as_i64()
        .expect("a process has an id")
}

fn lines(local: &Local, start: &str) -> usize {
    let log = local.program().stderr();
    log.iter().filter(|line| line.starts_with(start)).count()
}

/// Waits until so many invocations are over, not only answered.
fn settled(local: &Local, invocations: usize) {
    eventually("REPORT lines", || {
        (lines(local, "REPORT") >= invocations).then_some(())
    });
}

fn finish((mut client, mut keeper): (Client, Keeper)) {
    keeper.open();
    assert_eq!(client.data(), b"chunk 0\n");
    assert_eq!(client.step(), Next::Complete(Vec::new()));
}

#[test]
fn requests_one_after_another_share_an_environment() {
    let (local, _gate) = started(5, plain);
    let first = pid(&local);
    // As fast as a client can: each comes before the environment has told its REPORT.
    for _ in 1..300 {
        assert_eq!(pid(&local), first);
    }
    assert_eq!(lines(&local, "INIT_START"), 1);
}

#[test]
fn a_busy_environment_is_joined_by_a_new_one_with_a_cold_start() {
    let (local, gate) = started(5, plain);
    let first = pid(&local);
    settled(&local, 1);
    let open = stream(&local, &gate, "/gated?chunks=1");
    let second = local.get("/process").json();
    assert_ne!(second["pid"], first);
    assert_eq!(
        second["env"]["AWS_LAMBDA_LOG_STREAM_NAME"],
        "local/[$LATEST]2"
    );
    let line = local.program().stderr_line("INIT_DONE Init Duration: ");
    assert!(line.ends_with(" ms"), "{line}");
    let report = || {
        let log = local.program().stderr();
        log.into_iter()
            .find(|line| line.starts_with("REPORT") && line.ends_with("Environment: 2"))
    };
    let report = eventually("the report of the second", report);
    assert!(report.contains("\tInit Duration: "), "{report}");
    // The one that was used last is used again, while there are two.
    finish(open);
    settled(&local, 3);
    assert_eq!(pid(&local), first);
    assert_eq!(lines(&local, "INIT_START"), 2);
}

#[test]
fn beyond_the_limit_a_request_is_throttled_as_the_service_does() {
    let (local, gate) = started(2, plain);
    let open = [(); 2].map(|()| stream(&local, &gate, "/gated?chunks=1"));
    let throttled = local.get("/");
    assert_eq!(throttled.status(), 429);
    assert_eq!(
        throttled.json(),
        serde_json::json!({
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
            "Type": "User",
            "message": "Rate Exceeded.",
        })
    );
    let _ = local.program().stderr_line("TooManyRequestsException");
    open.into_iter().for_each(finish);
    settled(&local, 2);
    assert_eq!(local.get("/").status(), 200);
    assert_eq!(lines(&local, "INIT_START"), 2);
}

#[test]
fn a_crash_of_one_environment_leaves_the_others_alone_and_is_made_good() {
    let (local, gate) = started(3, |builder| builder.env("STREAMGATE_RESTART_LIMIT", "0"));
    let open = stream(&local, &gate, "/gated?chunks=1");
    assert_eq!(local.get("/exit?code=3").status(), 502);
    let line = local.program().stderr_line("SHUTDOWN Reason: failure");
    assert!(line.ends_with("Environment: 2"), "{line}");
    assert_eq!(local.get("/").status(), 200);
    finish(open);
}

#[test]
fn an_idle_environment_is_shut_down_in_order_and_the_next_request_starts_one() {
    let (local, _gate) = started(3, |builder| builder.option("--idle-timeout").option("0.2"));
    let first = pid(&local);
    let _ = local.program().stderr_line("SHUTDOWN Reason: spindown");
    eventually("the app to go", || {
        (!integration_tests::process::is_alive(i32::try_from(first).unwrap())).then_some(())
    });
    assert_ne!(pid(&local), first);
}

#[test]
fn a_cold_start_takes_the_time_that_it_is_said_to() {
    let delay = Duration::from_millis(700);
    let (local, gate) = started(2, |builder| {
        builder.option("--cold-start-delay").option("0.7")
    });
    let open = stream(&local, &gate, "/gated?chunks=1");
    let began = Instant::now();
    assert_eq!(local.get("/").status(), 200);
    assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
    finish(open);
}

#[test]
fn each_environment_is_frozen_by_itself() {
    let (local, gate) = started(2, |builder| builder.option("--freeze"));
    let open = stream(&local, &gate, "/gated?chunks=2");
    let (mut client, mut keeper) = open;
    let second = i32::try_from(pid(&local)).unwrap();
    eventually("the second to stand still", || {
        is_stopped(second).then_some(())
    });
    keeper.open();
    assert_eq!(client.data(), b"chunk 0\n");
    keeper.open();
    assert_eq!(client.data(), b"chunk 1\n");
    assert_eq!(client.step(), Next::Complete(Vec::new()));
}

#[test]
fn no_process_of_any_environment_outlives_the_local_lambda() {
    let (mut local, gate) = started(3, plain);
    let open = [(); 3].map(|()| stream(&local, &gate, "/gated?chunks=1"));
    let mark = local.program().mark().clone();
    assert!(mark.carriers().len() > 6);
    assert!(local.stop().success());
    mark.wait_until_gone();
    drop(open);
}

#[test]
fn what_an_app_said_before_its_end_is_not_repeated_on_the_line_of_the_request() {
    let script = "printf 'first line\\nsecond line\\n' >&2; exit 3";
    let local = Local::builder().command(&["sh", "-c", script]).start();
    assert_eq!(local.get("/").status(), 502);
    let _ = local.program().stderr_line("GET / 502");
    let log = local.program().stderr();
    let line = log.iter().position(|line| line.starts_with("GET / 502"));
    let after = &log[line.expect("it was there")..];
    assert!(after[0].contains("app exited with code 3"), "{after:?}");
    assert!(
        !after.iter().any(|line| line.contains("second line")),
        "{after:?}"
    );
}
