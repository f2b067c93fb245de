// SPDX-License-Identifier: Apache-2.0
//! `--faults`: calls of the APIs go wrong as a script says, and what becomes of replies is counted.

mod support;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use streamgate_emulator::{Entry, Replies};
use support::{Lambda, Message, PATIENCE, Socket, post, streamed_post};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n";
const DELAY: Duration = Duration::from_millis(200);

fn faulty(script: &str) -> Lambda {
    Lambda::start(|settings| settings.faults = script.parse().expect("the script can be read"))
}

fn reply(event: &Message) -> String {
    let path = format!(
        "/2018-06-01/runtime/invocation/{}/response",
        event.request_id()
    );
    post(&path, "", "{\"body\":\"once\"}")
}

/// One invocation whose first reply gets `fault`: its client, the event, and the connection of that reply.
fn first_reply(fault: &str) -> (Lambda, Socket, Message, Socket) {
    let lambda = faulty(&format!("response 1 {fault}"));
    let client = lambda.request(GET);
    let event = lambda.next();
    let post = lambda.call(&reply(&event));
    (lambda, client, event, post)
}

/// The reply is made again, and taken.
fn retried(lambda: &Lambda, client: &mut Socket, event: &Message) {
    assert_eq!(lambda.call(&reply(event)).message().status, 202);
    assert_eq!(client.message().status, 200);
    let expected = Replies {
        invocations: 1,
        answered: 1,
        ..Replies::default()
    };
    assert_eq!(lambda.replies(), expected);
}

/// The reply was taken: the client has it, and another is refused and counted.
fn taken(lambda: &Lambda, client: &mut Socket, event: &Message) {
    assert_eq!(client.message().status, 200);
    let again = lambda.call(&reply(event)).message();
    assert_eq!(
        (again.status, again.json()["errorType"].clone()),
        (403, "InvalidStateTransition".into())
    );
    let expected = Replies {
        invocations: 1,
        answered: 1,
        doubled: 1,
        ..Replies::default()
    };
    assert_eq!(lambda.replies(), expected);
}

#[test]
fn a_reset_reply_is_taken_or_not_as_the_script_says() {
    let (lambda, mut client, event, mut post) = first_reply("reset");
    assert_eq!(post.end(), (vec![], true));
    retried(&lambda, &mut client, &event);
    let (lambda, mut client, event, mut post) = first_reply("reset taken");
    assert_eq!(post.end(), (vec![], true));
    taken(&lambda, &mut client, &event);
}

#[test]
fn a_closed_reply_is_taken_or_not_as_the_script_says() {
    let (lambda, mut client, event, mut post) = first_reply("close");
    assert_eq!(post.end(), (vec![], false));
    retried(&lambda, &mut client, &event);
    let (lambda, mut client, event, mut post) = first_reply("close taken");
    assert_eq!(post.end(), (vec![], false));
    taken(&lambda, &mut client, &event);
}

#[test]
fn a_reply_with_another_status_is_taken_or_not_as_the_script_says() {
    for (code, error_type) in [
        (500, "InternalServerError"),
        (502, "InternalServerError"),
        (403, "InvalidStateTransition"),
        (410, "InvokeTimeout"),
        (429, "Unknown"),
    ] {
        let (lambda, mut client, event, mut post) = first_reply(&format!("status {code}"));
        let answer = post.message();
        assert_eq!(
            (answer.status, answer.json()["errorType"].clone()),
            (code, error_type.into())
        );
        retried(&lambda, &mut client, &event);
    }
    let (lambda, mut client, event, mut post) = first_reply("status 500 taken");
    assert_eq!(post.message().status, 500);
    taken(&lambda, &mut client, &event);
}

#[test]
fn a_reply_that_is_too_large_ends_its_invocation() {
    let (lambda, mut client, event, mut post) = first_reply("status 413");
    let answer = post.message();
    assert_eq!(
        (answer.status, answer.json()["errorType"].clone()),
        (413, "RequestEntityTooLarge".into())
    );
    assert_eq!(client.message().status, 502);
    assert_eq!(lambda.call(&reply(&event)).message().status, 403);
    let mut client = lambda.request(GET);
    let event = lambda.next();
    assert_eq!(lambda.call(&reply(&event)).message().status, 202);
    assert_eq!(client.message().status, 200);
}

#[test]
fn an_early_fault_does_not_wait_for_the_body() {
    for (fault, reset) in [("reset early", true), ("close early", false)] {
        let lambda = faulty(&format!("response 1 {fault}"));
        let mut client = lambda.request(GET);
        let event = lambda.next();
        let mut post = lambda.call(&streamed_post(&event.request_id()));
        assert_eq!(post.end(), (vec![], reset), "{fault}");
        retried(&lambda, &mut client, &event);
    }
    let lambda = faulty("response 1 status 503 early");
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.call(&streamed_post(&event.request_id()));
    assert_eq!(post.message().status, 503);
    retried(&lambda, &mut client, &event);
}

