// SPDX-License-Identifier: Apache-2.0
//! An installed application in one shape, what was checked of it, and its line of the table.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::binaries::{repository, streamgate, streamgate_local};
use integration_tests::local::{Builder, Local, Shape};
use integration_tests::process::is_alive;
use integration_tests::waiting::{PATIENCE, within};
use rustix::process::Signal;
use tempfile::TempDir;

/// The shapes in which every application runs.
pub(crate) const SHAPES: [Shape; 2] = [Shape::ImageEntrypoint, Shape::ZipLayer];

/// How many characters of a page a failure shows.
const SHOWN: usize = 4000;

/// How long the adapter may take to be built.
const START_LIMIT: Duration = Duration::from_mins(2);

/// What `install` has put on this machine, and what it runs with.
#[derive(Debug)]
pub(crate) struct Plan {
    name: &'static str,
    shape: Shape,
    variant: &'static str,
    state: TempDir,
    environment: Vec<(&'static str, String)>,
    options: Vec<String>,
}

impl Plan {
    /// An application of `integration-tests/apps`.
    pub(crate) fn new(name: &'static str, shape: Shape) -> Self {
        let state = tempfile::tempdir().expect("a temporary directory can be made");
        // A server that root starts may give its rights away, and still has to get here.
        fs::set_permissions(state.path(), Permissions::from_mode(0o755))
            .expect("a new folder's mode can be set");
        Self {
            name,
            shape,
            variant: match shape {
                Shape::ZipLayer => "zip",
                Shape::OsOnly => "zip, OS-only",
                Shape::ImageAttach => "image, extension",
                Shape::ImageEntrypoint => "image",
            },
            state,
            environment: Vec::new(),
            options: Vec::new(),
        }
    }

    /// Sets a variable of the function.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Gives the local Lambda an option, which the table names as this variant of the shape.
    pub(crate) fn variant(mut self, variant: &'static str, options: &[&str]) -> Self {
        self.variant = variant;
        self.options
            .extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// The one folder to which the application writes.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
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
        let apps = repository().join("integration-tests/apps");
        let run = apps.join(self.name).join("run.sh").display().to_string();
        let cage = apps.join("as-on-lambda").display().to_string();
        let mut builder: Builder = Local::shape(self.shape)
            .command(&[&cage, &run])
            .option("--freeze")
            .env("APP_HOME", &home.display().to_string())
            .env("APP_STATE", &self.state.path().display().to_string());
        for (name, value) in &self.environment {
            builder = builder.env(name, value);
        }
        for option in &self.options {
            builder = builder.option(option);
        }
        // Built before the clock runs.
        let _ = (streamgate(), streamgate_local());
        let started_at = Instant::now();
        let local = builder.start();
        let answered = within(START_LIMIT, &"a first answer", || {
            (local.get(path).status() < 500).then(|| started_at.elapsed())
        });
        let start_time = answered.unwrap_or_else(|| {
            panic!(
                "{} does not answer; {}",
                self.name,
                local.program().transcript()
            )
        });
        Application {
            name: self.name,
            shape: self.variant,
            version: version.trim().to_owned(),
            start_time,
            checks: 0,
            local,
            _state: self.state,
        }
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
    shape: &'static str,
    version: String,
    start_time: Duration,
    checks: usize,
    local: Local,
    // Goes when the program is gone.
    _state: TempDir,
}

impl Application {
    /// Where its function URL listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.local.address()
    }

    /// Fails unless `holds`; counted for the table.
    #[track_caller]
    pub(crate) fn check(&mut self, what: &str, holds: bool) {
        assert!(holds, "{} ({}): {what}", self.name, self.shape);
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
            self.shape
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
            self.shape,
            text.chars().take(SHOWN).collect::<String>()
        );
        self.checks += 1;
    }

    /// Stops it as Lambda does, which has to end in order.
    pub(crate) fn stop(mut self) {
        let status = self.local.stop();
        self.check("it is shut down in order", status.success());
    }
}

impl Application {
    /// Lets the local Lambda end it, which finds what has left the app's group, as PHP-FPM does; a kill would not.
    fn end(&self) {
        let program = self.local.program();
        let is_gone = || (!is_alive(program.pid())).then_some(());
        if is_gone().is_none() {
            program.signal(Signal::INT);
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
            "{:<12} {:<18} {:<22} {:>9} {:>7}  {result}\n",
            self.name,
            self.version,
            self.shape,
            self.start_time.as_millis(),
            self.checks,
        );
        eprint!("{line}");
        let file = format!("{}-{}", self.name, self.shape.replace([' ', ','], "-"));
        let results = folder().join("results");
        let written =
            fs::create_dir_all(&results).and_then(|()| fs::write(results.join(file), &line));
        if let Err(error) = written {
            eprintln!("no line in {}: {error}", results.display());
        }
    }
}
