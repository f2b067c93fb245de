// SPDX-License-Identifier: Apache-2.0
//! The table: phases, faults, which of them meet, and how each case ends. Pure.

use integration_tests::fake_lambda::{Call, Fault as ReplyFault, Flaw};
use integration_tests::gate::Keeper;

/// How the adapter is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A zip function: extension, stub and app.
    Layer,
    /// An image: the adapter is the runtime process.
    Entrypoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The call that registers is not answered yet.
    Registering,
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
    /// The environment ends, and an invocation is open.
    Draining,
}

use Phase::{
    Background, Draining, HeadNotSent, Idle, MidStream, Registered, Registering, Starting,
};

/// A fault of Lambda's at every try of a call, or at its first try alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    Always,
}

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    AppKilled,
    /// It exits with [`EXIT_CODE`].
    AppExits,
    /// It stands still, as an app does that hangs.
    AppStopped,
    /// It does this to the connection of the open request.
    AppBreaks(u8),
    /// All processes stand still for a moment.
    Frozen,
    /// A call, the open one or the next of its kind, gets a flawed answer.
    Call(Call, Flaw, Times),
    /// The open invocation's streamed reply meets this.
    Streamed(ReplyFault),
    /// Lambda reads no further in a reply that is longer than all buffers.
    NotRead,
    /// The open invocation's buffered reply meets this.
    Buffered(ReplyFault, Times),
    /// The report of an event that cannot be served meets this.
    Error(ReplyFault, Times),
    Sigterm,
    Sigint,
    Sigkill,
    /// SIGTERM, to an environment whose app does not listen to it.
    SigtermToTheDeaf,
    Shutdown,
    StubTerminated,
    StubKilled,
}

impl Fault {
    /// Whether it says that the environment is to end, in order.
    fn is_a_stop(&self) -> bool {
        matches!(
            self,
            Self::Sigterm
                | Self::Sigint
                | Self::Shutdown
                | Self::StubTerminated
                | Self::StubKilled
                // The end comes while half an answer is there.
                | Self::Call(Call::Next, Flaw::Stall, _)
        )
    }
}

/// What an app exits with where it exits on its own.
pub(crate) const EXIT_CODE: u8 = 7;

/// How an environment ends. The codes are those of the table in `docs/shutdown.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In order; this is the app's code.
    Drained(u8),
    /// The app was not ready; this is its code, or 1.
    InitFailed(u8),
    /// Lambda cannot be reached.
    LambdaLost,
    NotRegistered,
    /// The adapter is killed.
    Killed,
}

impl Ending {
    /// With which codes adapter and stub exit; `None` where a signal ends them.
    pub(crate) fn codes(self, shape: Shape) -> (Option<i32>, Option<i32>) {
        let (adapter, runtime) = match self {
            Self::Drained(app) => (Some(0), app),
            Self::InitFailed(code) => (Some(i32::from(code)), code),
            Self::LambdaLost | Self::NotRegistered => (Some(1), 1),
            Self::Killed => (None, 1),
        };
        match (shape, self) {
            (Shape::Entrypoint, Self::Drained(app)) => (Some(i32::from(app)), None),
            _ => (adapter, Some(i32::from(runtime))),
        }
    }

    /// A text of the log that says why.
    pub(crate) fn reasons(self) -> &'static [&'static str] {
        match self {
            Self::Drained(_) => &["environment ends"],
            Self::InitFailed(_) => &["before it was ready", "app is not ready at"],
            Self::LambdaLost => &["runtime API is lost"],
            Self::NotRegistered => &["adapter cannot run"],
            Self::Killed => &[""],
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) phase: Phase,
    pub(crate) fault: Fault,
}

