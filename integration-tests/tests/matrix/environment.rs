// SPDX-License-Identifier: Apache-2.0
//! One environment of the matrix: how each phase is reached, how a fault is brought about, and what must hold
//! afterwards.

use std::fs;
use std::time::Duration;

use integration_tests::adapter::Adapter;
use integration_tests::app::{Diary, free_port};
use integration_tests::binaries;
use integration_tests::event::Event;
use integration_tests::fake_lambda::{Call, Exchange, FakeLambda, Fault as ReplyFault, Flaw};
use integration_tests::gate::{Gate, Keeper};
use integration_tests::process::{Program, is_stopped};
use integration_tests::waiting::eventually;
use rustix::process::{Pid, Signal, kill_process};

use crate::cases::{Case, EXIT_CODE, Ending, Fault, Phase, Shape, Times};

/// Of an invocation that only its deadline ends.
const NEAR: Duration = Duration::from_secs(2);
/// Of one that ends before.
const FAR: Duration = Duration::from_secs(20);

/// Reaches the phase, lets the fault happen, and looks at what comes of it.
pub(crate) fn play(case: &Case) {
    let mut environment = Environment::start(case);
    environment.reach();
    environment.break_it();
    let ending = case.ending();
    // An app that is ended in its start, where it has not yet said what SIGTERM does, has a code that is known.
    if !(ending.is_some() && matches!(case.phase, Phase::Registering | Phase::Starting)) {
        environment.let_the_app_go_on();
    }
    if ending.is_none() {
        environment.has_replied();
        environment.serves_again();
        environment.end_in_order();
    }
    environment.is_over(ending.unwrap_or(Ending::Drained(0)));
    let doubled = environment.lambda.doubled();
    assert!(doubled.is_empty(), "{doubled:?} in {case:?}");
}

struct Environment<'a> {
    case: &'a Case,
    lambda: FakeLambda,
    adapter: Program,
    stub: Option<Program>,
    diary: Diary,
    gate: Gate,
    keeper: Option<Keeper>,
    directory: tempfile::TempDir,
    /// The invocation that the fault meets.
    open: Option<String>,
}

impl<'a> Environment<'a> {
    fn start(case: &'a Case) -> Self {
        let lambda = FakeLambda::bind();
        match case.fault {
            Fault::Call(call @ (Call::Register | Call::InitError), flaw, Times::Once) => {
                lambda.queue_flaw(call, flaw);
            }
            Fault::Call(call @ (Call::Register | Call::InitError), flaw, Times::Always) => {
                lambda.flaw_always(call, flaw);
            }
            _ if case.phase == Phase::Registering => lambda.hold(Call::Register),
            _ => {}
        }
        let directory = tempfile::tempdir().unwrap();
        let (diary, gate) = (Diary::default(), Gate::bind());
        let of_app = |adapter| of_app(adapter, case, directory.path(), &diary, &gate);
        let adapter = match case.shape {
            Shape::Layer => Adapter::layer_extension(&lambda),
            Shape::Entrypoint => of_app(Adapter::entrypoint(&lambda)),
        };
        let adapter = of_adapter(adapter, case).start();
        if !matches!(case.phase, Phase::Registering | Phase::Starting) {
            fs::write(directory.path().join("may-listen"), "").unwrap();
        }
        let mut environment = Self {
            case,
            lambda,
            adapter,
            stub: None,
            diary,
            gate,
            keeper: None,
            directory,
            open: None,
        };
        if !matches!(case.phase, Phase::Registering | Phase::Registered) {
            environment.start_stub();
        }
        environment
    }

    /// Lambda starts the runtime process when the extension has registered.
    fn start_stub(&mut self) {
        if self.case.shape == Shape::Entrypoint || self.stub.is_some() {
            return;
        }
        self.is_registered();
        let stub = of_app(
            Adapter::stub(&self.lambda, &[]),
            self.case,
            self.directory.path(),
            &self.diary,
            &self.gate,
        )
        .env("_HANDLER", &binaries::misbehave().display().to_string())
        .env("LAMBDA_TASK_ROOT", "/");
        self.stub = Some(stub.start());
    }

