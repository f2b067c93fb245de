// SPDX-License-Identifier: Apache-2.0
//! The app's standard error: copied to the function's log as it comes, its last lines kept for a diagnosis.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// Bytes that are kept.
const KEPT: usize = 4 * 1024;
/// How long a dead app's output may still arrive. Its children may hold the pipe open for ever.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(200);

/// The last of what the app wrote.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    /// `None`: everything has been read.
    finished: Option<oneshot::Receiver<()>>,
}

impl Tail {
    /// Copies `from` to `to` until its end. On a thread, since `to` is shared with other processes, which would not
    /// expect it to become non-blocking.
    pub(super) fn copy(mut from: PipeReader, to: OwnedFd) -> io::Result<Self> {
        let (finish, finished) = oneshot::channel();
        let bytes = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT)));
        let kept = Arc::clone(&bytes);
        thread::Builder::new()
            .name("app-stderr".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                let mut to = File::from(to);
                let mut buffer = [0; 8 * 1024];
                while let Ok(read @ 1..) = read(&mut from, &mut buffer) {
                    // Nobody may be left to read it; the app must not notice.
                    let _ = to.write_all(&buffer[..read]);
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend(&buffer[..read]);
                    let surplus = kept.len().saturating_sub(KEPT);
                    kept.drain(..surplus);
                }
                let _ = finish.send(());
            })?;
        Ok(Self {
            bytes,
            finished: Some(finished),
        })
    }

    /// The last lines, once the app has ended. May be dropped and called again.
    pub(super) async fn lines(&mut self) -> String {
        if let Some(finished) = &mut self.finished {
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, finished).await;
            self.finished = None;
        }
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
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

fn read(from: &mut PipeReader, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
