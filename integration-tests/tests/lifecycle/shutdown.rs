// SPDX-License-Identifier: Apache-2.0
//! The end: in order, in time, and without leftovers.

use integration_tests::adapter::Adapter;
use integration_tests::app::{Diary, free_port};
use integration_tests::binaries;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::gate::Gate;
use integration_tests::http::End;
use integration_tests::local::{Local, SHAPES, Shape};
use integration_tests::process::{Program, is_alive};
use rustix::process::Signal;
use serde_json::Value;

fn entrypoint(lambda: &FakeLambda, diary: &Diary) -> Adapter {
    let (key, value) = diary.variable();
    Adapter::entrypoint(lambda).env(key, &value)
}

#[test]
fn sigterm_stops_the_app_and_then_the_adapter() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let mut adapter = entrypoint(&lambda, &diary).start();
    lambda.wait_for_poll();
    adapter.signal(Signal::TERM);
    let status = adapter.finish();
    assert_eq!(diary.count("got SIGTERM"), 1);
    assert_eq!(diary.count("exiting"), 1, "the app ended by itself");
    assert_eq!(status.code(), Some(0), "{}", adapter.transcript());
    adapter.mark().wait_until_gone();
}

#[test]
fn an_app_that_ignores_sigterm_is_killed() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let mut adapter = entrypoint(&lambda, &diary)
        .env("ON_SIGTERM", "ignore")
        .start();
    lambda.wait_for_poll();
    adapter.signal(Signal::TERM);
    let _ = adapter.finish();
    assert_eq!(diary.count("got SIGTERM"), 1, "it had its chance");
    assert_eq!(diary.count("exiting"), 0);
    adapter.mark().wait_until_gone();
}

#[test]
fn the_whole_group_of_the_app_is_stopped() {
    // What the app has started hears of it too, and goes even if it will not listen.
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let mut adapter = entrypoint(&lambda, &diary).env("SPAWN_HELPER", "1").start();
    let _ = diary.line("helper is there");
    lambda.wait_for_poll();
    adapter.signal(Signal::TERM);
    let _ = adapter.finish();
    assert_eq!(diary.count("exiting"), 1);
    adapter.mark().wait_until_gone();
}

#[test]
fn sigterm_before_the_app_is_ready_stops_it_too() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let mut adapter = entrypoint(&lambda, &diary)
        .env("LISTEN_GATE", "/nonexistent/gate")
        .start();
    let _ = diary.line("started");
    adapter.signal(Signal::TERM);
    let _ = adapter.finish();
    assert_eq!(lambda.polls(), 0);
    adapter.mark().wait_until_gone();
}

#[test]
fn an_open_stream_may_end_before_the_app_is_stopped() {
    let gate = Gate::bind();
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let (key, value) = gate.variable();
    let mut adapter = entrypoint(&lambda, &diary)
        .env(key, value)
        .env("STREAMGATE_SHUTDOWN_TIMEOUT", "60")
        .start();
    let id = lambda.queue(Event::get("/gated?chunks=2"));
    let mut keeper = gate.accept();
    keeper.open();
    lambda.wait("the first chunk", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.is_reply_to(&id) && exchange.body().ends_with(b"chunk 0\n"))
            .map(|_| ())
    });
    adapter.signal(Signal::TERM);
    // The reply is not cut off while there is time; what the app sends now still arrives.
    keeper.open();
    let reply = lambda.reply(&id);
    assert_eq!(reply.end, Some(End::Complete));
    assert_eq!(reply.trailers, []);
    assert_eq!(reply.streamed().payload, b"chunk 0\nchunk 1\n");
    let _ = adapter.finish();
    assert_eq!(diary.count("got SIGTERM"), 1);
    assert_eq!(lambda.polls(), 1, "no new invocation is asked for");
}

/// Extension and stub as in a zip function.
fn zip(lambda: &FakeLambda, diary: &Diary) -> (Program, Program, Value) {
    let port = free_port().to_string();
    let extension = Adapter::layer_extension(lambda)
        .env("STREAMGATE_PORT", &port)
        .start();
    lambda.wait("the registration", |exchanges| {
        exchanges
            .iter()
            .find(|exchange| exchange.verb() == "register" && exchange.answered.is_some())
            .map(|_| ())
    });
    let (key, value) = diary.variable();
    let stub = Adapter::stub(lambda, &[])
        .env("_HANDLER", &binaries::misbehave().display().to_string())
        .env("LAMBDA_TASK_ROOT", "/")
        .env(key, &value)
        .start();
    let reply = lambda.invoke(Event::get("/process"));
    let process = serde_json::from_slice(&reply.streamed().payload).unwrap();
    (extension, stub, process)
}

