// SPDX-License-Identifier: Apache-2.0
//! Packages in which nothing is wrong: a small one, and every example as it is packaged.

use std::fs;
use std::path::Path;

use integration_tests::binaries::repository;
use integration_tests::examples;

use crate::{Question, about, healthy};

#[test]
fn a_healthy_package_gives_no_finding() {
    about(healthy()).ask().nothing();
    about(healthy()).managed("nodejs22.x").ask().nothing();
    about(healthy())
        .runtime("provided.al2")
        .ask()
        .only("error", "glibc");
}

#[test]
fn no_example_has_an_error_or_a_warning() {
    let page = fs::read_to_string(repository().join("examples/README.md")).unwrap();
    // What takes minutes to build is left to `make examples`.
    for example in examples::all().into_iter().filter(|one| !one.plan.heavy) {
        let package = example.package(Path::new(env!("CARGO_TARGET_TMPDIR")));
        let handler: &'static str = example.plan.handler.clone().leak();
        let mut question = Question::new().package(&package).handler(handler);
        question = match runtime(&page, &example.name) {
            Some(runtime) if runtime.starts_with("provided") => question.runtime(runtime),
            Some(runtime) => question.managed(runtime),
            None => question.runtime(""),
        };
        let said = question.ask();
        let bad: Vec<_> = said
            .ids()
            .into_iter()
            .filter(|(severity, _)| *severity != "note")
            .collect();
        assert_eq!(bad, [], "{}: {:#}", example.name, said.report);
    }
}

/// The runtime that the page of examples names for one, in the last cell of its row.
fn runtime(page: &str, example: &str) -> Option<&'static str> {
    let row = page
        .lines()
        .find(|line| line.starts_with(&format!("| [{example}](")))?;
    let cell = row.trim_end_matches([' ', '|']).rsplit('|').next()?;
    let name = cell.split('`').nth(1)?;
    Some(name.to_owned().leak())
}
