// SPDX-License-Identifier: Apache-2.0
//! `docs/front-ends.md` names the tests that keep what it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use integration_tests::binaries::repository;

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim_matches('|').split('|').map(str::trim)
}

#[test]
fn every_cell_names_a_test_or_the_services_own_limit_and_every_test_is_there() {
    let document = fs::read_to_string(repository().join("docs/front-ends.md")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fronts");
    let sources = fs::read_dir(&folder).unwrap().flatten();
    let sources: String = sources
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .collect();

    let (table, tests) = document.split_once("## Tests").unwrap();
    let mut known = BTreeSet::new();
    for line in tests.lines().filter(|line| line.starts_with("| ")) {
        let (number, names) = line.trim_matches('|').split_once('|').unwrap();
        known.insert(number.trim().to_owned());
        for name in names.split('`').skip(1).step_by(2) {
            let name = name.trim_end_matches('*');
            let is_there = folder.join(name).is_file() || sources.contains(&format!("fn {name}"));
            assert!(is_there, "there is no test {name}");
        }
    }
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    for row in rows {
        let property = cells(row).next().unwrap();
        for cell in cells(row).skip(1).filter(|cell| !cell.is_empty()) {
            let numbers = cell
                .rsplit_once('[')
                .map(|(_, end)| end.trim_end_matches(']'));
            match numbers {
                None => assert!(cell.contains("*the service's*"), "{property}: {cell}"),
                Some(numbers) => {
                    for number in numbers.split(", ") {
                        assert!(known.contains(number), "{property}: no test {number}");
                    }
                }
            }
        }
    }
}
