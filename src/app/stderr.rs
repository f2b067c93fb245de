// SPDX-License-Identifier: Apache-2.0
//! The app's standard error: copied to the function's log as it comes, its last lines kept for a diagnosis.
//!
//! What the app writes before its answer belongs to that invocation's log, and Lambda may freeze the environment as soon
//! as it is asked for the next event. So [`AppStderr::settle`] comes before that.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionread};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// Bytes that are kept.
const KEPT: usize = 4 * 1024;
/// Bytes that are copied at once.
const CHUNK: usize = 8 * 1024;
/// How long a dead app's output may still arrive. Its children may hold the pipe open for ever.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(200);

/// Standard error of the process that the app is at the moment; an attached app's is not ours.
#[derive(Debug, Default)]
pub(crate) struct AppStderr(RefCell<Option<Arc<Relay>>>);

impl AppStderr {
    /// The app is another process now.
    pub(super) fn replace(&self, tail: &Tail) {
        *self.0.borrow_mut() = Some(Arc::clone(&tail.relay));
    }

    /// Waits until what the app has written by now is in the log, for no longer than `limit` gives.
    pub(crate) async fn settle(&self, limit: impl FnOnce() -> Duration) {
        let relay = match &*self.0.borrow() {
            Some(relay) if !relay.is_idle() => Arc::clone(relay),
            _ => return,
        };
        // Where nobody takes the log, nobody can be told of it.
        let _ = timeout(limit(), relay.settle()).await;
    }
}

/// What the copying thread shares.
#[derive(Debug)]
struct Relay {
    from: PipeReader,
    /// The thread may hold bytes that are in the pipe no longer and in the log not yet.
    is_copying: AtomicBool,
    /// Bytes that have been copied.
    copied: AtomicU64,
    progress: Notify,
    kept: Mutex<VecDeque<u8>>,
}

impl Relay {
    fn new(from: PipeReader) -> Self {
        Self {
            from,
            is_copying: AtomicBool::new(false),
            copied: AtomicU64::new(0),
            progress: Notify::new(),
            kept: Mutex::new(VecDeque::with_capacity(KEPT)),
        }
    }

    /// Copies to `to` until the end. A read alone would not do: `is_copying` has to be true before the bytes leave the
    /// pipe, and false while there are none.
    fn copy(&self, to: OwnedFd) {
        let mut to = File::from(to);
        let mut buffer = [0; CHUNK];
        loop {
            // Whatever else it says, the read knows more.
            while poll(&mut [PollFd::new(&self.from, PollFlags::IN)], None) == Err(Errno::INTR) {}
            self.is_copying.store(true, Ordering::SeqCst);
            let Ok(read @ 1..) = read(&self.from, &mut buffer) else {
                break;
            };
            // Nobody may be left to read it; the app must not notice.
            let _ = to.write_all(&buffer[..read]);
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&buffer[..read]);
            let surplus = kept.len().saturating_sub(KEPT);
            kept.drain(..surplus);
            drop(kept);
            self.has_copied(read);
        }
        self.has_copied(0);
    }

    fn has_copied(&self, bytes: usize) {
        self.copied.fetch_add(bytes as u64, Ordering::SeqCst);
        self.is_copying.store(false, Ordering::SeqCst);
        self.progress.notify_waiters();
    }

    /// Bytes that wait in the pipe.
    fn waiting(&self) -> u64 {
        ioctl_fionread(&self.from).unwrap_or_default()
    }

    /// Whether all that was written is in the log. In this order: what is not in the pipe may be with the thread.
    fn is_idle(&self) -> bool {
        self.waiting() == 0 && !self.is_copying.load(Ordering::SeqCst)
    }

    /// Waits until all that is written by now is in the log. An app that goes on writing is not waited for.
    async fn settle(&self) {
        let waiting = self.waiting();
        let enough = self.copied.load(Ordering::SeqCst) + waiting + CHUNK as u64;
        loop {
            let progress = self.progress.notified();
            if self.is_idle() || self.copied.load(Ordering::SeqCst) >= enough {
                return;
            }
            progress.await;
        }
    }
}

