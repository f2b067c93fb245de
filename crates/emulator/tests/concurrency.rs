// SPDX-License-Identifier: Apache-2.0
//! Several invocations at once in one environment, as on Lambda Managed Instances.

mod support;

use std::num::NonZeroU16;
use std::time::Duration;

use streamgate_emulator::{Entry, Shape};
use support::{Lambda, Message, PATIENCE, Socket, post};

const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n";

fn start(concurrency: u16) -> Lambda {
    Lambda::start(|settings| settings.concurrency = of(concurrency))
}

fn of(concurrency: u16) -> NonZeroU16 {
    NonZeroU16::new(concurrency).expect("it is not 0")
}

fn get(lambda: &Lambda, path: &str) -> Socket {
    lambda.request(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
}

fn path_of(event: &Message) -> String {
    event.json()["rawPath"].to_string().replace('"', "")
}

/// Both events, in the order of their paths.
fn two_events(lambda: &Lambda) -> [Message; 2] {
    let mut events = [lambda.next(), lambda.next()];
    events.sort_by_key(path_of);
    events
}

#[test]
fn streams_of_one_environment_overlap_and_end_in_any_order() {
    let lambda = start(2);
    let (mut client_a, mut client_b) = (get(&lambda, "/a"), get(&lambda, "/b"));
    let [a, b] = two_events(&lambda);
    let (mut post_a, mut post_b) = (lambda.respond(&a), lambda.respond(&b));
    assert_eq!((client_a.head().status, client_b.head().status), (200, 200));
    for round in ["1", "2"] {
        post_b.chunk(format!("b{round}").as_bytes());
        post_a.chunk(format!("a{round}").as_bytes());
        assert_eq!(
            client_a.read_chunk().unwrap(),
            format!("a{round}").as_bytes()
        );
        assert_eq!(
            client_b.read_chunk().unwrap(),
            format!("b{round}").as_bytes()
        );
    }
    post_b.write(b"0\r\n\r\n");
    assert_eq!(post_b.message().status, 202);
    assert_eq!(client_b.read_chunk(), Some(vec![]));
    post_a.chunk(b"a3");
    assert_eq!(client_a.read_chunk().unwrap(), b"a3");
    post_a.write(b"0\r\n\r\n");
    assert_eq!(post_a.message().status, 202);
    assert_eq!(client_a.read_chunk(), Some(vec![]));
}

#[test]
fn one_invocation_too_many_waits_for_an_answer_and_no_longer() {
    let lambda = start(2);
    let mut clients = ["/a", "/b", "/c"].map(|path| get(&lambda, path));
    let events = [lambda.next(), lambda.next()];
    let mut third = lambda.call(NEXT);
    let begun = || {
        lambda.entry(|entry| match entry {
            Entry::Start { request_id, .. } => Some(request_id),
            Entry::End { .. } => Some("an end".to_owned()),
            _ => None,
        })
    };
    for begun in [begun(), begun()] {
        assert_ne!(begun, "an end");
    }
    assert_eq!(lambda.answer(&events[1], "{}").status, 202);
    assert_eq!(begun(), "an end", "the third begins after it");
    let third = third.message();
    assert_eq!(begun(), third.request_id());
    for event in [&third, &events[0]] {
        assert_eq!(lambda.answer(event, "{}").status, 202);
    }
    for client in &mut clients {
        assert_eq!(client.message().status, 200);
    }
}

#[test]
fn answers_reach_the_clients_whose_events_they_name() {
    let lambda = start(8);
    let paths: Vec<String> = (0..8).map(|number| format!("/{number}")).collect();
    let mut clients: Vec<_> = paths.iter().map(|path| get(&lambda, path)).collect();
    let mut events: Vec<_> = paths.iter().map(|_| lambda.next()).collect();
    events.reverse();
    for event in &events {
        let mut post = lambda.respond(event);
        post.chunk(path_of(event).as_bytes());
        post.write(b"0\r\n\r\n");
        assert_eq!(post.message().status, 202);
    }
    for (client, path) in clients.iter_mut().zip(&paths) {
        assert_eq!(client.message().text(), *path);
    }
}

#[test]
fn more_polls_than_invocations_are_refused() {
    let lambda = start(2);
    // The polls reach the emulator in any order; one of three is too many whichever it is.
    let polls = [(); 3].map(|()| lambda.call(NEXT));
    lambda.entry(|entry| match entry {
        Entry::Refused { status, .. } => (status == 500).then_some(()),
        _ => None,
    });
    let _clients = [get(&lambda, "/a"), get(&lambda, "/b")];
    let mut statuses = polls.map(|mut poll| poll.message().status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 500]);
}

