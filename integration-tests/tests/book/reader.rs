// SPDX-License-Identifier: Apache-2.0
//! A reader who takes every step of a page, word for word, in a scratch directory with a checkout beside it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use integration_tests::binaries::repository;
use integration_tests::process::{Mark, Program};
use integration_tests::waiting;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::page::{Step, steps};

/// How long the commands of one block may take: the layer is built for two architectures.
const LIMIT: Duration = Duration::from_mins(15);

/// The address at which pages look for the local Lambda. Here it takes any free port.
const ADDRESS: &str = "127.0.0.1:9000";

/// What a reader has when the page is read.
pub(crate) struct Outcome {
    pub(crate) scratch: TempDir,
    /// What the last commands with an output on the page have printed.
    pub(crate) printed: String,
    programs: PathBuf,
    _target: TempDir,
}

/// Reads `docs/NAME.md` and does what it says.
pub(crate) fn read(name: &str) -> Outcome {
    // Two readers would build into the same folders of the one checkout.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    crate::take_your_time();

    let path = repository().join("docs").join(name).with_extension("md");
    let steps = steps(&fs::read_to_string(&path).unwrap());
    let (scratch, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // In the place of `git clone`: a copy would be built anew from its first crate on, as the path is part of each.
    symlink(repository(), scratch.path().join("streamgate")).unwrap();
    let mut outcome = Outcome {
        programs: target.path().join("bin"),
        scratch,
        printed: String::new(),
        _target: target,
    };
    let mut directory = outcome.scratch.path().to_owned();
    let mut local: Option<Program> = None;
    let mut address = String::new();
    let mut checked = 0;
    for step in &steps {
        match step {
            Step::Write { path, text } => {
                fs::write(outcome.scratch.path().join(path), text).unwrap();
            }
            Step::Serve { commands } => {
                assert!(local.is_none(), "one local Lambda at a time");
                let commands =
                    commands.replace("streamgate-local ", "exec streamgate-local --port 0 ");
                let mut program = outcome.start(&commands, &directory);
                address = ready(&mut program);
                local = Some(program);
            }
            Step::Run { commands, prints } => {
                let commands = commands.replace(ADDRESS, &address);
                let (stdout, now_in) = outcome.run(&commands, &directory);
                directory = now_in;
                if let Some(prints) = prints {
                    assert_eq!(
                        &stdout, prints,
                        "{commands} printed something else than {name}.md says"
                    );
                    outcome.printed = stdout;
                    checked += 1;
                    // Read so far, a reader goes on in the first terminal, after Ctrl-C.
                    if let Some(mut local) = local.take() {
                        local.signal(Signal::INT);
                        assert!(local.finish().success(), "{}", local.transcript());
                    }
                }
            }
        }
    }
    assert!(
        checked > 0,
        "{name}.md shows no output that could be compared"
    );
    assert!(local.is_none(), "{name}.md leaves the local Lambda running");
    outcome
}

/// The address in the line that says that it listens.
pub(crate) fn ready(program: &mut Program) -> String {
    let line = program.stdout_line("Function URL");
    let address = line
        .strip_prefix("Function URL  http://")
        .and_then(|rest| rest.strip_suffix("/  (RESPONSE_STREAM)"));
    address
        .unwrap_or_else(|| panic!("the ready line is {line:?}"))
        .to_owned()
}

impl Outcome {
    /// Starts commands in a directory, with what was installed on the path.
    pub(crate) fn start(&self, commands: &str, directory: &Path) -> Program {
        let path = std::env::var("PATH").unwrap_or_default();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-euc", commands])
            .current_dir(directory)
            .env("PATH", format!("{}:{path}", self.programs.display()))
            .env("CARGO_INSTALL_ROOT", self.programs.parent().unwrap())
            .env("CARGO_TARGET_DIR", target)
            // Cargo sets these for tests; they would choose another toolchain's flags for the build.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            // `make test` sets these for itself.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            // A reader's shell need not have one, and the local Lambda would take it for the function's.
            .env_remove("PORT");
        Program::start(command, &Mark::unique())
    }

    /// Runs commands to their end: what they printed, and where they left the shell.
    fn run(&self, commands: &str, directory: &Path) -> (String, PathBuf) {
        let mark = "left in ";
        let mut program = self.start(&format!("{commands}echo '{mark}'\"$PWD\"\n"), directory);
        let status = waiting::within(LIMIT, &"commands", || program.exited());
        let _ = program.finish();
        assert!(
            status.is_some_and(|status| status.success()),
            "{commands}ended with {status:?}; {}",
            program.transcript()
        );
        let mut stdout = program.stdout();
        let left_in = stdout.pop().unwrap_or_default();
        let left_in = left_in.strip_prefix(mark).map(PathBuf::from);
        let printed: String = stdout.iter().map(|line| line.clone() + "\n").collect();
        (printed, left_in.expect("the shell tells where it is"))
    }
}