#[test]
fn shutdown_stops_the_app_the_stub_and_the_extension() {
    for reason in ["spindown", "TIMEOUT", "failure"] {
        let lambda = FakeLambda::bind();
        let diary = Diary::default();
        let (mut extension, mut stub, _) = zip(&lambda, &diary);
        lambda.shut_down(reason);
        assert_eq!(
            extension.finish().code(),
            Some(0),
            "{reason}: {}",
            extension.transcript()
        );
        let _ = stub.finish();
        assert_eq!(diary.count("got SIGTERM"), 1, "{reason}");
        assert_eq!(diary.count("exiting"), 1, "{reason}");
        stub.mark().wait_until_gone();
    }
}

#[test]
fn sigterm_to_the_stub_reaches_the_app() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let (mut extension, mut stub, _) = zip(&lambda, &diary);
    stub.signal(Signal::TERM);
    let _ = diary.line("got SIGTERM");
    let _ = stub.finish();
    // Lambda tells the extension after the runtime process.
    lambda.shut_down("spindown");
    assert_eq!(
        extension.finish().code(),
        Some(0),
        "{}",
        extension.transcript()
    );
    stub.mark().wait_until_gone();
}

#[test]
fn the_app_outlives_a_stub_that_is_killed_until_its_time_is_up() {
    // Lambda kills the runtime process early; the app, which is not in its group, gets the rest of the budget.
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let (mut extension, mut stub, process) = zip(&lambda, &diary);
    assert_ne!(process["pgid"], stub.pid());
    stub.signal(Signal::KILL);
    let _ = stub.wait();
    let _ = diary.line("got SIGTERM");
    let _ = diary.line("exiting");
    lambda.shut_down("failure");
    let _ = extension.finish();
    stub.mark().wait_until_gone();
}

#[test]
fn an_adapter_that_is_killed_leaves_no_app() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let mut adapter = entrypoint(&lambda, &diary)
        .env("ON_SIGTERM", "ignore")
        .start();
    lambda.wait_for_poll();
    assert_eq!(
        adapter.mark().carriers().len(),
        2,
        "adapter and app: {:?}",
        adapter.mark().carriers()
    );
    adapter.signal(Signal::KILL);
    let _ = adapter.wait();
    adapter.mark().wait_until_gone();
}

#[test]
fn an_adapter_that_is_killed_leaves_nothing_that_the_app_started() {
    // Moments of a life: each is seen from outside, and then the adapter is killed.
    type Moment = (&'static str, fn(&FakeLambda, &Diary, &Gate, &Program));
    let moments: [Moment; 6] = [
        ("registering", |lambda, _, _, _| {
            lambda.wait("the registration", |exchanges| {
                exchanges.first().map(|_| ())
            });
        }),
        ("starting", |_, diary, _, _| drop(diary.line("started"))),
        ("with a helper", |_, diary, _, _| {
            drop(diary.line("helper is there"));
        }),
        ("idle", |lambda, _, _, _| lambda.wait_for_poll()),
        ("serving", |lambda, _, gate, _| {
            lambda.wait_for_poll();
            lambda.queue(Event::get("/slow-head"));
            std::mem::forget(gate.accept());
        }),
        ("draining", |lambda, diary, _, adapter| {
            lambda.wait_for_poll();
            adapter.signal(Signal::TERM);
            drop(diary.line("helper got SIGTERM"));
        }),
    ];
    for (name, reach) in moments {
        let (lambda, diary, gate) = (FakeLambda::bind(), Diary::default(), Gate::bind());
        let (key, value) = gate.variable();
        let mut adapter = entrypoint(&lambda, &diary)
            .env("SPAWN_HELPER", "1")
            .env("ON_SIGTERM", "ignore")
            .env(key, value)
            .start();
        reach(&lambda, &diary, &gate, &adapter);
        adapter.signal(Signal::KILL);
        let _ = adapter.wait();
        println!("killed while {name}");
        adapter.mark().wait_until_gone();
    }
}

#[test]
fn an_extension_that_is_killed_leaves_neither_app_nor_stub() {
    let lambda = FakeLambda::bind();
    let diary = Diary::default();
    let (mut extension, mut stub, process) = zip(&lambda, &diary);
    extension.signal(Signal::KILL);
    let _ = extension.wait();
    let status = stub.finish();
    assert!(
        !status.success(),
        "the stub's end tells that something went wrong"
    );
    stub.mark().wait_until_gone();
    let pid = process["pid"].as_i64().unwrap().try_into().unwrap();
    assert!(!is_alive(pid));
}

#[test]
fn ctrl_c_shuts_the_local_lambda_down_in_order() {
    for shape in SHAPES {
        let diary = Diary::default();
        let (key, value) = diary.variable();
        let mut local = Local::shape(shape).env(key, &value).start();
        assert_eq!(local.get("/").text(), "ready");
        let status = local.stop();
        assert_eq!(
            diary.count("got SIGTERM"),
            1,
            "{shape:?}: {:?}",
            diary.lines()
        );
        assert_eq!(diary.count("exiting"), 1, "{shape:?}: {:?}", diary.lines());
        // 130 is what a shell expects of a program that Ctrl-C has ended.
        assert!(
            matches!(status.code(), Some(0 | 130)),
            "{shape:?}: {status}"
        );
        local.program().mark().wait_until_gone();
    }
}

#[test]
fn sigterm_shuts_the_local_lambda_down_too() {
    let diary = Diary::default();
    let (key, value) = diary.variable();
    let mut local = Local::builder().env(key, &value).start();
    assert_eq!(local.get("/").text(), "ready");
    local.program().signal(Signal::TERM);
    let _ = local.wait();
    assert_eq!(diary.count("got SIGTERM"), 1);
    local.program().mark().wait_until_gone();
}

#[test]
fn the_local_lambda_kills_an_app_that_ignores_sigterm() {
    for shape in [Shape::ZipLayer, Shape::ImageAttach, Shape::ImageEntrypoint] {
        let diary = Diary::default();
        let (key, value) = diary.variable();
        let mut local = Local::shape(shape)
            .env(key, &value)
            .env("ON_SIGTERM", "ignore")
            .start();
        assert_eq!(local.get("/").text(), "ready");
        let _ = local.stop();
        assert_eq!(diary.count("got SIGTERM"), 1, "{shape:?}");
        assert_eq!(diary.count("exiting"), 0, "{shape:?}");
        local.program().mark().wait_until_gone();
    }
}

/// How an end comes about: what the app's environment says, what is done to the runtime process, and the codes of
/// extension, stub and entry point.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    HowItEnds,
    [i32; 3],
);
type HowItEnds = fn(&FakeLambda, &Program);

