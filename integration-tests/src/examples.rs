// SPDX-License-Identifier: Apache-2.0
//! The examples as tests see them: what `example.toml` says, the package that is built from it, the running app.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::binaries;
use crate::process::{Mark, Program};
use crate::waiting;

/// How long one setup command may take: a package registry may be slow, and this happens once.
const SETUP_LIMIT: Duration = Duration::from_mins(5);

/// What a developer's own runs leave in an example's folder; it is no part of the package.
const LEFTOVERS: [&str; 4] = ["node_modules", "packages", "__pycache__", "server"];

/// What `example.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Commands that turn the folder's copy into what is deployed.
    #[serde(default)]
    pub setup: Vec<Vec<String>>,
    /// A program of this workspace to be put into the package.
    pub workspace_binary: Option<String>,
    /// What starts the app in an image.
    pub start: Vec<String>,
    /// The handler setting of the zip.
    pub handler: String,
    /// Variables of the setup commands, and of the app in an image.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Requests and what must come of them.
    #[serde(rename = "probe")]
    pub probes: Vec<Probe>,
}

/// One request and what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The request target.
    pub path: String,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// A text to be sent.
    pub body: Option<String>,
    /// Bytes to be sent, in hex.
    pub body_hex: Option<String>,
    /// The type of what is sent.
    pub content_type: Option<String>,
    /// The status of the answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers that the answer must have.
    #[serde(default)]
    pub header: BTreeMap<String, String>,
    /// A part of the answer's body.
    pub body_contains: Option<String>,
    /// The digest of the answer's whole body, in hex.
    pub sha256: Option<String>,
    /// A part of a line that the app writes, behind its answer it may be.
    pub log: Option<String>,
    /// Whether the answer is a stream.
    pub streams: Option<Streams>,
}

/// What makes an answer a stream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Streams {
    /// How many pieces must arrive apart from each other.
    pub chunks: usize,
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}

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

    /// Builds the package below `builds`, or finds it there as an earlier run has left it: returns its folder.
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
        package
    }

    fn run(&self, words: &[String], package: &Path) {
        let (program, arguments) = words.split_first().expect("a setup command has a name");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(&self.plan.env)
            .current_dir(package);
        let mut program = Program::start(command, &Mark::unique());
        let status = waiting::within(SETUP_LIMIT, &"setup", || program.exited());
        let _ = program.finish();
        assert!(
            status.is_some_and(|status| status.success()),
            "{}: {words:?} ended with {status:?}; {}",
            self.name,
            program.transcript()
        );
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

    /// Starts it as an image whose entrypoint is the adapter.
    pub fn start_image(&self, package: &Path) -> Running {
        let mut command = local(package);
        for (name, value) in &self.plan.env {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.arg("--").args(&self.plan.start);
        Running::start(command)
    }

    /// Starts it as a zip with the layer.
    pub fn start_zip(&self, package: &Path) -> Running {
        let mut command = local(package);
        command
            .arg("--zip")
            .arg(package)
            .args(["--handler", &self.plan.handler]);
        Running::start(command)
    }
}

fn local(package: &Path) -> Command {
    let mut command = Command::new(binaries::streamgate_local());
    command
        // One app at a time is enough to start on a loaded machine.
        .args(["--max-environments", "1", "--at-limit", "wait"])
        // As on Lambda, where nothing runs between two requests.
        .args(["--port", "0", "--freeze", "--adapter"])
        .arg(binaries::streamgate())
        .current_dir(package);
    command
}

/// A local Lambda that runs an app.
#[derive(Debug)]
pub struct Running {
    /// The local Lambda.
    pub program: Program,
    /// Where its function URL listens.
    pub address: SocketAddr,
}

impl Running {
    /// Starts it and waits for its function URL.
    pub fn start(command: Command) -> Self {
        let program = Program::start(command, &Mark::unique());
        let line = program.stdout_line("Function URL");
        let address = line
            .strip_prefix("Function URL  http://")
            .and_then(|rest| rest.strip_suffix("/  (RESPONSE_STREAM)"))
            .and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the ready line is {line:?}"));
        Self { program, address }
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
