// SPDX-License-Identifier: Apache-2.0
//! Connections that are used again, or just not.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::adapter::Adapter;
use integration_tests::app::App;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::pattern::Pattern;
use integration_tests::process::is_stopped;
use integration_tests::raw_app::Conversation;
use integration_tests::waiting::{PATIENCE, Watched, eventually};
use rustix::process::Signal;

use super::{outcome, post, started};

fn ok() -> (u64, String) {
    (200, "ok".to_owned())
}

/// How an app closes.
#[derive(Clone, Copy, Debug)]
enum Close {
    Orderly,
    Reset,
}

impl Close {
    const ALL: [Self; 2] = [Self::Orderly, Self::Reset];

    fn prepare(self, connection: &mut Conversation) {
        if let Self::Reset = self {
            connection.reset_at_close();
        }
    }
}

#[test]
fn an_app_that_closes_right_after_each_response_costs_no_request() {
    let (lambda, app, _adapter) = started(|connection| {
        // It does not announce the end.
        let _ = connection.request().is_some() && connection.answer(200, "ok");
    });
    for number in 0..200 {
        let target = format!("/{number}");
        assert_eq!(outcome(&lambda.invoke(post(&target, b"once"))), ok());
        assert_eq!(app.seen(&target).len(), 1, "{target}");
    }
}

#[test]
fn a_connection_that_closes_when_it_is_used_costs_no_request() {
    for close in Close::ALL {
        let (lambda, app, _adapter) = started(move |connection| {
            let _ = connection.request().is_some() && connection.answer(200, "ok");
            // The next request is there, and nobody will read it.
            let _ = connection.peek();
            close.prepare(connection);
        });
        for number in 0..20 {
            let target = format!("/{number}");
            let reply = lambda.invoke(post(&target, b"once"));
            assert_eq!(outcome(&reply), ok(), "{close:?}");
            assert_eq!(app.seen(&target).len(), 1, "{close:?} {target}");
        }
    }
}

#[test]
fn a_request_that_a_kept_connection_loses_is_sent_once_more() {
    let body = Pattern::bytes(1_000_000);
    for close in Close::ALL {
        let (lambda, app, _adapter) = started(move |connection| {
            let _ = connection.request().is_some() && connection.answer(200, "ok");
            // Reads another, and ends without a byte.
            let _ = connection.request();
            close.prepare(connection);
        });
        assert_eq!(outcome(&lambda.invoke(Event::get("/first"))), ok());
        let reply = lambda.invoke(post("/lost?a=b", &body));
        assert_eq!(outcome(&reply), ok(), "{close:?}");
        let seen = app.seen("/lost?a=b");
        assert_eq!(seen.len(), 2, "{close:?}");
        assert_eq!(seen[0].connection, app.seen("/first")[0].connection);
        assert_ne!(seen[0].connection, seen[1].connection);
        assert_eq!(seen[0].head.start, seen[1].head.start);
        assert_eq!(seen[0].head.headers, seen[1].head.headers);
        assert!(seen[0].body == body && seen[1].body == body, "{close:?}");
    }
}

#[test]
fn a_request_that_a_new_connection_loses_is_not_sent_again() {
    for close in Close::ALL {
        let (lambda, app, _adapter) = started(move |connection| {
            let _ = connection.request();
            close.prepare(connection);
        });
        for target in ["/one", "/two"] {
            let (status, body) = outcome(&lambda.invoke(Event::get(target)));
            assert_eq!(status, 502, "{close:?}");
            assert!(body.contains("gave no response"), "{body:?}");
            assert!(!body.contains("again"), "{body:?}");
            assert_eq!(app.seen(target).len(), 1, "{close:?}");
        }
    }
}

#[test]
fn a_request_that_is_lost_twice_is_an_error_that_says_so() {
    let (lambda, app, _adapter) = started(|connection| {
        while let Some(head) = connection.request() {
            if head.target() != "/" || !connection.answer(200, "ok") {
                return;
            }
        }
    });
    assert_eq!(outcome(&lambda.invoke(Event::get("/"))), ok());
    let (status, body) = outcome(&lambda.invoke(Event::get("/lost")));
    assert_eq!(status, 502);
    assert!(body.contains("again on a new connection"), "{body:?}");
    assert_eq!(app.seen("/lost").len(), 2);
}