    fn is_registered(&self) {
        self.lambda.wait("the registration", |exchanges| {
            let mut calls = exchanges.iter();
            let is_registration =
                |call: &Exchange| call.verb() == "register" && call.answered == Some(200);
            calls.find(|call| is_registration(call)).map(|_| ())
        });
    }

    /// Brings it into the phase. What meets the reply that is open then, or the report of a failure, is known before.
    fn reach(&mut self) {
        match self.case.phase {
            Phase::Registering => {
                self.lambda.wait("the call that registers", |exchanges| {
                    let mut calls = exchanges.iter();
                    calls.find(|call| call.verb() == "register").map(|_| ())
                });
                if self.case.shape == Shape::Entrypoint {
                    let _ = self.diary.line("started");
                }
            }
            Phase::Registered => self.is_registered(),
            Phase::Starting => drop(self.diary.line("started")),
            Phase::Idle => self.lambda.wait_for_poll(),
            Phase::HeadNotSent => self.open_before_the_head(),
            Phase::MidStream => self.open_in_mid_stream(),
            Phase::Background => {
                let id = self.open(Event::get("/background"));
                self.is_taken(&id);
            }
            Phase::Draining => {
                match &self.case.fault {
                    Fault::Buffered(..) => self.open_before_the_head(),
                    Fault::Error(..) => self.open_error(),
                    _ => self.open_in_mid_stream(),
                }
                self.adapter.signal(Signal::TERM);
                let _ = self.adapter.any_line("environment ends");
            }
        }
    }

    fn open(&mut self, event: Event) -> String {
        self.lambda.wait_for_poll();
        let deadline = if self.case.lasts_until_the_deadline() {
            NEAR
        } else {
            FAR
        };
        let event = event.deadline_in(deadline);
        let id = match self.case.fault.clone() {
            Fault::Streamed(fault)
            | Fault::Buffered(fault, Times::Always)
            | Fault::Error(fault, Times::Always) => self.lambda.queue_with_fault(event, fault),
            Fault::Buffered(fault, Times::Once) | Fault::Error(fault, Times::Once) => {
                self.lambda.queue_with_fault_once(event, fault)
            }
            Fault::NotRead => self.lambda.queue_with_fault(event, ReplyFault::Stall),
            _ => self.lambda.queue(event),
        };
        self.open = Some(id.clone());
        id
    }

    fn open_before_the_head(&mut self) {
        self.open(Event::get("/slow-head"));
        self.keeper = Some(self.gate.accept());
    }

    fn open_in_mid_stream(&mut self) {
        let target = match self.case.fault {
            Fault::NotRead => "/gated?chunks=2&pad=8000000",
            _ => "/gated?chunks=2",
        };
        let id = self.open(Event::get(target));
        let mut keeper = self.gate.accept();
        keeper.open();
        self.keeper = Some(keeper);
        self.reply_begins(&id);
    }

    /// An invocation whose event cannot be served.
    fn open_error(&mut self) {
        let id = self.open(Event::raw("no JSON"));
        self.reply_begins(&id);
    }

    fn reply_begins(&self, id: &str) {
        self.lambda.wait("the beginning of the reply", |exchanges| {
            let mut replies = exchanges.iter();
            replies.find(|reply| reply.is_reply_to(id)).map(|_| ())
        });
    }

