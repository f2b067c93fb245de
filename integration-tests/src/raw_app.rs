// SPDX-License-Identifier: Apache-2.0
//! An app inside the test: what it does with a connection, byte by byte, is for the test to say.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::waiting::{PATIENCE, Watched};
use crate::wire::{Framing, Head};

/// A request, as far as the app has read it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection it came on.
    pub connection: usize,
    /// Request line and headers.
    pub head: Head,
    /// The body, where the app read it.
    pub body: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    closed: bool,
}

/// The app.
#[derive(Debug)]
pub struct RawApp {
    address: SocketAddr,
    state: Arc<Watched<State>>,
}

impl RawApp {
    /// Listens on a free port. Each connection is served on a thread of its own, and closes when `serve` returns.
    pub fn start(serve: impl Fn(&mut Conversation) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let state = Arc::new(Watched::new(State::default()));
        let (shared, serve) = (Arc::clone(&state), Arc::new(serve));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                if shared.lock().closed {
                    return;
                }
                let _ = stream.set_nodelay(true);
                let mut conversation = Conversation {
                    stream,
                    buffer: Vec::new(),
                    number,
                    state: Arc::clone(&shared),
                };
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(&mut conversation));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests for this target, so far.
    #[must_use]
    pub fn seen(&self, target: &str) -> Vec<Seen> {
        let state = self.state.lock();
        let of_target = state
            .seen
            .iter()
            .filter(|seen| seen.head.target() == target);
        of_target.cloned().collect()
    }
}

impl Drop for RawApp {
    fn drop(&mut self) {
        self.state.change(|state| state.closed = true);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection, as the app sees it.
#[derive(Debug)]
pub struct Conversation {
    stream: TcpStream,
    buffer: Vec<u8>,
    number: usize,
    state: Arc<Watched<State>>,
}

impl Conversation {
    /// Reads the next head; `None` when the peer is done.
    pub fn head(&mut self) -> Option<Head> {
        loop {
            match Head::parse(&self.buffer) {
                Ok(Some((head, length))) => {
                    self.buffer.drain(..length);
                    let seen = Seen {
                        connection: self.number,
                        head: head.clone(),
                        body: Vec::new(),
                    };
                    self.state.change(|state| state.seen.push(seen));
                    return Some(head);
                }
                Ok(None) => self.fill()?,
                Err(error) => panic!("the adapter sent a malformed head: {error}"),
            }
        }
    }

    /// Reads the next request to its end; `None` when the peer is done.
    pub fn request(&mut self) -> Option<Head> {
        let head = self.head()?;
        let complete = match head.framing(Framing::Empty) {
            Framing::Length(length) => {
                self.body(usize::try_from(length).expect("a length that fits"))
            }
            _ => true,
        };
        complete.then_some(head)
    }

    /// Reads so many bytes, as the body of the last request; whether they came.
    pub fn body(&mut self, length: usize) -> bool {
        while self.buffer.len() < length {
            if self.fill().is_none() {
                return false;
            }
        }
        let body = self.buffer.drain(..length).collect();
        let number = self.number;
        self.state.change(|state| {
            let mut mine = state.seen.iter_mut().rev();
            if let Some(seen) = mine.find(|seen| seen.connection == number) {
                seen.body = body;
            }
        });
        true
    }

    /// Waits until something has come, and leaves it unread; whether that was bytes.
    pub fn peek(&mut self) -> bool {
        matches!(self.stream.peek(&mut [0]), Ok(1..))
    }

    /// Sends bytes; whether they could be.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a whole response with this body; whether it could be.
    pub fn answer(&mut self, status: u16, body: &str) -> bool {
        let length = body.len();
        self.send(format!(
            "HTTP/1.1 {status} Answer\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }

    /// Sends bytes again and again until no more fit; whether the connection was there until then.
    pub fn fill_up(&mut self, block: &[u8]) -> bool {
        let unblocked = self.stream.set_nonblocking(true).is_ok();
        // A write may take a part only, and the rest has to follow it: what is read is whole blocks.
        let mut rest = block;
        let error = loop {
            match self.stream.write(rest) {
                Ok(taken) => rest = &rest[taken..],
                Err(error) => break error,
            }
            if rest.is_empty() {
                rest = block;
            }
        };
        let blocked = self.stream.set_nonblocking(false).is_ok();
        unblocked && blocked && error.kind() == std::io::ErrorKind::WouldBlock
    }

    /// From now on, closing means a reset.
    pub fn reset_at_close(&mut self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Waits until the peer has closed the connection; whether it did. Whatever it still sends is dropped.
    pub fn wait_until_gone(&mut self) -> bool {
        if self.stream.set_read_timeout(Some(PATIENCE)).is_err() {
            return false;
        }
        let mut block = vec![0; 64 * 1024];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    use std::io::ErrorKind::{TimedOut, WouldBlock};
                    return !matches!(error.kind(), WouldBlock | TimedOut);
                }
            }
        }
    }

    fn fill(&mut self) -> Option<()> {
        let mut block = vec![0; 64 * 1024];
        let count = self.stream.read(&mut block).ok()?;
        self.buffer.extend_from_slice(&block[..count]);
        (count > 0).then_some(())
    }
}
