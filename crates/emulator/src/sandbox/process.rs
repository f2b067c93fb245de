// SPDX-License-Identifier: Apache-2.0
//! The processes of one life of an environment: started in groups of their own, watched, signalled, and never left
//! behind.

use std::collections::HashSet;
use std::fmt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::sync::watch;

use super::census::{self, Identity, Marks, Seen};
use super::freeze::Frozen;
use super::memory::Gauge;
use super::orphans::Life;
use super::survey::MARKER;
use super::{Place, Program, Sandbox};
use crate::environment::Shared;
use crate::fault::Fault;
use crate::journal::{LogSource, LogStream};

/// Which process of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProcessName {
    Runtime,
    Extension(String),
}

impl ProcessName {
    fn log_source(&self) -> LogSource {
        match self {
            Self::Runtime => LogSource::Function,
            Self::Extension(name) => LogSource::Extension(name.clone()),
        }
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime => f.write_str("runtime process"),
            Self::Extension(name) => write!(f, "extension {name:?}"),
        }
    }
}

#[derive(Debug)]
struct Process {
    name: ProcessName,
    pid: Pid,
    exited: watch::Receiver<bool>,
}

/// The processes between one init and the next.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) place: Arc<Place>,
    pub(super) gauge: Arc<Gauge>,
    life: Life,
    processes: Mutex<Vec<Process>>,
    /// Whom the last look at the system's processes found.
    known: Mutex<HashSet<Identity>>,
    frozen: Mutex<Option<Frozen>>,
    /// In the environment of every process of this life, as `/proc` shows it; no two environments share it.
    marker: Vec<u8>,
    /// Nothing of it was left when it was looked for last.
    is_gone: AtomicBool,
}

impl Generation {
    pub(crate) fn new(sandbox: &Arc<Sandbox>, place: &Arc<Place>) -> Arc<Self> {
        let generation = Arc::new(Self {
            gauge: Arc::new(Gauge::new(sandbox.memory_limit_mb)),
            sandbox: Arc::clone(sandbox),
            place: Arc::clone(place),
            life: sandbox.orphans.life(),
            processes: Mutex::default(),
            known: Mutex::default(),
            frozen: Mutex::new(None),
            marker: [MARKER, place.address.to_string().as_bytes()].concat(),
            is_gone: AtomicBool::new(false),
        });
        sandbox.meter.watch(&generation);
        generation
    }

    pub(crate) fn spawn_extension(
        &self,
        program: &Program,
        shared: &Arc<Shared>,
    ) -> Result<(), Fault> {
        let mut command = tokio::process::Command::new(&program.path);
        command
            .env_clear()
            .envs(&self.place.extension_variables)
            .current_dir("/");
        let name = program.name.clone();
        let exit = move |status, _| Fault::ExtensionExit { name, status };
        self.spawn(
            ProcessName::Extension(program.name.clone()),
            command,
            shared,
            exit,
        )
        .map_err(|reason| Fault::ExtensionLaunch {
            name: program.name.clone(),
            reason: reason.to_string(),
        })
    }

    pub(crate) fn spawn_runtime(&self, shared: &Arc<Shared>) -> Result<(), Fault> {
        let runtime = &self.sandbox.runtime;
        let mut command = tokio::process::Command::new(&runtime.program);
        command
            .args(&runtime.arguments)
            .env_clear()
            .envs(&self.place.runtime_variables);
        if let Some(directory) = &runtime.directory {
            command.current_dir(directory);
        }
        let limit = self.sandbox.memory_mb;
        let exit = move |status, starved| {
            if starved {
                Fault::OutOfMemory(limit)
            } else {
                Fault::RuntimeExit { status }
            }
        };
        self.spawn(ProcessName::Runtime, command, shared, exit)
            .map_err(|reason| Fault::RuntimeLaunch {
                program: runtime.program.display().to_string(),
                reason: reason.to_string(),
            })
    }

