// SPDX-License-Identifier: Apache-2.0
//! The gate in front of each chunk: an app that is gated sends a chunk only when the test lets it.
//!
//! So a test proves order instead of measuring time: if chunk N has arrived while the gate was closed for N + 1, it was
//! not held back for it.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use crate::waiting::{PATIENCE, eventually};

/// A gate that apps connect to.
#[derive(Debug)]
pub struct Gate {
    listener: UnixListener,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Gate {
    /// Opens the socket.
    #[must_use]
    pub fn bind() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("gate");
        let listener = UnixListener::bind(&path).expect("a new socket can be bound");
        listener
            .set_nonblocking(true)
            .expect("a listener takes options");
        Self {
            listener,
            path,
            _directory: directory,
        }
    }

    /// The environment variable that tells the app of it.
    #[must_use]
    pub fn variable(&self) -> (&'static str, &str) {
        (
            "GATE_SOCKET",
            self.path.to_str().expect("temporary names are text"),
        )
    }

    /// Waits for a gated request to arrive in the app.
    #[must_use]
    pub fn accept(&self) -> Keeper {
        let stream = eventually("a gated request in the app", || self.listener.accept().ok()).0;
        stream
            .set_nonblocking(false)
            .expect("a connected socket takes options");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the limit is not zero");
        Keeper(stream)
    }

    /// Whether a gated request is waiting in the app.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

/// Lets one gated request pass, chunk by chunk.
#[derive(Debug)]
pub struct Keeper(UnixStream);

impl Keeper {
    /// The app closes the connection in place of the next chunk.
    pub const CLOSE: u8 = b'c';
    /// The app resets the connection in place of the next chunk.
    pub const RESET: u8 = b'r';
    /// The app sends what is no HTTP in place of the next chunk, and closes the connection.
    pub const GARBAGE: u8 = b'g';

    /// Lets the next chunk out.
    pub fn open(&mut self) {
        self.say(b'!');
    }

    /// Lets the next chunk out, unless the app has given the request up.
    pub fn open_if_wanted(&mut self) {
        let _ = self.0.write_all(b"!");
    }

    /// Has the app do this in place of the next chunk.
    pub fn say(&mut self, word: u8) {
        self.0
            .write_all(&[word])
            .expect("the app waits at the gate");
    }

    /// Lets chunk after chunk out until the app gives the request up.
    pub fn open_until_abandoned(&mut self) {
        eventually("the app to give the request up", || {
            self.0.write_all(b"!").is_err().then_some(())
        });
    }

    /// Waits until the app gives the request up: its client went away, or it has ended.
    pub fn wait_until_abandoned(&mut self) {
        let mut byte = [0];
        let count = self.0.read(&mut byte);
        assert!(
            matches!(count, Ok(0) | Err(_)) && !timed_out(&count),
            "the app still holds the request: {count:?}"
        );
    }
}

fn timed_out(count: &std::io::Result<usize>) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(count, Err(error) if matches!(error.kind(), WouldBlock | TimedOut))
}
