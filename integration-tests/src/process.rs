// SPDX-License-Identifier: Apache-2.0
//! A program under test: started in its own process group, its output collected line by line, ended for certain.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::waiting::{self, PATIENCE, Watched};

/// The variable that marks everything a test has started, however deep, so that leftovers can be found. Not under the
/// adapter's prefix: it would warn of an unknown setting.
const MARK: &str = "ITEST_MARK";

/// How much of a program's output a failure message shows.
const TRANSCRIPT_LINES: usize = 40;
const TRANSCRIPT_COLUMNS: usize = 400;

/// Copies a program to where a test wants it.
pub fn copy_program(from: &Path, to: &Path) {
    let _alone = alone();
    let copied = fs::copy(from, to);
    copied.unwrap_or_else(|error| {
        panic!(
            "cannot copy {} to {}: {error}",
            from.display(),
            to.display()
        )
    });
}

/// Runs a command to its good end: returns what it wrote to standard output.
pub fn run(command: &mut Command) -> String {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = spawn_alone(command)
        .and_then(Child::wait_with_output)
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{command:?}:\n{stdout}{stderr}");
    stdout.into_owned()
}

/// Starts a process while no program is being copied.
pub(crate) fn spawn_alone(command: &mut Command) -> io::Result<Child> {
    let _alone = alone();
    command.spawn()
}

/// A process that another thread starts while a program is being written inherits the open file until it becomes its
/// own program, and a file that is open for writing cannot be executed. So these two things exclude each other.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mark for one test's processes; it is inherited through the environment.
#[derive(Clone, Debug)]
pub struct Mark(String);

