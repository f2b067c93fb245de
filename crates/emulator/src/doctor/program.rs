// SPDX-License-Identifier: Apache-2.0
//! A file that is to be started: whether the kernel would.

use super::elf::{Elf, Machine};
use super::finding::{Finding, Severity, shown};
use super::function::Function;
use super::package::{BYTE_ORDER_MARK, Content, Entry, Kind, Package};
use super::platform::{Presence, Runtime};

/// How the loader of musl is called (source: musl's `ldso`).
const MUSL_LOADER: &str = "/lib/ld-musl-";

/// Says what keeps a file of a package from being started on Lambda. `role` is what it is for, as in "the handler".
pub(super) fn check(
    function: &Function,
    package: &Package,
    path: &str,
    role: &str,
) -> Vec<Finding> {
    let Some((path, entry)) = package.file(path) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    findings.extend(check_mode(package, &path, entry, role));
    let Kind::File(content) = &entry.kind else {
        return findings;
    };
    let place = package.place(&path);
    match content {
        Content::Elf(elf) => {
            findings.extend(check_elf(function, elf, &place, role, Severity::Error));
        }
        Content::Foreign(system) => findings.push(foreign(system, &place, role)),
        Content::Broken => findings.push(broken(&place, role)),
        Content::Other(text) => {
            findings.extend(
                Script {
                    function,
                    package,
                    text,
                    place,
                    role,
                }
                .check(),
            );
        }
        Content::Unread => {}
    }
    findings
}

fn check_mode(package: &Package, path: &str, entry: &Entry, role: &str) -> Option<Finding> {
    let place = package.place(path);
    let Some(mode) = entry.mode else {
        return Some(
            Finding::error("not-executable", place)
                .what(format!("{role} {} has no exec bit: the zip has no permission bits at all", shown(path)))
                .why("zips made on Windows carry none, and a file without its exec bit cannot be started")
                .mend("pack on Linux, macOS or WSL, or set the bit in the zip: `zipinfo` shows it"),
        );
    };
    if mode & 0o111 == 0 {
        return Some(
            Finding::error("not-executable", place)
                .what(format!("{role} {} is not executable (mode {:03o})", shown(path), mode & 0o777))
                .why("Lambda keeps the mode that the zip has, and a file without its exec bit cannot be started")
                .mend(format!("`chmod 755 {}` before packing", shown(path))),
        );
    }
    (mode & 0o005 != 0o005).then(|| {
        Finding::error("not-for-all-users", place)
            .what(format!(
                "{role} {} is for its owner alone (mode {:03o})",
                shown(path),
                mode & 0o777
            ))
            .why("the function runs as a user who is not the owner of its files")
            .mend(format!("`chmod 755 {}` before packing", shown(path)))
    })
}

pub(super) fn foreign(system: &str, place: &str, role: &str) -> Finding {
    Finding::error("not-linux", place)
        .what(format!("{role} was built for {system}"))
        .why("Lambda runs Linux")
        .mend("build or install it for Linux, in a container or with the tool's option for another platform")
}

pub(super) fn broken(place: &str, role: &str) -> Finding {
    Finding::error("broken-program", place)
        .what(format!(
            "{role} is damaged: its headers lead out of the file"
        ))
        .why("it cannot be loaded")
        .mend("build or install it again; if it was copied, copy it as binary")
}

/// Says what an ELF file needs that the function does not have.
pub(super) fn check_elf(
    function: &Function,
    elf: &Elf,
    place: &str,
    role: &str,
    severity: Severity,
) -> Vec<Finding> {
    let finding = |id| Finding::new(severity, id, place);
    let wanted = function.architecture;
    if elf.machine != Machine::Lambda(wanted) {
        return vec![
            finding("architecture")
                .what(format!("{role} was built for {}, the function is {}", elf.machine.name(), wanted.name()))
                .why("another architecture's code cannot run: `exec format error`, or a library that cannot be loaded")
                .mend(match &elf.machine {
                    Machine::Lambda(other) => format!(
                        "build it for {}, or make the function {} (then: --architecture {})",
                        wanted.name(), other.name(), other.name()
                    ),
                    Machine::Other(_) => format!("build it for {}", wanted.name()),
                }),
        ];
    }
    let mut findings = Vec::new();
    if let Some(loader) = &elf.loader
        && !wanted.loaders().contains(&loader.as_str())
    {
        let musl = loader.starts_with(MUSL_LOADER);
        let kind = if musl {
            ", of musl (Alpine Linux),"
        } else {
            ""
        };
        findings.push(
            finding(if musl { "musl" } else { "loader" })
                .what(format!("{role} is started by {}{kind} which the runtime does not have", shown(loader)))
                .why("Amazon Linux has glibc's loader at its usual place alone; the error is `No such file or directory`")
                .mend("build it on Amazon Linux or Debian, or link it statically"),
        );
    }
    let has = function.system().glibc();
    if let Some(needs) = elf.glibc.filter(|needs| *needs > has) {
        findings.push(
            finding("glibc")
                .what(format!("{role} needs glibc {}.{}", needs.0, needs.1))
                .why(format!(
                    "{} has glibc {}.{}; the error is `version GLIBC_{}.{} not found`",
                    function.system().name(),
                    has.0,
                    has.1,
                    needs.0,
                    needs.1
                ))
                .mend(format!(
                    "build it in a container of {}, or link it statically",
                    function.system().name()
                )),
        );
    }
    findings
}

