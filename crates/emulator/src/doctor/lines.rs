// SPDX-License-Identifier: Apache-2.0
//! What a start script starts, as far as its lines say so plainly: `./server`, `exec node index.js`.

use super::finding::{Finding, shown};
use super::function::Function;
use super::package::{Content, Kind, Package};
use super::platform::Presence;
use super::program::{self, first_line};

/// Looks at the lines of a shell script; at none, if it goes elsewhere first.
pub(super) fn check(function: &Function, package: &Package, path: &str) -> Vec<Finding> {
    let Some((path, entry)) = package.file(path) else {
        return Vec::new();
    };
    let Kind::File(Content::Other(text)) = &entry.kind else {
        return Vec::new();
    };
    let is_shell = first_line(text).is_some_and(|line| program::is_shell(&line));
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim);
    if !is_shell || lines.clone().any(|line| line.starts_with("cd ")) {
        return Vec::new();
    }
    let place = package.place(&path);
    // A script that has a PATH of its own may find more than the runtime's.
    let own_path = text.contains("PATH=");
    let mut findings = Vec::new();
    for line in lines {
        let line = line.strip_prefix("exec ").unwrap_or(line).trim_start();
        let name = line.split_whitespace().next().unwrap_or_default();
        let own = name
            .strip_prefix("./")
            .or_else(|| name.strip_prefix("/var/task/"));
        if let Some(own) = own.filter(|own| !own.contains(['$', '"', '*'])) {
            if package.file(own).is_some() {
                let role = format!("what {} starts,", shown(&path));
                findings.extend(program::check(function, package, own, &role));
            } else {
                findings.push(
                    Finding::warning("command-missing", &place)
                        .what(format!("it starts {}, which is not in the package", shown(name)))
                        .why("a start script runs in the package's folder, to which nothing can be added on Lambda")
                        .mend("pack it, or correct the path"),
                );
            }
        } else if let Some(runtime) = &function.runtime
            && !own_path
            && runtime.program(name) == Presence::Missing
        {
            findings.push(
                Finding::warning("command-unknown", &place)
                    .what(format!("it starts {}", shown(name)))
                    .why(format!(
                        "{} has no {}; unless a layer has it in /opt/bin, it is not found",
                        runtime.name,
                        shown(name)
                    ))
                    .mend("take the runtime of that language, or pack the program"),
            );
        }
    }
    findings
}
