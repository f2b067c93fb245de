// SPDX-License-Identifier: Apache-2.0
//! The CDK construct: its own tests, on templates that the CDK synthesises.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::binaries::repository;
use integration_tests::process::run;
use integration_tests::waiting;
use serde_json::Value;

use crate::files;

#[test]
fn the_construct_passes_its_own_tests_and_is_packed_without_them() {
    // A registry may be slow.
    waiting::watchdog();
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cdk");
    fs::create_dir_all(&package).unwrap();
    let lock = File::create(package.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    install(&package);
    copy("tsconfig.json", &package);
    for folder in ["src", "test", "dist", "tmp"] {
        let _ = fs::remove_dir_all(package.join(folder));
    }
    // Each synthesis leaves a folder behind.
    let tmp = package.join("tmp");
    fs::create_dir(&tmp).unwrap();
    for file in ["src", "test"]
        .iter()
        .flat_map(|folder| files(&format!("deploy/cdk/{folder}"), "ts"))
    {
        copy(file.strip_prefix("deploy/cdk/").unwrap(), &package);
    }
    let said = run(npm(&package).env("TMPDIR", &tmp).arg("test"));
    let count = |kind: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(kind));
        line.and_then(|number| number.trim().parse::<u32>().ok())
    };
    assert_eq!(count("# fail"), Some(0), "{said}");
    assert_eq!(count("# skipped"), Some(0), "{said}");
    assert!(count("# pass").is_some_and(|number| number > 0), "{said}");

    let packed = run(npm(&package).args(["pack", "--dry-run", "--json", "--ignore-scripts"]));
    let packed: Value = serde_json::from_str(&packed).unwrap();
    let files = packed[0]["files"].as_array().unwrap();
    let files: Vec<_> = files.iter().map(|file| &file["path"]).collect();
    let expected = ["dist/src/index.d.ts", "dist/src/index.js", "package.json"];
    assert_eq!(files, expected, "what others get");
}

/// Installs what the lock file names, unless an earlier run has.
fn install(package: &Path) {
    let lock = fs::read(source("package-lock.json")).unwrap();
    let stamp = package.with_extension("stamp");
    let installed = fs::read(&stamp).is_ok_and(|stamp| stamp == lock);
    copy("package.json", package);
    copy("package-lock.json", package);
    if !installed {
        let _ = fs::remove_file(&stamp);
        run(npm(package).args(["ci", "--no-audit", "--no-fund"]));
        fs::write(stamp, lock).unwrap();
    }
}

fn npm(package: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(package);
    npm
}

fn source(name: &str) -> PathBuf {
    repository().join("deploy/cdk").join(name)
}

fn copy(name: &str, package: &Path) {
    let to = package.join(name);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(source(name), to).unwrap();
}
