// SPDX-License-Identifier: Apache-2.0
//! Provisioned concurrency: environments that are there before the first request.

use integration_tests::gate::Gate;
use integration_tests::http::Request;
use integration_tests::local::Local;
use integration_tests::waiting::eventually;

#[test]
fn provisioned_environments_are_initialized_before_the_url_is_told_and_never_idle_out() {
    let gate = Gate::bind();
    let (key, value) = gate.variable();
    let local = Local::builder()
        .environments(3)
        .option("--provisioned")
        .option("2")
        .option("--idle-timeout")
        .option("0")
        .env(key, value)
        .one_stream()
        .start();
    let log = local.program().stdout();
    let url = log.iter().position(|line| line.starts_with("Function URL"));
    let before = &log[..url.expect("it is told")];
    let initialized = |line: &&String| line.starts_with("INIT_REPORT Init Duration: ");
    assert_eq!(before.iter().filter(initialized).count(), 2, "{before:?}");

    let open: Vec<_> = (0..3)
        .map(|_| {
            let mut client = local.client();
            client.send(&Request::get("/gated?chunks=1"));
            (client, gate.accept())
        })
        .collect();
    for (mut client, mut keeper) in open {
        assert_eq!(client.head().status(), 200);
        keeper.open();
        assert_eq!(client.data(), b"chunk 0\n");
    }
    // The third was one too many, and is gone when nobody needs it.
    let stopped = local.program().stdout_line("SHUTDOWN Reason: spindown");
    assert!(stopped.ends_with("Environment: 3"), "{stopped}");
    eventually("the others to be done", || {
        let log = local.program().stdout();
        let reports = log.iter().filter(|line| line.starts_with("REPORT"));
        (reports.count() == 3).then_some(())
    });
    let kind = &local.get("/process").json()["env"]["AWS_LAMBDA_INITIALIZATION_TYPE"];
    assert_eq!(kind, "provisioned-concurrency");
    let stops = local.program().stdout();
    let stops = stops.iter().filter(|line| line.starts_with("SHUTDOWN"));
    assert_eq!(stops.count(), 1);
}
