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

/// A build's outcome. A failed one is not tried again by each test.
type Built = OnceLock<Result<PathBuf, String>>;

/// The adapter as it ships, built by the script that builds it for the layer.
pub fn streamgate() -> &'static Path {
    static BUILT: Built = Built::new();
    built(&BUILT, || {
        if let Some(path) = given("STREAMGATE_BIN") {
            return Ok(path);
        }
        let mut script = Command::new(repository().join("layer/build"));
        // Cargo sets these for tests; they would choose another toolchain's flags for the build.
        script
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let path = output("streamgate", &mut script)?;
        Ok(PathBuf::from(path.trim_end()))
    })
}

/// The local Lambda.
pub fn streamgate_local() -> &'static Path {
    static BUILT: Built = Built::new();
    built(&BUILT, || match given("STREAMGATE_LOCAL_BIN") {
        Some(path) => Ok(path),
        None => build("streamgate-local", "streamgate-emulator"),
    })
}

/// The demo app.
pub fn demo() -> &'static Path {
    static BUILT: Built = Built::new();
    built(&BUILT, || build("streamgate-demo", "streamgate-demo"))
}

/// The app that misbehaves on request.
pub fn misbehave() -> &'static Path {
    static BUILT: Built = Built::new();
    built(&BUILT, || build("misbehave", "integration-tests"))
}

/// What packs the layer.
pub fn streamgate_layer() -> &'static Path {
    static BUILT: Built = Built::new();
    built(&BUILT, || build("streamgate-layer", "streamgate-layer"))
}

/// A Python program that the setup script puts below Cargo's target folder.
///
/// `tests_folder` is Cargo's own for tests (`CARGO_TARGET_TMPDIR`).
pub fn tool(tests_folder: &str, name: &str) -> PathBuf {
    installed(tests_folder, &format!("python/bin/{name}"))
}

/// AWS Lambda Web Adapter, which the setup script puts there too.
pub fn web_adapter(tests_folder: &str) -> PathBuf {
    installed(tests_folder, "bin/lambda-adapter")
}

fn installed(tests_folder: &str, name: &str) -> PathBuf {
    let path = Path::new(tests_folder).with_file_name("tools").join(name);
    assert!(
        path.is_file(),
        "there is no {}: integration-tests/setup/install installs it",
        path.display()
    );
    path
}

/// The kinds (`p_type`) of the program headers of a 64-bit little-endian ELF file.
pub fn elf_program_headers(elf: &[u8]) -> Vec<usize> {
    let number = |at: usize, size: usize| {
        let bytes = elf[at..at + size].iter().rev();
        bytes.fold(0_usize, |number, &byte| number << 8 | usize::from(byte))
    };
    let (table, entry, count) = (number(32, 8), number(54, 2), number(56, 2));
    assert!(count > 0, "a program has headers");
    (0..count)
        .map(|index| number(table + index * entry, 4))
        .collect()
}

fn built(
    outcome: &'static Built,
    build: impl FnOnce() -> Result<PathBuf, String>,
) -> &'static Path {
    match outcome.get_or_init(build) {
        Ok(path) => path,
        Err(error) => panic!("{error}"),
    }
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

fn build(name: &str, package: &str) -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(repository())
        .args(["build", "--release", "-p", package, "--bin", name])
        .arg("--message-format=json-render-diagnostics");
    output(name, &mut command)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo names no executable for {name}"))
}

fn output(name: &str, command: &mut Command) -> Result<String, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = spawn_alone(command)
        .and_then(Child::wait_with_output)
        .map_err(|error| format!("cannot build {name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} does not build:\n{stderr}"))
}
