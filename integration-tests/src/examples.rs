// SPDX-License-Identifier: Apache-2.0
//! The examples as tests see them: what `example.toml` says, the package that is built from it, the running app.

mod plan;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::binaries;
use crate::process::{Mark, Program};
use crate::waiting::{self, Watched};
use rustix::process::Signal;

pub use plan::{Plan, Probe, Streams};

/// How long one setup command may take: a package registry may be slow, and this happens once.
const SETUP_LIMIT: Duration = Duration::from_mins(10);

/// How long a client may take: it may have to wait for the app's start, and to start itself.
const CLIENT_LIMIT: Duration = Duration::from_mins(2);

/// How many packages are built at the same time. Compilers and package managers take a core each, and more.
const SETUPS: usize = 2;

/// What a developer's own runs leave in an example's folder; it is no part of the package.
const LEFTOVERS: &[&str] = &[
    ".next",
    "__pycache__",
    "node_modules",
    "packages",
    "server",
    "target",
];

/// A folder of `examples/`.
#[derive(Clone, Debug)]
pub struct Example {
    /// The folder's name.
    pub name: String,
    /// What its `example.toml` says.
    pub plan: Plan,
    folder: PathBuf,
}

/// All examples, by name.
pub fn all() -> Vec<Example> {
    let root = binaries::repository().join("examples");
    let folders: BTreeSet<PathBuf> = fs::read_dir(&root)
        .expect("there is a folder of examples")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.into_iter().map(Example::load).collect()
}

impl Example {
    fn load(folder: PathBuf) -> Self {
        let file = folder.join("example.toml");
        let text =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let plan =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self {
            name: name.into_owned(),
            plan,
            folder,
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds the package below `builds`, or finds it there as an earlier run has left it: returns the folder that is
    /// deployed.
    pub fn package(&self, builds: &Path) -> PathBuf {
        let package = builds.join("examples").join(&self.name);
        let stamp = package.with_extension("stamp");
        fs::create_dir_all(builds.join("examples")).expect("a build folder can be made");
        // Two test programs may come here at the same time; the second one finds everything done.
        let lock = File::create(package.with_extension("lock")).expect("a lock file can be made");
        lock.lock().expect("a lock can be waited for");
        let inputs = self.inputs();
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&inputs) {
            let _ = fs::remove_file(&stamp);
            let _ = fs::remove_dir_all(&package);
            copy(&self.folder, &package);
            let _turn = Turn::wait();
            for command in &self.plan.setup {
                self.run(command, &package);
            }
            fs::write(&stamp, inputs).expect("a stamp can be written");
        }
        // Outside the stamp: Cargo knows best whether it is fresh.
        if let Some(name) = &self.plan.workspace_binary {
            assert_eq!(name, "streamgate-demo", "the one such program so far");
            let target = package.join(name);
            // Removed first: the file may be in use by an app of another test.
            let _ = fs::remove_file(&target);
            fs::copy(binaries::demo(), &target).expect("a program can be copied");
        }
        match &self.plan.output {
            Some(output) => package.join(output),
            None => package,
        }
    }

    fn run(&self, words: &[String], package: &Path) {
        let (program, arguments) = words.split_first().expect("a setup command has a name");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(&self.plan.env)
            .current_dir(package);
        if let Err(failure) = run(command, SETUP_LIMIT) {
            panic!("{}: {words:?}: {failure}", self.name);
        }
    }

    /// A digest of all that the package is made from.
    fn inputs(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for path in files(&self.folder) {
            path.hash(&mut hasher);
            fs::read(self.folder.join(&path))
                .expect("an example's file can be read")
                .hash(&mut hasher);
        }
        format!("{:016x}\n", hasher.finish())
    }

    /// Lets a program of the package ask, and gives what it printed.
    ///
    /// # Errors
    /// It failed.
    pub fn ask_with(
        &self,
        words: &[String],
        package: &Path,
        address: SocketAddr,
        path: &str,
    ) -> Result<String, String> {
        let (program, arguments) = words.split_first().expect("a client has a name");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(format!("http://{address}{path}"))
            .envs(&self.plan.env)
            .current_dir(package);
        run(command, CLIENT_LIMIT).map_err(|failure| format!("{words:?}: {failure}"))
    }

    /// Starts it in a shape, behind its front.
    pub fn start(&self, shape: Shape, package: &Path) -> Running {
        let front = self.plan.front.as_deref().unwrap_or("url");
        let options = [
            "--port",
            "0",
            "--front",
            front,
            // One app at a time is enough to start on a loaded machine.
            "--max-environments",
            "1",
            "--at-limit",
            "wait",
        ];
        Running::start(self.command(shape, package, options.map(OsStr::new)))
    }

    /// Invokes it with the event of a file of the package: what the program wrote, and the program, which has ended.
    ///
    /// # Errors
    /// The invocation failed.
    pub fn invoke(
        &self,
        shape: Shape,
        package: &Path,
        event: &str,
    ) -> Result<(String, Program), String> {
        let path = package.join(event);
        // As an event source does.
        let options = ["--invoke-mode", "BUFFERED", "--event"].map(OsStr::new);
        let options = options.into_iter().chain([path.as_os_str()]);
        let mut program = Program::start(self.command(shape, package, options), &Mark::unique());
        let status = program.finish();
        if status.success() {
            Ok((program.stdout().join("\n"), program))
        } else {
            Err(format!("{status}; {}", program.transcript()))
        }
    }

    /// The local Lambda that runs the package.
    fn command<'a>(
        &self,
        shape: Shape,
        package: &Path,
        options: impl IntoIterator<Item = &'a OsStr>,
    ) -> Command {
        let mut command = Command::new(binaries::streamgate_local());
        command
            // As on Lambda, where nothing runs between two requests.
            .args(["--freeze", "--adapter"])
            .arg(binaries::streamgate())
            .args(options)
            .current_dir(package);
        match shape {
            Shape::Image => {
                for (name, value) in &self.plan.env {
                    command.arg("--env").arg(format!("{name}={value}"));
                }
                command.arg("--").args(&self.plan.start);
            }
            Shape::Zip => {
                command.arg("--zip").arg(package);
                command.args(["--handler", &self.plan.handler]);
            }
        }
        command
    }
}

