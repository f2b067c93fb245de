// SPDX-License-Identifier: Apache-2.0
//! What runs in an environment: which programs, with which arguments and variables.
//!
//! [`Sandbox::prepare`] checks the settings against the file system once, so that a wrong path is an error at start
//! and not at the first request. Starting and killing the processes is in [`process`].

mod census;
mod credentials;
mod files;
mod freeze;
mod layout;
mod memory;
mod orphans;
mod place;
mod process;
mod survey;
mod variables;

pub use layout::find_adapter;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use credentials::Credentials;
use files::OpenFiles;
pub(crate) use freeze::Freeze;
pub(crate) use memory::Meter;
pub(crate) use orphans::Orphans;
use place::Ports;
pub(crate) use place::{Initialization, Place};
pub(crate) use process::{Generation, ProcessName};
use survey::Surveyor;
use tempfile::TempDir;

use crate::faults::FaultScript;
use crate::journal::Journal;
use crate::output::ProcessOutput;
use crate::replies::Tally;
use crate::settings::{Bandwidth, FrontKind, MemoryLimit, Settings, Shape, ZipRuntime};

/// Why the programs of a function could not be found.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No adapter where it was looked for.
    #[error("no adapter found, tried {tried}; name one with --adapter")]
    NoAdapter {
        /// The places.
        tried: String,
    },
    /// A program that is no executable file.
    #[error("{what} {} is not an executable file", .path.display())]
    NotExecutable {
        /// What it was to be.
        what: &'static str,
        /// The path as given.
        path: PathBuf,
    },
    /// A directory that is none.
    #[error("{what} {} is not a directory", .path.display())]
    NotADirectory {
        /// What it was to be.
        what: &'static str,
        /// The path as given.
        path: PathBuf,
    },
    /// A command without a program.
    #[error("no command given for the runtime process")]
    NoCommand,
    /// An OS-only function without an entry point.
    #[error("no executable bootstrap in {} or {}", .package.display(), .opt.display())]
    NoBootstrap {
        /// The unpacked package.
        package: PathBuf,
        /// What plays `/opt`.
        opt: PathBuf,
    },
    /// A handler setting that no function can have.
    #[error(
        "handler {0:?} is none that Lambda takes: 1 to 128 characters without white space; a command with arguments goes into a script"
    )]
    Handler(String),
    /// A snapshot of what has none.
    #[error("SnapStart is for zip functions with a managed runtime, not for {0}")]
    NoSnapshot(&'static str),
    /// Environments ahead of requests where there are none of that kind.
    #[error("provisioned concurrency is not for {0}")]
    NoProvisioned(&'static str),
    /// More environments ahead of requests than there may be at all.
    #[error("{provisioned} provisioned environments are more than the {limit} that there may be")]
    TooManyProvisioned {
        /// As many as were asked for.
        provisioned: u16,
        /// As many as there may be.
        limit: u16,
    },
    /// Two extensions of the same file name.
    #[error("two extensions are named {0:?}")]
    DuplicateExtension(String),
    /// The directory that plays `/opt` could not be made or read.
    #[error("directory {} for /opt is not usable", .path.display())]
    Opt {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// An external extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// File name, under which it has to register.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// The programs of one function and all that they are told.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) extensions: Vec<Program>,
    pub(crate) journal: Journal,
    pub(crate) output: ProcessOutput,
    /// What telemetry tells of the function.
    pub(crate) faults: FaultScript,
    pub(crate) tally: Arc<Tally>,
    pub(crate) function_arn: String,
    pub(crate) function_name: String,
    pub(crate) handler: String,
    pub(crate) timeout: Duration,
    pub(crate) memory_mb: u32,
    /// Beyond which processes are killed, if at all.
    memory_limit_mb: Option<u32>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) bandwidth: Bandwidth,
    pub(crate) front: FrontKind,
    /// How many invocations may be open at once.
    pub(crate) concurrency: usize,
    /// Whether processes stand still between invocations.
    pub(crate) freezes: bool,
    /// Whether environments are made snapshots of, and restored.
    pub(crate) snapstart: bool,
    pub(crate) orphans: Arc<Orphans>,
    surveyor: Surveyor,
    settings: Settings,
    runtime: Command,
    ports: Ports,
    files: OpenFiles,
    opt: Option<PathBuf>,
    _own_opt: Option<TempDir>,
}

/// The runtime process.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
}

