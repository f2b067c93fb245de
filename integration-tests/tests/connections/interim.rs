// SPDX-License-Identifier: Apache-2.0
//! What comes before a response: expectations and interim responses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use integration_tests::event::{Event, function_url};
use serde_json::json;

use super::{MODES, outcome, started, started_in_mode};

const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n\
    HTTP/1.1 102 Processing\r\n\r\n\
    HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n\
    HTTP/1.1 103 Early Hints\r\nlink: </b.js>; rel=preload\r\nx-interim: 1\r\n\r\n";

#[test]
fn interim_responses_go_before_the_final_one_and_are_not_taken_for_it() {
    for mode in MODES {
        let (lambda, app, _adapter) = started_in_mode(mode, |connection| {
            while let Some(head) = connection.request() {
                if head.target() == "/at-once" {
                    connection.send(INTERIM);
                } else {
                    for part in INTERIM.split_inclusive("\r\n\r\n") {
                        connection.send(part);
                    }
                }
                connection.answer(200, "final");
            }
        });
        for target in ["/at-once", "/one-by-one", "/at-once"] {
            let reply = lambda.invoke(Event::get(target));
            assert_eq!(
                outcome(&reply),
                (200, "final".to_owned()),
                "{mode} {target}"
            );
            let text = String::from_utf8_lossy(&reply.raw()).to_lowercase();
            assert!(
                !text.contains("x-interim") && !text.contains("preload"),
                "{text}"
            );
        }
        let connections: Vec<_> = ["/at-once", "/one-by-one"]
            .into_iter()
            .flat_map(|target| app.seen(target))
            .map(|seen| seen.connection)
            .collect();
        assert!(
            connections.iter().all(|number| *number == connections[0]),
            "the connection is as good as before: {connections:?}"
        );
    }
}

#[test]
fn a_change_of_protocol_is_a_502_that_says_so() {
    for mode in MODES {
        let (lambda, _app, _adapter) = started_in_mode(mode, |connection| {
            while let Some(head) = connection.request() {
                if head.target() == "/" {
                    connection.answer(200, "ok");
                } else {
                    connection.send(
                        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
                    );
                }
            }
        });
        let (status, body) = outcome(&lambda.invoke(Event::get("/upgrade")));
        assert_eq!(status, 502, "{mode}");
        assert!(body.contains("101"), "{mode}: {body:?}");
        assert_eq!(outcome(&lambda.invoke(Event::get("/"))).0, 200, "{mode}");
    }
}

#[test]
fn an_expectation_of_the_client_is_met_here_and_the_body_sent_at_once() {
    let (lambda, app, _adapter) =
        started(
            |connection| {
                while connection.request().is_some() && connection.answer(200, "ok") {}
            },
        );
    for expectation in ["100-continue", "100-Continue"] {
        let target = format!("/{expectation}");
        let mut event = function_url("PUT", &target);
        event["headers"]["expect"] = json!(expectation);
        event["headers"]["content-length"] = json!("4");
        event["body"] = json!(BASE64.encode("body"));
        event["isBase64Encoded"] = json!(true);
        assert_eq!(outcome(&lambda.invoke(Event::json(&event))).0, 200);
        let seen = &app.seen(&target)[0];
        assert_eq!(seen.head.header("expect"), None);
        assert_eq!(seen.body, b"body");
    }
}

#[test]
fn an_app_that_says_continue_to_a_client_that_did_not_ask_is_understood() {
    let (lambda, app, _adapter) = started(|connection| {
        while connection.head().is_some() {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n");
            if !connection.body(4) || !connection.answer(201, "made") {
                return;
            }
        }
    });
    for _ in 0..3 {
        let reply = lambda.invoke(super::post("/made", b"body"));
        assert_eq!(outcome(&reply), (201, "made".to_owned()));
    }
    assert_eq!(app.seen("/made").len(), 3);
}
