// SPDX-License-Identifier: Apache-2.0
//! How the app is started: the handler or the command, the wrapper, the bootstrap.

use super::finding::{Finding, Severity, shown};
use super::function::{Function, WRAPPER};
use super::package::{Kind, Package};
use super::platform::Presence;
use super::{lines, program};

const WRAPPER_VARIABLE: &str = "AWS_LAMBDA_EXEC_WRAPPER";
/// With one of these a command line is more than a program and its arguments.
const SHELL: &[char] = &[
    '$', '`', ';', '&', '|', '<', '>', '(', ')', '\'', '"', '*', '~', '#', '\\', '{',
];
/// What a shell does itself, of what begins command lines.
const BUILTINS: &[&str] = &[
    "cd", "export", "set", ".", "source", "eval", "ulimit", "umask", "trap", "if", "while", "for",
    "test", "[",
];

/// Says what keeps the function from starting its app.
pub(super) fn check(function: &Function) -> Vec<Finding> {
    let Some(package) = &function.package else {
        return Vec::new();
    };
    let mut findings = check_runtime(function, package);
    // As the adapter does: a command that was set goes before the handler.
    if let Some(command) = function.variable("STREAMGATE_COMMAND") {
        findings.extend(check_command(
            function,
            package,
            command,
            "STREAMGATE_COMMAND",
        ));
    } else if let Some(handler) = &function.handler {
        findings.extend(check_handler(function, package, handler));
    } else {
        findings.push(
            Finding::note("no-handler", "--handler")
                .what("not looked at: how the app is started")
                .why("the handler is a setting of the function and not in its package")
                .mend("give it: --handler run.sh"),
        );
    }
    findings
}

fn check_runtime(function: &Function, package: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(runtime) = &function.runtime else {
        findings.push(
            Finding::note("no-runtime", "--runtime")
                .what("not looked at: exec wrapper and interpreters; taken for Amazon Linux 2023")
                .why("the runtime is a setting of the function and not in its package")
                .mend("give it: --runtime nodejs22.x"),
        );
        return findings;
    };
    let wrapper = function.variable(WRAPPER_VARIABLE);
    if function.is_os_only() {
        if let Some(wrapper) = wrapper {
            findings.push(
                Finding::warning("wrapper", WRAPPER_VARIABLE)
                    .what(format!("{WRAPPER_VARIABLE}={} has no effect in {}", shown(wrapper), runtime.name))
                    .why("OS-only runtimes do not know exec wrappers; they start `bootstrap`, which the layer has")
                    .mend("leave it out; another wrapper goes into STREAMGATE_WRAPPER_NEXT"),
            );
        }
        if package.has("bootstrap") {
            findings.push(
                Finding::error("bootstrap-shadowed", package.place("bootstrap"))
                    .what("the package has a bootstrap of its own")
                    .why(format!("{} starts it in the place of the layer's {WRAPPER}, and the adapter does not launch the app", runtime.name))
                    .mend("give it another name and make that the handler"),
            );
        }
        return findings;
    }
    match wrapper {
        Some(WRAPPER) => {}
        Some(other) => findings.push(
            Finding::warning("wrapper", WRAPPER_VARIABLE)
                .what(format!("{WRAPPER_VARIABLE} is {}", shown(other)))
                .why(format!("the adapter does not launch the app unless that wrapper ends in the layer's {WRAPPER}"))
                .mend(format!("{WRAPPER_VARIABLE}={WRAPPER} and STREAMGATE_WRAPPER_NEXT={}", shown(other))),
        ),
        None => {
            let finding = if function.variables.is_some() {
                Finding::error("wrapper", WRAPPER_VARIABLE)
            } else {
                Finding::note("wrapper", WRAPPER_VARIABLE)
            };
            findings.push(
                finding
                    .what(format!("{WRAPPER_VARIABLE} is not set{}", if function.variables.is_some() { "" } else { " here" }))
                    .why(format!("without it {} starts its own runtime, which looks for a function of its language by the handler's name", runtime.name))
                    .mend(format!("{WRAPPER_VARIABLE}={WRAPPER} among the function's variables")),
            );
        }
    }
    findings
}

fn check_handler(function: &Function, package: &Package, handler: &str) -> Vec<Finding> {
    if handler.contains(char::is_whitespace) {
        return vec![
            Finding::error("handler-refused", "--handler")
                .what(format!(
                    "the handler {} has white space in it",
                    shown(handler)
                ))
                .why("Lambda refuses to create such a function")
                .mend("make that line the value of STREAMGATE_COMMAND, or a script the handler"),
        ];
    }
    // What the adapter joins to the package's folder.
    let path = handler.strip_prefix("/var/task/").unwrap_or(handler);
    if package.file(path).is_some() {
        let mut findings = program::check(function, package, path, "the handler");
        findings.extend(lines::check(function, package, path));
        return findings;
    }
    if let Some(finding) = missing(package, path, handler) {
        return vec![finding];
    }
    check_command(function, package, handler, "--handler")
}