/// A file that is no program of the processor's.
struct Script<'a> {
    function: &'a Function,
    package: &'a Package,
    text: &'a [u8],
    place: String,
    role: &'a str,
}

impl Script<'_> {
    fn check(&self) -> Vec<Finding> {
        let role = self.role;
        if self.text.starts_with(BYTE_ORDER_MARK) {
            return vec![
                Finding::error("byte-order-mark", &self.place)
                    .what(format!("{role} begins with a byte order mark"))
                    .why("the kernel looks for `#!` in the first two bytes: `exec format error`")
                    .mend("save it as UTF-8 without a byte order mark"),
            ];
        }
        let Some(line) = first_line(self.text) else {
            return vec![
                Finding::error("no-shebang", &self.place)
                    .what(format!("{role} is no program and has no `#!` in its first line"))
                    .why("the kernel does not know what runs it: `exec format error`")
                    .mend("begin it with `#!/bin/sh`, or give the interpreter in the handler: `node index.js`"),
            ];
        };
        if line.ends_with('\r') {
            return vec![self.crlf("so the kernel looks for an interpreter whose name ends with it: `No such file or directory`")];
        }
        let mut findings: Vec<_> = self.interpreter(&line).into_iter().collect();
        if is_shell(&line) && self.text.windows(2).any(|pair| pair == b"\r\n") {
            findings.push(self.crlf("which the shell takes for a part of its commands"));
        }
        findings
    }

    fn crlf(&self, why: &str) -> Finding {
        Finding::error("crlf", &self.place)
            .what(format!("{}'s lines end with CRLF", self.role))
            .why(format!("Linux ends lines with LF; the CR is left over, {why}"))
            .mend("save it with LF, as `sed -i 's/\\r$//'` does, and keep it so in .gitattributes: `*.sh text eol=lf`")
    }

    fn interpreter(&self, line: &str) -> Option<Finding> {
        let role = self.role;
        let mut words = line.split_whitespace();
        let path = words.next().unwrap_or_default();
        let finding = |severity, why: String| {
            Finding::new(severity, "interpreter", &self.place)
                .what(format!("{role} is run by `{}`", shown(line.trim())))
                .why(why)
                .mend(match self.function.runtime.as_ref().and_then(Runtime::own_interpreter) {
                    Some(own) => format!("`#!/bin/sh` for a shell script, `#!/usr/bin/env {own}` for the runtime's language"),
                    None => "`#!/bin/sh` for a shell script; or pack the interpreter".to_owned(),
                })
        };
        if !path.starts_with('/') {
            return Some(finding(
                Severity::Error,
                format!(
                    "the kernel wants an absolute path, and `{}` is none",
                    shown(path)
                ),
            ));
        }
        if let Some(own) = path.strip_prefix("/var/task/") {
            return (!self.package.has(own)).then(|| {
                finding(
                    Severity::Error,
                    format!("{} is not in the package", shown(own)),
                )
            });
        }
        if let Some(layers) = path.strip_prefix("/opt/") {
            let known = !self.function.layers.is_empty();
            let there = self.function.layers.iter().any(|layer| layer.has(layers));
            return (known && !there).then(|| {
                finding(
                    Severity::Warning,
                    format!("{} is in none of the layers that were given", shown(layers)),
                )
            });
        }
        let runtime = self.function.runtime.as_ref()?;
        let (name, presence) = if path.ends_with("/env") {
            // Its options and assignments go before the name.
            let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
            (name, runtime.program(name))
        } else {
            (path, runtime.path(path))
        };
        let name = shown(name);
        match presence {
            Presence::There => None,
            Presence::Missing => Some(finding(
                Severity::Error,
                format!("{} has no {name}", runtime.name),
            )),
            Presence::Unknown => Some(finding(
                Severity::Warning,
                format!(
                    "{name} is not known to be in {}; a layer may have it",
                    runtime.name
                ),
            )),
        }
    }
}

/// What stands behind `#!`, with the CR of a CRLF.
pub(super) fn first_line(text: &[u8]) -> Option<String> {
    let line = text
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}

/// Whether what runs a script is a shell.
pub(super) fn is_shell(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.any(|word| ["sh", "bash"].contains(&word.rsplit('/').next().unwrap_or_default()))
}
