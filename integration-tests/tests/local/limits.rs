// SPDX-License-Identifier: Apache-2.0
//! What an environment may use, and what a stream may be.

use std::time::{Duration, Instant};

use integration_tests::http::{End, Request};
use integration_tests::local::Local;

const MIB: usize = 1024 * 1024;

#[test]
fn a_report_tells_the_most_memory_that_was_used() {
    let local = Local::builder().start();
    assert_eq!(local.get("/").status(), 200);
    let report = local.program().stderr_line("REPORT RequestId: ");
    let fields: Vec<&str> = report.split('\t').collect();
    let [_, duration, billed, size, used, init] = fields[..] else {
        panic!("{report:?}");
    };
    for (field, name) in [
        (duration, "Duration: "),
        (billed, "Billed Duration: "),
        (init, "Init Duration: "),
    ] {
        assert!(
            field.starts_with(name) && field.ends_with(" ms"),
            "{report:?}"
        );
    }
    assert_eq!(size, "Memory Size: 128 MB");
    let used = used.strip_prefix("Max Memory Used: ");
    let used = used.and_then(|rest| rest.strip_suffix(" MB"));
    let used: usize = used.expect("a figure").parse().expect("a number");
    assert!((1..100).contains(&used), "{report:?}");
}

#[test]
fn an_app_that_uses_more_memory_than_there_is_is_killed() {
    let local = Local::builder().option("--memory").option("128").start();
    let failed = local.get("/allocate?mb=300");
    assert_eq!(failed.status(), 502, "{failed:?}");
    let line = local.program().stderr_line("SIGKILL process ");
    assert!(line.contains("(misbehave): out of memory, "), "{line}");
    let report = local.program().stderr_line("REPORT RequestId: ");
    assert!(report.contains("\tMax Memory Used: 128 MB"), "{report}");
    assert_eq!(local.get("/").status(), 200);
}

#[test]
fn without_the_option_nothing_is_killed_for_its_memory() {
    let local = Local::builder().start();
    let mut client = local.client();
    client.send(&Request::get("/allocate?mb=200&for=1500"));
    assert_eq!(client.response().text(), "allocated");
    let report = local.program().stderr_line("REPORT RequestId: ");
    let used = report.split("Max Memory Used: ").nth(1).unwrap_or_default();
    let used: usize = used.split(' ').next().unwrap_or_default().parse().unwrap();
    assert!(used >= 200, "{report}");
}

#[test]
fn a_stream_is_slowed_down_behind_its_first_six_megabytes() {
    let local = Local::builder().real_bandwidth().start();
    let began = Instant::now();
    let response = local.get(format!("/bytes?n={}", 8 * MIB));
    assert_eq!(
        (response.body().len(), &response.end),
        (8 * MIB, &End::Complete)
    );
    // Two megabytes take a second, of which an eighth may be over already when the stream begins.
    assert!(began.elapsed() >= Duration::from_millis(850));
    let _ = local.program().stderr_line("PACED RequestId: ");
}

#[test]
fn a_stream_ends_at_two_hundred_megabytes() {
    let local = Local::builder().start();
    let mut client = local.client();
    client.send(&Request::get(format!("/bytes?n={}", 201 * MIB)));
    assert_eq!(client.head().status(), 200);
    let mut length = 0;
    let end = loop {
        match client.step() {
            integration_tests::http::Next::Data(data) => length += data.len(),
            end => break end,
        }
    };
    // As many bytes as the prelude leaves of what there is for both.
    let most = 200 * MIB + 16 * 1024;
    assert!((200 * MIB..most).contains(&length), "{length}");
    // A function URL does not tell its client of it.
    assert_eq!(end, integration_tests::http::Next::Complete(Vec::new()));
    let _ = local.program().stderr_line("Function.ResponseSizeTooLarge");
    assert_eq!(local.get("/").status(), 200);
}
