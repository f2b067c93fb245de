// SPDX-License-Identifier: Apache-2.0
//! The programs under test: built once per test program by Cargo itself, and found where Cargo says they are.
//!
//! `STREAMGATE_BIN` and `STREAMGATE_LOCAL_BIN` put other builds in their place.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::process::spawn_alone;

/// The adapter as it ships, built by the script that builds it for the layer.
pub fn streamgate() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        given("STREAMGATE_BIN").unwrap_or_else(|| {
            let mut script = Command::new(repository().join("layer/build"));
            // Cargo sets these for tests; they would choose another toolchain's flags for the build.
            script
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_ENCODED_RUSTFLAGS");
            PathBuf::from(output("streamgate", &mut script).trim_end())
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
            build("streamgate-local", &arguments)
        })
    })
}

/// The demo app.
pub fn demo() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("streamgate-demo", &["--release", "-p", "streamgate-demo"]))
}

/// The app that misbehaves on request.
pub fn misbehave() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let arguments = ["--release", "-p", "integration-tests", "--bin", "misbehave"];
        build("misbehave", &arguments)
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

fn build(name: &str, arguments: &[&str]) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(repository())
        .arg("build")
        .args(arguments)
        .arg("--message-format=json-render-diagnostics");
    output(name, &mut command)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo names no executable for {name}"))
}

fn output(name: &str, command: &mut Command) -> String {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = spawn_alone(command);
    let output = started
        .and_then(Child::wait_with_output)
        .unwrap_or_else(|error| panic!("cannot build {name}: {error}"));
    assert!(
        output.status.success(),
        "{name} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
