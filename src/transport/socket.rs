// SPDX-License-Identifier: Apache-2.0
//! A TCP socket on which nothing waits for an acknowledgement, in either direction, and whose errors come in order.
//!
//! A small write is held back while the one before is not acknowledged (Nagle's algorithm), and an acknowledgement is
//! held back in the hope that data will carry it, for 40 ms on Linux. `TCP_NODELAY` takes the wait from our writes.
//! Peers may lack it: many an app writes its head, then its body. So whoever waits for more of a message that has begun
//! acknowledges its beginning first, with `TCP_QUICKACK` (tcp(7)); the option does not last, hence each time. What is
//! complete is acknowledged by our next request.
//!
//! A peer may answer and close before it has read all that we send. Then our next write fails, while its answer lies in
//! the kernel. hyper would give both up for that write; so the write only stalls, until reading has come to what broke
//! the connection.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::net::sockopt::set_tcp_quickack;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    arrivals: Rc<Arrivals>,
    /// Why nothing more can be written.
    broken: Option<io::ErrorKind>,
}

/// What has come, for whoever drives the connection: hyper keeps the socket to itself.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    answered: Cell<bool>,
    unacknowledged: Cell<bool>,
    hurries: Cell<bool>,
}

impl Arrivals {
    /// Nothing has come since a request that is sent now.
    pub(super) fn expect_answer(&self) {
        self.answered.set(false);
    }

    /// Whether any byte has come since then.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// More of a message is waited for. Whether the socket has to be read once more for the peer to learn that it may
    /// send on.
    pub(super) fn hurry(&self) -> bool {
        let hurries = self.unacknowledged.take();
        self.hurries.set(hurries);
        hurries
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            arrivals: Rc::default(),
            broken: None,
        })
    }

    pub(super) fn arrivals(&self) -> Rc<Arrivals> {
        Rc::clone(&self.arrivals)
    }

    fn write(
        &mut self,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.broken.is_none() {
            let polled = write(Pin::new(&mut self.stream));
            match &polled {
                // Data carries the acknowledgement.
                Poll::Ready(Ok(_)) => self.arrivals.unacknowledged.set(false),
                Poll::Ready(Err(error)) if is_end_of_peer(error.kind()) => {
                    self.broken = Some(error.kind());
                    return Poll::Pending;
                }
                _ => {}
            }
            return polled;
        }
        // Who writes also reads, and the end of the connection wakes the reader.
        Poll::Pending
    }
}

fn is_end_of_peer(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_pending() {
            if self.arrivals.hurries.take() {
                // Without it the peer is slower, not wrong.
                let _ = set_tcp_quickack(&self.stream, true);
            }
            return Poll::Pending;
        }
        if buffer.filled().len() > filled {
            self.arrivals.answered.set(true);
            self.arrivals.unacknowledged.set(true);
        } else if let (Poll::Ready(Ok(())), Some(io::ErrorKind::ConnectionReset)) =
            (&polled, self.broken)
        {
            // The kernel tells of a reset once, and the write has heard it: what looks like the end of all is none. (A
            // write that fails behind the peer's orderly end is a broken pipe.)
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
