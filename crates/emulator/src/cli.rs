// SPDX-License-Identifier: Apache-2.0
//! The command line of `streamgate-local`, and what the program says on its own behalf.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use streamgate_emulator::{
    AtLimit, Bandwidth, BrokenStreams, Emulator, FaultScript, FaultScriptError, FrontKind,
    InvokeMode, Journal, MemoryLimit, ProcessOutput, Settings, Shape, ZipRuntime,
};

use crate::watch::Watch;

/// Runs a web app or a custom runtime behind a local Lambda with a function URL or another front end.
///
/// Without --image-attach and --zip the adapter is the ENTRYPOINT of an image: the runtime process is
/// `ADAPTER -- COMMAND...`.
#[derive(Debug, Parser)]
#[expect(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "these comments are the help text of a terminal, and each of these a switch"
)]
#[command(name = "streamgate-local", version, override_usage = USAGE)]
pub(crate) struct Cli {
    /// Image whose own ENTRYPOINT is COMMAND; the adapter is an external extension
    #[arg(long, conflicts_with_all = ["zip", "os_only", "handler"])]
    image_attach: bool,

    /// Unpacked zip package, LAMBDA_TASK_ROOT; the adapter is a layer
    #[arg(
        long,
        value_name = "DIR",
        requires = "handler",
        conflicts_with = "command"
    )]
    zip: Option<PathBuf>,

    /// Handler setting of a zip function, such as run.sh
    #[arg(long, requires = "zip")]
    handler: Option<String>,

    /// The zip function has an OS-only runtime (provided.al2023)
    #[arg(long, requires = "zip")]
    os_only: bool,

    /// The adapter [default: streamgate beside this program, else on PATH]
    #[arg(long, value_name = "PATH")]
    adapter: Option<PathBuf>,

    /// Directory that plays /opt, with extensions/ and bootstrap [default: one with the adapter in it]
    #[arg(long, value_name = "DIR")]
    opt: Option<PathBuf>,

    /// One more external extension; may be repeated
    #[arg(long = "extension", value_name = "PATH")]
    extensions: Vec<PathBuf>,

    /// What stands before the function: url, http-api, rest, rest-stream, alb, alb-multi, lattice, lattice-v1 or
    /// websocket
    #[arg(long, value_name = "KIND", default_value_t)]
    front: FrontKind,

    /// binaryMediaTypes of a REST API, separated by commas; `none` for none [default: */*]
    #[arg(long, value_name = "TYPES")]
    rest_binary: Option<String>,

    /// Send this file (`-` for standard input) as one event, print the raw result and exit
    #[arg(long, value_name = "FILE", conflicts_with_all = ["front", "host", "port"])]
    pub(crate) event: Option<PathBuf>,

    /// Play an HTTP archive or events again (`-` for standard input), compare statuses and exit; see docs/local-lambda.md
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event", "json", "host", "port"])]
    pub(crate) replay: Option<PathBuf>,

    /// Host name or address of the front end
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// Port of the front end; 0 takes any free one
    #[arg(long, default_value_t = 9000)]
    port: u16,

    /// Port of the Runtime API; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    runtime_api_port: u16,

    /// Port of the inspector, a page that shows all of this live [default: the one after --port; any free one if that is 0]
    #[arg(long, value_name = "PORT")]
    inspector_port: Option<u16>,

    /// No inspector
    #[arg(long, conflicts_with = "inspector_port")]
    no_inspector: bool,

    /// Port of the Invoke APIs, the endpoint of SDKs [default: the second after --port; any free one if that is 0]
    #[arg(long, value_name = "PORT")]
    api_port: Option<u16>,

    /// Seconds until a failed asynchronous invocation is tried again, and twice that the second time
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    retry_interval: Duration,

    /// Write one JSON object per event to standard output, and nothing else; see docs/local-lambda.md
    #[arg(long, conflicts_with = "event")]
    pub(crate) json: bool,

    /// InvokeMode of the function URL, or of --event: RESPONSE_STREAM or BUFFERED [default: RESPONSE_STREAM]
    #[arg(long, value_name = "MODE")]
    invoke_mode: Option<InvokeMode>,

    /// Cut the client's transfer where a stream ends with error trailers; the service ends it cleanly
    #[arg(long)]
    cut_broken_streams: bool,

    /// How fast streams are: real (6 MB at full speed, then 2 MB/s, as on the service) or off
    #[arg(long, value_name = "WHAT", default_value_t)]
    bandwidth: Bandwidth,

    /// The function's timeout in seconds; fractions such as 0.5 are fine
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,

    /// The function's memory size in MB; what uses more is killed (Linux) [default: 128, and nothing is killed]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory: Option<u32>,

    /// Stop every process of the environment (SIGSTOP) between invocations, as the service does (Linux)
    #[arg(long)]
    freeze: bool,

    /// Make a snapshot after init and restore it, as SnapStart does; for --zip without --os-only
    #[arg(long)]
    snapstart: bool,

    /// Let calls of the Runtime and Extensions API go wrong as this script says; see docs/local-lambda.md
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// How many environments there may be at once
    #[arg(long, value_name = "N", default_value = "10", value_parser = environments)]
    max_environments: NonZeroU16,

    /// What becomes of a request when they are all busy: throttle (429, as on the service) or wait
    #[arg(long, value_name = "WHAT", default_value_t)]
    at_limit: AtLimit,

    /// How many environments are initialized before the first request and kept, as with provisioned concurrency
    #[arg(long, value_name = "N", default_value_t = 0)]
    provisioned: u16,

    /// After how many seconds without an invocation an environment ends
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = some_seconds)]
    idle_timeout: Duration,

    /// Seconds that a new environment takes before its init, as a machine and its code do on the service
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = some_seconds)]
    cold_start_delay: Duration,

    /// How many invocations an environment may have open at once; above 1 it is a managed instance
    #[arg(long, value_name = "N", default_value = "1", value_parser = concurrency)]
    concurrency: NonZeroU16,

    /// The function's name
    #[arg(long, value_name = "NAME", default_value = "local")]
    function_name: String,

    /// The region
    #[arg(long, default_value = "us-east-1")]
    region: String,

    /// A variable of the function, beside those inherited from the shell; may be repeated
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// File with variables of the function, a KEY=VALUE per line; --env wins over it; may be repeated
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<PathBuf>,

    /// Restart the environments when files change, in this folder or this file; may be repeated [default: the package,
    /// the adapter that was named, the current directory of a command]
    #[arg(long, value_name = "PATH", num_args = 0..=1, conflicts_with_all = ["event", "replay"])]
    watch: Option<Vec<PathBuf>>,

    /// The app's command
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const USAGE: &str = "streamgate-local [OPTIONS] -- COMMAND...
       streamgate-local --adapter RUNTIME [OPTIONS]
       streamgate-local --image-attach [OPTIONS] -- COMMAND...
       streamgate-local --zip DIR --handler HANDLER [--os-only] [OPTIONS]
       streamgate-local doctor PATH [OPTIONS]";

