// SPDX-License-Identifier: Apache-2.0
//! `streamgate-local`, the local Lambda, with the adapter and the misbehaving app in any shape.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use crate::http::{self, Client, Request, Response};
use crate::process::{Mark, Program};
use crate::{adapter, app, binaries};

/// How the adapter gets into the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A zip with the layer: Lambda's runtime runs the exec wrapper.
    ZipLayer,
    /// An OS-only runtime with the layer, which brings the bootstrap.
    OsOnly,
    /// An image whose own entrypoint starts the app.
    ImageAttach,
    /// An image whose entrypoint is the adapter.
    ImageEntrypoint,
}

/// All shapes.
pub const SHAPES: [Shape; 4] = [
    Shape::ZipLayer,
    Shape::OsOnly,
    Shape::ImageAttach,
    Shape::ImageEntrypoint,
];

/// A local Lambda to be started.
#[derive(Debug)]
pub struct Builder {
    shape: Shape,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    command: Option<Vec<String>>,
    script: Option<String>,
    one_stream: bool,
    environments: u16,
    bandwidth: &'static str,
}

impl Builder {
    /// Streams go as fast as on the service.
    #[must_use]
    pub fn real_bandwidth(mut self) -> Self {
        self.bandwidth = "real";
        self
    }

    /// Up to so many environments; a request beyond them is throttled. Without it there is one, and a request waits.
    #[must_use]
    pub fn environments(mut self, limit: u16) -> Self {
        self.environments = limit;
        self
    }

    /// Gives it an option more.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Sets a variable of the function.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The function URL hands out whole responses.
    #[must_use]
    pub fn buffered(self) -> Self {
        self.option("--invoke-mode").option("BUFFERED")
    }

    /// Runs this command instead of the misbehaving app.
    #[must_use]
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = Some(command.iter().map(|&word| word.to_owned()).collect());
        self
    }

    /// The start script of the zip.
    #[must_use]
    pub fn script(mut self, text: &str) -> Self {
        self.script = Some(text.to_owned());
        self
    }

    /// Its log goes to standard output, with all that the app's standard output gets: one pipe without anyone between,
    /// so that the order of the lines is the order in which they were written.
    #[must_use]
    pub fn one_stream(mut self) -> Self {
        self.one_stream = true;
        self
    }

    /// Starts it and waits until its function URL is there.
    #[must_use]
    pub fn start(self) -> Local {
        let (program, mode) = self.spawn();
        let line = program.stdout_line("Function URL");
        let rest = line.strip_prefix("Function URL  http://");
        let address = rest.and_then(|rest| rest.strip_suffix(&format!("/  ({mode})")));
        let address = address.and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the ready line is {line:?}"));
        Local { program, address }
    }

    /// Plays this recording again, to its end; with its exit code.
    #[must_use]
    pub fn replay(self, recording: &Path) -> (Program, Option<i32>) {
        let path = recording.to_str().expect("a path in UTF-8");
        let (mut program, _) = self.option("--replay").option(path).spawn();
        let code = program.finish().code();
        (program, code)
    }

    /// Starts it without waiting for anything.
    #[must_use]
    pub fn spawn(mut self) -> (Program, &'static str) {
        let mark = Mark::unique();
        let (key, value) = mark.variable();
        self = self.env(key, value);
        let mut belongings = Vec::new();
        let mut command = if self.one_stream {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", r#"exec "$0" "$@" 2>&1"#]);
            shell.arg(binaries::streamgate_local());
            shell
        } else {
            Command::new(binaries::streamgate_local())
        };
        let at_limit = if self.environments == 1 {
            "wait"
        } else {
            "throttle"
        };
        if !self.options.iter().any(|option| option == "--replay") {
            command.args(["--port", "0"]);
        }
        command
            .args(["--at-limit", at_limit])
            .args(["--bandwidth", self.bandwidth])
            .args(["--max-environments", &self.environments.to_string()])
            .args(&self.options);
        let words = self
            .command
            .take()
            .unwrap_or_else(|| vec![binaries::misbehave().display().to_string()]);
        match self.shape {
            Shape::ZipLayer | Shape::OsOnly => {
                let (zip, opt) = (directory(), directory());
                adapter::install(opt.path());
                let script = self
                    .script
                    .take()
                    .unwrap_or_else(|| format!("#!/bin/sh\nexec {}\n", words.join(" ")));
                let file = zip.path().join("run.sh");
                fs::write(&file, script).expect("a file can be written");
                fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
                    .expect("a file's mode can be set");
                command
                    .arg("--zip")
                    .arg(zip.path())
                    .args(["--handler", "run.sh"])
                    .arg("--opt")
                    .arg(opt.path());
                if self.shape == Shape::OsOnly {
                    command.arg("--os-only");
                }
                belongings = vec![zip, opt];
            }
            Shape::ImageAttach => {
                if !self.environment.iter().any(|(name, _)| name == "PORT") {
                    self = self.env("PORT", &app::free_port().to_string());
                }
                command
                    .arg("--image-attach")
                    .arg("--adapter")
                    .arg(binaries::streamgate());
            }
            Shape::ImageEntrypoint => {
                command.arg("--adapter").arg(binaries::streamgate());
            }
        }
        for (name, value) in &self.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        if matches!(self.shape, Shape::ImageAttach | Shape::ImageEntrypoint) {
            command.arg("--").args(words);
        }
        let buffered = self.options.iter().any(|option| option == "BUFFERED");
        let mode = if buffered {
            "BUFFERED"
        } else {
            "RESPONSE_STREAM"
        };
        (Program::start(command, &mark).keeping(belongings), mode)
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// A running local Lambda.
#[derive(Debug)]
pub struct Local {
    program: Program,
    address: SocketAddr,
}

impl Local {
    /// Describes one in this shape.
    #[must_use]
    pub fn shape(shape: Shape) -> Builder {
        Builder {
            shape,
            options: Vec::new(),
            environment: Vec::new(),
            command: None,
            script: None,
            one_stream: false,
            environments: 1,
            bandwidth: "off",
        }
    }

    /// Describes one in the shape that most tests use.
    #[must_use]
    pub fn builder() -> Builder {
        Self::shape(Shape::ImageEntrypoint)
    }

    /// Where the function URL listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// A connection to the function URL.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// A GET on a connection of its own.
    pub fn get(&self, target: impl AsRef<[u8]>) -> Response {
        http::get(self.address, target)
    }

    /// A request on a connection of its own.
    #[must_use]
    pub fn exchange(&self, request: &Request) -> Response {
        http::exchange(self.address, request)
    }

    /// Stops it as Ctrl-C does, and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        self.program.signal(Signal::INT);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.program.finish()
    }
}
