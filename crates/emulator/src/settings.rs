// SPDX-License-Identifier: Apache-2.0
//! What is emulated: the shape of the function, its limits and where it listens.
//!
//! Plain values; nothing here touches the file system or the environment. Building an
//! [`Emulator`](crate::Emulator) from them is what checks paths and opens ports.

mod at_limit;
mod bandwidth;
mod front_kind;

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use at_limit::{AtLimit, UnknownAtLimit};
pub use bandwidth::{Bandwidth, UnknownBandwidth};
pub use front_kind::{FrontKind, UnknownFront};

use crate::faults::FaultScript;
use crate::invoke_api::RETRY_INTERVAL;
use crate::journal::Journal;
use crate::output::ProcessOutput;

/// How the app and the adapter come into the execution environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Container image whose ENTRYPOINT is the adapter: the runtime process is `ADAPTER -- COMMAND`.
    Entrypoint {
        /// The image's CMD, program first. Empty if the adapter is a custom runtime by itself.
        command: Vec<OsString>,
    },
    /// Container image with the adapter in `/opt/extensions`; the runtime process is the image's own ENTRYPOINT.
    ImageAttach {
        /// The image's ENTRYPOINT and CMD, program first.
        command: Vec<OsString>,
    },
    /// Zip package with the adapter's layer.
    Zip {
        /// The unpacked package, `LAMBDA_TASK_ROOT`.
        directory: PathBuf,
        /// The handler setting, `_HANDLER`.
        handler: String,
        /// Who starts the runtime process.
        runtime: ZipRuntime,
    },
}

/// The two kinds of runtime that a zip package can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZipRuntime {
    /// A language runtime: the runtime process is started through `AWS_LAMBDA_EXEC_WRAPPER`
    /// (source: AWS page "Modifying the runtime environment").
    Managed,
    /// `provided.al2023`: `bootstrap` of the package, else of `/opt`
    /// (source: AWS page "Building a custom runtime for AWS Lambda").
    OsOnly,
}

/// `InvokeMode` of a function URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvokeMode {
    /// Pieces reach the client as the function sends them.
    ResponseStream,
    /// The whole response is collected and decoded as payload format 2.0.
    Buffered,
}

/// An invoke mode that is neither of the two.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown invoke mode {0:?}, expected RESPONSE_STREAM or BUFFERED")]
pub struct UnknownInvokeMode(String);

impl FromStr for InvokeMode {
    type Err = UnknownInvokeMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_uppercase().as_str() {
            "RESPONSE_STREAM" => Ok(Self::ResponseStream),
            "BUFFERED" => Ok(Self::Buffered),
            _ => Err(UnknownInvokeMode(text.to_owned())),
        }
    }
}

impl fmt::Display for InvokeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ResponseStream => "RESPONSE_STREAM",
            Self::Buffered => "BUFFERED",
        })
    }
}

/// What a client sees of a stream that the function ended with error trailers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokenStreams {
    /// A clean end, as a real function URL shows it (observed on the service by voker `examples/runtime-probe`).
    #[default]
    EndCleanly,
    /// A transfer without its terminating chunk. The real service does not do this; it is a help for tests.
    Cut,
}

/// What the function's memory size does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// The function is told.
    #[default]
    Told,
    /// Of an environment that uses more, the largest process is killed. Linux only.
    Enforced,
}

