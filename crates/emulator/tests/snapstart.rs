// SPDX-License-Identifier: Apache-2.0
//! SnapStart: init, a snapshot, and the restore with its hooks.

mod support;

use std::time::Duration;

use streamgate_emulator::{Entry, Shape, ZipRuntime};
use support::{Lambda, Socket, post, script};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n";
const RESTORE_NEXT: &str = "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nhost: x\r\n\r\n";
const SLEEP: &str = "exec sleep 1000";

/// A zip function with SnapStart, whose exec wrapper and extensions run these scripts.
fn start(wrapper: &str, extensions: &[(&str, &str)]) -> Lambda {
    Lambda::with_scripts("", extensions, |settings| {
        let directory = settings.opt.clone().expect("the support sets it");
        script(&directory.join("bootstrap"), wrapper);
        settings.shape = Shape::Zip {
            directory,
            handler: "run.sh".into(),
            runtime: ZipRuntime::Managed,
        };
        settings.snapstart = true;
    })
}

/// The names of the next entries until the restore is over, and its error.
fn until_restored(lambda: &Lambda) -> (Vec<&'static str>, Option<(String, String)>) {
    let mut names = Vec::new();
    let error = lambda.entry(|entry| {
        names.push(match entry {
            Entry::InitDone { .. } => "init done",
            Entry::Frozen { running: 0, .. } => "frozen",
            Entry::Thawed { .. } => "thawed",
            Entry::RestoreStart => "restore",
            Entry::RestoreReport { error, .. } => return Some(error),
            _ => return None,
        });
        None
    });
    (names, error)
}

const ORDER: [&str; 4] = ["init done", "frozen", "thawed", "restore"];

#[test]
fn a_runtime_with_hooks_waits_for_the_restore_and_then_for_events() {
    let lambda = start(SLEEP, &[]);
    let restored = lambda.call(RESTORE_NEXT).message();
    assert_eq!((restored.status, restored.text()), (200, String::new()));
    let again = lambda.call(RESTORE_NEXT).message();
    assert_eq!(
        (again.status, again.json()["errorType"].clone()),
        (403, "InvalidStateTransition".into())
    );
    let mut client = lambda.request(GET);
    let event = lambda.next();
    assert_eq!(until_restored(&lambda), (ORDER.to_vec(), None));
    assert_eq!(lambda.answer(&event, "{}").status, 202);
    assert_eq!(client.message().status, 200);
    let _poll = lambda.call(NEXT);
    let init = lambda.entry(|entry| match entry {
        Entry::Report { init, .. } => Some(init),
        _ => None,
    });
    assert_eq!(
        init, None,
        "init is no part of a restored environment's invocation"
    );
}

#[test]
fn a_runtime_without_hooks_has_its_poll_carried_over() {
    let lambda = start(SLEEP, &[]);
    let mut poll = lambda.call(NEXT);
    assert_eq!(until_restored(&lambda), (ORDER.to_vec(), None));
    let _client = lambda.request(GET);
    assert_eq!(poll.message().json()["rawPath"], "/");
}

#[test]
fn a_restore_error_ends_the_environment_and_is_shown() {
    for call in ["restore", "init"] {
        let lambda = start(SLEEP, &[]);
        assert_eq!(lambda.call(RESTORE_NEXT).message().status, 200);
        let report = post(
            &format!("/2018-06-01/runtime/{call}/error"),
            "lambda-runtime-function-error-type: Runtime.AfterRestoreError\r\n",
            "{\"errorMessage\":\"no database\"}",
        );
        assert_eq!(lambda.call(&report).message().status, 202);
        let (names, error) = until_restored(&lambda);
        assert_eq!(names, ORDER);
        let (error_type, message) = error.unwrap();
        assert_eq!(error_type, "Runtime.AfterRestoreError");
        assert!(message.contains("no database"), "{message}");
    }
}

#[test]
fn a_restore_has_ten_seconds() {
    let lambda = start(SLEEP, &[]);
    assert_eq!(lambda.call(RESTORE_NEXT).message().status, 200);
    // As long as anything is waited for here; twice is enough for any machine.
    let (_, error) = lambda.entry_within(Duration::from_secs(20), |entry| match entry {
        Entry::RestoreReport { duration, error } => Some((duration, error)),
        _ => None,
    });
    let (error_type, message) = error.unwrap();
    assert_eq!(error_type, "Runtime.RestoreHookUserTimeout");
    assert!(
        message.contains("10.00 seconds (SnapStartTimeoutException)"),
        "{message}"
    );
}

#[test]
fn pending_calls_survive_the_snapshot_and_idle_connections_do_not() {
    let lambda = start(SLEEP, &[("one", SLEEP)]);
    let id = lambda.register("one", "\"INVOKE\"");
    let mut pending = lambda.extension_next(&id);
    let mut idle = lambda.call("GET /2018-06-01/ping HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(idle.message().text(), "pong");
    assert_eq!(lambda.call(RESTORE_NEXT).message().status, 200);
    assert!(idle.is_closed());
    let mut later = lambda.call("GET /2018-06-01/ping HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(later.message().text(), "pong");
    let _client = lambda.request(GET);
    lambda.next();
    assert_eq!(pending.message().json()["eventType"], "INVOKE");
    later.write(b"GET /2018-06-01/ping HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(
        later.message().text(),
        "pong",
        "a connection of afterwards is kept"
    );
}

#[test]
fn credentials_are_asked_for_with_a_token() {
    let tell = "env > $DIR/variables.new\nmv $DIR/variables.new $DIR/variables\nexec sleep 1000";
    let lambda = start(tell, &[]);
    let variables = lambda.file("variables");
    let value = |name: &str| {
        let line = variables
            .lines()
            .find(|line| line.starts_with(&format!("{name}=")));
        line.and_then(|line| line.split_once('='))
            .map(|(_, value)| value)
    };
    assert_eq!(value("AWS_LAMBDA_INITIALIZATION_TYPE"), Some("snap-start"));
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_LAMBDA_LOG_GROUP_NAME",
    ] {
        assert_eq!(value(name), None, "{name}");
    }
    let uri = value("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap();
    let path = uri.strip_prefix(&format!("http://{}", lambda.api)).unwrap();
    let ask = |token: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n");
        Socket::send(lambda.api, &request).message()
    };
    assert_eq!(ask("guessed").status, 404);
    let told = ask(value("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap());
    assert_eq!(told.status, 200);
    for member in ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"] {
        assert!(told.json()[member].is_string(), "{told:?}");
    }
}

#[test]
fn without_a_snapshot_there_is_nothing_to_restore() {
    let lambda = Lambda::start(|_| ());
    for request in [
        RESTORE_NEXT,
        &post("/2018-06-01/runtime/restore/error", "", "{}"),
        "GET /2021-04-23/credentials HTTP/1.1\r\nhost: x\r\nauthorization: x\r\n\r\n",
    ] {
        assert_eq!(lambda.call(request).message().status, 404, "{request}");
    }
}