/// A command line whose options do not make a function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("no command given; it goes behind `--`, as in `streamgate-local -- node server.js`")]
    NoCommand,
    #[error("--adapter {} would not be used: with --opt the adapter is what lies in its extensions/", .0.display())]
    UnusedAdapter(PathBuf),
    #[error("--invoke-mode {mode} would not be used: --front {front} has one mode only")]
    UnusedMode { mode: InvokeMode, front: FrontKind },
    #[error("--faults {} cannot be read", .path.display())]
    Faults {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("--faults {}", .path.display())]
    FaultScript {
        path: PathBuf,
        source: FaultScriptError,
    },
    #[error("--env-file {} cannot be read", .path.display())]
    EnvFile {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("--env-file {}", .path.display())]
    EnvFileLine {
        path: PathBuf,
        source: env_file::EnvFileError,
    },
    #[error("--rest-binary {types} would not be used: --front is {front}")]
    UnusedBinary { types: String, front: FrontKind },
}

impl Cli {
    /// What --watch is to look at.
    pub(crate) fn watched(&self) -> Option<Vec<PathBuf>> {
        let paths = self.watch.as_ref()?;
        if !paths.is_empty() {
            return Some(paths.clone());
        }
        let package = match &self.zip {
            Some(package) => Some(package.clone()),
            None => Some(PathBuf::from(".")).filter(|_| !self.command.is_empty()),
        };
        Some(package.into_iter().chain(self.adapter.clone()).collect())
    }

