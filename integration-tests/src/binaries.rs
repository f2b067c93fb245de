// SPDX-License-Identifier: Apache-2.0
//! The programs under test: built once per test program by Cargo itself, and found where Cargo says they are.
//!
//! `STREAMGATE_BIN` and `STREAMGATE_LOCAL_BIN` put other builds in their place.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The adapter as it ships: `dist` profile, static.
pub fn streamgate() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        given("STREAMGATE_BIN").unwrap_or_else(|| {
            let host = host_triple();
            let arguments = [
                "--profile",
                "dist",
                "--target",
                &host,
                "-p",
                "streamgate",
                "--bin",
                "streamgate",
            ];
            build(
                "streamgate",
                &arguments,
                Some("-C target-feature=+crt-static"),
            )
        })
    })
}

/// The local Lambda.
pub fn streamgate_local() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        given("STREAMGATE_LOCAL_BIN").unwrap_or_else(|| {
            let arguments = [
                "--release",
                "-p",
                "streamgate-emulator",
                "--bin",
                "streamgate-local",
            ];
            build("streamgate-local", &arguments, None)
        })
    })
}

/// The demo app.
pub fn demo() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        build(
            "streamgate-demo",
            &["--release", "-p", "streamgate-demo"],
            None,
        )
    })
}

/// The app that misbehaves on request.
pub fn misbehave() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let arguments = ["--release", "-p", "integration-tests", "--bin", "misbehave"];
        build("misbehave", &arguments, None)
    })
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn given(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os(variable)?);
    assert!(path.is_file(), "{variable}={} is no file", path.display());
    Some(path)
}

fn build(name: &str, arguments: &[&str], rustflags: Option<&str>) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(repository())
        .arg("build")
        .args(arguments)
        .arg("--message-format=json-render-diagnostics");
    if let Some(flags) = rustflags {
        command
            .env("RUSTFLAGS", flags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
    }
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run cargo: {error}"));
    assert!(
        output.status.success(),
        "{name} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo names no executable for {name}"))
}

fn host_triple() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .unwrap_or_else(|error| panic!("cannot run rustc: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap_or_else(|| panic!("rustc names no host: {text}"))
        .to_owned()
}
