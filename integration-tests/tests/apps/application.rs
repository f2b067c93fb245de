// SPDX-License-Identifier: Apache-2.0
//! An installed application in one shape, what was checked of it, and its line of the table.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::binaries::{repository, streamgate, streamgate_local};
use integration_tests::http;
use integration_tests::local::{Builder, Local, Shape};
use integration_tests::process::{Mark, Program, is_alive};
use integration_tests::waiting::{PATIENCE, within};
use rustix::process::Signal;
use tempfile::TempDir;

/// How an application gets its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// Its name in the table.
    pub(crate) name: &'static str,
    shape: Shape,
    options: &'static [&'static str],
    /// How many bytes of any kind fit into a request and into an answer that is not streamed.
    pub(crate) room: usize,
    /// Whether an answer has no limit.
    pub(crate) streams: bool,
}

const MEGABYTE: usize = 1_000_000;

/// The ways in which every application runs. What is not streamed grows by a third on its way, as base64.
pub(crate) const WAYS: [Way; 5] = [
    Way {
        name: "image",
        shape: Shape::ImageEntrypoint,
        options: &[],
        room: 4 * MEGABYTE,
        streams: true,
    },
    Way {
        name: "zip",
        shape: Shape::ZipLayer,
        options: &[],
        room: 4 * MEGABYTE,
        streams: true,
    },
    Way {
        name: "HTTP API",
        shape: Shape::ImageEntrypoint,
        options: &["--front", "http-api"],
        room: 4 * MEGABYTE,
        streams: false,
    },
    Way {
        name: "REST API",
        shape: Shape::ImageEntrypoint,
        options: &["--front", "rest"],
        room: 4 * MEGABYTE,
        streams: false,
    },
    Way {
        name: "ALB",
        shape: Shape::ImageEntrypoint,
        options: &["--front", "alb"],
        room: 7 * MEGABYTE / 10,
        streams: false,
    },
];

/// A function URL of an environment that takes several requests at once.
pub(crate) const MANAGED_INSTANCE: Way = Way {
    name: "managed instance",
    shape: Shape::ImageEntrypoint,
    options: &["--concurrency", "4"],
    room: 4 * MEGABYTE,
    streams: true,
};

/// How many characters of a page a failure shows.
const SHOWN: usize = 4000;

/// How long an application may take until its first answer.
const START_LIMIT: Duration = Duration::from_mins(2);

/// What `install` has put on this machine, and what it runs with.
#[derive(Debug)]
pub(crate) struct Plan {
    name: &'static str,
    way: Way,
    state: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Plan {
    /// An application of `integration-tests/apps` that gets its requests in this way.
    pub(crate) fn new(name: &'static str, way: Way) -> Self {
        let state = tempfile::tempdir().expect("a temporary directory can be made");
        // The app does not run as root, and still has to get here.
        fs::set_permissions(state.path(), Permissions::from_mode(0o755))
            .expect("a new folder's mode can be set");
        Self {
            name,
            way,
            state,
            environment: Vec::new(),
        }
    }

    /// Sets a variable of the function.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// The one folder to which the application writes.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// Sends an event of a file to an environment of its own, as an image, which has to serve it.
    pub(crate) fn send(self, event: &Path) {
        let mark = Mark::unique();
        let (name, value) = mark.variable();
        let mut command = Command::new(streamgate_local());
        command.arg("--adapter").arg(streamgate());
        command.arg("--event").arg(event);
        command.arg("--env").arg(format!("{name}={value}"));
        for (name, value) in self.variables() {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.arg("--").args(self.command());
        let mut program = Program::start(command, &mark);
        let status = program.finish();
        let (name, transcript) = (self.name, program.transcript());
        assert!(
            status.success(),
            "{name} does not serve an event; {transcript}"
        );
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.environment.clone();
        variables.push(("APP_HOME", home(self.name).display().to_string()));
        variables.push(("APP_STATE", self.state.path().display().to_string()));
        variables
    }

    fn command(&self) -> [String; 2] {
        let apps = repository().join("integration-tests/apps");
        let run = apps.join(self.name).join("run.sh");
        [apps.join("as-on-lambda"), run].map(|path| path.display().to_string())
    }

    /// Starts it, and waits until a request for this path is answered.
    pub(crate) fn start(self, path: &str) -> Application {
        let home = home(self.name);
        let version = fs::read_to_string(home.join("version")).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; integration-tests/apps/install installs it",
                home.display()
            )
        });
        let [cage, run] = self.command();
        let mut builder: Builder = Local::shape(self.way.shape)
            .command(&[&cage, &run])
            .option("--freeze");
        for (name, value) in self.variables() {
            builder = builder.env(name, &value);
        }
        for option in self.way.options {
            builder = builder.option(option);
        }
        // Built before the clock runs.
        let _ = (streamgate(), streamgate_local());
        let started_at = Instant::now();
        let (program, _) = builder.spawn();
        let line = program.stdout_line("  http://");
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the ready line is {line:?}"));
        let mut app = Application {
            name: self.name,
            way: self.way,
            version: version.trim().to_owned(),
            start_time: Duration::ZERO,
            checks: 0,
            program,
            address,
            state: self.state,
        };
        let answered = within(START_LIMIT, &"a first answer", || {
            (http::get(address, path).status() < 500).then(|| started_at.elapsed())
        });
        app.check("it answers", answered.is_some());
        app.start_time = answered.unwrap_or_default();
        app
    }
}