/// What ends an environment, and the codes with which extension, stub and entry point then exit.
#[test]
fn exit_codes_say_how_it_ended() {
    let in_order: HowItEnds = |_, runtime_process| runtime_process.signal(Signal::TERM);
    let by_app: HowItEnds = |lambda, _| drop(lambda.queue(Event::get("/exit?code=9")));
    let by_itself: HowItEnds = |_, _| {};
    let rows: [Row; 6] = [
        ("drained", &[], in_order, [0, 0, 0]),
        ("app's own code", &[("EXIT_CODE", "5")], in_order, [0, 5, 5]),
        (
            "app killed",
            &[("ON_SIGTERM", "ignore")],
            in_order,
            [0, 137, 137],
        ),
        ("app crashed", &[], by_app, [9, 9, 9]),
        (
            "init failed",
            &[("EXIT_AT_START", "3")],
            by_itself,
            [3, 3, 3],
        ),
        (
            "init failed with 0",
            &[("EXIT_AT_START", "0")],
            by_itself,
            [1, 1, 1],
        ),
    ];
    for (name, variables, end, [extension, stub, entrypoint]) in rows {
        let with = |mut adapter: Adapter| {
            for (name, value) in variables {
                adapter = adapter.env(name, value);
            }
            adapter.env("STREAMGATE_RESTART_LIMIT", "0")
        };
        let is_up = !variables.iter().any(|(name, _)| *name == "EXIT_AT_START");
        let lambda = FakeLambda::bind();
        let mut program = with(Adapter::entrypoint(&lambda)).start();
        if is_up {
            lambda.wait_for_poll();
        }
        end(&lambda, &program);
        let text = program.transcript();
        assert_eq!(program.finish().code(), Some(entrypoint), "{name}: {text}");

        let lambda = FakeLambda::bind();
        let port = free_port().to_string();
        let mut adapter = Adapter::layer_extension(&lambda)
            .env("STREAMGATE_PORT", &port)
            .env("STREAMGATE_RESTART_LIMIT", "0")
            .start();
        lambda.wait("the registration", |exchanges| {
            exchanges
                .first()
                .filter(|call| call.answered.is_some())
                .map(|_| ())
        });
        let mut program = with(Adapter::stub(&lambda, &[]))
            .env("_HANDLER", &binaries::misbehave().display().to_string())
            .env("LAMBDA_TASK_ROOT", "/")
            .start();
        if is_up {
            lambda.wait_for_poll();
        }
        end(&lambda, &program);
        assert_eq!(program.finish().code(), Some(stub), "{name}: the stub");
        lambda.shut_down("spindown");
        let text = adapter.transcript();
        assert_eq!(adapter.finish().code(), Some(extension), "{name}: {text}");
    }
}

#[test]
fn what_cannot_run_at_all_exits_with_64() {
    for mut program in [
        Adapter::with_arguments(&["nonsense"]).start(),
        Adapter::entrypoint(&FakeLambda::bind())
            .env("STREAMGATE_PORT", "none")
            .start(),
    ] {
        assert_eq!(
            program.finish().code(),
            Some(64),
            "{}",
            program.transcript()
        );
    }
}
