// SPDX-License-Identifier: Apache-2.0
//! Lambda's end of a reply breaks: the app's request ends with it, at once, and nothing else does.

use std::sync::Arc;

use integration_tests::event::Event;
use integration_tests::fake_lambda::{FakeLambda, Fault};
use integration_tests::process::Program;
use integration_tests::raw_app::Conversation;
use integration_tests::waiting::{PATIENCE, Watched};

use super::{outcome, started};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";

/// What the app tells of its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Nothing,
    /// No more fits.
    Full,
    /// Its connection was closed, or it was not in time.
    Gone(bool),
}

type Told = Arc<Watched<News>>;

fn wait_for(told: &Told, wanted: News, of: &str) {
    let found = told.wait(PATIENCE * 2, |news| {
        let is_over = matches!(news, News::Gone(_)) || *news == wanted;
        is_over.then_some(*news)
    });
    assert_eq!(found, Some(wanted), "{of}");
}

/// An app that answers `/` and does something else with all other requests, and tells when that has lost its client.
fn telling(
    told: &Told,
    serve: impl Fn(&mut Conversation, &Told) -> bool + Send + Sync + 'static,
) -> impl Fn(&mut Conversation) + Send + Sync + 'static {
    let told = Arc::clone(told);
    move |connection| {
        while let Some(head) = connection.request() {
            if head.target() == "/" {
                connection.answer(200, "ok");
                continue;
            }
            let gone = serve(connection, &told);
            told.change(|news| *news = News::Gone(gone));
            return;
        }
    }
}

fn new_told() -> Told {
    Arc::new(Watched::new(News::Nothing))
}

fn only_that_one_failed(lambda: &FakeLambda, adapter: &Program, id: &str, of: &str) {
    let _ = adapter.any_line("reply was not taken");
    assert_eq!(
        outcome(&lambda.invoke(Event::get("/"))),
        (200, "ok".to_owned()),
        "after {of}"
    );
    let replies = lambda.replies(id);
    let responses = replies.iter().filter(|reply| reply.verb() == "response");
    assert_eq!(responses.count(), 1, "{of}: the reply is not doubled");
}

/// So many bytes are the prelude and the first chunk.
const BEGUN: usize = 60;

fn faults() -> [Fault; 6] {
    [
        Fault::ResetAfter(BEGUN),
        Fault::CloseAfter(BEGUN),
        Fault::AnswerAfter(BEGUN, 413),
        Fault::AnswerAfter(BEGUN, 500),
        Fault::AnswerAfter(BEGUN, 403),
        // No success either: not all of it was there.
        Fault::AnswerAfter(BEGUN, 202),
    ]
}

#[test]
fn a_reply_that_breaks_while_the_app_is_silent_closes_the_apps_connection_at_once() {
    for fault in faults() {
        let of = format!("{fault:?}");
        let told = new_told();
        let (lambda, _app, adapter) = started(telling(&told, |connection, _| {
            // The chunk, and then nothing: only the reply's end can tell the adapter.
            connection.send(HEAD)
                && connection.send("8\r\nchunk 0\n\r\n")
                && connection.wait_until_gone()
        }));
        let id = lambda.queue_with_fault(Event::get("/silent"), fault);
        wait_for(&told, News::Gone(true), &of);
        only_that_one_failed(&lambda, &adapter, &id, &of);
    }
}

#[test]
fn a_reply_that_breaks_between_chunks_closes_the_apps_connection() {
    for fault in faults() {
        let of = format!("{fault:?}");
        let told = new_told();
        let (lambda, _app, adapter) = started(telling(&told, |connection, _| {
            connection.send(HEAD);
            // Without end: sending fails when the connection has gone.
            while connection.send("8\r\nchunk n\n\r\n") {}
            true
        }));
        let id = lambda.queue_with_fault(Event::get("/chunks"), fault);
        wait_for(&told, News::Gone(true), &of);
        only_that_one_failed(&lambda, &adapter, &id, &of);
    }
}

#[test]
fn a_reply_that_breaks_under_back_pressure_closes_the_apps_connection() {
    for fault in [
        Fault::ResetAfter(0),
        Fault::CloseAfter(0),
        Fault::AnswerAfter(0, 413),
        Fault::AnswerAfter(0, 500),
    ] {
        let of = format!("{fault:?}");
        let told = new_told();
        let (lambda, _app, adapter) = started(telling(&told, |connection, told| {
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            let full = connection.send(HEAD) && connection.fill_up(chunk.as_bytes());
            told.change(|news| *news = News::Full);
            full && connection.wait_until_gone()
        }));
        let id = lambda.queue_with_fault(Event::get("/full"), Fault::Stall);
        wait_for(&told, News::Full, &of);
        lambda.change_fault(&id, fault);
        wait_for(&told, News::Gone(true), &of);
        only_that_one_failed(&lambda, &adapter, &id, &of);
    }
}
