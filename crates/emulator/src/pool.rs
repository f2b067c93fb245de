// SPDX-License-Identifier: Apache-2.0
//! The function's environments: an invocation goes to a free one, else to a new one, as far as there may be more.
//!
//! One task owns all of it and decides ([`placement`]); each environment is a task of its own ([`slot`]), which tells
//! the pool what becomes of it. Every invocation that was handed to an environment comes back as one
//! [`What::Freed`], so what is open is known without asking.

mod placement;
mod slot;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use placement::{Choice, Patience, Phase, View, place};
use slot::{Ended, News, Slot, What};

use crate::environment::Environment;
use crate::invocation::{Answer, Invocation, InvocationError};
use crate::journal::Entry;
use crate::sandbox::{Initialization, Sandbox};
use crate::settings::AtLimit;

/// Invocations on their way to the pool, and as many again that wait in it; a front whose invocation is one too many
/// waits to hand it over.
pub(crate) const QUEUE: usize = 1024;

/// How long an invocation waits for an environment whose runtime and extensions have answered but not asked for the
/// next event. On the service the time between two requests of a client is longer than that of a poll; here it is not,
/// and each request would begin a new environment.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How many environments there are, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) environments: usize,
    pub(crate) at_limit: AtLimit,
    /// Of those, how many are there from the start and stay.
    pub(crate) provisioned: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) cold_start_delay: Duration,
}

/// What the environments of the function are made from.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) sandbox: Arc<Sandbox>,
    /// Where the APIs of the first environment listen; the others take any free port.
    pub(crate) listener: Arc<TcpListener>,
    pub(crate) limits: Limits,
}

/// An environment as the pool knows it.
#[derive(Debug)]
struct Seat {
    phase: Phase,
    provisioned: bool,
    /// Invocations that it was handed and that are not over.
    open: usize,
    /// When the last of them was over.
    used: Instant,
    environment: Weak<Environment>,
    /// Closed to end it; `None` of one that is to go.
    invocations: Option<mpsc::Sender<Invocation>>,
}

/// An invocation that has no environment yet.
#[derive(Debug)]
struct Waiting {
    invocation: Invocation,
    since: Instant,
}

/// What the pool is told from outside.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) invocations: mpsc::Receiver<Invocation>,
    /// Why all environments are to be replaced.
    pub(crate) restarts: mpsc::Receiver<String>,
    pub(crate) stop: oneshot::Receiver<()>,
}

/// The pool at work.
struct Work {
    pool: Pool,
    seats: BTreeMap<u32, Seat>,
    waiting: VecDeque<Waiting>,
    slots: JoinSet<Ended>,
    news: mpsc::UnboundedSender<News>,
    stop: watch::Sender<bool>,
}

impl Pool {
    /// Serves until `stop` resolves or all fronts are gone, then shuts the environments down in order. `ready` is
    /// sent when the provisioned ones are done with init, be it well or not.
    ///
    /// Where none is provisioned, one environment is begun without waiting for a request, as it may be on the service.
    pub(crate) async fn run(self, orders: Orders, ready: oneshot::Sender<()>) {
        let Orders {
            mut invocations,
            mut restarts,
            mut stop,
        } = orders;
        let (sender, mut news) = mpsc::unbounded_channel();
        let mut work = Work {
            pool: self,
            seats: BTreeMap::new(),
            waiting: VecDeque::new(),
            slots: JoinSet::new(),
            news: sender,
            stop: watch::Sender::new(false),
        };
        let sandbox = Arc::clone(&work.pool.sandbox);
        let mut reaper = std::pin::pin!(sandbox.orphans.reap());
        let mut meter = std::pin::pin!(sandbox.meter.run());
        work.begin();
        let mut ready = Some(ready);
        loop {
            if let Some(ready) = ready.take_if(|_| work.is_ready()) {
                // A caller that has gone does not wait.
                let _ = ready.send(());
            }
            work.serve();
            work.reap();
            let wake = work.next_wake();
            tokio::select! {
                biased;
                _ = &mut stop => break,
                never = &mut reaper => match never {},
                never = &mut meter => match never {},
                Some(reason) = restarts.recv() => tokio::select! {
                    () = work.restart(&reason, &mut news) => {}
                    never = &mut reaper => match never {},
                },
                Some(news) = news.recv() => work.note(news),
                Some(ended) = work.slots.join_next() => {
                    if let Ok(ended) = ended {
                        work.seats.remove(&ended.number);
                    }
                }
                arrived = invocations.recv(), if work.waiting.len() < QUEUE => match arrived {
                    Some(invocation) => {
                        let since = Instant::now();
                        work.waiting.push_back(Waiting { invocation, since });
                    }
                    None => break,
                },
                () = sleep_until(wake) => {}
            }
        }
        let ended = work.end();
        tokio::select! {
            () = ended => {}
            never = reaper => match never {},
        }
    }
}

