// SPDX-License-Identifier: Apache-2.0
//! The command line of `streamgate-local`, and what the program says on its own behalf.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use streamgate_emulator::{
    BrokenStreams, Emulator, InvokeMode, Journal, Settings, Shape, ZipRuntime,
};

/// Runs a web app or a custom runtime behind a local Lambda with a function URL.
///
/// Without --image-attach and --zip the adapter is the ENTRYPOINT of an image: the runtime process is
/// `ADAPTER -- COMMAND...`.
#[derive(Debug, Parser)]
#[expect(
    clippy::doc_markdown,
    reason = "these comments are the help text of a terminal"
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

    /// Host name or address of the function URL
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// Port of the function URL; 0 takes any free one
    #[arg(long, default_value_t = 9000)]
    port: u16,

    /// Port of the Runtime API; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    runtime_api_port: u16,

    /// InvokeMode of the function URL: RESPONSE_STREAM or BUFFERED
    #[arg(long, value_name = "MODE", default_value_t = InvokeMode::ResponseStream)]
    invoke_mode: InvokeMode,

    /// Cut the client's transfer where a stream ends with error trailers; the service ends it cleanly
    #[arg(long)]
    cut_broken_streams: bool,

    /// The function's timeout in seconds; fractions such as 0.5 are fine
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,

    /// The function's memory size in MB, told to the function but not enforced
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory: u32,

    /// The function's name
    #[arg(long, value_name = "NAME", default_value = "local")]
    function_name: String,

    /// The region
    #[arg(long, default_value = "us-east-1")]
    region: String,

    /// A variable of the function, beside those inherited from the shell; may be repeated
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// The app's command
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const USAGE: &str = "streamgate-local [OPTIONS] -- COMMAND...
       streamgate-local --image-attach [OPTIONS] -- COMMAND...
       streamgate-local --zip DIR --handler HANDLER [--os-only] [OPTIONS]";

/// A command line whose options do not make a function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("no command given; it goes behind `--`, as in `streamgate-local -- node server.js`")]
    NoCommand,
    #[error("--adapter {} would not be used: with --opt the adapter is what lies in its extensions/", .0.display())]
    UnusedAdapter(PathBuf),
}

impl Cli {
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
            _ if self.command.is_empty() => return Err(UsageError::NoCommand),
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
        Ok(Settings {
            adapter: self.adapter,
            opt: self.opt,
            extensions: self.extensions,
            host: self.host,
            port: self.port,
            runtime_api_port: self.runtime_api_port,
            invoke_mode: self.invoke_mode,
            broken_streams: if self.cut_broken_streams {
                BrokenStreams::Cut
            } else {
                BrokenStreams::EndCleanly
            },
            timeout: self.timeout,
            memory_mb: self.memory,
            function_name: self.function_name,
            region: self.region,
            variables: self.variables,
            inherited: std::env::vars_os().collect(),
            journal: Journal::stderr(),
            ..Settings::new(shape)
        })
    }
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

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// The line by which people and tests know that the function URL listens.
pub(crate) fn announce(emulator: &Emulator) {
    let line = format!(
        "Function URL  {}  ({})\n",
        emulator.url(),
        emulator.invoke_mode()
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &str) -> Result<Settings, String> {
        let words = std::iter::once("streamgate-local").chain(arguments.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        cli.into_settings().map_err(|error| error.to_string())
    }

    #[test]
    fn each_shape_has_its_command_line() {
        let command = || vec!["node".into(), "server.js".into()];
        let zip = |runtime| Shape::Zip {
            directory: "app".into(),
            handler: "run.sh".into(),
            runtime,
        };
        for (arguments, shape) in [
            (
                "-- node server.js",
                Shape::Entrypoint { command: command() },
            ),
            (
                "--image-attach --port 0 -- node server.js",
                Shape::ImageAttach { command: command() },
            ),
            ("--zip app --handler run.sh", zip(ZipRuntime::Managed)),
            (
                "--zip app --handler run.sh --os-only",
                zip(ZipRuntime::OsOnly),
            ),
        ] {
            assert_eq!(settings(arguments).unwrap().shape, shape, "{arguments}");
        }
    }

    #[test]
    fn what_does_not_parse_is_named() {
        for (arguments, words) in [
            ("", "no command given"),
            ("--image-attach", "no command given"),
            ("--port 70000 -- x", "70000"),
            ("--timeout soon -- x", "soon"),
            ("--timeout 0 -- x", "'0'"),
            ("--timeout nan -- x", "nan"),
            ("--invoke-mode STREAM -- x", "STREAM"),
            ("--env NOVALUE -- x", "NOVALUE"),
            ("--memory 12 -- x", "12"),
            ("--zip app", "--handler"),
            ("--os-only -- x", "--zip"),
            ("--image-attach --opt o --adapter a -- x", "--adapter a"),
            ("--frobnicate -- x", "--frobnicate"),
        ] {
            let error = settings(arguments).unwrap_err();
            assert!(error.contains(words), "{arguments}: {error}");
        }
    }

    #[test]
    fn a_timeout_may_be_a_fraction() {
        assert_eq!(
            settings("--timeout 0.5 -- x").unwrap().timeout,
            Duration::from_millis(500)
        );
    }
}
