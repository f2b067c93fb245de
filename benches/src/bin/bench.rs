// SPDX-License-Identifier: Apache-2.0
//! `make bench`: builds the adapters, measures them in turns, and shows what came of it.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use streamgate_benches::adapter::Adapter;
use streamgate_benches::machine::Machine;
use streamgate_benches::measure::{CASES, Case, Stage};
use streamgate_benches::origin::Origin;
use streamgate_benches::rounds::{AGAIN, Contestant, LWA, NULL, OURS, Results};
use streamgate_benches::{chart, document, report};

/// Measures the adapter beside its peers and beside the least that a proxy can do.
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds, and not all cases.
    #[arg(long)]
    quick: bool,
    /// Only these cases.
    #[arg(long, value_delimiter = ',', value_parser = CASES.iter().map(|case| case.name).collect::<Vec<_>>())]
    cases: Vec<String>,
    /// Rounds, in each of which every adapter has its turn.
    #[arg(long)]
    rounds: Option<usize>,
    /// Puts the table and the chart into `docs`.
    #[arg(long)]
    write_docs: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprintln!("  {error}");
                source = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("no repository")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or(repository.join("target"), PathBuf::from);
    let folder = target.join("bench");
    fs::create_dir_all(&folder)?;
    let build = |key| Adapter::build(key, repository, &target);
    let (ours, null, lwa) = (build(OURS)?, build(NULL)?, build(LWA)?);
    let contestants = [(OURS, &ours), (NULL, &null), (LWA, &lwa), (AGAIN, &ours)]
        .map(|(key, adapter)| Contestant { key, adapter });

    let machine = Machine::here();
    let stage = Stage {
        origin: Origin::start()?,
        folder: folder.clone(),
    };
    let cases: Vec<&Case> = CASES
        .iter()
        .filter(|case| is_wanted(arguments, case))
        .collect();
    let rounds = arguments
        .rounds
        .unwrap_or(if arguments.quick { 5 } else { 11 });
    let mut results = Results::default();
    let is_watched = io::stderr().is_terminal();
    results.take(&stage, &cases, &contestants, rounds, |round, case| {
        if is_watched {
            eprint!("\r\x1b[Kround {} of {rounds}: {case}", round + 1);
        }
    });
    if is_watched {
        eprint!("\r\x1b[K");
    }

    let json = report::json(&results, &machine, rounds);
    fs::write(folder.join("results.json"), format!("{json:#}\n"))?;
    fs::write(folder.join("performance.svg"), chart::svg(&results))?;
    if arguments.write_docs {
        document::write(&repository.join("docs"), &results, &machine, rounds)?;
    }
    let mut screen = io::stdout();
    writeln!(screen, "{}", report::table(&results))?;
    for failure in &results.failures {
        writeln!(screen, "not measured: {failure}")?;
    }
    writeln!(screen, "{}", machine.sentence(rounds))?;
    writeln!(screen, "All values and a chart are in {}", folder.display())?;
    Ok(results.failures.is_empty())
}

fn is_wanted(arguments: &Arguments, case: &Case) -> bool {
    if arguments.cases.is_empty() {
        !arguments.quick || case.is_quick
    } else {
        arguments.cases.iter().any(|name| name == case.name)
    }
}
