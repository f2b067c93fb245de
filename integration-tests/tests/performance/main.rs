// SPDX-License-Identifier: Apache-2.0
//! How much there is of the adapter: figures that do not depend on the speed of the machine.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::binaries;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::process::status_kib;

const MB: usize = 1_000_000;

#[test]
fn the_adapter_is_static() {
    // An interpreter is what makes a program dynamic; a position-independent one without it relocates itself.
    const INTERPRETER: usize = 3;
    let elf = std::fs::read(binaries::streamgate()).unwrap();
    assert_eq!(
        elf[..6],
        *b"\x7fELF\x02\x01",
        "a 64-bit little-endian program"
    );
    assert!(!binaries::elf_program_headers(&elf).contains(&INTERPRETER));
}

#[test]
fn the_adapter_is_small() {
    let size = usize::try_from(binaries::streamgate().metadata().unwrap().len()).unwrap();
    assert!(size <= 26 * MB / 10, "{size} bytes");
}

#[test]
fn the_adapter_at_rest_holds_at_most_five_megabytes() {
    let lambda = FakeLambda::bind();
    let app = App::start(&[]);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    lambda.wait_for_poll();
    let resident = || status_kib(adapter.pid(), "VmRSS").unwrap() * 1024;
    let idle = resident();
    assert!(idle <= 5 * MB, "{idle} bytes before the first invocation");
    for _ in 0..100 {
        assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    }
    lambda.wait_for_poll();
    let rested = resident();
    assert!(
        rested <= 5 * MB,
        "{rested} bytes after a hundred invocations"
    );
}