#[test]
fn a_request_is_not_sent_again_once_a_byte_of_an_answer_has_come() {
    for begun in [
        "H",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "this is no HTTP\r\n\r\n",
    ] {
        let (lambda, app, _adapter) = started(move |connection| {
            while let Some(head) = connection.request() {
                if head.target() == "/" {
                    connection.answer(200, "ok");
                } else {
                    connection.send(begun);
                    return;
                }
            }
        });
        assert_eq!(outcome(&lambda.invoke(Event::get("/"))), ok());
        let (status, _) = outcome(&lambda.invoke(Event::get("/begun")));
        assert_eq!(status, 502, "{begun:?}");
        let seen = app.seen("/begun");
        assert_eq!(seen.len(), 1, "{begun:?}");
        assert_eq!(seen[0].connection, app.seen("/")[0].connection, "{begun:?}");
    }
}

/// The adapter waits in the kernel, and its peers go on.
struct Frozen<'a>(Vec<&'a integration_tests::process::Program>);

impl<'a> Frozen<'a> {
    fn new(programs: impl IntoIterator<Item = &'a integration_tests::process::Program>) -> Self {
        let programs: Vec<_> = programs.into_iter().collect();
        for program in &programs {
            program.signal(Signal::STOP);
            let pid = program.pid();
            eventually("a program that stands still", || {
                is_stopped(pid).then_some(())
            });
        }
        Self(programs)
    }

    fn thaw(self) {
        for program in self.0 {
            program.signal(Signal::CONT);
        }
    }
}

#[test]
fn an_app_that_closes_in_a_freeze_or_at_the_thaw_costs_no_request() {
    let closing = Arc::new(Watched::new(0));
    let told = Arc::clone(&closing);
    let (lambda, app, adapter) = started(move |connection| {
        let round = *told.lock();
        let _ = connection.request().is_some() && connection.answer(200, "ok");
        told.wait(PATIENCE, |now| (*now > round).then_some(()));
    });
    for number in 0..40 {
        let target = format!("/{number}");
        let frozen = Frozen::new([&adapter]);
        let id = lambda.queue(post(&target, b"once"));
        let close = || closing.change(|round| *round += 1);
        if number % 2 == 0 {
            close();
            frozen.thaw();
        } else {
            thread::scope(|scope| {
                scope.spawn(close);
                frozen.thaw();
            });
        }
        assert_eq!(outcome(&lambda.reply(&id)), ok(), "{target}");
        assert_eq!(app.seen(&target).len(), 1, "{target}");
    }
}

#[test]
fn an_app_whose_own_timer_ran_out_in_the_freeze_costs_no_request() {
    const KEEP_ALIVE: Duration = Duration::from_millis(30);
    let lambda = FakeLambda::bind();
    let app = App::start(&[("KEEP_ALIVE_MS", "30")]);
    let adapter = Adapter::extension(&lambda, app.address()).start();
    for _ in 0..10 {
        assert_eq!(lambda.invoke(Event::get("/")).streamed().payload, b"ready");
        lambda.wait_for_poll();
        let frozen = Frozen::new([&adapter, app.program()]);
        let id = lambda.queue(Event::get("/"));
        // The time that passes while nobody runs is what this is about.
        thread::sleep(KEEP_ALIVE + Duration::from_millis(5));
        frozen.thaw();
        assert_eq!(lambda.reply(&id).streamed().payload, b"ready");
        assert_eq!(lambda.replies(&id).len(), 1);
    }
}

#[test]
fn a_connection_that_was_idle_for_more_than_4_s_is_not_used_again() {
    let (lambda, app, adapter) =
        started(
            |connection| {
                while connection.request().is_some() && connection.answer(200, "ok") {}
            },
        );
    for target in ["/one", "/two"] {
        assert_eq!(outcome(&lambda.invoke(Event::get(target))), ok());
    }
    let since = Instant::now();
    lambda.wait_for_poll();
    let frozen = Frozen::new([&adapter]);
    // The time that passes is what this is about.
    thread::sleep(Duration::from_millis(4_100).saturating_sub(since.elapsed()));
    frozen.thaw();
    assert_eq!(outcome(&lambda.invoke(Event::get("/three"))), ok());
    let connection = |target| app.seen(target)[0].connection;
    assert_eq!(connection("/one"), connection("/two"), "fresh enough");
    assert_ne!(connection("/two"), connection("/three"), "4.1 s later");
}
