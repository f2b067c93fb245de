// SPDX-License-Identifier: Apache-2.0
//! Libraries and modules of machine code, and scripts that are started by others: what lies beside the handler.
//!
//! Packages bring builds for several platforms and load the one that fits. So files are taken together whose names
//! differ in words for platforms alone, and told only if none of them fits.

use std::collections::BTreeMap;

use super::finding::{Finding, Severity, listed};
use super::function::Function;
use super::package::{Content, Kind, Package};
use super::program::{self, first_line};

/// Words for platforms, as npm, pip and others put them into paths. `64` is what is left of `x86_64`.
const PLATFORMS: &[&str] = &[
    "linux",
    "linuxmusl",
    "manylinux",
    "musllinux",
    "darwin",
    "macos",
    "osx",
    "win",
    "win32",
    "windows",
    "freebsd",
    "android",
    "x64",
    "x86",
    "64",
    "amd64",
    "arm64",
    "aarch64",
    "arm",
    "armv7",
    "armv7l",
    "armv8",
    "ia32",
    "ppc64",
    "s390x",
    "riscv64",
    "loong64",
    "universal",
    "universal2",
    "glibc",
    "gnu",
    "gnueabihf",
    "musl",
    "musleabihf",
    "eabihf",
    "msvc",
];

/// Says what of a package is for another machine.
pub(super) fn check(function: &Function, package: &Package) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Vec<Native>> = BTreeMap::new();
    let mut crlf = Vec::new();
    for (path, entry) in &package.entries {
        let Kind::File(content) = &entry.kind else {
            continue;
        };
        if let Content::Other(text) = content
            && entry.mode.is_some_and(|mode| mode & 0o111 != 0)
            && first_line(text).is_some_and(|line| line.ends_with('\r'))
        {
            crlf.push(path.clone());
        }
        if let Some(native) = Native::of(function, package, path, content) {
            groups.entry(family(path)).or_default().push(native);
        }
    }
    let mut findings: Vec<_> = groups
        .into_values()
        .filter(|group| group.iter().all(|native| !native.findings.is_empty()))
        .filter_map(|group| group.into_iter().next())
        .flat_map(|native| native.findings)
        .collect();
    findings = merged(findings);
    if let Some(first) = crlf.first() {
        findings.push(
            Finding::warning("crlf", package.place(first))
                .what(format!("scripts whose lines end with CRLF: {}", listed(&crlf)))
                .why("whoever starts one gets `No such file or directory`: the CR is a part of the interpreter's name")
                .mend("save them with LF, as `sed -i 's/\\r$//'` does"),
        );
    }
    findings
}

struct Native {
    findings: Vec<Finding>,
}

impl Native {
    fn of(function: &Function, package: &Package, path: &str, content: &Content) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        let is_module = ["node", "so"].contains(&end) || name.contains(".so.");
        let (role, severity) = if is_module {
            ("the native module", Severity::Error)
        } else {
            ("the program", Severity::Warning)
        };
        let place = package.place(path);
        let findings = match content {
            Content::Elf(elf) => program::check_elf(function, elf, &place, role, severity),
            Content::Foreign(system) if is_module => vec![program::foreign(system, &place, role)],
            Content::Broken if is_module => vec![program::broken(&place, role)],
            _ => return None,
        };
        Some(Self { findings })
    }
}

/// The path with each word for a platform as a `*`.
fn family(path: &str) -> String {
    let words = path.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let mut family = String::new();
    for word in words {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let lower = bare.to_ascii_lowercase();
        if PLATFORMS.contains(&lower.as_str()) {
            // One for any number of them.
            if !family.ends_with('*') {
                family.push('*');
            }
            if word.ends_with('/') {
                family.push('/');
            }
        } else {
            family.push_str(word);
        }
    }
    family
}

/// One finding for all files of which the same is wrong.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<(Finding, usize)> = Vec::new();
    for finding in findings {
        let same = merged
            .iter_mut()
            .find(|(first, _)| first.id == finding.id && first.what == finding.what);
        match same {
            Some((_, count)) => *count += 1,
            None => merged.push((finding, 0)),
        }
    }
    merged
        .into_iter()
        .map(|(mut finding, more)| {
            if more > 0 {
                finding.place = format!("{} and {more} more", finding.place);
            }
            finding
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_of_one_module_for_several_platforms_are_one_family() {
        let one = family("node_modules/@img/sharp-linux-x64/lib/sharp-linux-x64.node");
        for other in [
            "node_modules/@img/sharp-linuxmusl-arm64/lib/sharp-linuxmusl-arm64.node",
            "node_modules/@img/sharp-darwin-arm64/lib/sharp-darwin-arm64.node",
        ] {
            assert_eq!(family(other), one);
        }
        assert_eq!(
            family("a/_b.cpython-313-x86_64-linux-gnu.so"),
            family("a/_b.cpython-313-aarch64-linux-gnu.so")
        );
        assert_ne!(family("a/one.node"), family("a/two.node"));
    }
}
