// SPDX-License-Identifier: Apache-2.0
//! `--freeze`: processes stand still between invocations, all of them, and nothing is lost over it.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use streamgate_emulator::{Entry, Settings};
use support::{Lambda, PATIENCE, Socket};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n";
const SLEEP: &str = "exec sleep 1000";

fn freezing(settings: &mut Settings) {
    settings.freeze = true;
}

/// State letter of a process, `None` if there is none.
fn state(pid: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn frozen(lambda: &Lambda) -> usize {
    lambda.entry(|entry| match entry {
        Entry::Frozen {
            stopped,
            running: 0,
        } => Some(stopped),
        Entry::Frozen { .. } => panic!("{entry}"),
        _ => None,
    })
}

/// Starts a process in a group and one in a session of its own, and tells their ids and its own.
const FAMILY: &str = "setsid sh -c 'echo $$ > $DIR/session; exec sleep 1000' &\n\
    sh -c 'sh -c \"echo \\$\\$ > $DIR/grandchild; exec sleep 1000\" & wait' &\n\
    echo $$ > $DIR/first\nwait";

#[test]
fn every_process_stands_still_between_invocations() {
    let lambda = Lambda::with_scripts(
        FAMILY,
        &[("one", "echo $$ > $DIR/extension\nexec sleep 1000")],
        freezing,
    );
    let id = lambda.register("one", "\"INVOKE\"");
    let mut invoked = lambda.extension_next(&id);
    let pids = ["first", "session", "grandchild", "extension"].map(|name| lambda.file(name));
    let states = || pids.each_ref().map(|pid| state(pid));
    let mut poll = lambda.call(NEXT);
    for _ in 0..3 {
        assert_eq!(frozen(&lambda), 5);
        assert_eq!(states(), [Some('T'); 4]);
        let mut client = lambda.request(GET);
        let event = poll.message();
        assert!(
            states().iter().all(|state| *state != Some('T')),
            "{:?}",
            states()
        );
        assert_eq!(invoked.message().json()["eventType"], "INVOKE");
        assert_eq!(lambda.answer(&event, "{}").status, 202);
        assert_eq!(client.message().status, 200);
        poll = lambda.call(NEXT);
        invoked = lambda.extension_next(&id);
    }
}

#[test]
fn the_thaw_comes_before_the_event() {
    let lambda = Lambda::with_scripts(SLEEP, &[], freezing);
    let mut poll = lambda.call(NEXT);
    frozen(&lambda);
    let _client = lambda.request(GET);
    lambda.entry(|entry| match entry {
        Entry::Start { .. } => panic!("the event is given to a frozen environment"),
        Entry::Thawed { .. } => Some(()),
        _ => None,
    });
    poll.message();
}

#[test]
fn what_was_stopped_already_is_left_alone() {
    let script = "sleep 1000 &\nkill -STOP $!\n\
        until grep -q 'State:.T' /proc/$!/status; do :; done\necho $! > $DIR/stopped\nwait";
    let lambda = Lambda::with_scripts(script, &[], freezing);
    let stopped = lambda.file("stopped");
    let mut poll = lambda.call(NEXT);
    assert_eq!(frozen(&lambda), 2);
    let _client = lambda.request(GET);
    poll.message();
    assert_eq!(
        state(&stopped),
        Some('T'),
        "the app stopped it for reasons of its own"
    );
}

#[test]
fn a_frozen_environment_is_shut_down_in_order() {
    let terminable = "trap 'echo term > $DIR/term; exit 0' TERM\necho up > $DIR/up\nwhile :; do sleep 0.01; done";
    let leave = "while [ ! -e $DIR/leave ]; do sleep 0.01; done";
    let mut lambda = Lambda::with_scripts(terminable, &[("one", leave)], freezing);
    let id = lambda.register("one", "\"SHUTDOWN\"");
    let mut told = lambda.extension_next(&id);
    lambda.file("up");
    let _poll = lambda.call(NEXT);
    frozen(&lambda);
    let done = lambda.begin_shutdown();
    assert_eq!(told.message().json()["eventType"], "SHUTDOWN");
    assert_eq!(lambda.file("term"), "term\n");
    fs::write(lambda.path("leave"), "").unwrap();
    let took = done.recv_timeout(PATIENCE).unwrap();
    lambda.entry(|entry| match entry {
        Entry::Killed { .. } => panic!("{entry} after {took:?}"),
        _ => Some(()),
    });
}

#[test]
fn a_frozen_process_that_is_killed_ends_the_environment() {
    let lambda = Lambda::with_scripts("echo $$ > $DIR/pid\nexec sleep 1000", &[], freezing);
    let pid = lambda
        .file("pid")
        .trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw);
    let _poll = lambda.call(NEXT);
    frozen(&lambda);
    kill_process(pid.unwrap(), Signal::KILL).unwrap();
    lambda.entry(|entry| match entry {
        Entry::Stopping { message, .. } => {
            message.filter(|message| message.contains("Runtime.ExitError"))
        }
        _ => None,
    });
}

