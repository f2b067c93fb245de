// SPDX-License-Identifier: Apache-2.0
//! Every fault in every phase of a life: nothing hangs, nothing is left over, no reply is doubled, and the next
//! invocation is served or the environment ends with a reason and a code that tells which.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod cases;
mod environment;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use cases::cases;
use integration_tests::binaries;

/// How many cases run at once: most of a case is waiting.
const AT_ONCE: usize = 8;

#[test]
fn every_fault_in_every_phase_is_survived_or_ends_with_a_reason() {
    let cases = cases();
    // Built before, since a case would wait for it in the middle of a life.
    let _ = (binaries::streamgate(), binaries::misbehave());
    let next = Mutex::new(cases.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let case = next.lock().unwrap().next();
                    let Some(case) = case else { return };
                    if catch_unwind(AssertUnwindSafe(|| environment::play(case))).is_err() {
                        failed.lock().unwrap().push(case);
                    }
                }
            });
        }
    });
    println!("fault matrix: {} cases", cases.len());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(cases.len(), 387, "no case is left out unnoticed");
}
