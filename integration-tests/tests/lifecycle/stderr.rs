// SPDX-License-Identifier: Apache-2.0
//! What an app writes to standard error before its answer belongs to that invocation's log.
//!
//! 1. The app writes some KB, and answers at once.
//! 2. The reply is with Lambda before the adapter has passed on what was written.
//! 3. The adapter asks for the next event, and Lambda freezes it.
//! 4. The rest of the lines comes with the next invocation, if there is one.

use std::io::{BufRead as _, BufReader, pipe};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use integration_tests::adapter::Adapter;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::waiting::{eventually, within};
use rustix::pipe::fcntl_setpipe_size;

/// How many rounds have to say something, of how many at most.
const ENOUGH: usize = 10;
const ROUNDS: usize = 100;
/// How long the log is left full: a poll that does not wait for it comes much earlier.
const FULL: Duration = Duration::from_millis(20);
/// A round that took longer, on a busy machine, says nothing: the adapter waits for 200 ms at most.
const CONCLUSIVE: Duration = Duration::from_millis(150);

#[test]
fn what_an_app_writes_before_its_answer_is_in_the_log_before_the_next_poll() {
    let (log, writer) = pipe().unwrap();
    fcntl_setpipe_size(&writer, 4096).unwrap();
    let file = format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::entrypoint(&lambda)
        // A line of the adapter's own would wait for the log before the reply.
        .env("STREAMGATE_LOG_LEVEL", "error")
        .stderr_to(&file)
        .start();
    let mut lines = BufReader::new(log).lines().map(Result::unwrap);
    lambda.wait_for_poll();
    let mut conclusive = 0;
    for round in 0..ROUNDS {
        if conclusive == ENOUGH {
            break;
        }
        let polls = lambda.polls();
        let has_polled = || (lambda.polls() > polls).then_some(());
        let began_at = Instant::now();
        // More than the log can take, and less than would keep the app waiting.
        let written = lambda.queue(Event::get(&format!("/stderr?kib=48&number={round}")));
        assert_eq!(lambda.reply(&written).streamed().payload, b"written");
        let polled_early = within(FULL, &"a poll", has_polled).is_some();
        if began_at.elapsed() < CONCLUSIVE {
            assert!(!polled_early, "round {round}: the log has not got all yet");
            conclusive += 1;
        }
        let last = format!("written by {round}");
        assert!(lines.any(|line| line == last), "{last}");
        eventually("the next poll", has_polled);
    }
    assert!(
        conclusive > 0,
        "the machine is too busy for any of {ROUNDS} rounds"
    );
}

#[test]
fn a_log_that_nobody_takes_holds_no_poll_for_long() {
    let (_log, writer) = pipe().unwrap();
    fcntl_setpipe_size(&writer, 4096).unwrap();
    let file = format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::entrypoint(&lambda)
        .env("STREAMGATE_LOG_LEVEL", "error")
        .stderr_to(&file)
        .start();
    let written = lambda.queue(Event::get("/stderr?kib=32"));
    assert_eq!(lambda.reply(&written).streamed().payload, b"written");
    let served = lambda.invoke(Event::get("/")).streamed();
    assert_eq!(served.payload, b"ready");
}