impl Work {
    fn begin(&mut self) {
        let provisioned = self.pool.limits.provisioned;
        let initialization = if provisioned == 0 {
            Initialization::OnDemand
        } else {
            Initialization::Provisioned
        };
        for _ in 0..provisioned.max(1) {
            // The log has told why not.
            let _ = self.start(initialization);
        }
    }

    /// Whether the provisioned environments are done with init.
    fn is_ready(&self) -> bool {
        let starting = |seat: &Seat| seat.provisioned && seat.phase == Phase::Starting;
        !self.seats.values().any(starting)
    }

    /// Gives the invocations that wait to environments, in their order.
    fn serve(&mut self) {
        while let Some(first) = self.waiting.pop_front() {
            let patience = if first.since.elapsed() < SETTLE_TIMEOUT {
                Patience::Left
            } else {
                Patience::Gone
            };
            let limits = self.pool.limits;
            match place(
                &self.views(),
                limits.environments,
                limits.at_limit,
                patience,
            ) {
                Choice::Use(number) => self.hand(number, first.invocation),
                Choice::Start => match self.start(Initialization::OnDemand) {
                    Ok(number) => self.hand(number, first.invocation),
                    Err(error) => refuse(first.invocation, error),
                },
                Choice::Throttle => refuse(first.invocation, InvocationError::Throttled),
                Choice::Wait => {
                    self.waiting.push_front(first);
                    break;
                }
            }
        }
    }

    fn views(&self) -> Vec<View> {
        let concurrency = self.pool.sandbox.concurrency;
        let view = |(number, seat): (&u32, &Seat)| View {
            number: *number,
            phase: seat.phase,
            has_room: seat.invocations.is_some() && seat.open < concurrency,
            settling: seat
                .environment
                .upgrade()
                .is_some_and(|environment| environment.is_settling()),
            provisioned: seat.provisioned,
            used: seat.used,
        };
        self.seats.iter().map(view).collect()
    }

    fn hand(&mut self, number: u32, invocation: Invocation) {
        let Some(seat) = self.seats.get_mut(&number) else {
            return refuse(invocation, gone());
        };
        let Some(hand) = &seat.invocations else {
            return refuse(invocation, gone());
        };
        // There is room for all that may be open at once.
        match hand.try_send(invocation) {
            Ok(()) => seat.open += 1,
            Err(error) => refuse(error.into_inner(), gone()),
        }
    }

    /// Begins an environment; gives its number.
    fn start(&mut self, initialization: Initialization) -> Result<u32, InvocationError> {
        let number = (1..=u32::MAX)
            .find(|number| !self.seats.contains_key(number))
            .unwrap_or(u32::MAX);
        let failed = |error: std::io::Error| {
            InvocationError::sandbox_failure(&format!(
                "environment {number} cannot listen: {error}"
            ))
        };
        let listener = match number {
            1 => Arc::clone(&self.pool.listener),
            _ => Arc::new(listen().map_err(failed)?),
        };
        let address = listener.local_addr().map_err(failed)?;
        let sandbox = &self.pool.sandbox;
        let (hand, invocations) = mpsc::channel(sandbox.concurrency);
        let slot = Slot {
            number,
            place: Arc::new(sandbox.place(number, address, initialization)),
            sandbox: Arc::clone(sandbox),
            listener,
            cold_start_delay: self.pool.limits.cold_start_delay,
            news: self.news.clone(),
            stop: self.stop.subscribe(),
        };
        self.slots.spawn(slot.run(invocations));
        let seat = Seat {
            phase: Phase::Starting,
            provisioned: initialization == Initialization::Provisioned,
            open: 0,
            used: Instant::now(),
            environment: Weak::new(),
            invocations: Some(hand),
        };
        self.seats.insert(number, seat);
        Ok(number)
    }

