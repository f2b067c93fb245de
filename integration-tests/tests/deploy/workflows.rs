// SPDX-License-Identifier: Apache-2.0
//! What GitHub runs for this repository.

use std::fs;
use std::process::{Command, Output};

use integration_tests::binaries::repository;
use integration_tests::process::run;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{documents, files, tool};

fn workflow(name: &str) -> Value {
    let path = format!(".github/workflows/{name}.yml");
    documents(std::slice::from_ref(&path))[&path].clone()
}

/// What the steps of a job run, one behind the other.
fn script(job: &Value) -> String {
    let steps = job["steps"].as_array().unwrap().iter();
    steps
        .filter_map(|step| step["run"].as_str())
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn linters_of_workflows_have_no_objection() {
    let workflows = files(".github/workflows", "yml");
    run(Command::new(tool("actionlint"))
        .current_dir(repository())
        .args(&workflows));
    // That nothing of a stranger's runs with rights: actions by hash, no texts of a request in scripts.
    run(Command::new(tool("deploy/bin/zizmor"))
        .current_dir(repository())
        .args(["--offline", "--no-progress"])
        .args(&workflows));
}

#[test]
fn every_action_is_named_by_its_commit() {
    for path in files(".github/workflows", "yml") {
        let text = fs::read_to_string(repository().join(&path)).unwrap();
        let uses: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once("uses: "))
            .collect();
        assert!(!uses.is_empty(), "{path} uses nothing");
        for (_, action) in uses {
            if action.starts_with("./") {
                continue;
            }
            let (reference, version) = action.split_once(" # v").unwrap();
            let (_, commit) = reference.split_once('@').unwrap();
            assert_eq!(commit.len(), 40, "{action}");
            assert!(commit.chars().all(|c| c.is_ascii_hexdigit()), "{action}");
            assert_eq!(version.split('.').count(), 3, "{action}");
        }
    }
}

#[test]
fn changes_are_checked_with_no_right_but_to_read() {
    let ci = workflow("ci");
    // The key is YAML's `on`.
    assert_eq!(ci["true"]["push"]["branches"], json!(["main"]));
    assert!(ci["true"].as_object().unwrap().contains_key("pull_request"));
    assert_eq!(ci["permissions"], json!({"contents": "read"}));
    assert!(ci["jobs"]["run"]["permissions"].is_null());
    assert!(script(&ci["jobs"]["run"]).ends_with("\n.ci/run"));
}

#[test]
fn a_release_is_checked_built_signed_and_published_in_this_order() {
    let release = workflow("release");
    assert_eq!(release["true"], json!({"push": {"tags": ["v*"]}}));
    assert_eq!(release["permissions"], json!({}));
    let jobs = &release["jobs"];
    assert_eq!(jobs["checks"]["uses"], "./.github/workflows/ci.yml");
    assert_eq!(jobs["build"]["needs"], "checks");
    assert_eq!(jobs["layer"]["needs"], "build");
    assert_eq!(jobs["release"]["needs"], json!(["build", "layer"]));

    let build = script(&jobs["build"]);
    assert!(
        build.contains("cargo deny check advisories\nmake layer"),
        "{build}"
    );
    assert!(
        build.contains(".github/release-notes \"$GITHUB_REF_NAME\""),
        "{build}"
    );

    let layer = &jobs["layer"];
    assert_eq!(
        layer["strategy"]["matrix"]["architecture"],
        json!(["arm64", "x86_64"])
    );
    assert!(
        layer["strategy"]["matrix"]["region"]
            .as_array()
            .unwrap()
            .len()
            > 1
    );
    assert_eq!(layer["permissions"], json!({"id-token": "write"}));
    let publish = script(layer);
    assert!(
        publish.contains("fileb://dist/streamgate-layer-$ARCHITECTURE.zip"),
        "{publish}"
    );
    assert!(
        publish.contains("--principal '*' --action lambda:GetLayerVersion"),
        "{publish}"
    );

    let publish = script(&jobs["release"]);
    let sign = "sign-blob --yes --bundle dist/SHA256SUMS.sigstore.json dist/SHA256SUMS";
    let (signed, released) = (publish.find(sign), publish.find("gh release create"));
    assert!(signed.is_some() && signed < released, "{publish}");
    assert!(
        publish.trim_end().ends_with("--notes-file notes.md dist/*"),
        "{publish}"
    );
    assert_eq!(
        jobs["release"]["permissions"],
        json!({"contents": "write", "id-token": "write"})
    );
}

/// Runs the script in a workspace of version 1.2.3 with this changelog.
fn release_notes(changelog: &str, tag: &str) -> Output {
    let root = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let manifest =
        "[package]\nname = \"streamgate\"\nversion = \"1.2.3\"\nedition = \"2024\"\n[workspace]\n";
    write("Cargo.toml", manifest);
    write(
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"streamgate\"\nversion = \"1.2.3\"\n",
    );
    write("src/lib.rs", "");
    write("CHANGELOG.md", changelog);
    write(".github/release-notes", "");
    let script = root.path().join(".github/release-notes");
    fs::copy(repository().join(".github/release-notes"), &script).unwrap();
    // By its interpreter: an executable that was just written may still be open in a child of another test.
    let output = Command::new("sh").arg(script).arg(tag).output();
    output.unwrap()
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let changelog = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-11-30\n\n### Added\n\n- now\n\n\
                     ## [1.2.30]\n\n- other\n";
    let output = release_notes(changelog, "v1.2.3");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "\n### Added\n\n- now\n"
    );
    assert!(output.status.success());
}

#[test]
fn a_release_without_notes_or_of_another_version_stops() {
    for (changelog, tag, said) in [
        (
            "## [Unreleased]\n\n- later\n",
            "v1.2.3",
            "nothing below \"## [1.2.3]\"",
        ),
        (
            "## [1.2.3]\n\n## [1.2.2]\n- old\n",
            "v1.2.3",
            "nothing below \"## [1.2.3]\"",
        ),
        (
            "## [1.2.4]\n- new\n",
            "v1.2.4",
            "the tag is v1.2.4, and Cargo.toml has 1.2.3",
        ),
        (
            "## [1.2.3]\n- new\n",
            "1.2.3",
            "the tag is 1.2.3, and Cargo.toml has 1.2.3",
        ),
    ] {
        let output = release_notes(changelog, tag);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{tag}: {changelog}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn this_versions_section_is_found_in_the_changelog_once_there_is_one() {
    let changelog = fs::read_to_string(repository().join("CHANGELOG.md")).unwrap();
    let released = changelog.replace("## [Unreleased]", "## [1.2.3] - 2026-11-30");
    let output = release_notes(&released, "v1.2.3");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("### Added"));
}
