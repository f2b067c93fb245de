// SPDX-License-Identifier: Apache-2.0
//! The harness and the null adapter together: every reply is what the app sent, or the case fails.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use std::path::Path;

use streamgate_benches::adapter::Adapter;
use streamgate_benches::figure::figure;
use streamgate_benches::measure::{CASES, Stage};
use streamgate_benches::origin::Origin;
use streamgate_benches::rounds::NULL;

#[test]
fn the_null_adapter_does_the_work_of_every_quick_case() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_null-adapter"));
    let adapter = Adapter::with_program(NULL, repository, program).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("harness");
    std::fs::create_dir_all(&folder).unwrap();
    let stage = Stage {
        origin: Origin::start().unwrap(),
        folder,
    };
    for case in CASES.iter().filter(|case| case.is_quick) {
        let values =
            (case.run)(&stage, &adapter).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for (key, value) in values {
            assert!(figure(key).is_some(), "{key} is no figure");
            assert!(value.is_finite() && value >= 0.0, "{key} is {value}");
        }
    }
}