/// What an exec wrapper of a Node.js function is called with; wrappers must not rely on it
/// (source: AWS page "Modifying the runtime environment"; the concrete arguments differ by version).
const INTERPRETER: &[&str] = &[
    "/var/lang/bin/node",
    "--expose-gc",
    "--max-old-space-size=102",
    "/var/runtime/index.mjs",
];

/// The same of a Python function: Node.js has no SnapStart.
const SNAPSTART_INTERPRETER: &[&str] = &["/var/lang/bin/python3.13", "/var/runtime/bootstrap.py"];

impl Sandbox {
    /// Finds the programs of the function.
    pub(crate) fn prepare(settings: Settings) -> Result<Self, SandboxError> {
        if settings.snapstart {
            check_snapshot(&settings)?;
        }
        check_provisioned(&settings)?;
        let mut own_opt = None;
        let opt = match (&settings.opt, &settings.shape) {
            (Some(opt), _) => Some(layout::directory("--opt", opt)?),
            (None, Shape::Entrypoint { .. }) => None,
            (None, Shape::ImageAttach { .. } | Shape::Zip { .. }) => {
                let laid_out =
                    layout::lay_out(&layout::find_adapter(settings.adapter.as_deref())?)?;
                Some(own_opt.insert(laid_out).path().to_owned())
            }
        };
        let mut extensions = opt
            .as_deref()
            .map_or_else(|| Ok(Vec::new()), layout::extensions_in)?;
        for path in &settings.extensions {
            extensions.push(layout::program("--extension", path)?);
        }
        for (index, program) in extensions.iter().enumerate() {
            if extensions
                .iter()
                .skip(index + 1)
                .any(|other| other.name == program.name)
            {
                return Err(SandboxError::DuplicateExtension(program.name.clone()));
            }
        }
        let runtime = runtime_command(&settings, opt.as_deref())?;
        Ok(Self {
            extensions,
            journal: settings.journal.clone(),
            output: settings.output,
            faults: settings.faults.clone(),
            tally: Arc::default(),
            function_arn: settings.function_arn(),
            function_name: settings.function_name.clone(),
            handler: match &settings.shape {
                Shape::Zip { handler, .. } => handler.clone(),
                Shape::Entrypoint { .. } | Shape::ImageAttach { .. } => String::new(),
            },
            timeout: settings.timeout,
            memory_mb: settings.memory_mb,
            memory_limit_mb: match settings.memory_limit {
                MemoryLimit::Enforced => Some(settings.memory_mb),
                MemoryLimit::Told => None,
            },
            meter: Arc::default(),
            bandwidth: settings.bandwidth,
            front: settings.front,
            concurrency: settings.concurrency.get().into(),
            freezes: settings.freeze,
            snapstart: settings.snapstart,
            orphans: Arc::new(Orphans::new(settings.adopt_orphans)),
            files: OpenFiles::enough_for(
                u64::from(settings.max_environments.get()) * u64::from(settings.concurrency.get()),
            ),
            surveyor: Surveyor::default(),
            settings,
            runtime,
            ports: Ports::new(),
            opt,
            _own_opt: own_opt,
        })
    }