impl Case {
    /// How the environment ends by this; `None` if it goes on and serves.
    pub(crate) fn ending(&self) -> Option<Ending> {
        use Ending::{Drained, InitFailed, Killed, LambdaLost, NotRegistered};
        let app = self.app_code_at_sigterm();
        match (&self.fault, self.phase) {
            (Fault::Sigkill, _) => Some(Killed),
            (Fault::AppExits, Draining) => Some(Drained(EXIT_CODE)),
            (Fault::AppKilled | Fault::AppStopped, Draining) | (Fault::SigtermToTheDeaf, _) => {
                Some(Drained(137))
            }
            (_, Draining) => Some(Drained(app)),
            (fault, _) if fault.is_a_stop() => Some(Drained(app)),
            (Fault::AppKilled, Registering | Starting) => Some(InitFailed(137)),
            (Fault::AppExits | Fault::Call(Call::InitError, ..), Registering | Starting) => {
                Some(InitFailed(EXIT_CODE))
            }
            (Fault::AppStopped, Starting) => Some(InitFailed(1)),
            (Fault::Call(Call::Register, flaw, times), _)
                if self.shape == Shape::Layer
                    && (*times == Times::Always || *flaw == Flaw::Status(403)) =>
            {
                Some(NotRegistered)
            }
            (Fault::Call(Call::Next, _, Times::Always), _) => Some(LambdaLost),
            _ => None,
        }
    }

    /// An app that SIGTERM meets before it has said what it does about it ends by it.
    fn app_code_at_sigterm(&self) -> u8 {
        let has_app = self.phase == Starting
            || (self.phase == Registering && self.shape == Shape::Entrypoint);
        if has_app { 143 } else { 0 }
    }

    /// Whether the open invocation only ends by its deadline, which then has to be near.
    pub(crate) fn lasts_until_the_deadline(&self) -> bool {
        let stalls = |fault: &ReplyFault| {
            matches!(fault, ReplyFault::Stall | ReplyFault::Answer(Flaw::Stall))
        };
        match &self.fault {
            Fault::AppStopped | Fault::NotRead => true,
            Fault::Streamed(fault) | Fault::Buffered(fault, _) | Fault::Error(fault, _) => {
                stalls(fault)
            }
            _ => self.phase == Background,
        }
    }
}

const IN_ALL: [Phase; 8] = [
    Registering,
    Registered,
    Starting,
    Idle,
    HeadNotSent,
    MidStream,
    Background,
    Draining,
];
const WITH_APP: [Phase; 6] = [Starting, Idle, HeadNotSent, MidStream, Background, Draining];
const WITH_APP_THAT_LISTENS: [Phase; 5] = [Idle, HeadNotSent, MidStream, Background, Draining];
const WITH_RESPONSE: [Phase; 3] = [HeadNotSent, MidStream, Draining];

/// All cases, the longest first.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in [Shape::Layer, Shape::Entrypoint] {
        let mut add = |fault: Fault, phases: &[Phase]| {
            let phases = phases.iter().copied();
            // An entry point has its app while it registers.
            let phases = phases.filter(|phase| shape == Shape::Layer || *phase != Registered);
            cases.extend(phases.map(|phase| Case {
                shape,
                phase,
                fault: fault.clone(),
            }));
        };
        faults_of_registration(&mut add);
        faults_of_app(&mut add);
        for fault in [Fault::Sigterm, Fault::Sigint, Fault::Sigkill, Fault::Frozen] {
            add(fault, &IN_ALL);
        }
        add(Fault::SigtermToTheDeaf, &WITH_APP_THAT_LISTENS);
        if shape == Shape::Entrypoint {
            add(Fault::AppKilled, &[Registering]);
            add(Fault::AppExits, &[Registering]);
            continue;
        }
        // What Lambda does to replies and polls is the same to both shapes.
        add(Fault::Shutdown, &IN_ALL[1..]);
        add(Fault::StubTerminated, &WITH_APP);
        add(Fault::StubKilled, &WITH_APP);
        faults_of_polls(&mut add);
        faults_of_replies(&mut add);
        faults_of_reports(&mut add);
    }
    cases.sort_by_key(|case| !matches!(case.fault, Fault::Call(_, _, Times::Always)));
    cases
}

fn faults_of_app(add: &mut impl FnMut(Fault, &[Phase])) {
    for fault in [Fault::AppKilled, Fault::AppExits, Fault::AppStopped] {
        add(fault, &WITH_APP);
    }
    for word in [Keeper::CLOSE, Keeper::RESET, Keeper::GARBAGE] {
        add(Fault::AppBreaks(word), &WITH_RESPONSE);
    }
}