    /// What the user said as what it means.
    pub(crate) fn into_settings(self) -> Result<Settings, UsageError> {
        let shape = match (self.zip, self.handler) {
            (Some(directory), Some(handler)) => {
                let runtime = if self.os_only {
                    ZipRuntime::OsOnly
                } else {
                    ZipRuntime::Managed
                };
                Shape::Zip {
                    directory,
                    handler,
                    runtime,
                }
            }
            // A custom runtime needs no command behind it.
            _ if self.command.is_empty() && (self.adapter.is_none() || self.image_attach) => {
                return Err(UsageError::NoCommand);
            }
            _ if self.image_attach => Shape::ImageAttach {
                command: self.command,
            },
            _ => Shape::Entrypoint {
                command: self.command,
            },
        };
        if let (Some(adapter), Some(_)) = (&self.adapter, &self.opt)
            && !matches!(shape, Shape::Entrypoint { .. })
        {
            return Err(UsageError::UnusedAdapter(adapter.clone()));
        }
        if let Some(mode) = self.invoke_mode
            && self.front != FrontKind::FunctionUrl
        {
            let front = self.front;
            return Err(UsageError::UnusedMode { mode, front });
        }
        let rest_binary = match self.rest_binary {
            Some(types) if !matches!(self.front, FrontKind::Rest | FrontKind::RestStream) => {
                let front = self.front;
                return Err(UsageError::UnusedBinary { types, front });
            }
            types => media_types(types.as_deref().unwrap_or("*/*")),
        };
        let is_errand = self.event.is_some() || self.replay.is_some();
        let port = if is_errand { 0 } else { self.port };
        let port_after = |by: u16| match port {
            0 => 0,
            port => port.checked_add(by).unwrap_or_default(),
        };
        let has_inspector = !self.no_inspector && !is_errand;
        let mut variables = Vec::new();
        for path in self.env_files {
            variables.extend(read_env_file(path)?);
        }
        variables.extend(self.variables);
        Ok(Settings {
            adapter: self.adapter,
            opt: self.opt,
            extensions: self.extensions,
            front: self.front,
            rest_binary,
            host: self.host,
            // With --event and --replay no client is to come, so the front end must not be in the way of another one.
            port,
            inspector_port: has_inspector
                .then(|| self.inspector_port.unwrap_or_else(|| port_after(1))),
            invoke_api_port: self.api_port.unwrap_or_else(|| port_after(2)),
            retry_interval: self.retry_interval,
            runtime_api_port: self.runtime_api_port,
            invoke_mode: self.invoke_mode.unwrap_or(InvokeMode::ResponseStream),
            // A replay is to tell what a client on the service cannot see.
            broken_streams: if self.cut_broken_streams || self.replay.is_some() {
                BrokenStreams::Cut
            } else {
                BrokenStreams::EndCleanly
            },
            bandwidth: self.bandwidth,
            timeout: self.timeout,
            // Most web apps outgrow Lambda's default, which nobody has asked for here.
            memory_mb: self.memory.unwrap_or(128),
            memory_limit: match self.memory {
                Some(_) => MemoryLimit::Enforced,
                None => MemoryLimit::Told,
            },
            max_environments: self.max_environments,
            at_limit: self.at_limit,
            provisioned: self.provisioned,
            idle_timeout: self.idle_timeout,
            cold_start_delay: self.cold_start_delay,
            concurrency: self.concurrency,
            freeze: self.freeze,
            snapstart: self.snapstart,
            faults: self
                .faults
                .map(read_faults)
                .transpose()?
                .unwrap_or_default(),
            adopt_orphans: true,
            function_name: self.function_name,
            region: self.region,
            variables,
            inherited: std::env::vars_os().collect(),
            journal: if self.json {
                Journal::json()
            } else {
                Journal::stderr()
            },
            output: if self.json {
                ProcessOutput::JournalOnly
            } else {
                ProcessOutput::PassedOn
            },
            ..Settings::new(shape)
        })
    }
}