/// A handler that cannot be meant for a command line, and is no file.
fn missing(package: &Package, path: &str, handler: &str) -> Option<Finding> {
    if !path.contains(['.', '/']) {
        return None;
    }
    let finding = Finding::error("handler-missing", package.place(path))
        .what(format!("there is no file {}, which is the handler", shown(handler)))
        .why("the adapter starts the file of that name in the package's root, or else takes the handler for a command line");
    let below = format!("/{path}");
    let elsewhere = package
        .entries
        .iter()
        .find(|(name, entry)| name.ends_with(&below) && matches!(entry.kind, Kind::File(_)));
    if let Some((found, _)) = elsewhere {
        let folder = &found[..found.len() - below.len()];
        let is_wrapped = package.top() == [folder];
        return Some(if is_wrapped {
            Finding { id: "folder-packed", ..finding }
                .what(format!("everything is in the folder {}, and the handler {} is not at the root", shown(folder), shown(handler)))
                .mend(format!("pack the folder's contents and not the folder: `cd {} && zip -r ../function.zip .`", shown(folder)))
        } else {
            finding.mend(format!(
                "it is at {}: make that the handler, or pack from there",
                shown(found)
            ))
        });
    }
    let folded = path.to_lowercase();
    let alike = package
        .entries
        .keys()
        .find(|name| name.to_lowercase() == folded);
    Some(match alike {
        Some(alike) => finding.mend(format!(
            "it is called {}: letter case counts on Linux",
            shown(alike)
        )),
        None => finding.mend(format!(
            "the files at the root are: {}",
            super::finding::listed(
                &package
                    .top()
                    .iter()
                    .map(|&name| name.to_owned())
                    .collect::<Vec<_>>()
            )
        )),
    })
}

/// Looks at the first program of a command line, as far as that can be told without a shell.
fn check_command(function: &Function, package: &Package, line: &str, place: &str) -> Vec<Finding> {
    if line.contains(SHELL) {
        return Vec::new();
    }
    let mut words = line
        .split_whitespace()
        .skip_while(|word| word.contains('=') || *word == "exec");
    let Some(name) = words.next() else {
        return Vec::new();
    };
    let own = name
        .strip_prefix("./")
        .or_else(|| name.strip_prefix("/var/task/"))
        .or_else(|| (name.contains('/') && !name.starts_with('/')).then_some(name));
    if let Some(path) = own {
        if package.file(path).is_some() {
            return program::check(function, package, path, "the command");
        }
        return vec![
            Finding::error("command-missing", place)
                .what(format!(
                    "there is no file {}, which the command line starts",
                    shown(path)
                ))
                .why("a command line is run in the package's folder")
                .mend("pack it, or correct the path"),
        ];
    }
    let Some(runtime) = &function.runtime else {
        return Vec::new();
    };
    if name.starts_with('/') || BUILTINS.contains(&name) {
        return Vec::new();
    }
    let finding = |severity, why: String| {
        vec![
            Finding::new(severity, "command-unknown", place)
                .what(format!("the command line starts `{}`", shown(name)))
                .why(why)
                .mend(if package.file(name).is_some() {
                    format!("it is in the package: `./{}`", shown(name))
                } else {
                    "pack it, bring it with a layer, or take a runtime that has it".to_owned()
                }),
        ]
    };
    match runtime.program(name) {
        Presence::There => check_script_argument(package, name, words.next(), place),
        Presence::Missing => finding(
            Severity::Error,
            format!("{} has no {}", runtime.name, shown(name)),
        ),
        Presence::Unknown if package.file(name).is_some() => finding(
            Severity::Error,
            "a shell looks for it on PATH, on which the package's folder is not".to_owned(),
        ),
        Presence::Unknown => finding(
            Severity::Warning,
            format!(
                "{} is not known to be in {}; /opt/bin of a layer is on PATH",
                shown(name),
                runtime.name
            ),
        ),
    }
}

/// The file that an interpreter is to run.
fn check_script_argument(
    package: &Package,
    program: &str,
    argument: Option<&str>,
    place: &str,
) -> Vec<Finding> {
    const ENDS: [&str; 6] = [".js", ".mjs", ".cjs", ".py", ".rb", ".sh"];
    let script = argument.filter(|name| ENDS.iter().any(|end| name.ends_with(end)));
    let Some(script) = script.map(|name| name.strip_prefix("/var/task/").unwrap_or(name)) else {
        return Vec::new();
    };
    if script.starts_with('/') || package.file(script).is_some() {
        return Vec::new();
    }
    vec![
        Finding::error("command-missing", place)
            .what(format!(
                "there is no file {}, which {} is to run",
                shown(script),
                shown(program)
            ))
            .why("a command line is run in the package's folder")
            .mend("pack it, or correct the path"),
    ]
}
