// SPDX-License-Identifier: Apache-2.0
//! `make bench-gate`: counts instructions with Valgrind, and compares them with those in `benches/instructions.toml`.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use streamgate_benches::adapter::{Adapter, Mode};
use streamgate_benches::gate::{Baseline, MadeBy, TOLERANCE, Verdict};
use streamgate_benches::measure::{MeasureError, Stage, instructions};
use streamgate_benches::origin::Origin;
use streamgate_benches::pure::{self, COMPUTATIONS};
use streamgate_benches::rounds::OURS;
use streamgate_benches::tool::{self, Callgrind};

const FILE: &str = "benches/instructions.toml";
/// How often a computation runs in the shorter of two runs.
const COMPUTATIONS_COUNTED: u32 = 200;

/// Counts instructions, and compares them with the baseline.
#[derive(Parser)]
struct Arguments {
    /// Makes what is counted now the baseline.
    #[arg(long)]
    write: bool,
    /// Runs a computation, to be counted.
    #[arg(long, num_args = 2, value_names = ["NAME", "COUNT"], hide = true)]
    compute: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.compute.as_deref() {
        Some([name, count]) => Ok(pure::run(name, count.parse().unwrap_or(0))),
        _ => run(arguments.write),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(writes: bool) -> Result<bool, Box<dyn Error>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("no repository")?;
    let file = repository.join(FILE);
    let target = env::var_os("CARGO_TARGET_DIR").map_or(repository.join("target"), PathBuf::from);
    let folder = target.join("bench");
    fs::create_dir_all(&folder)?;

    let mut counts = BTreeMap::new();
    for computation in COMPUTATIONS {
        let count = of_computation(computation.name, &folder)?;
        counts.insert(computation.name.to_owned(), count);
    }
    // The build may have all processors.
    let adapter = Adapter::build(OURS, repository, &target)?;
    tool::stay_on_one_processor()?;
    let stage = Stage {
        origin: Origin::start()?,
        folder,
    };
    for (name, mode) in [
        ("streamed_invocation", Mode::Streamed),
        ("buffered_invocation", Mode::Buffered),
    ] {
        let count = instructions(&stage, &adapter, mode)?;
        counts.insert(name.to_owned(), count);
    }
    let now = Baseline {
        made_by: MadeBy::here(repository),
        instructions: counts,
    };
    if writes {
        fs::write(&file, now.to_toml())?;
    }
    let kept = Baseline::parse(&fs::read_to_string(&file)?)?;
    let (verdict, report) = kept.compare(&now);
    print!("{report}");
    match verdict {
        Verdict::Kept => {}
        Verdict::Broken => println!(
            "\nMore than {:.0} % above {FILE}. Look for what the change does on each request. Where it happens:\n  \
             cargo build --release --package streamgate\n  \
             STREAMGATE_BIN=target/release/streamgate make bench-gate; callgrind_annotate target/bench/callgrind.out\n\
             If it is worth its price, say so in the commit, and keep the new counts: make bench-baseline",
            TOLERANCE * 100.0
        ),
        Verdict::NotComparable => println!(
            "\nNot judged, since counts of other compilers and processors differ.\n  {FILE}: {}\n  here: {}\n\
             After a change of toolchain compare the counts from before and after it, and run: make bench-baseline",
            kept.made_by, now.made_by
        ),
    }
    Ok(verdict != Verdict::Broken)
}

/// Instructions of a computation: those of a run less those of one half as long.
fn of_computation(name: &str, folder: &Path) -> Result<f64, MeasureError> {
    let callgrind = Callgrind::into(folder);
    let [valgrind, options @ ..] = callgrind.command();
    let of_run = |count: u32| -> Result<u64, MeasureError> {
        Command::new(&valgrind)
            .args(&options)
            .arg(env::current_exe()?)
            .args(["--compute", name, &count.to_string()])
            .status()?;
        callgrind.collected()
    };
    let (few, many) = (
        of_run(COMPUTATIONS_COUNTED)?,
        of_run(2 * COMPUTATIONS_COUNTED)?,
    );
    let difference = u32::try_from(many.saturating_sub(few)).unwrap_or(u32::MAX);
    Ok(f64::from(difference) / f64::from(COMPUTATIONS_COUNTED))
}