fn read_faults(path: PathBuf) -> Result<FaultScript, UsageError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => text
            .parse()
            .map_err(|source| UsageError::FaultScript { path, source }),
        Err(source) => Err(UsageError::Faults { path, source }),
    }
}

fn read_env_file(path: PathBuf) -> Result<Vec<(String, String)>, UsageError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            env_file::parse(&text).map_err(|source| UsageError::EnvFileLine { path, source })
        }
        Err(source) => Err(UsageError::EnvFile { path, source }),
    }
}

fn media_types(text: &str) -> Vec<String> {
    text.split(',')
        .map(|media_type| media_type.trim().to_owned())
        .filter(|media_type| !media_type.is_empty() && media_type != "none")
        .collect()
}

fn seconds(text: &str) -> Result<Duration, String> {
    // The service's limit is 900 s (source: AWS page "Lambda quotas"); its least is 1 s, tests want less.
    const MAX: f64 = 900.0;
    text.parse()
        .ok()
        .filter(|seconds| *seconds > 0.0 && *seconds <= MAX)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("expected seconds above 0 and up to {MAX}"))
}

/// A time without a limit of the service's.
fn some_seconds(text: &str) -> Result<Duration, String> {
    const DAY: f64 = 86_400.0;
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=DAY).contains(seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("expected seconds from 0 to {DAY}"))
}

fn environments(text: &str) -> Result<NonZeroU16, String> {
    // What an account has for all its functions by default (source: AWS page "Lambda quotas").
    const MAX: u16 = 1000;
    text.parse()
        .ok()
        .filter(|count: &NonZeroU16| count.get() <= MAX)
        .ok_or_else(|| format!("expected a number from 1 to {MAX}"))
}

fn concurrency(text: &str) -> Result<NonZeroU16, String> {
    // Each may hold two connections; a managed instance has 4,096 file descriptors (source: AWS page "Lambda quotas").
    const MAX: u16 = 1024;
    text.parse()
        .ok()
        .filter(|count: &NonZeroU16| count.get() <= MAX)
        .ok_or_else(|| format!("expected a number from 1 to {MAX}"))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// The lines by which people and tests know that the front end and the Invoke APIs listen; with `json`, the object.
pub(crate) fn announce(emulator: &Emulator, watch: Option<&Watch>, json: bool) {
    let line = if json {
        let ready = serde_json::json!({
            "event": "ready",
            "front": emulator.front().to_string(),
            "url": emulator.url(),
            "invoke_mode": emulator.invoke_mode().to_string(),
            "invoke_api_url": emulator.invoke_api_url(),
            "inspector_url": emulator.inspector_url(),
            "runtime_api": emulator.runtime_api().to_string(),
        });
        format!("{ready}\n")
    } else {
        let inspector = emulator
            .inspector_url()
            .map_or_else(String::new, |url| format!("Inspector   {url}\n"));
        let watching = watch.map_or_else(String::new, |watch| {
            format!("Watching    {} files\n", watch.count())
        });
        format!(
            "{}  {}  ({})\nInvoke API  {}\n{inspector}{watching}",
            emulator.front().title(),
            emulator.url(),
            emulator.invoke_mode(),
            emulator.invoke_api_url()
        )
    };
    let mut out = std::io::stdout().lock();
    // Serving goes on without a reader of this line.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// An error and its causes, on one line.
pub(crate) fn report(error: &dyn std::error::Error) {
    let mut line = format!("streamgate-local: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.push('\n');
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

mod env_file;
#[cfg(test)]
mod tests;