/// The last of what the app wrote.
#[derive(Debug)]
pub(super) struct Tail {
    relay: Arc<Relay>,
    /// `None`: everything has been read.
    finished: Option<oneshot::Receiver<()>>,
}

impl Tail {
    /// Copies `from` to `to` until its end. On a thread, since `to` is shared with other processes, which would not
    /// expect it to become non-blocking.
    pub(super) fn copy(from: PipeReader, to: OwnedFd) -> io::Result<Self> {
        let (finish, finished) = oneshot::channel();
        let relay = Arc::new(Relay::new(from));
        let copying = Arc::clone(&relay);
        thread::Builder::new()
            .name("app-stderr".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                copying.copy(to);
                let _ = finish.send(());
            })?;
        Ok(Self {
            relay,
            finished: Some(finished),
        })
    }

    /// The last lines, once the app has ended. May be dropped and called again.
    pub(super) async fn lines(&mut self) -> String {
        if let Some(finished) = &mut self.finished {
            let _ = timeout(DRAIN_TIMEOUT, finished).await;
            self.finished = None;
        }
        let kept = &self.relay.kept;
        let bytes = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_cut = bytes.len() == KEPT;
        let text: Vec<u8> = bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&text);
        let text = if is_cut {
            text.split_once('\n').map_or(&*text, |(_, rest)| rest)
        } else {
            &text
        };
        text.trim_end().to_owned()
    }
}

fn read(mut from: &PipeReader, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, pipe};
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    /// The app's end, the way, and the log's end.
    fn way() -> (PipeWriter, Tail, PipeReader) {
        let (from, app) = pipe().unwrap();
        let (log, to) = pipe().unwrap();
        (app, Tail::copy(from, to.into()).unwrap(), log)
    }

    #[tokio::test]
    async fn what_was_written_is_in_the_log_when_it_has_settled() {
        let (mut app, tail, mut log) = way();
        let stderr = AppStderr::default();
        stderr.replace(&tail);
        for written in 1..=1_000 {
            app.write_all(&vec![b'x'; written]).unwrap();
            stderr.settle(|| Duration::MAX).await;
            assert_eq!(ioctl_fionread(&log).unwrap(), written as u64);
            log.read_exact(&mut vec![0; written]).unwrap();
        }
    }

    #[tokio::test]
    async fn a_full_log_is_waited_for_until_the_limit() {
        let (mut app, tail, mut log) = way();
        // More than both pipes hold, if the copying did not go on.
        let most = vec![b'x'; 256 * 1024];
        let writing = thread::spawn(move || app.write_all(&most).map(|()| app));
        while !tail.relay.is_copying.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let stderr = AppStderr::default();
        stderr.replace(&tail);
        stderr.settle(|| Duration::from_millis(1)).await;
        assert!(!tail.relay.is_idle());
        log.read_exact(&mut vec![0; 256 * 1024]).unwrap();
        let _app = writing.join().unwrap().unwrap();
        stderr.settle(|| Duration::MAX).await;
        assert!(tail.relay.is_idle());
    }

    #[tokio::test]
    async fn an_app_that_writes_without_end_is_not_waited_for() {
        let (from, mut app) = pipe().unwrap();
        let relay = Relay::new(from);
        app.write_all(b"first").unwrap();
        let mut settled = pin!(relay.settle());
        assert!(settled.as_mut().now_or_never().is_none());
        relay.has_copied(4);
        app.write_all(b"second").unwrap();
        assert!(settled.as_mut().now_or_never().is_none());
        // As much as was in the pipe, and as the thread may have held.
        relay.has_copied(1 + CHUNK);
        assert!(settled.now_or_never().is_some());
        assert!(!relay.is_idle());
    }
}
