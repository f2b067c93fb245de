// SPDX-License-Identifier: Apache-2.0
//! How it is told, and with which exit status.

use std::fs;

use crate::{Zip, about, doctor, healthy, text};

#[test]
fn a_finding_says_what_where_why_and_how_to_mend() {
    let question = about(Zip::new().file("run.sh", 0o644, "#!/bin/sh\n"));
    let output = question.command().output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!((output.status.code(), stderr.as_str()), (Some(1), ""));
    for part in [
        "error: the handler run.sh is not executable (mode 644) [not-executable]\n",
        "  where: ",
        "function.zip: run.sh\n",
        "  why:   Lambda keeps the mode",
        "  mend:  `chmod 755 run.sh` before packing\n",
        "\n1 error, 0 warnings, 0 notes\n",
    ] {
        assert!(stdout.contains(part), "{part:?} is not in {stdout}");
    }
}

#[test]
fn nothing_wrong_is_exit_status_0_and_one_line() {
    let output = about(healthy()).command().output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("0 errors, 0 warnings, 0 notes\n", "")
    );
}

#[test]
fn wrong_usage_is_exit_status_64_and_names_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "no zip").unwrap();
    let lines = folder.path().join("variables");
    fs::write(&lines, "A=1\nNOTHING\n").unwrap();
    let (file, lines) = (file.to_str().unwrap(), lines.to_str().unwrap());
    for (arguments, words) in [
        (vec![], "<PATH>"),
        (vec!["/nowhere.zip"], "/nowhere.zip cannot be read"),
        (vec![file], "notes.txt is neither a folder nor a zip"),
        (vec![".", "--runtime", "nodejs4"], "nodejs22.x"),
        (vec![".", "--architecture", "mips"], "x86_64 or arm64"),
        (vec![".", "--env", "NOVALUE"], "NAME=VALUE"),
        (
            vec![".", "--env-file", lines],
            "line 2: expected NAME=VALUE",
        ),
        (vec![".", "--layer", "/nolayer"], "/nolayer cannot be read"),
        (vec![".", "--frobnicate"], "--frobnicate"),
    ] {
        let output = doctor().args(&arguments).output().unwrap();
        let (stdout, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert_eq!(stdout, "");
    }
}

#[test]
fn what_was_not_said_is_told_as_not_looked_at() {
    let mut question = about(healthy()).runtime("");
    question.handler = None;
    question.variables.clear();
    let said = question.ask();
    assert_eq!(
        said.ids(),
        [
            ("note", "no-runtime"),
            ("note", "no-handler"),
            ("note", "no-variables")
        ]
    );
    assert_eq!(said.code, Some(0));
}

#[test]
fn a_name_cannot_write_to_the_terminal() {
    let package = Zip::new()
        .file("run.sh", 0o755, "#!/bin/sh\n")
        .file("\u{1b}[2J\n/x", 0o600, "");
    let output = about(package).command().output().unwrap();
    let (stdout, _) = text(&output);
    assert!(stdout.contains(r"\u{1b}[2J\n/x"), "{stdout}");
    assert!(!stdout.contains('\u{1b}'));
}
