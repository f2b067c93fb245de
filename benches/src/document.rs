// SPDX-License-Identifier: Apache-2.0
//! Puts what was measured into `docs/performance.md`: the part between two comments is written, the rest is people's.

use std::fs;
use std::io;
use std::path::Path;

use crate::chart;
use crate::machine::Machine;
use crate::report;
use crate::rounds::Results;

const BEGIN: &str = "<!-- measured: written by `make bench-docs` -->\n";
const END: &str = "<!-- end of what is measured -->\n";

/// Rewrites the measured part of the page, and the chart beside it.
pub fn write(docs: &Path, results: &Results, machine: &Machine, rounds: usize) -> io::Result<()> {
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page)?;
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        let name = page.display();
        return Err(io::Error::other(format!(
            "{name} has no place for what is measured"
        )));
    };
    let table = report::table(results);
    let measured = format!("{}\n\n{table}", machine.sentence(rounds));
    fs::write(&page, format!("{before}{BEGIN}\n{measured}\n{END}{after}"))?;
    fs::write(docs.join("performance.svg"), chart::svg(results))
}