    fn break_it(&mut self) {
        let phase = self.case.phase;
        match self.case.fault {
            Fault::AppKilled => {
                self.signal_app(Signal::KILL);
                self.app_has_ended("was killed by signal 9");
            }
            Fault::AppExits | Fault::Call(Call::InitError, ..) => self.exit_app(),
            Fault::AppStopped => {
                self.signal_app(Signal::STOP);
                let pid = self.app().as_raw_pid();
                eventually("an app that stands still", || is_stopped(pid).then_some(()));
            }
            Fault::AppBreaks(word) => self.keeper.take().unwrap().say(word),
            Fault::Frozen => self.freeze_and_thaw(),
            Fault::Call(Call::Next, Flaw::Stall, _) => {
                self.lambda.queue_flaw(Call::Next, Flaw::Stall);
                self.lambda.queue(Event::get("/"));
                self.lambda.wait("half an answer", |exchanges| {
                    let mut polls = exchanges.iter().filter(|call| call.is_poll());
                    polls.find(|poll| poll.answered == Some(0)).map(|_| ())
                });
                self.lambda.shut_down("timeout");
            }
            Fault::Call(Call::Register, ..) => {}
            Fault::Call(call, flaw, Times::Once) => self.lambda.queue_flaw(call, flaw),
            Fault::Call(call, flaw, Times::Always) => self.lambda.flaw_always(call, flaw),
            Fault::Error(..) if phase != Phase::Draining => self.open_error(),
            // These meet the reply that goes on now.
            Fault::Streamed(_) | Fault::NotRead | Fault::Buffered(..) | Fault::Error(..) => {}
            Fault::Sigterm | Fault::SigtermToTheDeaf => self.adapter.signal(Signal::TERM),
            Fault::Sigint => self.adapter.signal(Signal::INT),
            Fault::Sigkill => self.adapter.signal(Signal::KILL),
            Fault::Shutdown => self.lambda.shut_down("spindown"),
            Fault::StubTerminated => {
                self.stub.as_ref().unwrap().signal(Signal::TERM);
                let _ = self.adapter.any_line("environment ends");
            }
            Fault::StubKilled => {
                let stub = self.stub.as_mut().unwrap();
                stub.signal(Signal::KILL);
                let _ = stub.wait();
            }
        }
        let is_open_register = phase == Phase::Registering
            && !matches!(
                self.case.fault,
                Fault::Sigterm | Fault::Sigint | Fault::Call(..)
            );
        if is_open_register {
            self.lambda.let_go(Call::Register);
        }
    }

    /// What has waited for the test goes on.
    fn let_the_app_go_on(&mut self) {
        fs::write(self.directory.path().join("may-listen"), "").unwrap();
        if let Some(mut keeper) = self.keeper.take() {
            // Some faults end the request before.
            keeper.open_if_wanted();
        }
    }

    fn app(&self) -> Pid {
        let line = self.diary.line("started");
        let pid = line.split([' ', ':']).nth(1).unwrap().parse().unwrap();
        Pid::from_raw(pid).unwrap()
    }

    fn signal_app(&self, signal: Signal) {
        kill_process(self.app(), signal).unwrap();
    }

    fn exit_app(&mut self) {
        // Whole once there is a full stop.
        let text = format!("{EXIT_CODE}.");
        fs::write(self.directory.path().join("may-exit"), text).unwrap();
        self.app_has_ended("exited with code 7");
    }

    fn app_has_ended(&mut self, how: &str) {
        if matches!(self.case.phase, Phase::Idle | Phase::Background) {
            // An invocation in this very moment would meet the end itself.
            let _ = self.adapter.any_line(how);
        }
        self.keeper = None;
    }