/// Where `install` puts what an application is made of.
fn home(name: &str) -> PathBuf {
    folder().join(name)
}

/// The folder `apps` below Cargo's target folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("apps")
}

/// A running application; its line of the table is written when it is dropped.
#[derive(Debug)]
pub(crate) struct Application {
    name: &'static str,
    way: Way,
    version: String,
    start_time: Duration,
    checks: usize,
    program: Program,
    address: SocketAddr,
    // Goes when the program is gone.
    state: TempDir,
}

impl Application {
    /// How it gets its requests.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// The one folder to which it writes.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// Where its front end listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Fails unless `holds`; counted for the table.
    #[track_caller]
    pub(crate) fn check(&mut self, what: &str, holds: bool) {
        assert!(holds, "{} ({}): {what}", self.name, self.way.name);
        self.checks += 1;
    }

    /// Fails unless both are equal; counted for the table.
    #[track_caller]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a list of checks reads better without references"
    )]
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        found: T,
        expected: T,
    ) {
        assert!(
            found == expected,
            "{} ({}): {what}: {found:?} instead of {expected:?}",
            self.name,
            self.way.name
        );
        self.checks += 1;
    }

    /// Fails unless the text has this part; counted for the table.
    #[track_caller]
    pub(crate) fn contains(&mut self, what: &str, text: &str, part: &str) {
        assert!(
            text.contains(part),
            "{} ({}): {what}: no {part:?} in {}",
            self.name,
            self.way.name,
            text.chars().take(SHOWN).collect::<String>()
        );
        self.checks += 1;
    }

    /// Stops it as Lambda does, which has to end in order.
    pub(crate) fn stop(mut self) {
        self.program.signal(Signal::INT);
        let status = self.program.finish();
        self.check("it is shut down in order", status.success());
    }
}

impl Application {
    /// Lets the local Lambda end it, which finds what has left the app's group, as PHP-FPM does; a kill would not.
    fn end(&self) {
        let is_gone = || (!is_alive(self.program.pid())).then_some(());
        if is_gone().is_none() {
            self.program.signal(Signal::INT);
            let _ = within(PATIENCE, &"the end", is_gone);
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let result = if thread::panicking() {
            self.end();
            "failed"
        } else {
            "passed"
        };
        let line = format!(
            "{:<12} {:<22} {:<17} {:>8} {:>6}  {result}\n",
            self.name,
            self.version,
            self.way.name,
            self.start_time.as_millis(),
            self.checks,
        );
        eprint!("{line}");
        let file = format!("{}-{}", self.name, self.way.name.replace(' ', "-"));
        let results = folder().join("results");
        let written =
            fs::create_dir_all(&results).and_then(|()| fs::write(results.join(file), &line));
        if let Err(error) = written {
            eprintln!("no line in {}: {error}", results.display());
        }
    }
}
