// SPDX-License-Identifier: Apache-2.0
//! `streamgate-local`: a web app or a custom runtime behind a local Lambda.

mod cli;
mod doctor;
mod replay;
mod send;
mod watch;

use std::convert::Infallible;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use streamgate_emulator::{Emulator, InvocationError, StartError};
use tokio::signal::unix::{Signal, SignalKind, signal};

use cli::Cli;
use replay::Replay;
use watch::{Watch, WatchError};

/// Wrong usage, as command-line programs report it.
const USAGE: u8 = 2;
/// Stopped by a second signal: 128 and SIGINT's number, as shells report it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == doctor::NAME) {
        return doctor::run(arguments);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is no failure; a closed output is nothing to report to.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            cli::report(&error);
            error.exit_code()
        }
    }
}

/// Why the program ended without having served.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Usage(#[from] cli::UsageError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("asynchronous runtime cannot be started")]
    Runtime(#[from] std::io::Error),
    #[error("{option} {} cannot be read", .path.display())]
    Unreadable {
        option: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("--replay {}", .path.display())]
    Recording {
        path: PathBuf,
        source: replay::RecordingError,
    },
    #[error("{}", .0.error_type())]
    Function(#[source] InvocationError),
    #[error("result cannot be written")]
    Output(#[source] std::io::Error),
}

impl RunError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_)
            | Self::Watch(_)
            | Self::Start(StartError::Sandbox(_))
            | Self::Unreadable { .. }
            | Self::Recording { .. } => ExitCode::from(USAGE),
            Self::Start(StartError::Bind { .. })
            | Self::Runtime(_)
            | Self::Function(_)
            | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}

/// What is done once, in the place of serving.
enum Errand {
    Event(Vec<u8>),
    Replay(Replay),
}

impl Errand {
    fn of(cli: &Cli) -> Result<Option<Self>, RunError> {
        Ok(match (&cli.event, &cli.replay) {
            (Some(path), _) => Some(Self::Event(send::read("--event", path)?)),
            (None, Some(path)) => Some(Self::Replay(Replay::read(path)?)),
            (None, None) => None,
        })
    }

    async fn run(self, emulator: &Emulator, output: &mut File) -> Result<ExitCode, RunError> {
        match self {
            Self::Event(event) => send::send(emulator, event, output)
                .await
                .map(|()| ExitCode::SUCCESS),
            Self::Replay(replay) => replay.run(emulator, output).await,
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, RunError> {
    let errand = Errand::of(&cli)?;
    let json = cli.json;
    let mut watch = cli.watched().map(Watch::new).transpose()?;
    let mut settings = cli.into_settings()?;
    if let Some(Errand::Replay(replay)) = &errand {
        settings.journal = replay.reads(settings.journal);
    }
    // Before anything is started that could write to it.
    let errand = errand
        .map(|errand| send::claim_output().map(|output| (errand, output)))
        .transpose()?;
    // One thread: every hand-over between client and runtime stays on it, which costs the least latency.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let emulator = Emulator::start(settings).await?;
        let outcome = if let Some((errand, mut output)) = errand {
            tokio::select! {
                outcome = errand.run(&emulator, &mut output) => outcome,
                () = either(&mut interrupt, &mut terminate) => Ok(ExitCode::from(INTERRUPTED)),
            }
        } else {
            cli::announce(&emulator, watch.as_ref(), json);
            tokio::select! {
                never = restart_on_change(&emulator, watch.as_mut()) => match never {},
                () = either(&mut interrupt, &mut terminate) => Ok(ExitCode::SUCCESS),
            }
        };
        tokio::select! {
            () = emulator.shutdown() => outcome,
            () = either(&mut interrupt, &mut terminate) => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

async fn restart_on_change(emulator: &Emulator, watch: Option<&mut Watch>) -> Infallible {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    loop {
        emulator.restart(watch.changed().await);
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
