// SPDX-License-Identifier: Apache-2.0
//! The house rules that a compiler does not see: who may use whom, and what the documents have to say.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod book;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::binaries::repository;
use serde_json::Value;

/// Which module of the adapter may use which. `settings` and `logging` hold plain values and texts, and may be used by
/// all; `main`, `lib` and `stub` are where everything is put together.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "lifecycle",
        &[
            "proxy",
            "app",
            "background",
            "control",
            "extension_api",
            "handover",
            "headers",
            "metrics",
            "role",
            "runtime_api",
            "transport",
            "wakes",
        ],
    ),
    (
        "proxy",
        &[
            "policy",
            "event",
            "reply",
            "front",
            "headers",
            "route",
            "body",
            "compression",
            "app",
            "runtime_api",
            "transport",
            "alarm",
            "background",
            "deadline",
            "metrics",
        ],
    ),
    ("alarm", &[]),
    ("deadline", &[]),
    ("wakes", &[]),
    ("role", &["app"]),
    ("stub", &["app", "handover"]),
    ("event", &["front", "headers", "route"]),
    ("reply", &["front", "headers", "body"]),
    ("background", &["headers"]),
    ("control", &["background", "headers"]),
    ("front", &[]),
    ("headers", &[]),
    ("policy", &["event", "front", "headers", "route", "trace"]),
    ("route", &[]),
    ("trace", &[]),
    // What is to end in time is told the time.
    ("body", &["alarm"]),
    ("compression", &["body"]),
    ("runtime_api", &["transport", "body"]),
    ("extension_api", &["transport"]),
    ("app", &["transport", "body"]),
    // What the stub hands over is what an app is started with.
    ("handover", &["app"]),
    ("transport", &[]),
    ("failure", &[]),
    ("logging", &[]),
    ("metrics", &[]),
    // Which headers a rule may write is told where headers are.
    ("settings", &["headers"]),
];

const FOR_ALL: &[&str] = &["settings", "logging", "failure"];

/// Modules that compute and nothing else.
const PURE: &[&str] = &[
    "event",
    "reply",
    "body",
    "compression",
    "front",
    "headers",
    "route",
    "policy",
    "trace",
    "failure",
    "settings",
    "deadline",
];

/// What a pure module has no use for.
const WORLD: &[&str] = &[
    "tokio::",
    "std::net",
    "std::fs",
    "std::process",
    "std::env::var",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "hyper::client",
];

