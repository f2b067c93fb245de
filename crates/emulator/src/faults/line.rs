// SPDX-License-Identifier: Apache-2.0
//! The socket beneath the HTTP server: answers in pieces, and ends of connections that HTTP has no word for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Between two pieces, so that a reader that waits gets each by itself.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a closed connection's peer may go on to send. A socket that is closed over unread bytes is reset.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// How many bytes a connection writes at once, 0 for as many as there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces(Arc<AtomicUsize>);

impl Pieces {
    /// Applies from the next write on.
    pub(crate) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }
}

/// A connection of a process of the environment.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    pieces: Pieces,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Line {
    pub(crate) fn new(stream: TcpStream, pieces: Pieces) -> Self {
        Self {
            stream,
            pieces,
            pause: None,
        }
    }

    /// Ends the connection.
    pub(crate) async fn end(mut self, ending: Ending) {
        let last = match ending {
            Ending::Dropped => return,
            Ending::Reset => {
                // Fails on a connection that has gone, which is what is wanted.
                let _ = self.stream.set_zero_linger();
                return;
            }
            Ending::Closed(last) => last,
        };
        // A peer that has left does not see how it ends.
        let _ = self.stream.write_all(&last).await;
        let _ = self.stream.shutdown().await;
        let mut unread = [0; 1024];
        let drained = async { while matches!(self.stream.read(&mut unread).await, Ok(1..)) {} };
        let _ = tokio::time::timeout(CLOSE_WAIT, drained).await;
    }
}

/// How a connection ends without a complete answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Ending {
    /// By whatever the system does, as the environment is going away.
    #[error("dropped")]
    Dropped,
    /// RST.
    #[error("reset")]
    Reset,
    /// These bytes, and FIN.
    #[error("closed")]
    Closed(Bytes),
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Line {
    /// The pause, and then how many bytes may be written, if not all.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        let Some(bytes) = self.pieces.get() else {
            return Poll::Ready(None);
        };
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
        Poll::Ready(Some(bytes))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let piece = match ready!(self.poll_turn(context)) {
            Some(bytes) => data.get(..bytes).unwrap_or(data),
            None => data,
        };
        Pin::new(&mut self.stream).poll_write(context, piece)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.pieces.get().is_none() {
            return Pin::new(&mut self.stream).poll_write_vectored(context, data);
        }
        let first = data.iter().find(|data| !data.is_empty());
        self.poll_write(context, first.map_or(&[], |first| first))
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
