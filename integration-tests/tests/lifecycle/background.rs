// SPDX-License-Identifier: Apache-2.0
//! Work behind the response: the client has everything, and the next poll waits.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use integration_tests::adapter::Adapter;
use integration_tests::app::free_port;
use integration_tests::event::Event;
use integration_tests::fake_lambda::FakeLambda;
use integration_tests::http::End;
use integration_tests::process::Program;
use integration_tests::wire::Head;

/// An app in the test's own hands, and the adapter's address for it.
struct Setup {
    lambda: FakeLambda,
    app: TcpListener,
    control: u16,
    adapter: Program,
}

impl Setup {
    fn new(settings: &[(&str, &str)]) -> Self {
        let lambda = FakeLambda::bind();
        let app = TcpListener::bind("127.0.0.1:0").unwrap();
        let control = free_port();
        let mut adapter = Adapter::extension(&lambda, app.local_addr().unwrap())
            .env("STREAMGATE_READINESS_PROTOCOL", "tcp")
            .env("STREAMGATE_CONTROL_PORT", &control.to_string());
        for (name, value) in settings {
            adapter = adapter.env(name, value);
        }
        let adapter = adapter.start();
        // The check.
        drop(app.accept().unwrap());
        Self {
            lambda,
            app,
            control,
            adapter,
        }
    }

    /// Takes one request and answers it; gives the request's token.
    fn serve(&self, headers: &str) -> String {
        let (mut stream, token) = self.take();
        reply(&mut stream, headers);
        token
    }

    fn take(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.app.accept().unwrap();
        let mut buffer = Vec::new();
        loop {
            if let Some((head, _)) = Head::parse(&buffer).unwrap() {
                return (
                    stream,
                    head.header("x-streamgate-token").unwrap().to_owned(),
                );
            }
            let mut block = [0; 4096];
            let read = stream.read(&mut block).unwrap();
            buffer.extend_from_slice(&block[..read]);
        }
    }

    /// A word to the adapter; the status of its answer.
    fn say(&self, path: &str, token: &str) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control)).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: adapter\r\nx-streamgate-token: {token}\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The client's whole reply is there, and no poll has followed it.
    fn has_replied_and_holds(&self, id: &str) {
        let reply = self.lambda.reply(id);
        assert_eq!(reply.end, Some(End::Complete));
        let streamed = reply.streamed();
        assert_eq!(streamed.payload, b"ok");
        assert_eq!(
            streamed.prelude["headers"]["x-streamgate-background"],
            serde_json::Value::Null
        );
        assert_eq!(self.lambda.polls(), 1, "the poll is held");
    }

    fn wait_for_second_poll(&self) {
        self.lambda.wait("the poll behind the work", |exchanges| {
            let polls = exchanges.iter().filter(|exchange| exchange.is_poll());
            (polls.count() == 2).then_some(())
        });
    }
}

fn reply(stream: &mut TcpStream, headers: &str) {
    let head =
        format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\nconnection: close\r\n\r\n");
    stream.write_all(format!("{head}ok").as_bytes()).unwrap();
}

#[test]
fn the_poll_is_held_until_the_app_says_that_it_is_done() {
    let setup = Setup::new(&[]);
    let id = setup.lambda.queue(Event::get("/"));
    let token = setup.serve("x-streamgate-background: 60\r\n");
    setup.has_replied_and_holds(&id);
    assert_eq!(setup.say("/background/done", &token), 204);
    setup.wait_for_second_poll();
    assert_eq!(
        setup.say("/background/done", &token),
        404,
        "a token is good once"
    );
}

#[test]
fn work_may_be_announced_at_the_adapters_own_address() {
    let setup = Setup::new(&[]);
    let id = setup.lambda.queue(Event::get("/"));
    let (mut stream, token) = setup.take();
    assert_eq!(setup.say("/background", &token), 204);
    reply(&mut stream, "");
    setup.has_replied_and_holds(&id);
    assert_eq!(setup.say("/background/done", &token), 204);
    setup.wait_for_second_poll();
}

#[test]
fn work_that_was_done_before_the_response_holds_nothing() {
    let setup = Setup::new(&[]);
    let _ = setup.lambda.queue(Event::get("/"));
    let (mut stream, token) = setup.take();
    assert_eq!(setup.say("/background", &token), 204);
    assert_eq!(setup.say("/background/done", &token), 204);
    reply(&mut stream, "x-streamgate-background: 60\r\n");
    setup.wait_for_second_poll();
}

#[test]
fn the_time_that_the_app_asked_for_is_the_most_that_it_gets() {
    for (settings, seconds) in [
        (&[][..], "0.2"),
        (&[("STREAMGATE_BACKGROUND_MAX", "200ms")][..], "60"),
    ] {
        let setup = Setup::new(settings);
        let id = setup.lambda.queue(Event::get("/"));
        let _token = setup.serve(&format!("x-streamgate-background: {seconds}\r\n"));
        assert_eq!(setup.lambda.reply(&id).streamed().payload, b"ok");
        setup.wait_for_second_poll();
        let _ = setup.adapter.any_line("background work is not done");
    }
}

#[test]
fn lambdas_deadline_ends_the_work_in_any_case() {
    let setup = Setup::new(&[]);
    let id = setup
        .lambda
        .queue(Event::get("/").deadline_in(Duration::from_millis(1_500)));
    let _token = setup.serve("x-streamgate-background: 60\r\n");
    assert_eq!(setup.lambda.reply(&id).streamed().payload, b"ok");
    setup.wait_for_second_poll();
}

#[test]
fn a_foreign_token_and_a_foreign_path_are_refused() {
    let setup = Setup::new(&[]);
    let id = setup.lambda.queue(Event::get("/"));
    let token = setup.serve("x-streamgate-background: 60\r\n");
    setup.has_replied_and_holds(&id);
    for foreign in [
        "",
        "-1",
        "1",
        "0-1",
        &token[..token.len() - 1],
        &format!("{token}0"),
    ] {
        assert_eq!(setup.say("/background/done", foreign), 404, "{foreign:?}");
    }
    assert_eq!(setup.say("/", &token), 404);
    assert_eq!(setup.lambda.polls(), 1);
    assert_eq!(setup.say("/background/done", &token), 204);
    setup.wait_for_second_poll();
}

#[test]
fn a_header_that_is_no_number_is_a_warning_and_reaches_no_client() {
    let setup = Setup::new(&[]);
    let id = setup.lambda.queue(Event::get("/"));
    let _token = setup.serve("x-streamgate-background: soon\r\n");
    let reply = setup.lambda.reply(&id).streamed();
    assert_eq!(
        reply.prelude["headers"]["x-streamgate-background"],
        serde_json::Value::Null
    );
    setup.wait_for_second_poll();
    let _ = setup.adapter.any_line("is not a number of seconds");
}

#[test]
fn a_launched_app_finds_the_address_in_its_environment() {
    let lambda = FakeLambda::bind();
    let _adapter = Adapter::entrypoint(&lambda).start();
    let process = lambda.invoke(Event::get("/process")).streamed().payload;
    let process: serde_json::Value = serde_json::from_slice(&process).unwrap();
    let address = process["env"]["STREAMGATE_CONTROL"].as_str().unwrap();
    assert!(TcpStream::connect(address).is_ok(), "{address}");
}
