// SPDX-License-Identifier: Apache-2.0
//! Lambda's Extensions API in trouble, and other extensions and wrappers beside the adapter.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use integration_tests::app::Diary;
use integration_tests::local::{Local, Shape};
use serde_json::Value;

#[test]
fn calls_of_the_extensions_api_that_fail_are_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("faults");
    fs::write(
        &script,
        "register 1 reset\nregister 2 status 500\nextension-next 1 close\nextension-next 2 status 503\n",
    )
    .unwrap();
    let diary = Diary::default();
    let (key, value) = diary.variable();
    let mut local = Local::shape(Shape::ZipLayer)
        .option("--faults")
        .option(script.to_str().unwrap())
        .env(key, &value)
        .start();
    assert_eq!(local.get("/").text(), "ready");
    let _ = local.stop();
    assert_eq!(diary.count("got SIGTERM"), 1, "the word of the end came");
    assert_eq!(diary.count("started"), 1);
}

#[test]
fn the_app_is_started_behind_another_wrapper() {
    let directory = tempfile::tempdir().unwrap();
    let wrapper = directory.path().join("otel handler");
    fs::write(&wrapper, "#!/bin/sh\nexport TRACED=\"$#\"\nexec \"$@\"\n").unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let local = Local::shape(Shape::ZipLayer)
        .env("STREAMGATE_WRAPPER_NEXT", wrapper.to_str().unwrap())
        .start();
    let process: Value = serde_json::from_str(&local.get("/process").text()).unwrap();
    assert_eq!(process["env"]["TRACED"], "1", "the script alone");
    assert!(process["pid"] == process["pgid"], "it became the app");
}
