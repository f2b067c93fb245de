// SPDX-License-Identifier: Apache-2.0
//! Many invocations at once in one environment, as on Managed Instances.

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::Event;
use integration_tests::fake_lambda::{FakeLambda, Fault};
use integration_tests::gate::Gate;
use integration_tests::process::Program;

const AT_ONCE: usize = 4;

fn started() -> (FakeLambda, App, Gate, Program) {
    let (lambda, gate) = (FakeLambda::bind(), Gate::bind());
    let app = App::start(&[gate.variable()]);
    let adapter = Adapter::extension(&lambda, app.address())
        .env("AWS_LAMBDA_MAX_CONCURRENCY", &AT_ONCE.to_string())
        .start();
    wait_for_polls(&lambda, AT_ONCE);
    (lambda, app, gate, adapter)
}

/// Waits until so many polls are open.
fn wait_for_polls(lambda: &FakeLambda, count: usize) {
    lambda.wait(&format!("{count} open polls"), |exchanges| {
        let polls = exchanges.iter().filter(|exchange| exchange.is_poll());
        (polls.filter(|poll| poll.answered.is_none()).count() == count).then_some(())
    });
}

#[test]
fn as_many_invocations_are_open_at_once_as_lambda_allows() {
    let (lambda, _app, gate, _adapter) = started();
    let ids: Vec<_> = (0..AT_ONCE)
        .map(|_| lambda.queue(Event::get("/gated?chunks=1")))
        .collect();
    let mut keepers: Vec<_> = ids.iter().map(|_| gate.accept()).collect();
    wait_for_polls(&lambda, 0);
    for keeper in &mut keepers {
        keeper.open();
    }
    for id in ids {
        assert_eq!(lambda.reply(&id).streamed().payload, b"chunk 0\n");
    }
    wait_for_polls(&lambda, AT_ONCE);
}

#[test]
fn replies_of_many_invocations_are_never_crossed() {
    let (lambda, _app, _gate, _adapter) = started();
    let sent: Vec<_> = (0..200)
        .map(|number| {
            let target = format!("/inspect?number={number}");
            (lambda.queue(Event::get(&target)), target)
        })
        .collect();
    for (id, target) in sent {
        let payload = lambda.reply(&id).streamed().payload;
        let seen = String::from_utf8_lossy(&payload).into_owned();
        assert!(seen.starts_with(&format!("GET {target} ")), "{seen}");
        assert_eq!(lambda.replies(&id).len(), 1);
    }
}

#[test]
fn one_invocation_that_fails_and_one_poll_that_breaks_do_not_end_the_others() {
    let (lambda, _app, gate, _adapter) = started();
    let open = lambda.queue(Event::get("/gated?chunks=2"));
    let mut keeper = gate.accept();
    keeper.open();
    lambda.queue_poll_reset();
    let reset = lambda.queue_with_fault(Event::get("/bytes?size=1000000"), Fault::ResetAfter(1000));
    let _ = lambda.reply(&reset);
    lambda.queue_poll_status(500);
    for _ in 0..20 {
        assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
    }
    keeper.open();
    assert_eq!(
        lambda.reply(&open).streamed().payload,
        b"chunk 0\nchunk 1\n"
    );
}