    fn freeze_and_thaw(&self) {
        let mut pids = vec![self.adapter.pid()];
        pids.extend(self.stub.as_ref().map(Program::pid));
        if self.diary.count("started") > 0 {
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
                is_stopped(pid).then_some(())
            });
        }
        send(Signal::CONT);
    }

    /// Where it is the app that fails, or the call can be repeated, there is a reply all the same.
    fn has_replied(&self) {
        let Some(id) = &self.open else { return };
        let is_repeated = |fault: &ReplyFault| {
            !matches!(
                fault,
                ReplyFault::Stall | ReplyFault::Answer(Flaw::Status(400..500) | Flaw::Stall)
            )
        };
        match &self.case.fault {
            Fault::AppKilled
            | Fault::AppExits
            | Fault::AppStopped
            | Fault::AppBreaks(_)
            | Fault::Call(..)
            | Fault::Frozen => self.is_taken(id),
            Fault::Buffered(fault, Times::Once) | Fault::Error(fault, Times::Once)
                if is_repeated(fault) =>
            {
                self.is_taken(id);
            }
            _ => {}
        }
    }

    fn is_taken(&self, id: &str) {
        self.lambda.wait("a reply that is taken", |exchanges| {
            let mut replies = exchanges.iter().filter(|reply| reply.is_reply_to(id));
            replies.find(|reply| reply.is_taken).map(|_| ())
        });
    }

    /// The next invocation is served; where the app hangs unnoticed, the one after it.
    fn serves_again(&mut self) {
        self.start_stub();
        let is_late_once = matches!(self.case.phase, Phase::Idle | Phase::Background)
            && matches!(self.case.fault, Fault::AppStopped);
        if is_late_once {
            // Its deadline counts from now.
            self.lambda.wait_for_poll();
            let late = self.lambda.invoke(Event::get("/").deadline_in(NEAR));
            assert_eq!(self.status_of(&late), 504, "{late:?}");
        }
        let id = self.lambda.queue(Event::get("/").deadline_in(FAR));
        self.is_taken(&id);
        let reply = self.lambda.reply(&id);
        assert_eq!(self.status_of(&reply), 200, "{reply:?}");
        assert_eq!(reply.verb(), "response");
    }

    fn status_of(&self, reply: &Exchange) -> u64 {
        let document = match self.case.fault {
            Fault::Buffered(..) => reply.json(),
            _ => reply.streamed().prelude,
        };
        document["statusCode"].as_u64().unwrap()
    }

    fn end_in_order(&self) {
        match (self.case.shape, &self.case.fault) {
            (Shape::Entrypoint, _) => self.adapter.signal(Signal::TERM),
            // There the word of Lambda does not come through.
            (_, Fault::Call(Call::ExtensionNext, _, Times::Always)) => {
                self.stub.as_ref().unwrap().signal(Signal::TERM);
            }
            _ => self.lambda.shut_down("spindown"),
        }
    }

    /// Everything has gone, in time, with a word of why and a code that says how.
    fn is_over(&mut self, ending: Ending) {
        if let (Shape::Layer, Ending::Drained(_)) = (self.case.shape, ending) {
            // Lambda tells the extension after the runtime process.
            self.lambda.shut_down("spindown");
        }
        let (adapter, stub) = ending.codes(self.case.shape);
        let code = self.adapter.finish().code();
        let log = self.adapter.transcript();
        assert_eq!(code, adapter, "of the adapter in {:?}: {log}", self.case);
        let mut reasons = ending.reasons().iter();
        assert!(
            reasons.any(|reason| log.contains(reason)),
            "no reason for {ending:?} in {:?}: {log}",
            self.case
        );
        if let Some(program) = &mut self.stub {
            let code = program.finish().code();
            if !matches!(self.case.fault, Fault::StubKilled) {
                assert_eq!(code, stub, "of the stub in {:?}: {log}", self.case);
            }
            program.mark().wait_until_gone();
        }
        self.adapter.mark().wait_until_gone();
    }
}

/// What the adapter is told.
fn of_adapter(adapter: Adapter, case: &Case) -> Adapter {
    let adapter = adapter
        .env("STREAMGATE_PORT", &free_port().to_string())
        // More than Lambda grants, so that a busy machine has time for what happens in it.
        .env("STREAMGATE_SHUTDOWN_TIMEOUT", "4");
    match case.fault {
        Fault::AppStopped if case.phase == Phase::Starting => {
            adapter.env("STREAMGATE_READINESS_TIMEOUT", "1")
        }
        Fault::Buffered(..) => adapter.env("STREAMGATE_INVOKE_MODE", "buffered"),
        _ => adapter,
    }
}

/// What the app is told, through the process that brings its environment.
fn of_app(
    runtime_process: Adapter,
    case: &Case,
    directory: &std::path::Path,
    diary: &Diary,
    gate: &Gate,
) -> Adapter {
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (diary, events) = diary.variable();
    let (gate, socket) = gate.variable();
    let on_sigterm = match case.fault {
        Fault::SigtermToTheDeaf => "ignore",
        _ => "exit",
    };
    runtime_process
        .env("LISTEN_GATE", &file("may-listen"))
        .env("EXIT_GATE", &file("may-exit"))
        .env("ON_SIGTERM", on_sigterm)
        .env(diary, &events)
        .env(gate, socket)
}