    /// The runtime process as one line.
    pub(crate) fn describe(&self) -> String {
        let mut line = self.runtime.program.display().to_string();
        for argument in &self.runtime.arguments {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        line
    }
}

/// What has SnapStart (source: AWS page "Improving startup performance with Lambda SnapStart").
fn check_snapshot(settings: &Settings) -> Result<(), SandboxError> {
    match settings.shape {
        _ if settings.concurrency.get() > 1 => Err(SandboxError::NoSnapshot("managed instances")),
        Shape::Zip {
            runtime: ZipRuntime::Managed,
            ..
        } => Ok(()),
        Shape::Zip { .. } => Err(SandboxError::NoSnapshot("OS-only runtimes")),
        Shape::Entrypoint { .. } | Shape::ImageAttach { .. } => {
            Err(SandboxError::NoSnapshot("container images"))
        }
    }
}

/// What has provisioned concurrency (source: AWS pages "Improving startup performance with Lambda SnapStart" and
/// "Understanding the Lambda Managed Instances execution environment").
fn check_provisioned(settings: &Settings) -> Result<(), SandboxError> {
    let (provisioned, limit) = (settings.provisioned, settings.max_environments.get());
    match provisioned {
        0 => Ok(()),
        _ if settings.snapstart => Err(SandboxError::NoProvisioned("SnapStart")),
        _ if settings.concurrency.get() > 1 => {
            Err(SandboxError::NoProvisioned("managed instances"))
        }
        _ if provisioned > limit => Err(SandboxError::TooManyProvisioned { provisioned, limit }),
        _ => Ok(()),
    }
}

/// Source: AWS API reference, `Handler` of `CreateFunction`.
fn check_handler(handler: &str) -> Result<(), SandboxError> {
    const MAX: usize = 128;
    let is_taken =
        (1..=MAX).contains(&handler.chars().count()) && !handler.chars().any(char::is_whitespace);
    is_taken
        .then_some(())
        .ok_or_else(|| SandboxError::Handler(handler.to_owned()))
}

fn runtime_command(settings: &Settings, opt: Option<&Path>) -> Result<Command, SandboxError> {
    match &settings.shape {
        Shape::Entrypoint { command } => {
            // Only a custom runtime that was named can be on its own.
            if command.is_empty() && settings.adapter.is_none() {
                return Err(SandboxError::NoCommand);
            }
            let adapter = layout::find_adapter(settings.adapter.as_deref())?;
            let separator = Some(OsStr::new("--")).filter(|_| !command.is_empty());
            let arguments = separator
                .into_iter()
                .chain(command.iter().map(AsRef::as_ref));
            Ok(Command {
                program: adapter,
                arguments: arguments.map(OsStr::to_owned).collect(),
                directory: None,
            })
        }
        Shape::ImageAttach { command } => {
            let (program, arguments) = command.split_first().ok_or(SandboxError::NoCommand)?;
            Ok(Command {
                program: program.into(),
                arguments: arguments.to_vec(),
                directory: None,
            })
        }
        Shape::Zip {
            directory,
            handler,
            runtime,
        } => {
            check_handler(handler)?;
            let package = layout::directory("--zip", directory)?;
            let opt = opt.unwrap_or(Path::new("/opt"));
            let (program, arguments) = match runtime {
                ZipRuntime::Managed => {
                    let wrapper = settings
                        .variables
                        .iter()
                        .rev()
                        .find(|(name, _)| name == variables::EXEC_WRAPPER)
                        .map_or_else(|| opt.join("bootstrap"), |(_, value)| PathBuf::from(value));
                    layout::executable("exec wrapper", &wrapper)?;
                    let interpreter = if settings.snapstart {
                        SNAPSTART_INTERPRETER
                    } else {
                        INTERPRETER
                    };
                    (wrapper, interpreter.iter().map(OsString::from).collect())
                }
                ZipRuntime::OsOnly => {
                    let entry = [package.join("bootstrap"), opt.join("bootstrap")]
                        .into_iter()
                        .find(|path| layout::is_executable(path))
                        .ok_or_else(|| SandboxError::NoBootstrap {
                            package: package.clone(),
                            opt: opt.to_owned(),
                        })?;
                    (entry, Vec::new())
                }
            };
            Ok(Command {
                program,
                arguments,
                directory: Some(package),
            })
        }
    }
}
