// SPDX-License-Identifier: Apache-2.0
//! Apps that answer before they have read the request.

use std::sync::Arc;

use integration_tests::event::Event;
use integration_tests::pattern::Pattern;
use integration_tests::waiting::{PATIENCE, Watched};

use super::{MODES, outcome, post, started_in_mode};

/// More than the kernel holds for an app that does not read.
const LARGE: usize = 4 * 1024 * 1024;
/// Which of two things comes first is chance; so each is tried often.
const ROUNDS: usize = 10;

#[derive(Clone, Copy, Debug)]
enum Then {
    /// Unread bytes make it a reset.
    Close,
    Reset,
    /// Reads the request only when the client has the answer.
    ReadLater,
}

fn the_answer_arrives(answer: &'static str, expected: (u64, &str), then: Then) {
    let body = Pattern::bytes(LARGE);
    for mode in MODES {
        let arrived = Arc::new(Watched::new(0));
        let seen_to_arrive = Arc::clone(&arrived);
        let (lambda, app, _adapter) = started_in_mode(mode, move |connection| {
            while let Some(head) = connection.head() {
                if head.method() == "GET" {
                    connection.answer(200, "ok");
                    continue;
                }
                let before = *seen_to_arrive.lock();
                connection.send(answer);
                match then {
                    Then::Close => return,
                    Then::Reset => return connection.reset_at_close(),
                    Then::ReadLater => {
                        seen_to_arrive.wait(PATIENCE, |now| (*now > before).then_some(()));
                        if !connection.body(LARGE) {
                            return;
                        }
                    }
                }
            }
        });
        for round in 0..ROUNDS {
            let target = format!("/{round}");
            // Every other time on a connection that was used before.
            if round % 2 == 0 {
                assert_eq!(outcome(&lambda.invoke(Event::get("/"))).0, 200);
            }
            let reply = lambda.invoke(post(&target, &body));
            let (status, text) = outcome(&reply);
            assert_eq!((status, text.as_str()), expected, "{mode} {then:?}");
            assert!(reply.trailers.is_empty(), "{mode} {then:?}: {reply:?}");
            assert_eq!(app.seen(&target).len(), 1, "{mode} {then:?}");
            arrived.change(|now| *now += 1);
        }
    }
}

const REFUSAL: &str =
    "HTTP/1.1 413 Too Large\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\ntoo much";

#[test]
fn an_answer_before_the_body_was_read_arrives_though_the_app_closes() {
    the_answer_arrives(REFUSAL, (413, "too much"), Then::Close);
}

#[test]
fn an_answer_before_the_body_was_read_arrives_though_the_app_resets() {
    the_answer_arrives(REFUSAL, (413, "too much"), Then::Reset);
    let chunked = "HTTP/1.1 401 No\r\ncontent-type: text/plain\r\nconnection: close\r\n\
        transfer-encoding: chunked\r\n\r\n4\r\nwho \r\n7\r\nare you\r\n0\r\n\r\n";
    the_answer_arrives(chunked, (401, "who are you"), Then::Reset);
}

#[test]
fn an_answer_before_the_body_was_read_arrives_before_it_is_read() {
    the_answer_arrives(REFUSAL, (413, "too much"), Then::ReadLater);
}

#[test]
fn an_answer_without_a_body_before_the_request_was_read_arrives() {
    let nothing = "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n";
    the_answer_arrives(nothing, (401, ""), Then::Close);
}