#[test]
fn several_pollers_are_frozen_when_all_of_them_wait() {
    let lambda = Lambda::with_scripts(SLEEP, &[], |settings| {
        freezing(settings);
        settings.concurrency = 2.try_into().unwrap();
    });
    let mut client = lambda.request(GET);
    let event = lambda.next();
    assert_eq!(lambda.answer(&event, "{}").status, 202);
    assert_eq!(client.message().status, 200);
    let mut first = lambda.call(NEXT);
    let mut client = lambda.request(GET);
    let event = first.message();
    let _polls = [lambda.call(NEXT), lambda.call(NEXT)];
    assert_eq!(lambda.answer(&event, "{}").status, 202);
    assert_eq!(client.message().status, 200);
    let mut over = 0;
    lambda.entry(|entry| match entry {
        Entry::End { .. } => {
            over += 1;
            None
        }
        Entry::Frozen { .. } => Some(()),
        _ => None,
    });
    assert_eq!(over, 2, "not while a single poll waited");
}

/// Leaves an orphan in a session of its own and without variables, and one that ends at once; then serves.
const ORPHANS: &str = "env -i DIR=$DIR /bin/sh -c \
    '(setsid sleep 1000 & echo $! > $DIR/orphan); (setsid true & echo $! > $DIR/ended)'
    exec python3 $RUNTIME";

#[test]
fn the_program_finds_orphans_that_left_no_trace_and_serves_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let runtime = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/custom_runtime.py"
    );
    let mut program = Command::new(env!("CARGO_BIN_EXE_streamgate-local"))
        .args([
            "--image-attach",
            "--opt",
            env!("CARGO_TARGET_TMPDIR"),
            "--port",
            "0",
            "--freeze",
        ])
        .args([
            "--env",
            &format!("DIR={path}"),
            "--env",
            &format!("RUNTIME={runtime}"),
        ])
        .args(["--", "sh", "-c", ORPHANS])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .split(['/', ' '])
        .find_map(|part| part.parse().ok())
        .unwrap();
    let mut log = BufReader::new(program.stderr.take().unwrap());
    let mut wait_for = |words: &str| loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "{words} is logged");
        if line.contains(words) {
            return line;
        }
    };
    for path in ["/spaced", "/a", "/b"] {
        assert_eq!(wait_for("FREEZE"), "FREEZE Processes: 2\n");
        let orphan = fs::read_to_string(directory.path().join("orphan")).unwrap();
        assert_eq!(state(&orphan), Some('T'));
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let body = Socket::send(address, &request).message().text();
        assert!(
            body.contains(if path == "/spaced" { "piece 4" } else { path }),
            "{body}"
        );
        wait_for("THAW");
    }
    let gone = |name: &str| {
        let pid = fs::read_to_string(directory.path().join(name)).unwrap();
        let until = Instant::now() + PATIENCE;
        while state(&pid).is_some() {
            assert!(Instant::now() < until, "{name} is waited for");
            std::thread::yield_now();
        }
    };
    gone("ended");
    kill_process(Pid::from_child(&program), Signal::INT).unwrap();
    assert_eq!(program.wait().unwrap().code(), Some(0));
    gone("orphan");
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("SHUTDOWN Reason: spindown"), "{rest}");
}