    fn note(&mut self, News { number, what }: News) {
        let Some(seat) = self.seats.get_mut(&number) else {
            return;
        };
        match what {
            What::Live(environment) => {
                seat.phase = Phase::Live;
                seat.environment = environment;
                seat.used = Instant::now();
            }
            What::Freed => {
                seat.open = seat.open.saturating_sub(1);
                seat.used = Instant::now();
            }
            What::Stopping => seat.phase = Phase::Stopping,
            What::Down => seat.phase = Phase::Down,
        }
    }

    /// When an environment that nobody uses is to be ended; never a provisioned one.
    fn reaped_at(&self, seat: &Seat) -> Option<Instant> {
        let idle = seat.open == 0
            && !seat.provisioned
            && seat.invocations.is_some()
            && matches!(seat.phase, Phase::Live | Phase::Down);
        idle.then_some(seat.used + self.pool.limits.idle_timeout)
    }

    /// Ends the environments that were idle for too long.
    fn reap(&mut self) {
        let now = Instant::now();
        let due = |seat: &Seat| self.reaped_at(seat).is_some_and(|at| at <= now);
        let numbers: Vec<u32> = self
            .seats
            .iter()
            .filter(|(_, seat)| due(seat))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            if let Some(seat) = self.seats.get_mut(&number) {
                seat.phase = Phase::Stopping;
                seat.invocations = None;
            }
        }
    }

    /// When something is to be decided although nothing happens.
    fn next_wake(&self) -> Option<Instant> {
        let impatient = self
            .waiting
            .front()
            .map(|first| first.since + SETTLE_TIMEOUT)
            .filter(|at| *at > Instant::now());
        let reaped = self.seats.values().filter_map(|seat| self.reaped_at(seat));
        impatient.into_iter().chain(reaped).min()
    }

    /// Ends all environments, and begins again as at the start. What they had not begun with waits for the new ones.
    ///
    /// The old ones are gone before the first new one is there, so that an app may have its port back.
    async fn restart(&mut self, reason: &str, news: &mut mpsc::UnboundedReceiver<News>) {
        let sandbox = Arc::clone(&self.pool.sandbox);
        let reason = reason.to_owned();
        sandbox.journal.write(&Entry::Restart { reason });
        let left = self.stop_all().await;
        sandbox.orphans.all_ended().await;
        // The new ones have the numbers of the old ones.
        while news.try_recv().is_ok() {}
        self.seats.clear();
        let since = Instant::now();
        for invocation in left.into_iter().rev() {
            self.waiting.push_front(Waiting { invocation, since });
        }
        self.begin();
    }

    /// Shuts all environments down in order; gives what they had not begun with.
    async fn stop_all(&mut self) -> Vec<Invocation> {
        std::mem::take(&mut self.stop).send_replace(true);
        let mut left = Vec::new();
        while let Some(ended) = self.slots.join_next().await {
            left.extend(ended.into_iter().flat_map(|ended| ended.left));
        }
        self.pool.sandbox.orphans.kill();
        left
    }

    /// Shuts everything down in order.
    async fn end(mut self) {
        self.waiting.clear();
        self.stop_all().await;
        let sandbox = &self.pool.sandbox;
        let replies = sandbox.tally.replies();
        sandbox.journal.write(&Entry::Replies(replies));
    }
}

fn refuse(invocation: Invocation, error: InvocationError) {
    // A front that has gone wants no answer.
    let _ = invocation.reply_to.send(Answer::Failed(error));
}

fn gone() -> InvocationError {
    InvocationError::sandbox_failure("the environment came to an end")
}

fn listen() -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