#[test]
fn a_timeout_ends_its_own_invocation_and_its_answer_is_gone() {
    let lambda = Lambda::start(|settings| {
        settings.concurrency = of(2);
        settings.timeout = Duration::from_millis(300);
    });
    let (mut slow, mut streamed) = (get(&lambda, "/slow"), get(&lambda, "/streamed"));
    let [slow_event, streamed_event] = two_events(&lambda);
    let mut under_way = lambda.respond(&streamed_event);
    under_way.chunk(b"so far");
    assert_eq!(streamed.head().status, 200);
    assert_eq!(streamed.read_chunk().unwrap(), b"so far");
    assert_eq!(slow.message().status, 502);
    assert_eq!(streamed.read_chunk(), None, "the transfer is cut");
    let late = lambda.answer(&slow_event, "{}");
    assert_eq!(
        (late.status, late.json()["errorType"].clone()),
        (410, "InvokeTimeout".into())
    );
    assert_eq!(under_way.message().status, 410);

    // No reset: the same environment goes on.
    let mut client = get(&lambda, "/next");
    let event = lambda.next();
    assert_eq!(lambda.answer(&event, "{}").status, 202);
    assert_eq!(client.message().status, 200);
    lambda.entry(|entry| match entry {
        Entry::Stopping { .. } | Entry::InitFailed { .. } => panic!("{entry}"),
        Entry::Report { request_id, .. } => (request_id == event.request_id()).then_some(()),
        _ => None,
    });
}

#[test]
fn a_fall_fails_everything_that_is_open() {
    let leave = "while [ ! -e $DIR/leave ]; do sleep 0.01; done; exit 3";
    let lambda = Lambda::with_scripts(leave, &[], |settings| {
        settings.concurrency = of(2);
    });
    let mut clients = [get(&lambda, "/a"), get(&lambda, "/b")];
    let _events = two_events(&lambda);
    std::fs::write(lambda.path("leave"), "").unwrap();
    for client in &mut clients {
        assert_eq!(client.message().status, 502);
    }
    lambda.entry(|entry| {
        matches!(
            entry,
            Entry::Stopping {
                reason: "failure",
                ..
            }
        )
        .then_some(())
    });
}

#[test]
fn the_runtime_is_told_of_its_concurrency_and_extensions_are_not() {
    let tell = |file: &str| {
        format!(
            "echo \"${{AWS_LAMBDA_MAX_CONCURRENCY-none}} $AWS_LAMBDA_INITIALIZATION_TYPE\" > $DIR/{file}\nexec sleep 1000"
        )
    };
    let lambda = Lambda::with_scripts(&tell("runtime"), &[("one", &tell("one"))], |settings| {
        settings.concurrency = of(3);
    });
    assert_eq!(lambda.file("one"), "none lambda-managed-instances\n");
    let refused = lambda.try_register("one", "\"INVOKE\"");
    assert_eq!(
        (refused.status, refused.json()["errorType"].clone()),
        (403, "Extension.InvalidEventType".into())
    );
    lambda.register("one", "\"SHUTDOWN\"");
    assert_eq!(lambda.file("runtime"), "3 lambda-managed-instances\n");
}

#[test]
fn a_stop_tells_what_is_open_that_it_is_over() {
    let mut lambda = start(2);
    let mut clients = [get(&lambda, "/a"), get(&lambda, "/b")];
    let [event, _] = two_events(&lambda);
    let path = format!(
        "/2018-06-01/runtime/invocation/{}/response",
        event.request_id()
    );
    lambda.begin_shutdown().recv_timeout(PATIENCE).unwrap();
    for client in &mut clients {
        assert_eq!(client.message().status, 502);
    }
    // The API has gone with its environment.
    assert!(
        std::net::TcpStream::connect(lambda.api).is_err() || {
            let mut socket = lambda.call(&post(&path, "", "{}"));
            socket.is_closed()
        }
    );
}

#[test]
fn a_runtime_with_several_pollers_gives_each_client_its_own() {
    const RUNTIME: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/custom_runtime.py"
    );
    let lambda = Lambda::start(|settings| {
        settings.concurrency = of(4);
        settings.shape = Shape::ImageAttach {
            command: vec!["python3".into(), RUNTIME.into()],
        };
    });
    std::thread::scope(|scope| {
        for client in 0..6 {
            let url = lambda.url;
            scope.spawn(move || {
                for round in 0..10 {
                    let path = format!("/{client}/{round}");
                    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
                    assert_eq!(path_of(&Socket::send(url, &request).message()), path);
                }
            });
        }
    });
}
