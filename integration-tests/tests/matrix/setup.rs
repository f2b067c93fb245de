// SPDX-License-Identifier: Apache-2.0
//! One environment of the matrix: how each phase is reached, and what must hold afterwards.

use std::fs;
use std::time::Duration;

use integration_tests::adapter::Adapter;
use integration_tests::app::{Diary, free_port};
use integration_tests::binaries;
use integration_tests::event::Event;
use integration_tests::fake_lambda::{FakeLambda, Fault as ReplyFault};
use integration_tests::gate::{Gate, Keeper};
use integration_tests::process::{Program, state};
use integration_tests::waiting::eventually;
use rustix::process::{Pid, Signal, kill_process};

use super::Phase;

/// Long enough for what goes well, and short enough to wait for.
const DEADLINE: Duration = Duration::from_secs(4);

pub(crate) struct Environment {
    pub(crate) lambda: FakeLambda,
    pub(crate) extension: Program,
    stub: Option<Program>,
    diary: Diary,
    gate: Gate,
    keeper: Option<Keeper>,
    directory: tempfile::TempDir,
    is_registered_only: bool,
}

impl Environment {
    pub(crate) fn start(phase: Phase) -> Self {
        let lambda = FakeLambda::bind();
        let port = free_port().to_string();
        let extension = Adapter::layer_extension(&lambda)
            .env("STREAMGATE_PORT", &port)
            .start();
        lambda.wait("the registration", |exchanges| {
            let mut calls = exchanges.iter();
            calls
                .find(|call| call.verb() == "register" && call.answered.is_some())
                .map(|_| ())
        });
        let directory = tempfile::tempdir().unwrap();
        if phase != Phase::Starting {
            fs::write(directory.path().join("may-listen"), "").unwrap();
        }
        let mut environment = Self {
            lambda,
            extension,
            stub: None,
            diary: Diary::default(),
            gate: Gate::bind(),
            keeper: None,
            directory,
            is_registered_only: phase == Phase::Registered,
        };
        if !environment.is_registered_only {
            environment.start_stub();
        }
        environment
    }

    fn start_stub(&mut self) {
        let (diary, value) = self.diary.variable();
        let (gate, path) = self.gate.variable();
        let listen_gate = self.directory.path().join("may-listen");
        let stub = Adapter::stub(&self.lambda, &[])
            .env("_HANDLER", &binaries::misbehave().display().to_string())
            .env("LAMBDA_TASK_ROOT", "/")
            .env("LISTEN_GATE", listen_gate.to_str().unwrap())
            .env(diary, &value)
            .env(gate, path)
            .start();
        self.stub = Some(stub);
        self.is_registered_only = false;
    }

    /// Brings it into a phase; the reply that is open then meets this fault.
    pub(crate) fn reach(&mut self, phase: Phase, fault: Option<&ReplyFault>) {
        let open = |target: &str| {
            self.lambda.wait_for_poll();
            let event = Event::get(target).deadline_in(DEADLINE);
            match fault {
                Some(fault) => self.lambda.queue_with_fault(event, fault.clone()),
                None => self.lambda.queue(event),
            }
        };
        match phase {
            Phase::Registered => {}
            Phase::Starting => drop(self.diary.line("started")),
            Phase::Idle => self.lambda.wait_for_poll(),
            Phase::HeadNotSent => {
                open("/slow-head");
                self.keeper = Some(self.gate.accept());
            }
            Phase::MidStream | Phase::Draining => {
                let id = open("/gated?chunks=2");
                let mut keeper = self.gate.accept();
                keeper.open();
                self.keeper = Some(keeper);
                self.lambda.wait("the beginning of the reply", |exchanges| {
                    let mut replies = exchanges.iter();
                    replies.find(|reply| reply.is_reply_to(&id)).map(|_| ())
                });
                if phase == Phase::Draining {
                    self.extension.signal(Signal::TERM);
                    let _ = self.extension.any_line("environment ends");
                }
            }
            Phase::Background => {
                let id = open("/background");
                assert_eq!(self.lambda.reply(&id).streamed().payload, b"answered");
            }
        }
    }

    /// What has waited for the test goes on.
    pub(crate) fn let_the_app_go_on(&mut self) {
        fs::write(self.directory.path().join("may-listen"), "").unwrap();
        if let Some(mut keeper) = self.keeper.take() {
            keeper.open();
        }
    }

    fn app(&self) -> Pid {
        let line = self.diary.line("started");
        let pid = line.split([' ', ':']).nth(1).unwrap().parse().unwrap();
        Pid::from_raw(pid).unwrap()
    }

    pub(crate) fn signal_app(&self, signal: Signal) {
        kill_process(self.app(), signal).unwrap();
    }

    pub(crate) fn kill_app(&mut self, phase: Phase) {
        self.signal_app(Signal::KILL);
        if matches!(phase, Phase::Idle | Phase::Background) {
            // An invocation in this very moment would meet the end itself.
            let _ = self.extension.any_line("was killed by signal 9");
        }
        self.keeper = None;
    }

    pub(crate) fn kill_stub(&mut self) {
        let stub = self.stub.as_mut().unwrap();
        stub.signal(Signal::KILL);
        let _ = stub.wait();
        // Lambda sees the end of the runtime process.
        self.lambda.shut_down("failure");
    }

    pub(crate) fn freeze_and_thaw(&self) {
        let mut pids = vec![self.extension.pid()];
        if let Some(stub) = &self.stub {
            pids.push(stub.pid());
            pids.push(self.app().as_raw_pid());
        }
        let send = |signal| {
            for &pid in &pids {
                kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
            }
        };
        send(Signal::STOP);
        for &pid in &pids {
            eventually("a process that stands still", || {
                (state(pid) == Some('T')).then_some(())
            });
        }
        send(Signal::CONT);
    }

    /// The next invocation is served; where the app hangs, the one after it.
    pub(crate) fn serves_again(&mut self, is_late_once: bool) {
        if self.is_registered_only {
            self.start_stub();
        }
        if is_late_once {
            let late = self.lambda.invoke(Event::get("/").deadline_in(DEADLINE));
            assert_eq!(late.streamed().prelude["statusCode"], 504, "{late:?}");
        }
        let reply = self.lambda.invoke(Event::get("/"));
        assert_eq!(reply.streamed().payload, b"ready", "{reply:?}");
    }

    /// Everything has gone, in time; with a word of why if there was time for one.
    pub(crate) fn is_over(&mut self, with_reason: bool) {
        let _ = self.extension.finish();
        if let Some(stub) = &mut self.stub {
            let _ = stub.finish();
            stub.mark().wait_until_gone();
        }
        self.extension.mark().wait_until_gone();
        if with_reason {
            let log = self.extension.transcript();
            let has_reason = [
                "environment ends",
                "before it was ready",
                "cannot be kept up",
            ];
            assert!(
                has_reason.iter().any(|reason| log.contains(reason)),
                "{log}"
            );
        }
    }
}
