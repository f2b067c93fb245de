// SPDX-License-Identifier: Apache-2.0
//! Many streams in many environments at once; `make streams` has more of both.

use std::time::Duration;

use integration_tests::streams::{Plan, run};

#[test]
fn streams_of_many_environments_are_complete_in_order_and_bounded_in_memory() {
    let plan = Plan {
        environments: 20,
        concurrency: 5,
        rounds: 30,
        chunk: 16 * 1024,
        pause: Duration::ZERO,
    };
    let figures = run(plan);
    assert_eq!((figures.lost, figures.misplaced), (0, 0), "{figures}");
    assert_eq!((figures.streams, figures.environments), (100, 20));
    // Each stream is 480 KiB long: what was kept of it would show.
    let (growth, bound) = (figures.growth(), 64 * figures.streams);
    assert!(growth.local < bound && growth.adapters < bound, "{figures}");
}