#[test]
fn a_reply_is_reset_after_so_many_bytes() {
    let lambda = faulty("response 1 reset-after 5");
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.call(&streamed_post(&event.request_id()));
    post.chunk(b"1234");
    post.chunk(b"5");
    assert_eq!(post.end(), (vec![], true));
    retried(&lambda, &mut client, &event);
}

#[test]
fn a_stream_is_reset_in_the_middle_and_its_client_cut() {
    let lambda = faulty("response 1 reset-after 70 taken");
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.respond(&event);
    assert_eq!(client.head().status, 200);
    // Prelude and delimiter are 66 bytes.
    post.chunk(b"1234567890");
    assert_eq!(post.end(), (vec![], true));
    assert_eq!(client.read_chunk().unwrap(), b"1234");
    assert_eq!(client.read_chunk(), None);
    assert_eq!(lambda.call(&reply(&event)).message().status, 403);
}

#[test]
fn a_stalled_reply_runs_into_the_timeout_and_is_lost() {
    let lambda = Lambda::start(|settings| {
        settings.faults = "response 1 stall".parse().unwrap();
        settings.timeout = DELAY;
    });
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let mut post = lambda.call(&reply(&event));
    assert_eq!(client.message().status, 502);
    assert_eq!(
        post.end().0,
        b"",
        "no answer, and an end with the environment"
    );
    let replies = lambda.replies();
    assert_eq!(
        (replies.invocations, replies.answered, replies.lost),
        (1, 0, 1)
    );
}

#[test]
fn a_stalled_poll_is_held_and_another_is_served() {
    let lambda = faulty("next 1 stall");
    let _stalled = lambda.call(NEXT);
    let _client = lambda.request(GET);
    lambda.entry(|entry| matches!(entry, Entry::Faulted { .. }).then_some(()));
    assert_eq!(lambda.next().json()["rawPath"], "/");
}

#[test]
fn a_poll_that_is_reset_takes_no_event_and_one_that_took_it_gets_it_again() {
    for fault in [
        "reset",
        "reset taken",
        "close taken",
        "half",
        "malformed taken",
    ] {
        let lambda = faulty(&format!("next 1 {fault}"));
        let mut client = lambda.request(GET);
        let mut poll = lambda.call(NEXT);
        let (bytes, reset) = poll.end();
        assert_eq!(reset, fault.starts_with("reset"), "{fault}");
        assert_eq!(
            bytes.is_empty(),
            fault.starts_with("reset") || fault.starts_with("close")
        );
        let event = lambda.next();
        retried(&lambda, &mut client, &event);
    }
}

#[test]
fn a_delay_is_before_the_call_is_taken_or_before_its_answer() {
    let began = Instant::now();
    let (_lambda, mut client, _event, _post) = first_reply("delay 200ms");
    assert_eq!(client.message().status, 200);
    assert!(began.elapsed() >= DELAY);
    let began = Instant::now();
    let (_lambda, mut client, _event, mut post) = first_reply("delay 200ms taken");
    assert_eq!(client.message().status, 200);
    assert_eq!(post.message().status, 202);
    assert!(began.elapsed() >= DELAY);
}

#[test]
fn a_delayed_fault_comes_after_the_delay() {
    let lambda = faulty("next 1 delay 200ms reset");
    let began = Instant::now();
    assert_eq!(lambda.call(NEXT).end(), (vec![], true));
    assert!(began.elapsed() >= DELAY);
}