fn faults_of_registration(add: &mut impl FnMut(Fault, &[Phase])) {
    let mut register = |flaw, times| add(Fault::Call(Call::Register, flaw, times), &[Registering]);
    for flaw in [
        Flaw::Status(403),
        Flaw::Status(500),
        Flaw::Reset,
        Flaw::Close,
        Flaw::Garbage,
        Flaw::HalfHead,
        Flaw::HalfBody,
        Flaw::Split,
        Flaw::Late(300),
        Flaw::Stall,
    ] {
        register(flaw, Times::Once);
    }
    for flaw in [Flaw::Status(500), Flaw::Reset, Flaw::Stall] {
        register(flaw, Times::Always);
    }
}

fn faults_of_polls(add: &mut impl FnMut(Fault, &[Phase])) {
    for flaw in [
        Flaw::Status(500),
        Flaw::Reset,
        Flaw::Close,
        Flaw::Garbage,
        Flaw::HalfHead,
        Flaw::HalfBody,
        Flaw::Split,
        Flaw::Late(300),
    ] {
        add(
            Fault::Call(Call::ExtensionNext, flaw, Times::Once),
            &IN_ALL[1..],
        );
        // There is no poll any more once the environment ends.
        add(Fault::Call(Call::Next, flaw, Times::Once), &IN_ALL[1..7]);
    }
    add(
        Fault::Call(Call::ExtensionNext, Flaw::Status(500), Times::Always),
        &[Idle],
    );
    for flaw in [Flaw::Status(500), Flaw::Reset] {
        add(Fault::Call(Call::Next, flaw, Times::Always), &[Idle]);
    }
    // The rest may come as late as Lambda likes, but the environment's end is heard.
    add(Fault::Call(Call::Next, Flaw::Stall, Times::Once), &[Idle]);
}

/// The faults that meet every kind of reply.
fn flawed_answers() -> Vec<ReplyFault> {
    let flaws = [
        Flaw::Status(500),
        Flaw::Status(400),
        Flaw::Status(403),
        Flaw::Status(410),
        Flaw::Status(413),
        Flaw::Reset,
        Flaw::Close,
        Flaw::Garbage,
        Flaw::HalfHead,
        Flaw::HalfBody,
        Flaw::Split,
        Flaw::Late(300),
        Flaw::Stall,
    ];
    let mut faults: Vec<_> = flaws.into_iter().map(ReplyFault::Answer).collect();
    faults.extend([ReplyFault::ResetAfter(0), ReplyFault::Stall]);
    faults
}

fn faults_of_replies(add: &mut impl FnMut(Fault, &[Phase])) {
    for fault in flawed_answers() {
        add(Fault::Buffered(fault.clone(), Times::Once), &[HeadNotSent]);
        add(Fault::Streamed(fault), &WITH_RESPONSE);
    }
    // In the middle of the body, behind the prelude.
    for fault in [ReplyFault::ResetAfter(70), ReplyFault::CloseAfter(70)] {
        add(Fault::Streamed(fault), &WITH_RESPONSE);
    }
    let early = ReplyFault::AnswerAfter(70, 500);
    add(Fault::Streamed(early), &[MidStream, Draining]);
    add(Fault::NotRead, &[MidStream, Draining]);
    for fault in [
        ReplyFault::Answer(Flaw::Status(500)),
        ReplyFault::Answer(Flaw::Reset),
        ReplyFault::ResetAfter(10),
        ReplyFault::Stall,
    ] {
        add(
            Fault::Buffered(fault, Times::Always),
            &[HeadNotSent, Draining],
        );
    }
}

fn faults_of_reports(add: &mut impl FnMut(Fault, &[Phase])) {
    for fault in flawed_answers() {
        add(Fault::Error(fault, Times::Once), &[Idle]);
    }
    for fault in [ReplyFault::Answer(Flaw::Status(500)), ReplyFault::Stall] {
        add(Fault::Error(fault, Times::Always), &[Idle, Draining]);
    }
    for flaw in [
        Flaw::Status(500),
        Flaw::Status(403),
        Flaw::Reset,
        Flaw::Close,
        Flaw::Garbage,
        Flaw::HalfBody,
        Flaw::Split,
        Flaw::Late(300),
        Flaw::Stall,
    ] {
        add(Fault::Call(Call::InitError, flaw, Times::Once), &[Starting]);
    }
    for flaw in [Flaw::Status(500), Flaw::Stall] {
        add(
            Fault::Call(Call::InitError, flaw, Times::Always),
            &[Starting],
        );
    }
}