impl Mark {
    /// A mark that no other process carries.
    #[must_use]
    pub fn unique() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{}-{serial}", std::process::id()))
    }

    /// The environment variable that carries it.
    #[must_use]
    pub fn variable(&self) -> (&'static str, &str) {
        (MARK, &self.0)
    }

    /// The live processes that carry this mark, zombies left out.
    #[must_use]
    pub fn carriers(&self) -> Vec<Carrier> {
        let needle = format!("{}={}\0", MARK, self.0);
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Carrier::look(pid, needle.as_bytes()))
            .collect()
    }

    /// Waits until no process carries the mark any more.
    pub fn wait_until_gone(&self) {
        let gone = waiting::within(PATIENCE, &"processes to go", || {
            self.carriers().is_empty().then_some(())
        });
        assert!(
            gone.is_some(),
            "processes are left over: {:?}",
            self.carriers()
        );
    }

    /// Kills everything that carries the mark.
    pub fn kill_carriers(&self) {
        for carrier in self.carriers() {
            if let Some(pid) = Pid::from_raw(carrier.pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A process that carries a mark.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Its process id.
    pub pid: i32,
    /// Its command line.
    pub command: String,
}

impl Carrier {
    /// The first word of its command line.
    pub fn program(&self) -> &str {
        self.command.split(' ').next().unwrap_or_default()
    }

    /// A figure of its memory, such as `VmRSS`, in KiB.
    pub fn status_kib(&self, field: &str) -> Option<usize> {
        status_kib(self.pid, field)
    }

    fn look(pid: i32, needle: &[u8]) -> Option<Self> {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        crate::wire::find(&environ, needle)?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        if command.is_empty() || state(pid)? == 'Z' {
            return None;
        }
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        Some(Self { pid, command })
    }
}

/// A figure of a process's memory, such as `VmRSS`, in KiB.
pub fn status_kib(pid: i32, field: &str) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

/// The state letter of a process, or `None` when it is gone.
#[must_use]
pub fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether every thread of a process stands still: the first one may do so before the others.
#[must_use]
pub fn is_stopped(pid: i32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// Whether a process is there and not a zombie.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    state(pid).is_some_and(|letter| letter != 'Z')
}

#[derive(Debug, Default)]
struct Output {
    stdout: Vec<String>,
    stderr: Vec<String>,
    open: usize,
}

/// A started program.
#[derive(Debug)]
pub struct Program {
    child: Child,
    name: String,
    output: Arc<Watched<Output>>,
    mark: Mark,
    /// Directories that the program uses; removed when it is gone.
    belongings: Vec<tempfile::TempDir>,
}

impl Program {
    /// Starts a command.
    #[must_use]
    pub fn start(mut command: Command, mark: &Mark) -> Self {
        waiting::watchdog();
        let name = PathBuf::from(command.get_program())
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or("?")
            .to_owned();
        let (key, value) = mark.variable();
        command
            .env(key, value)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let started = {
            let _alone = alone();
            command.spawn()
        };
        let mut child = started.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = Arc::new(Watched::new(Output {
            open: 2,
            ..Output::default()
        }));
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        collect(stdout, Arc::clone(&output), |output| &mut output.stdout);
        collect(stderr, Arc::clone(&output), |output| &mut output.stderr);
        Self {
            child,
            name,
            output,
            mark: mark.clone(),
            belongings: Vec::new(),
        }
    }

    /// Lets a directory live as long as the program.
    #[must_use]
    pub fn keeping(mut self, directories: impl IntoIterator<Item = tempfile::TempDir>) -> Self {
        self.belongings.extend(directories);
        self
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id is a positive i32")
    }

    /// The mark that this program and its descendants carry.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Waits for a line of standard output that contains `text`.
    #[must_use]
    pub fn stdout_line(&self, text: &str) -> String {
        self.line(text, |output| &output.stdout)
    }

    /// Waits for a line of standard error that contains `text`.
    #[must_use]
    pub fn stderr_line(&self, text: &str) -> String {
        self.line(text, |output| &output.stderr)
    }

    /// Waits for a line that contains `text`, on whichever stream.
    #[must_use]
    pub fn any_line(&self, text: &str) -> String {
        let found = self.output.wait(PATIENCE, |output| {
            let mut lines = output.stdout.iter().chain(&output.stderr);
            let found = lines.find(|line| line.contains(text)).cloned();
            found.map(Some).or((output.open == 0).then_some(None))
        });
        found
            .flatten()
            .unwrap_or_else(|| panic!("{} never wrote {text:?}; {}", self.name, self.transcript()))
    }

    /// Whether there is a line that contains `text` by now, on whichever stream.
    #[must_use]
    pub fn has_line(&self, text: &str) -> bool {
        let output = self.output.lock();
        let mut lines = output.stdout.iter().chain(&output.stderr);
        lines.any(|line| line.contains(text))
    }

    fn line(&self, text: &str, stream: fn(&Output) -> &Vec<String>) -> String {
        let found = self.output.wait(PATIENCE, |output| {
            let found = stream(output)
                .iter()
                .find(|line| line.contains(text))
                .cloned();
            found.map(Some).or((output.open == 0).then_some(None))
        });
        found
            .flatten()
            .unwrap_or_else(|| panic!("{} never wrote {text:?}; {}", self.name, self.transcript()))
    }

    /// What was written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.output.lock().stdout.clone()
    }

    /// What was written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.output.lock().stderr.clone()
    }

    /// The end of what was written so far, for a failure message.
    #[must_use]
    pub fn transcript(&self) -> String {
        let output = self.output.lock();
        format!(
            "its stdout:\n{}its stderr:\n{}",
            tail(&output.stdout),
            tail(&output.stderr)
        )
    }

    /// Sends a signal to the program itself, not to its group.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid()).expect("a process id is not 0");
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// The exit status if the program has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("the child is ours to wait for")
    }

    /// Waits for the end of the program.
    pub fn wait(&mut self) -> ExitStatus {
        let status = waiting::within(PATIENCE, &"exit", || self.exited());
        status.unwrap_or_else(|| panic!("{} did not end; {}", self.name, self.transcript()))
    }

    /// Waits for the end of the program and of its output: everything it wrote is there afterwards.
    pub fn finish(&mut self) -> ExitStatus {
        let status = self.wait();
        // A descendant may keep the pipes open; then what is there is what there is.
        let _ = self.output.wait(Duration::from_secs(5), |output| {
            (output.open == 0).then_some(())
        });
        status
    }
}

/// The last lines, none of them endless.
fn tail(lines: &[String]) -> String {
    let skipped = lines.len().saturating_sub(TRANSCRIPT_LINES);
    let clip = |line: &String| line.chars().take(TRANSCRIPT_COLUMNS).collect::<String>();
    let shown = lines[skipped..]
        .iter()
        .map(clip)
        .collect::<Vec<_>>()
        .join("\n  ");
    format!("  ({skipped} lines before)\n  {shown}\n")
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "--- {} (pid {}): {}",
                self.name,
                self.pid(),
                self.transcript()
            );
        }
        if self.child.try_wait().ok().flatten().is_none() {
            if let Some(group) = Pid::from_raw(self.pid()) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.child.wait();
        }
        self.mark.kill_carriers();
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    output: Arc<Watched<Output>>,
    lines: fn(&mut Output) -> &mut Vec<String>,
) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\n', '\r'])
                .to_owned();
            output.change(|output| lines(output).push(text));
            line.clear();
        }
        output.change(|output| output.open -= 1);
    });
}