#[test]
fn a_split_answer_comes_in_pieces_and_its_connection_goes_on() {
    let lambda = faulty("next 1 split 10\nresponse 1 split");
    let mut client = lambda.request(GET);
    let mut connection = lambda.call(NEXT);
    let (bytes, sizes) = connection.pieces(b"\"isBase64Encoded\":false}");
    assert!(sizes.len() > 20, "{sizes:?}");
    assert!(sizes.iter().take(5).any(|size| *size == 10), "{sizes:?}");
    let text = String::from_utf8(bytes).unwrap();
    let id = text
        .split("lambda-runtime-aws-request-id: ")
        .nth(1)
        .unwrap();
    let path = format!("/2018-06-01/runtime/invocation/{}/response", &id[..36]);
    connection.write(post(&path, "", "{}").as_bytes());
    let (bytes, sizes) = connection.pieces(b"{\"status\":\"OK\"}");
    assert!(sizes.len() > 20, "{sizes:?}");
    assert!(bytes.starts_with(b"HTTP/1.1 202"));
    assert_eq!(client.message().status, 200);
    connection.write(b"GET /2018-06-01/ping HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(connection.message().text(), "pong");
}

#[test]
fn half_an_answer_says_its_whole_length() {
    let (lambda, mut client, event, mut post) = first_reply("half");
    let head = post.head();
    assert_eq!(
        (head.status, head.headers["content-length"].as_str()),
        (202, "15")
    );
    assert_eq!(post.end(), (b"{\"statu".to_vec(), false));
    taken(&lambda, &mut client, &event);
}

#[test]
fn a_malformed_answer_is_no_http() {
    let (lambda, mut client, event, mut post) = first_reply("malformed");
    let (bytes, reset) = post.end();
    assert!(bytes.starts_with(&[0x16, 3, 1]) && !reset, "{bytes:?}");
    retried(&lambda, &mut client, &event);
}

#[test]
fn headers_of_an_event_are_left_out_or_changed() {
    let lambda = faulty(
        "next 1 missing-header Lambda-Runtime-Deadline-Ms\nnext 2 header lambda-runtime-deadline-ms soon",
    );
    let _client = lambda.request(GET);
    let first = lambda.next();
    assert!(!first.headers.contains_key("lambda-runtime-deadline-ms"));
    let second = lambda.next();
    assert_eq!(second.headers["lambda-runtime-deadline-ms"], "soon");
    assert_eq!(second.request_id(), first.request_id());
}

#[test]
fn every_kind_of_call_can_go_wrong() {
    let calls = [
        ("register", "POST /2020-01-01/extension/register"),
        ("extension-next", "GET /2020-01-01/extension/event/next"),
        (
            "extension-init-error",
            "POST /2020-01-01/extension/init/error",
        ),
        (
            "extension-exit-error",
            "POST /2020-01-01/extension/exit/error",
        ),
        ("init-error", "POST /2018-06-01/runtime/init/error"),
        ("next", "GET /2018-06-01/runtime/invocation/next"),
        ("response", "POST /2018-06-01/runtime/invocation/x/response"),
        ("error", "POST /2018-06-01/runtime/invocation/x/error"),
        ("restore-next", "GET /2018-06-01/runtime/restore/next"),
        ("restore-error", "POST /2018-06-01/runtime/restore/error"),
    ];
    let script = calls
        .map(|(name, _)| format!("{name} 1 status 599\n"))
        .concat();
    let lambda = faulty(&script);
    for (name, call) in calls {
        let request = format!("{call} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}");
        assert_eq!(lambda.call(&request).message().status, 599, "{name}");
        let told = lambda.entry(|entry| match entry {
            Entry::Faulted { call, fault } => Some((call, fault)),
            _ => None,
        });
        assert_eq!(told, (format!("{name} 1"), "status 599".to_owned()));
    }
}

#[test]
fn each_environment_counts_from_one() {
    let script = "echo $$ > $DIR/pid\nexec sleep 1000";
    let lambda = Lambda::with_scripts(script, &[], |settings| {
        settings.faults = "next 1 status 500".parse().unwrap();
    });
    for _ in 0..2 {
        // The second one starts an environment.
        let mut client = lambda.request(GET);
        let pid = lambda.file("pid");
        assert_eq!(lambda.call(NEXT).message().status, 500);
        lambda.next();
        fs::remove_file(lambda.path("pid")).unwrap();
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::KILL).unwrap();
        assert_eq!(client.message().status, 502);
    }
    assert_eq!(lambda.replies().lost, 2);
}

#[test]
fn replies_are_told_at_the_end() {
    let mut lambda = faulty("response 1 status 500");
    let mut client = lambda.request(GET);
    let event = lambda.next();
    let crossed =
        reply(&event).replace(&event.request_id(), "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    assert_eq!(lambda.call(&crossed).message().status, 500);
    assert_eq!(lambda.call(&crossed).message().status, 400);
    let other_attempt =
        reply(&event).replace("host:", "lambda-runtime-invocation-id: another\r\nhost:");
    assert_eq!(lambda.call(&other_attempt).message().status, 410);
    assert_eq!(lambda.call(&reply(&event)).message().status, 202);
    assert_eq!(client.message().status, 200);
    let _open = lambda.call(NEXT);
    let mut client = lambda.request(GET);
    lambda.entry(|entry| matches!(entry, Entry::End { .. }).then_some(()));
    lambda.entry(|entry| matches!(entry, Entry::Start { .. }).then_some(()));
    lambda.begin_shutdown().recv_timeout(PATIENCE).unwrap();
    assert_eq!(client.message().status, 502);
    let replies = lambda.entry(|entry| match entry {
        Entry::Replies(replies) => Some(replies),
        _ => None,
    });
    let expected = Replies {
        invocations: 2,
        answered: 1,
        lost: 1,
        crossed: 2,
        ..Replies::default()
    };
    assert_eq!(replies, expected);
}

#[test]
fn a_script_that_cannot_be_read_is_one_line_that_says_why() {
    let script = tempfile::NamedTempFile::new().unwrap();
    fs::write(script.path(), "next 1 stall\n\nresponse 2 explode\n").unwrap();
    let path = script.path().to_str().unwrap();
    for (path, words) in [
        (
            path,
            "line 3: \"explode\" is not known here, expected delay, stall, close,",
        ),
        ("/nowhere", "--faults /nowhere cannot be read"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_streamgate-local"))
            .args(["--faults", path, "--", "x"])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(words), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
