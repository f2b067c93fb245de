// SPDX-License-Identifier: Apache-2.0
//! Names and values of settings, as the adapter itself judges them: it knows all of them, and a list here would rot.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

use super::finding::{Finding, shown};

const ARGUMENT: &str = "--check-settings";
/// It answers within milliseconds; what takes longer is no adapter.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the adapter what is wrong with these variables.
pub(super) fn check(adapter: Option<&Path>, variables: &BTreeMap<String, String>) -> Vec<Finding> {
    let adapter = match streamgate_emulator::find_adapter(adapter) {
        Ok(adapter) => adapter,
        Err(error) => return vec![not_checked(&error.to_string())],
    };
    let output = match ask(&adapter, variables) {
        Ok(output) => output,
        Err(error) => {
            return vec![not_checked(&format!(
                "{} cannot be asked: {error}",
                adapter.display()
            ))];
        }
    };
    read(&output).unwrap_or_else(|| {
        vec![not_checked(&format!(
            "{} does not know {ARGUMENT}",
            adapter.display()
        ))]
    })
}

fn not_checked(why: &str) -> Finding {
    Finding::note("settings-not-checked", "--adapter")
        .what("not looked at: names and values of settings")
        .why(format!("the adapter judges them, and {}", shown(why)))
        .mend("give one that runs on this machine: --adapter PATH")
}

fn ask(adapter: &Path, variables: &BTreeMap<String, String>) -> io::Result<Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut command = Command::new(adapter);
    command
        .arg(ARGUMENT)
        .env_clear()
        .envs(variables)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    runtime.block_on(async {
        tokio::time::timeout(LIMIT, command.output())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    })
}

/// What it has printed, a line for each; `None` if that is something else.
fn read(output: &Output) -> Option<Vec<Finding>> {
    /// `EX_USAGE` of `sysexits.h`.
    const REFUSED: i32 = 64;
    let text = std::str::from_utf8(&output.stdout).ok()?;
    if !matches!(output.status.code(), Some(0 | REFUSED)) || !output.stderr.is_empty() {
        return None;
    }
    text.lines()
        .map(|line| {
            let (severity, text) = line.split_once(": ")?;
            // Each begins with the variable, or names it behind some words.
            let is_name = |word: &&str| word.contains('_') || *word == "PORT";
            let mut words = text.split([' ', '=']);
            let place = words.find(is_name).unwrap_or("--env");
            match severity {
                "error" => Some(
                    Finding::error("setting-value", place)
                        .what(text)
                        .why("the adapter refuses to start, and the function's init fails")
                        .mend("correct the value; docs/configuration.md has what each setting takes"),
                ),
                "warning" => Some(
                    Finding::warning("setting-name", place)
                        .what(text)
                        .why("the adapter starts all the same, though perhaps not as it was meant")
                        .mend("correct the name or the value, or leave it out; docs/configuration.md has all of them"),
                ),
                _ => None,
            }
        })
        .collect()
}