/// Everything an [`Emulator`](crate::Emulator) is built from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How app and adapter are started.
    pub shape: Shape,
    /// The adapter; `None` looks for `streamgate` beside this program, then on `PATH`.
    pub adapter: Option<PathBuf>,
    /// A directory that plays `/opt`; `None` lays one out with the adapter in it.
    pub opt: Option<PathBuf>,
    /// More external extensions, beyond those in `opt/extensions`.
    pub extensions: Vec<PathBuf>,
    /// What stands before the function.
    pub front: FrontKind,
    /// `binaryMediaTypes` of a REST API. By default everything is binary, as any web app behind a REST API needs it.
    pub rest_binary: Vec<String>,
    /// Host name or address of the front end.
    pub host: String,
    /// Port of the front end; 0 takes any free one.
    pub port: u16,
    /// Port of the Runtime API; 0 takes any free one.
    pub runtime_api_port: u16,
    /// Port of the Invoke APIs, on `host`; 0 takes any free one.
    pub invoke_api_port: u16,
    /// Port of the inspector, on `127.0.0.1`; 0 takes any free one, `None` does without it.
    pub inspector_port: Option<u16>,
    /// How long after its failure an asynchronous invocation is tried again, and twice that the second time.
    pub retry_interval: Duration,
    /// `InvokeMode` of the function URL; without effect on other front ends.
    pub invoke_mode: InvokeMode,
    /// What a client sees of a stream that ended with error trailers.
    pub broken_streams: BrokenStreams,
    /// How fast streamed responses are.
    pub bandwidth: Bandwidth,
    /// The function's timeout.
    pub timeout: Duration,
    /// The function's memory size in MB.
    pub memory_mb: u32,
    /// Whether it bounds anything.
    pub memory_limit: MemoryLimit,
    /// How many environments there may be at once.
    pub max_environments: NonZeroU16,
    /// What becomes of a request when they are all busy.
    pub at_limit: AtLimit,
    /// How many of them are initialized from the start and never end, as with provisioned concurrency. No managed
    /// instances and no functions with a snapshot have that.
    pub provisioned: u16,
    /// After how long without an invocation an environment ends.
    pub idle_timeout: Duration,
    /// What a new environment takes before its init begins.
    pub cold_start_delay: Duration,
    /// How many invocations an environment may have open at once. Above 1 it is a managed instance, which keeps as
    /// many polls waiting.
    pub concurrency: NonZeroU16,
    /// Whether every process of the environment stands still from the end of an invocation to the next event. Linux
    /// only; elsewhere nothing is found to be stopped.
    pub freeze: bool,
    /// Whether the initialized environment is made a snapshot of, and restored from it. Only zip functions with a
    /// managed runtime have that, and no managed instances.
    pub snapstart: bool,
    /// Whether orphaned processes of the environment become children of this process, which finds and ends them even
    /// if they have left their group and session and cleared their variables. Linux only, and only for a program that
    /// starts no children of its own: each is taken for the environment's.
    pub adopt_orphans: bool,
    /// Which calls of the Runtime API and the Extensions API go wrong.
    pub faults: FaultScript,
    /// The function's name.
    pub function_name: String,
    /// The region, for ARNs, the URL's domain and the environment variables.
    pub region: String,
    /// The function's environment variables; they win over `inherited`.
    pub variables: Vec<(String, String)>,
    /// Variables of the surrounding process that the function also gets, so that `PATH`, `HOME` and
    /// virtual environments work as in the shell.
    pub inherited: Vec<(OsString, OsString)>,
    /// Where the emulator's own log goes.
    pub journal: Journal,
    /// What becomes of the output of the function's processes beside [`Entry::Log`](crate::Entry::Log).
    pub output: ProcessOutput,
}

impl Settings {
    /// Settings with the defaults of `streamgate-local` for a function of this shape: a function URL on port 9000 of
    /// 127.0.0.1, `RESPONSE_STREAM`, 60 s, 128 MB, up to 10 environments with one invocation at a time, nothing
    /// inherited.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            adapter: None,
            opt: None,
            extensions: Vec::new(),
            front: FrontKind::default(),
            rest_binary: vec!["*/*".to_owned()],
            host: "127.0.0.1".to_owned(),
            port: 9000,
            runtime_api_port: 0,
            invoke_api_port: 0,
            inspector_port: None,
            retry_interval: RETRY_INTERVAL,
            invoke_mode: InvokeMode::ResponseStream,
            broken_streams: BrokenStreams::default(),
            bandwidth: Bandwidth::default(),
            timeout: Duration::from_mins(1),
            memory_mb: 128,
            memory_limit: MemoryLimit::default(),
            max_environments: MAX_ENVIRONMENTS,
            at_limit: AtLimit::default(),
            provisioned: 0,
            idle_timeout: Duration::from_mins(5),
            cold_start_delay: Duration::ZERO,
            concurrency: NonZeroU16::MIN,
            freeze: false,
            snapstart: false,
            adopt_orphans: false,
            faults: FaultScript::default(),
            function_name: "local".to_owned(),
            region: "us-east-1".to_owned(),
            variables: Vec::new(),
            inherited: Vec::new(),
            journal: Journal::default(),
            output: ProcessOutput::default(),
        }
    }

    /// The ARN that invocations carry; the account id is AWS's documentation placeholder.
    pub(crate) fn function_arn(&self) -> String {
        format!(
            "arn:aws:lambda:{}:{ACCOUNT_ID}:function:{}",
            self.region, self.function_name
        )
    }
}

/// Enough for a browser's six connections and a few more; a laptop has room for as many apps.
const MAX_ENVIRONMENTS: NonZeroU16 = NonZeroU16::new(10).expect("it is not 0");

/// The account that owns the emulated function.
pub(crate) const ACCOUNT_ID: &str = "123456789012";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_invoke_mode_is_named() {
        assert_eq!("buffered".parse(), Ok(InvokeMode::Buffered));
        let error = "STREAM".parse::<InvokeMode>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"unknown invoke mode "STREAM", expected RESPONSE_STREAM or BUFFERED"#
        );
    }
}
