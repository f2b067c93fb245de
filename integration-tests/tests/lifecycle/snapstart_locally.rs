// SPDX-License-Identifier: Apache-2.0
//! SnapStart as the local Lambda plays it: every process stands still for the snapshot, and between invocations too.

use integration_tests::binaries;
use integration_tests::local::{Builder, Local, Shape};
use integration_tests::waiting::eventually;

const SECRET: &str = "only-the-adapter-knows";

/// A zip function with the layer and hooks, whose app says of each request on which connection it came. All that is
/// written goes to one pipe, so the order of the lines is the order of events.
fn function() -> Builder {
    let app = binaries::misbehave().display();
    Local::shape(Shape::ZipLayer)
        .one_stream()
        .script(&format!("#!/bin/sh\nexec {app} 2>&1\n"))
        .option("--snapstart")
        .option("--freeze")
        .env("NOTE_REQUESTS", "1")
        .env("STREAMGATE_EVENT_SECRET", SECRET)
        .env("STREAMGATE_SNAPSTART_BEFORE_PATH", "/before")
        .env("STREAMGATE_SNAPSTART_AFTER_PATH", "/after")
}

/// Where the first line stands that contains `text`.
fn place(lines: &[String], text: &str) -> usize {
    let found = lines.iter().position(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("{text:?} is not in {lines:#?}"))
}

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

/// The connections on which the app got requests, one for each request.
fn connections(lines: &[String]) -> Vec<usize> {
    let notes = lines.iter().filter_map(|line| {
        let (_, note) = line.split_once("connection=")?;
        note.split(' ').next()?.parse().ok()
    });
    notes.collect()
}

/// Waits until the environment has been frozen so many times, the snapshot included.
fn wait_for_freeze(function: &Local, times: usize) {
    eventually(format!("freeze number {times}"), || {
        (count(&function.program().stdout(), "FREEZE") == times).then_some(())
    });
}

/// Ends the function in order; everything that was written, to the end.
fn all_lines(mut function: Local) -> Vec<String> {
    assert!(function.stop().success());
    function.program().stdout()
}

#[test]
fn the_hooks_stand_around_the_local_snapshot_and_carry_the_secret() {
    let function = function().start();
    let _ = function.program().stdout_line("RESTORE_REPORT");
    let lines = all_lines(function);
    let order = [
        format!("request=POST /before event=snapstart-before secret={SECRET}"),
        "INIT_DONE".to_owned(),
        "FREEZE".to_owned(),
        "THAW".to_owned(),
        "RESTORE_START".to_owned(),
        format!("request=POST /after event=snapstart-after secret={SECRET}"),
        "RESTORE_REPORT".to_owned(),
    ];
    let places = order.each_ref().map(|text| place(&lines, text));
    assert!(places.is_sorted(), "{places:?} in {lines:#?}");
    assert!(!lines[places[6]].contains("error"), "{lines:#?}");
    assert_eq!(count(&lines, "POST /before"), 1);
    assert_eq!(count(&lines, "POST /after"), 1);
}

#[test]
fn no_connection_from_before_the_local_snapshot_is_used_after_it() {
    let function = function().start();
    let _ = function.program().stdout_line("RESTORE_REPORT");
    assert_eq!(function.get("/?client").text(), "ready");
    let lines = all_lines(function);
    let (before, after) = lines.split_at(place(&lines, "RESTORE_START"));
    let (before, after) = (connections(before), connections(after));
    assert!(!before.is_empty(), "the hook at least: {lines:#?}");
    assert!(after.len() >= 2, "hook and client: {lines:#?}");
    assert!(before.iter().max() < after.iter().min(), "{lines:#?}");
}

#[test]
fn the_first_invocation_after_the_local_restore_is_served_and_one_after_a_freeze_too() {
    let function = function().start();
    // The first is the snapshot.
    for (freezes, target) in [(2, "/?first"), (3, "/?second")] {
        wait_for_freeze(&function, freezes);
        assert_eq!(function.get(target).text(), "ready", "{target}");
    }
    wait_for_freeze(&function, 4);
    let lines = all_lines(function);
    for (text, times) in [
        ("request=GET /?first", 1),
        ("request=GET /?second", 1),
        ("POST /before", 1),
        ("POST /after", 1),
        ("INIT_START", 1),
        ("RESTORE_START", 1),
        ("Not stopped", 0),
    ] {
        assert_eq!(count(&lines, text), times, "{text} in {lines:#?}");
    }
}

#[test]
fn a_hook_that_is_refused_before_the_local_snapshot_fails_the_init_and_is_named() {
    let function = function().env("REFUSED_PATH", "/before").start();
    let _ = function.program().stdout_line("INIT_REPORT");
    assert_eq!(function.get("/?client").status(), 502);
    let lines = all_lines(function);
    assert_fails(
        &lines,
        "INIT_REPORT",
        "Runtime.BeforeSnapshotError",
        "hook /before before the snapshot failed: the app answered with status 500",
    );
    for text in ["RESTORE_START", "POST /after", "request=GET /?client"] {
        assert_eq!(count(&lines, text), 0, "{text} in {lines:#?}");
    }
}

#[test]
fn a_hook_that_is_refused_after_the_local_restore_fails_the_restore_and_is_named() {
    let function = function().env("REFUSED_PATH", "/after").start();
    let _ = function.program().stdout_line("RESTORE_REPORT");
    assert_eq!(function.get("/?client").status(), 502);
    let lines = all_lines(function);
    assert_fails(
        &lines,
        "RESTORE_REPORT",
        "Runtime.AfterRestoreError",
        "hook /after after the restore failed: the app answered with status 500",
    );
    assert_eq!(count(&lines, "request=GET /?client"), 0, "{lines:#?}");
}

/// The first such report is one of this error, and both it and the adapter's own log say why.
fn assert_fails(lines: &[String], report: &str, error_type: &str, why: &str) {
    let at = place(lines, report);
    assert!(
        lines[at].ends_with(&format!("Status: error\tError Type: {error_type}")),
        "{lines:#?}"
    );
    assert!(lines[at + 1].contains(why), "{lines:#?}");
    let logged = lines[..at]
        .iter()
        .any(|line| line.starts_with("ERROR streamgate::") && line.contains(why));
    assert!(logged, "{lines:#?}");
}
