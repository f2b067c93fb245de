// SPDX-License-Identifier: Apache-2.0
//! Every fault in every phase of a life: nothing hangs, nothing is left over, and the next invocation is served or the
//! environment ends with a reason.
//!
//! The shape is that of a zip function: extension, stub and app, in front of a scripted Lambda.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod setup;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use integration_tests::binaries;
use integration_tests::fake_lambda::Fault as ReplyFault;
use rustix::process::Signal;
use setup::Environment;

/// How many cases run at once: most of a case is waiting.
const AT_ONCE: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The extension is registered; the stub has not come.
    Registered,
    /// The app is started and does not listen.
    Starting,
    /// A poll is open.
    Idle,
    /// The app has the request and has not answered.
    HeadNotSent,
    /// A part of the response has left.
    MidStream,
    /// The client has everything, and the app works on.
    Background,
    /// The environment ends, and a stream is open.
    Draining,
}

const PHASES: [Phase; 7] = [
    Phase::Registered,
    Phase::Starting,
    Phase::Idle,
    Phase::HeadNotSent,
    Phase::MidStream,
    Phase::Background,
    Phase::Draining,
];

#[derive(Clone, Debug)]
enum Fault {
    AppKilled,
    /// It stands still, as an app does that hangs.
    AppStopped,
    /// All processes stand still for a moment.
    Frozen,
    /// The open poll, or the next one, is reset.
    PollReset,
    PollStatus(u16),
    PollGarbage,
    Reply(ReplyFault),
    Sigterm,
    Shutdown,
    Sigkill,
    StubKilled,
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::AppKilled,
        Fault::AppStopped,
        Fault::Frozen,
        Fault::PollReset,
        Fault::PollStatus(500),
        Fault::PollGarbage,
        Fault::Reply(ReplyFault::ResetAfter(0)),
        Fault::Reply(ReplyFault::Status(500)),
        Fault::Reply(ReplyFault::Status(413)),
        Fault::Reply(ReplyFault::NoAnswer),
        Fault::Sigterm,
        Fault::Shutdown,
        Fault::Sigkill,
        Fault::StubKilled,
    ]
}

impl Fault {
    /// Whether there is what the fault needs.
    fn can_occur(&self, phase: Phase) -> bool {
        match self {
            Self::AppKilled | Self::StubKilled => phase != Phase::Registered,
            // One that does not listen yet stands still anyway, and one that works on is not asked.
            Self::AppStopped => {
                matches!(
                    phase,
                    Phase::Idle | Phase::HeadNotSent | Phase::MidStream | Phase::Draining
                )
            }
            Self::PollReset | Self::PollStatus(_) | Self::PollGarbage => phase == Phase::Idle,
            Self::Reply(_) => {
                matches!(
                    phase,
                    Phase::HeadNotSent | Phase::MidStream | Phase::Draining
                )
            }
            Self::Frozen | Self::Sigterm | Self::Shutdown | Self::Sigkill => true,
        }
    }

    /// Whether it is the environment's end.
    fn ends_it(&self, phase: Phase) -> bool {
        match self {
            Self::Sigterm | Self::Shutdown | Self::Sigkill | Self::StubKilled => true,
            // An app that ends in the init phase fails it.
            Self::AppKilled => matches!(phase, Phase::Starting | Phase::Draining),
            _ => phase == Phase::Draining,
        }
    }
}

/// Reaches the phase, lets the fault happen, and looks at what comes of it.
fn play(phase: Phase, fault: &Fault) {
    let mut environment = Environment::start(phase);
    let reply = match fault {
        Fault::Reply(fault) => Some(fault),
        _ => None,
    };
    environment.reach(phase, reply);
    match fault {
        Fault::AppKilled => environment.kill_app(phase),
        Fault::AppStopped => environment.signal_app(Signal::STOP),
        Fault::Frozen => environment.freeze_and_thaw(),
        Fault::PollReset => environment.lambda.queue_poll_reset(),
        Fault::PollStatus(status) => environment.lambda.queue_poll_status(*status),
        Fault::PollGarbage => environment.lambda.queue_poll_raw("this is no HTTP\r\n\r\n"),
        // It meets the reply that goes on now.
        Fault::Reply(_) => {}
        Fault::Sigterm => environment.extension.signal(Signal::TERM),
        Fault::Shutdown => environment.lambda.shut_down("spindown"),
        Fault::Sigkill => environment.extension.signal(Signal::KILL),
        Fault::StubKilled => environment.kill_stub(),
    }
    if !matches!(fault, Fault::AppKilled | Fault::Sigkill) {
        environment.let_the_app_go_on();
    }
    if fault.ends_it(phase) {
        environment.is_over(!matches!(fault, Fault::Sigkill));
    } else {
        environment.serves_again(matches!((phase, fault), (Phase::Idle, Fault::AppStopped)));
        environment.lambda.shut_down("spindown");
        environment.is_over(true);
    }
}

#[test]
fn every_fault_in_every_phase_is_survived_or_ends_with_a_reason() {
    let cases: Vec<(Phase, Fault)> = PHASES
        .into_iter()
        .flat_map(|phase| faults().into_iter().map(move |fault| (phase, fault)))
        .filter(|(phase, fault)| fault.can_occur(*phase))
        .collect();
    // Built before, since a case would wait for it in the middle of a life.
    let _ = (binaries::streamgate(), binaries::misbehave());
    let next = Mutex::new(cases.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((phase, fault)) = next.lock().unwrap().next() else {
                        return;
                    };
                    if catch_unwind(AssertUnwindSafe(|| play(*phase, fault))).is_err() {
                        failed
                            .lock()
                            .unwrap()
                            .push(format!("{fault:?} in {phase:?}"));
                    }
                }
            });
        }
    });
    println!("fault matrix: {} cases", cases.len());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(cases.len(), 59, "no case is left out unnoticed");
}