/// Runs a program to its end, and gives what it printed.
fn run(command: Command, limit: Duration) -> Result<String, String> {
    let mut program = Program::start(command, &Mark::unique());
    let status = waiting::within(limit, &"the end", || program.exited())
        .ok_or_else(|| format!("no end after {limit:?}; {}", program.transcript()))?;
    let _ = program.finish();
    if status.success() {
        Ok(program.stdout().join("\n"))
    } else {
        Err(format!("{status}; {}", program.transcript()))
    }
}

/// The right to build a package: there are [`SETUPS`] of it.
struct Turn;

static BUILDING: Watched<usize> = Watched::new(0);

impl Turn {
    fn wait() -> Self {
        let free = BUILDING.wait(SETUP_LIMIT, |building| {
            (*building < SETUPS).then(|| *building += 1)
        });
        assert!(free.is_some(), "the builds before this one do not end");
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUILDING.change(|building| *building -= 1);
    }
}

/// How an example gets into the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An image whose entrypoint is the adapter.
    Image,
    /// A zip with the layer.
    Zip,
}

impl Shape {
    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Zip => "zip",
        }
    }
}

/// A local Lambda that runs an app.
#[derive(Debug)]
pub struct Running {
    /// The local Lambda.
    pub program: Program,
    /// Where its front listens.
    pub address: SocketAddr,
}

impl Running {
    /// Starts it and waits for its front.
    pub fn start(command: Command) -> Self {
        let program = Program::start(command, &Mark::unique());
        let line = program.stdout_line("  http://");
        let address = line
            .split_once("  http://")
            .and_then(|(_, rest)| rest.split_once("/  ("))
            .and_then(|(text, _)| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the ready line is {line:?}"));
        Self { program, address }
    }

    /// Ends it in order, as Lambda ends an environment: what an app has started behind everybody's back goes too.
    pub fn stop(mut self) {
        self.program.signal(Signal::TERM);
        let _ = self.program.finish();
    }
}

/// The files below a folder that make the example, as paths from there, in a fixed order.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        let entries =
            fs::read_dir(folder.join(&directory)).expect("an example's folder can be read");
        for entry in entries.flatten() {
            let path = directory.join(entry.file_name());
            if LEFTOVERS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(&path);
        let parent = target.parent().expect("a file is in a folder");
        fs::create_dir_all(parent).expect("a folder can be made");
        fs::copy(from.join(&path), &target).expect("an example's file can be copied");
    }
}
