// SPDX-License-Identifier: Apache-2.0
//! `streams ENVIRONMENTS CONCURRENCY`: so many slow streams at once in so many environments of a small app, for some
//! 20 s. Prints what became of them. Exits with 1 if one was lost or misplaced.

use std::process::ExitCode;
use std::time::Duration;

use integration_tests::streams::{Plan, run};
use integration_tests::waiting;

fn main() -> ExitCode {
    waiting::watchdog();
    let numbers: Vec<u16> = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    let [environments, concurrency] = numbers[..] else {
        eprintln!("usage: streams ENVIRONMENTS CONCURRENCY");
        return ExitCode::from(2);
    };
    let figures = run(Plan {
        environments,
        concurrency,
        rounds: 40,
        chunk: 4096,
        pause: Duration::from_millis(500),
    });
    print!("{figures}");
    if figures.lost + figures.misplaced == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
