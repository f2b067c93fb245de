// SPDX-License-Identifier: Apache-2.0
//! Bodies that end with their connection.

use integration_tests::event::Event;
use integration_tests::fake_lambda::Exchange;
use integration_tests::http::End;
use integration_tests::pattern::Pattern;

use super::{MODES, outcome, post, started_in_mode};

const HEADS: [&str; 3] = [
    "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n",
];

fn head(target: &str) -> &'static str {
    HEADS[target[1..2].parse::<usize>().unwrap()]
}

/// Whether the reply tells of a failure, in whichever mode.
fn is_failure(reply: &Exchange) -> bool {
    let broke_off = reply
        .trailer("Lambda-Runtime-Function-Error-Type")
        .is_some();
    assert_eq!(reply.end, Some(End::Complete), "{reply:?}");
    broke_off || outcome(reply).0 == 502
}

#[test]
fn a_body_that_ends_with_its_connection_is_whole_and_the_connection_is_not_used_again() {
    let text = "All of it, to the end. ".repeat(50_000);
    let sent = text.clone();
    for mode in MODES {
        let sent = sent.clone();
        let (lambda, app, _adapter) = started_in_mode(mode, move |connection| {
            let Some(request) = connection.request() else {
                return;
            };
            connection.send(head(request.target()));
            for part in sent.as_bytes().chunks(70_001) {
                connection.send(part);
            }
        });
        let mut connections = Vec::new();
        for target in ["/0", "/1", "/2", "/0/again"] {
            let reply = lambda.invoke(post(target, b"body"));
            let (status, body) = outcome(&reply);
            assert_eq!(status, 200, "{mode} {target}");
            assert!(body == text, "{mode} {target}: {} bytes", body.len());
            assert!(reply.trailers.is_empty(), "{mode} {target}");
            assert_eq!(app.seen(target).len(), 1, "{mode} {target}");
            connections.push(app.seen(target)[0].connection);
        }
        connections.dedup();
        assert_eq!(connections.len(), 4, "{mode}");
    }
}

#[test]
fn a_reset_in_a_body_that_ends_with_its_connection_is_a_failure() {
    for mode in MODES {
        let (lambda, _app, _adapter) = started_in_mode(mode, |connection| {
            let Some(request) = connection.request() else {
                return;
            };
            connection.send(head(request.target()));
            connection.send("a part");
            connection.reset_at_close();
        });
        for target in ["/0", "/1", "/2"] {
            let reply = lambda.invoke(Event::get(target));
            assert!(is_failure(&reply), "{mode} {target}: {reply:?}");
        }
    }
}

#[test]
fn a_reset_that_a_write_hears_first_is_not_the_end_of_a_body() {
    let large = Pattern::bytes(4 * 1024 * 1024);
    for mode in MODES {
        let (lambda, _app, _adapter) = started_in_mode(mode, |connection| {
            let Some(request) = connection.head() else {
                return;
            };
            // The adapter is still writing; unread bytes make the close a reset, and the kernel tells of it once.
            connection.send(head(request.target()));
            connection.send("a part");
        });
        for round in 0..12 {
            let reply = lambda.invoke(post(&format!("/{}/{round}", round % 3), &large));
            assert!(is_failure(&reply), "{mode} {round}: {reply:?}");
        }
    }
}
