// SPDX-License-Identifier: Apache-2.0
//! How the app starts and stops, as the environment says:
//!
//! - `EXIT_AT_START=CODE`, `KILL_SELF_AT_START=SIGNAL` (a number), both after `STDERR_AT_START` was written
//! - `LISTEN_DELAY_MS`: listens late; `BIND_PORT`: listens on this port, whatever `PORT` says (0: any)
//! - `LISTEN_GATE`: listens when the file of this name is there
//! - `EXIT_GATE`: once the file of this name is there, it is removed and the app exits with the code that it holds
//! - `ON_SIGTERM=exit|ignore`, `EXIT_CODE=CODE` (0 by default) with the first; `SPAWN_HELPER`: starts a child process that only SIGKILL ends
//! - `KEEP_ALIVE_MS`: closes connections that are idle for so long
//! - `REFUSED_PATH`: requests for this path are answered with 500
//! - `NOTE_REQUESTS`: each request is a line, with the number of its connection, counted from 0
//! - `EVENT_FILE`: a file that gets the same lines about the app's life as standard error

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Where lines about the app's life go.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    file: Option<String>,
}

impl Events {
    pub(crate) fn from_env() -> Self {
        Self {
            file: env::var("EVENT_FILE").ok(),
        }
    }

    pub(crate) fn write(&self, line: &str) {
        // One write per line, so that lines of several processes do not mix. Losing one must not end the app.
        let text = format!("misbehave {}: {line}\n", std::process::id());
        let _ = io::stderr().write_all(text.as_bytes());
        self.write_to_file(&text);
    }

    /// A line that is of interest to whoever counts, and to no one else.
    pub(crate) fn count(&self, what: &str) {
        self.write_to_file(&format!("{what}\n"));
    }

    fn write_to_file(&self, text: &str) {
        if let Some(file) = &self.file
            && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file)
        {
            let _ = file.write_all(text.as_bytes());
        }
    }
}

/// How long a connection may be idle; for ever by default.
pub(crate) fn keep_alive() -> Option<Duration> {
    let limit = env::var("KEEP_ALIVE_MS").ok()?.parse().ok()?;
    Some(Duration::from_millis(limit))
}

pub(crate) fn refuses(path: &str) -> bool {
    env::var("REFUSED_PATH").is_ok_and(|refused| refused == path)
}

pub(crate) fn notes_requests() -> bool {
    env::var_os("NOTE_REQUESTS").is_some()
}

pub(crate) fn obey_at_start(events: &Events) {
    if env::args().nth(1).as_deref() == Some("helper") {
        events.write("helper is there");
        // Ignored, not handled: this process ends by SIGKILL alone.
        let mut signals = Signals::new([SIGTERM]).expect("SIGTERM can be caught");
        for _ in signals.forever() {
            events.write("helper got SIGTERM");
        }
    }
    events.write("started");
    if let Ok(text) = env::var("STDERR_AT_START") {
        let _ = io::stderr().write_all(text.as_bytes());
    }
    if let Some(code) = number("EXIT_AT_START") {
        exit(code);
    }
    if let Some(signal) = number("KILL_SELF_AT_START").and_then(Signal::from_named_raw) {
        let _ = kill_process(getpid(), signal);
    }
    if env::var_os("SPAWN_HELPER").is_some() {
        let own = env::current_exe().expect("the program knows its file");
        let helper = Command::new(own).arg("helper").spawn();
        // Never waited for: what becomes of it is up to whoever ends this app.
        std::mem::forget(helper.expect("the helper starts"));
    }
    if let Ok(gate) = env::var("EXIT_GATE") {
        thread::spawn(move || exit_at(&gate));
    }
    if let Some(delay) = number("LISTEN_DELAY_MS") {
        thread::sleep(Duration::from_millis(delay.unsigned_abs().into()));
    }
    if let Ok(gate) = env::var("LISTEN_GATE") {
        while !Path::new(&gate).exists() {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

fn exit_at(gate: &str) {
    loop {
        if let Ok(text) = fs::read_to_string(gate)
            && let Ok(code) = text.trim_end_matches('.').parse()
            && text.ends_with('.')
        {
            // The app that is started in its place stays.
            let _ = fs::remove_file(gate);
            exit(code);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

pub(crate) fn port() -> u16 {
    let port = number("BIND_PORT").or_else(|| number("PORT"));
    u16::try_from(port.expect("PORT is set")).expect("PORT is a port")
}

pub(crate) fn listen_for_sigterm(events: &Events) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM])?;
    let ignore = env::var("ON_SIGTERM").as_deref() == Ok("ignore");
    let events = events.clone();
    thread::spawn(move || {
        for _ in signals.forever() {
            events.write("got SIGTERM");
            if !ignore {
                events.write("exiting");
                exit(number("EXIT_CODE").unwrap_or(0));
            }
        }
    });
    Ok(())
}

/// Ends the app at once, from whatever thread: that is the behaviour asked for.
#[allow(
    clippy::exit,
    reason = "an app that ends in the middle is what the tests ask for"
)]
pub(crate) fn exit(code: i32) -> ! {
    std::process::exit(code)
}

fn number(name: &str) -> Option<i32> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}