    fn spawn(
        &self,
        name: ProcessName,
        mut command: tokio::process::Command,
        shared: &Arc<Shared>,
        // Takes the status, and whether there was too little memory.
        exit: impl FnOnce(String, bool) -> Fault + Send + 'static,
    ) -> std::io::Result<()> {
        // Not the terminal's: reading it from a background group would stop the process.
        command.stdin(Stdio::null()).process_group(0);
        let source = name.log_source();
        command
            .stdout(shared.output.pipe(source.clone(), LogStream::Stdout)?)
            .stderr(shared.output.pipe(source, LogStream::Stderr)?);
        let (mut child, pid) = self.sandbox.orphans.spawn(&mut command)?;
        self.sandbox.files.restore(pid);
        let (exited, observer) = watch::channel(false);
        let (shared, orphans) = (Arc::clone(shared), Arc::clone(&self.sandbox.orphans));
        let gauge = Arc::clone(&self.gauge);
        tokio::spawn(async move {
            let status = match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            orphans.ended(pid);
            shared.apply_always(|state| state.fail(exit(status, gauge.has_killed(pid))));
            let _ = exited.send(true);
        });
        self.lock().push(Process {
            name,
            pid,
            exited: observer,
        });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Process>> {
        lock(&self.processes)
    }

    pub(super) fn frozen(&self) -> MutexGuard<'_, Option<Frozen>> {
        lock(&self.frozen)
    }

    /// Every process of this life that has not ended.
    pub(super) fn members(&self) -> Vec<Seen> {
        self.marked(census::members)
    }

    /// Those of these processes that are of this life, as far as it shows without a look at their variables.
    pub(super) fn members_of(&self, all: Vec<Seen>) -> Vec<Seen> {
        self.marked(|marks| census::members_of(all, marks, |_| false))
    }

    fn marked(&self, find: impl FnOnce(&Marks<'_>) -> Vec<Seen>) -> Vec<Seen> {
        let started = pids(&self.lock());
        let mut known = lock(&self.known);
        let members = find(&Marks {
            started: &started,
            known: &known,
            variable: &self.marker,
            strangers: self.life.strangers().as_ref(),
        });
        *known = members.iter().map(Seen::identity).collect();
        members
    }

    fn find<R>(&self, name: &ProcessName, read: impl FnOnce(&Process) -> R) -> Option<R> {
        self.lock()
            .iter()
            .find(|process| process.name == *name)
            .map(read)
    }

    /// SIGTERM to the process alone, not to its group; false if it is not running.
    pub(crate) fn terminate(&self, name: &ProcessName) -> bool {
        let running = self
            .find(name, |process| {
                (!*process.exited.borrow()).then_some(process.pid)
            })
            .flatten();
        running.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok())
    }

    /// SIGKILL to the process and its group.
    pub(crate) fn kill(&self, name: &ProcessName) {
        if let Some(pid) = self.find(name, |process| process.pid) {
            // It may be gone already, which is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Resolves when the process has exited; at once if it was never started.
    pub(crate) async fn exited(&self, name: &ProcessName) {
        if let Some(mut exited) = self.find(name, |process| process.exited.clone()) {
            // A sender that is gone has said what it had to.
            let _ = exited.wait_for(|exited| *exited).await;
        }
    }

    /// SIGKILL to all groups.
    pub(crate) fn kill_groups(&self) {
        for process in self.lock().iter() {
            let _ = kill_process_group(process.pid, Signal::KILL);
        }
    }

    /// SIGKILL to all groups, and to whatever has left its group.
    pub(crate) fn kill_all(&self) {
        self.kill_groups();
        // On Lambda a process cannot outlive its micro-VM; here one could by leaving its group.
        if !self.is_gone.load(Ordering::Relaxed) {
            kill(&self.members());
        }
    }

    /// Resolves when no process of this life is left; kills what is.
    pub(crate) async fn all_exited(&self) {
        let names: Vec<_> = self
            .lock()
            .iter()
            .map(|process| process.name.clone())
            .collect();
        for name in names {
            self.exited(&name).await;
        }
        while let Some(survey) = self.sandbox.surveyor.survey().await {
            let left = self.marked(|marks| {
                census::members_of(survey.all.clone(), marks, |pid| {
                    survey.has(pid, &self.marker)
                })
            });
            if left.is_empty() {
                self.is_gone.store(true, Ordering::Relaxed);
                return;
            }
            kill(&left);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

fn kill(processes: &[Seen]) {
    for seen in processes {
        // It may be gone already, which is what is wanted.
        let _ = kill_process(seen.pid, Signal::KILL);
    }
}

fn pids(processes: &[Process]) -> Vec<Pid> {
    processes.iter().map(|process| process.pid).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
