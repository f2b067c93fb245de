// SPDX-License-Identifier: Apache-2.0
//! Adapters as `benches/adapters/*.toml` describes them: how each is built, and how it is started.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::process::{Usage, peak_memory};

/// Which form the replies are to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// While the app makes them.
    Streamed,
    /// Each as one document.
    Buffered,
}

/// Why an adapter cannot be had or started.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A description cannot be read.
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] io::Error),
    /// A description is not what is expected.
    #[error("{0} describes no adapter")]
    Description(PathBuf, #[source] toml::de::Error),
    /// It does not build.
    #[error("{name} does not build: {reason}")]
    Build {
        /// The adapter.
        name: String,
        /// What the build said.
        reason: String,
    },
    /// It does not start.
    #[error("{0} does not start")]
    Start(PathBuf, #[source] io::Error),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    /// A command of `sh` in the repository, with `TARGET` set; the last line that it prints is the program's path.
    build: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    streamed: BTreeMap<String, String>,
    buffered: BTreeMap<String, String>,
}

impl Description {
    fn read(key: &str, repository: &Path) -> Result<Self, AdapterError> {
        let folder = repository.join("benches/adapters");
        let file = folder.join(key).with_extension("toml");
        let text =
            fs::read_to_string(&file).map_err(|error| AdapterError::File(file.clone(), error))?;
        toml::from_str(&text).map_err(|error| AdapterError::Description(file, error))
    }

    fn build(&self, repository: &Path, target: &Path) -> Result<PathBuf, AdapterError> {
        let failed = |reason: String| AdapterError::Build {
            name: self.name.clone(),
            reason,
        };
        let output = Command::new("sh")
            .args(["-euc", &self.build])
            .current_dir(repository)
            .env("TARGET", target)
            // Set by the `cargo` that runs this, and meant for its own toolchain.
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let program = repository.join(printed.lines().last().unwrap_or_default().trim());
        if program.is_file() {
            Ok(program)
        } else {
            Err(failed(format!("there is no file {}", program.display())))
        }
    }
}

/// An adapter that has been built.
#[derive(Debug)]
pub struct Adapter {
    /// What its description is called, without the extension.
    pub key: String,
    /// Its program.
    pub program: PathBuf,
    description: Description,
}

impl Adapter {
    /// Reads the description `benches/adapters/KEY.toml`, and builds what it describes.
    pub fn build(key: &str, repository: &Path, target: &Path) -> Result<Self, AdapterError> {
        let description = Description::read(key, repository)?;
        let program = description.build(repository, target)?;
        Ok(Self::new(key, program, description))
    }

    /// Reads the description, and takes this program as what it describes.
    pub fn with_program(
        key: &str,
        repository: &Path,
        program: &Path,
    ) -> Result<Self, AdapterError> {
        let description = Description::read(key, repository)?;
        Ok(Self::new(key, program.to_owned(), description))
    }

    fn new(key: &str, program: PathBuf, description: Description) -> Self {
        Self {
            key: key.to_owned(),
            program,
            description,
        }
    }

    /// How to start it as an extension of an image whose app is on `port`.
    #[must_use]
    pub fn start(&self, lambda: SocketAddr, port: u16, mode: Mode) -> Start<'_> {
        let of_mode = match mode {
            Mode::Streamed => &self.description.streamed,
            Mode::Buffered => &self.description.buffered,
        };
        let mut variables = vec![
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("AWS_LAMBDA_RUNTIME_API".to_owned(), lambda.to_string()),
        ];
        for (name, value) in FUNCTION {
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        for (name, value) in self.description.env.iter().chain(of_mode) {
            variables.push((name.clone(), value.replace("{port}", &port.to_string())));
        }
        Start {
            adapter: self,
            variables,
            under: Vec::new(),
        }
    }
}

/// What Lambda tells every process of a function.
const FUNCTION: &[(&str, &str)] = &[
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_REGION", "eu-central-1"),
];

/// An adapter about to be started.
#[derive(Debug)]
pub struct Start<'a> {
    adapter: &'a Adapter,
    variables: Vec<(String, String)>,
    under: Vec<String>,
}

impl Start<'_> {
    /// Lets it serve this many invocations at once, if it can.
    #[must_use]
    pub fn concurrency(mut self, count: usize) -> Self {
        let name = "AWS_LAMBDA_MAX_CONCURRENCY".to_owned();
        self.variables.push((name, count.to_string()));
        self
    }

    /// Has another program run it, such as one that counts its instructions.
    #[must_use]
    pub fn under(mut self, command: &[String]) -> Self {
        self.under = command.to_vec();
        self
    }

    /// Starts it. What it prints goes to a file beside the results.
    pub fn spawn(self, log: &Path) -> Result<Running, AdapterError> {
        let program = &self.adapter.program;
        let failed = |error| AdapterError::Start(program.clone(), error);
        let log = File::create(log).map_err(failed)?;
        let mut command = match self.under.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        let child = command
            .env_clear()
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        Ok(Running { child })
    }
}

/// An adapter's process, which ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// What it has used until now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// The most memory that it has had, in MiB.
    #[must_use]
    pub fn peak_memory(&self) -> f64 {
        peak_memory(self.child.id())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended of itself.
    pub fn wait(&mut self) -> io::Result<()> {
        self.child.wait().map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