#[test]
fn modules_of_the_adapter_use_only_what_is_below_them() {
    let mut wrong = BTreeSet::new();
    let rules: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    for (module, text) in modules() {
        if module == "main" || module == "lib" {
            continue;
        }
        let allowed = rules.get(module.as_str());
        let allowed = allowed.unwrap_or_else(|| {
            panic!("src/{module} has no place in the layering: give it one here")
        });
        for used in used_modules(&text) {
            if used != module
                && !allowed.contains(&used.as_str())
                && !FOR_ALL.contains(&used.as_str())
            {
                wrong.insert(format!("{module} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that go up or across: {wrong:?}");
}

#[test]
fn pure_modules_touch_no_socket_clock_file_or_environment() {
    let mut wrong = BTreeSet::new();
    for (module, text) in modules() {
        if PURE.contains(&module.as_str()) {
            let found = WORLD.iter().filter(|word| text.contains(*word));
            wrong.extend(found.map(|word| format!("{module} uses {word}")));
        }
    }
    // The environment comes in at one place.
    wrong.remove("settings uses std::env::var");
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Each module of the adapter with the code of its files: no comments, no tests.
fn modules() -> Vec<(String, String)> {
    let root = repository().join("src");
    let files = sources(&root)
        .into_iter()
        .filter(|file| file.file_name() != Some(OsStr::new("tests.rs")));
    let modules: Vec<_> = files
        .map(|file| {
            let relative = file.strip_prefix(&root).unwrap();
            let module = relative
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_string_lossy()
                .replace(".rs", "");
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("\n#[cfg(test)]\n").next().unwrap();
            let lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            (module, lines.collect::<Vec<_>>().join("\n"))
        })
        .collect();
    assert!(
        modules.len() > 10,
        "the adapter's sources are in {}",
        root.display()
    );
    modules
}

fn used_modules(code: &str) -> BTreeSet<String> {
    let uses = code.split("crate::").skip(1);
    let names = uses.map(|rest| {
        rest.chars()
            .take_while(|&c| c.is_ascii_lowercase() || c == '_')
            .collect::<String>()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir()
            && !["target", "node_modules"]
                .iter()
                .any(|name| path.ends_with(name))
        {
            found.extend(sources(&path));
        } else if path.extension() == Some(OsStr::new("rs")) {
            found.push(path);
        }
    }
    found
}

/// All Rust files of the repository.
fn all_sources() -> Vec<PathBuf> {
    let folders = ["src", "benches", "crates", "integration-tests", "examples"];
    folders
        .iter()
        .flat_map(|folder| sources(&repository().join(folder)))
        .collect()
}

#[test]
fn adapter_and_emulator_do_not_depend_on_each_other() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = Command::new(cargo)
        .current_dir(repository())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let members: Vec<&str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    assert!(
        members.contains(&"streamgate") && members.contains(&"streamgate-emulator"),
        "{members:?}"
    );
    for package in metadata["packages"].as_array().unwrap() {
        let dependencies: Vec<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| members.contains(name))
            .collect();
        // Not even a crate that both would share: a framing mistake must not cancel out. The benchmarks count the
        // instructions of the adapter's pure parts; their Lambda is their own.
        let allowed: &[&str] = match package["name"].as_str() {
            Some("streamgate-benches") => &["streamgate"],
            _ => &[],
        };
        assert_eq!(dependencies, allowed, "{}", package["name"]);
    }
}

#[test]
fn every_package_keeps_to_the_workspaces_lints() {
    let root = repository();
    let text = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(text.contains("unsafe_code = \"forbid\""));
    for member in [
        "",
        "benches",
        "crates/emulator",
        "crates/layer",
        "examples/demo",
        "integration-tests",
    ] {
        let text = fs::read_to_string(root.join(member).join("Cargo.toml")).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{member}/Cargo.toml"
        );
    }
}

#[test]
fn every_source_names_its_licence() {
    for file in all_sources() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("// SPDX-License-Identifier: Apache-2.0\n"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn every_setting_is_documented_with_its_aliases() {
    let table = fs::read_to_string(repository().join("src/settings/vars.rs")).unwrap();
    let documentation = fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    let rows: Vec<String> = table
        .lines()
        .filter(|line| line.starts_with("        name: \""))
        .filter_map(quoted)
        .collect();
    assert!(
        rows.len() > 5,
        "the table of settings has another form than this test knows: {rows:?}"
    );
    for row in rows {
        assert!(
            documentation.contains(&format!("| `STREAMGATE_{row}` |")),
            "STREAMGATE_{row} is not documented"
        );
    }
    let aliases = table
        .split('"')
        .filter(|text| text.starts_with("AWS_L") && !text.contains(' '));
    for alias in aliases {
        assert!(
            documentation.contains(&format!("`{alias}`")),
            "{alias} is not documented"
        );
    }
}

#[test]
fn every_promise_names_its_test_or_says_that_it_is_pending() {
    let specification = fs::read_to_string(repository().join("docs/specification.md")).unwrap();
    let tests: BTreeSet<String> = all_sources()
        .iter()
        .flat_map(|file| functions(&fs::read_to_string(file).unwrap()))
        .collect();
    let (mut rows, mut section, mut row) = (0, 0_u32, 0);
    for line in specification.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let number = heading.split_once(". ").map(|(number, _)| number.parse());
            let number = number.unwrap_or_else(|| panic!("{heading} has no number"));
            let before = std::mem::replace(&mut section, number.unwrap());
            assert!(section > before, "{heading} comes behind section {before}");
            row = 0;
        }
        if !line.starts_with('|') {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let last = cells.last().copied().unwrap_or_default();
        let is_heading =
            last.is_empty() || last.starts_with("--") || last.starts_with(":-") || last == "Test";
        if is_heading {
            continue;
        }
        (rows, row) = (rows + 1, row + 1);
        assert_eq!(
            cells[0],
            format!("{section}.{row}"),
            "the number of: {line}"
        );
        if last.contains("pending") {
            continue;
        }
        // A test is named by its function, with or without the modules before it.
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named in: {line}");
        for name in names {
            let function = name.rsplit([':', '/', ' ']).next().unwrap_or_default();
            assert!(
                tests.contains(function),
                "there is no test `{name}`, promised in: {line}"
            );
        }
    }
    assert!(rows > 0, "docs/specification.md has no table of promises");
}

/// The names of the functions in a source.
fn functions(source: &str) -> BTreeSet<String> {
    let names = source.split("fn ").skip(1);
    names
        .map(|rest| {
            rest.chars()
                .take_while(|&c| c.is_ascii_alphanumeric() || c == '_')
                .collect()
        })
        .collect()
}
