// SPDX-License-Identifier: Apache-2.0
//! `streamgate-local doctor`: looks at a package before it is deployed and says what would fail on Lambda.
//!
//! It reads; it runs nothing of the package. What it claims about Lambda, with the source of each claim, is in
//! `docs/doctor.md`.
//!
//! | module | what |
//! |---|---|
//! | `function` | what the user has said: package, layers, handler, runtime, architecture, variables |
//! | `package` | names, modes, links and heads of files; from a `zip` or a `folder`, machine code read by `elf` |
//! | `start`, `lines`, `program` | how the app is started, and whether a file can be |
//! | `native` | machine code beside the handler |
//! | `layer` | layers and sizes |
//! | `variables`, `settings` | the function's variables; what only the adapter knows of them it is asked |
//! | `platform` | what the runtimes have |
//! | `finding` | what is told |

mod elf;
mod finding;
mod folder;
mod function;
mod layer;
mod lines;
mod native;
mod package;
mod platform;
mod program;
mod settings;
mod start;
mod variables;
mod zip;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use finding::{Finding, Report};
use function::Function;
use package::{Package, PackageError};
use platform::{Architecture, Runtime};

/// The word behind the program's name that asks for it.
pub(crate) const NAME: &str = "doctor";
/// `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;

/// Looks at a zip, a folder or a layer and says what would fail on Lambda.
///
/// Exit status: 0 nothing that fails, 1 errors, 64 wrong usage.
#[derive(Debug, Parser)]
#[expect(
    clippy::doc_markdown,
    reason = "these comments are the help text of a terminal"
)]
#[command(
    name = "streamgate-local doctor",
    bin_name = "streamgate-local doctor",
    version
)]
struct Cli {
    /// The function's package, or a layer: a zip or a folder
    #[arg(required_unless_present = "layers")]
    path: Option<PathBuf>,

    /// Handler setting of the function, such as run.sh
    #[arg(long)]
    handler: Option<String>,

    /// Runtime of the function, such as provided.al2023 or nodejs22.x
    #[arg(long)]
    runtime: Option<Runtime>,

    /// x86_64 or arm64
    #[arg(long, default_value = "x86_64")]
    architecture: Architecture,

    /// A layer of the function: a zip or a folder; may be repeated
    #[arg(long = "layer", value_name = "PATH")]
    layers: Vec<PathBuf>,

    /// A variable of the function; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// A file with a NAME=VALUE in each line
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,

    /// The adapter that judges the settings [default: streamgate beside this program, else on PATH]
    #[arg(long, value_name = "PATH")]
    adapter: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why nothing was looked at.
#[derive(Debug, thiserror::Error)]
enum DoctorError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("--env-file {} cannot be read", .path.display())]
    EnvFile {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("--env-file {}, line {line}: expected NAME=VALUE", .path.display())]
    EnvLine { path: PathBuf, line: usize },
}

/// Does what these arguments, which follow the word `doctor`, ask for.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(std::iter::once(NAME.into()).chain(arguments)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is no failure; a closed output is nothing to report to.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let json = cli.json;
    match examine(cli) {
        Ok(report) => {
            let text = if json {
                serde_json::to_string_pretty(&report).unwrap_or_default()
            } else {
                report.to_string()
            };
            // Whoever closed the output has the exit code.
            let _ = writeln!(std::io::stdout().lock(), "{text}");
            ExitCode::from(u8::from(report.has_errors()))
        }
        Err(error) => {
            crate::cli::report(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn examine(cli: Cli) -> Result<Report, DoctorError> {
    let variables = variables(&cli)?;
    let mut function = Function {
        package: cli.path.as_deref().map(Package::read).transpose()?,
        layers: cli
            .layers
            .iter()
            .map(|path| Package::read(path))
            .collect::<Result<_, _>>()?,
        handler: cli.handler,
        runtime: cli.runtime,
        architecture: cli.architecture,
        variables,
    };
    // A layer that was given as the package: without a handler it cannot be meant for a function.
    if function.handler.is_none() && function.package.as_ref().is_some_and(layer::is_one) {
        function.layers.extend(function.package.take());
    }

    let mut findings = Vec::new();
    for package in function.package.iter().chain(&function.layers) {
        findings.extend(package.findings.iter().cloned());
        findings.extend(package.check_entries());
    }
    if function.package.as_ref().is_none_or(Package::is_readable) {
        findings.extend(start::check(&function));
    }
    findings.extend(layer::check(&function));
    for package in function.package.iter().chain(&function.layers) {
        findings.extend(native::check(&function, package));
    }
    if function.package.is_some() || function.variables.is_some() {
        findings.extend(variables::check(&function));
    }
    if let Some(variables) = &function.variables {
        findings.extend(settings::check(cli.adapter.as_deref(), variables));
    }
    Ok(Report::new(condensed(findings)))
}

/// A file may be looked at for two reasons; the first is the one with the better words. Of what is wrong with many files
/// alike, the first is told with the number of the others.
fn condensed(findings: Vec<Finding>) -> Vec<Finding> {
    const OF_MANY: [&str; 7] = [
        "backslash",
        "bad-name",
        "compression",
        "encrypted",
        "link-absolute",
        "link-dangling",
        "link-outside",
    ];
    let mut seen = HashSet::new();
    let mut kept: Vec<(Finding, usize)> = Vec::new();
    let mut first: HashMap<&str, usize> = HashMap::new();
    for finding in findings {
        if !seen.insert((finding.id, finding.place.clone())) {
            continue;
        }
        if OF_MANY.contains(&finding.id) {
            if let Some(&at) = first.get(finding.id) {
                kept[at].1 += 1;
                continue;
            }
            first.insert(finding.id, kept.len());
        }
        kept.push((finding, 0));
    }
    kept.into_iter()
        .map(|(finding, more)| {
            if more == 0 {
                return finding;
            }
            let what = format!("{} (and {more} more like it)", finding.what);
            finding.what(what)
        })
        .collect()
}

/// All variables, those of the command line before those of the file. `None`: none were given.
fn variables(cli: &Cli) -> Result<Option<BTreeMap<String, String>>, DoctorError> {
    if cli.variables.is_empty() && cli.env_file.is_none() {
        return Ok(None);
    }
    let mut variables = BTreeMap::new();
    if let Some(path) = &cli.env_file {
        let text = std::fs::read_to_string(path).map_err(|source| DoctorError::EnvFile {
            path: path.clone(),
            source,
        })?;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = variable(line).map_err(|_| DoctorError::EnvLine {
                path: path.clone(),
                line: index + 1,
            })?;
            variables.extend([pair]);
        }
    }
    variables.extend(cli.variables.iter().cloned());
    Ok(Some(variables))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        // Neither can be in an environment.
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
