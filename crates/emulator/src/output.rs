// SPDX-License-Identifier: Apache-2.0
//! What the processes of an environment write: passed on byte by byte, and told line by line.
//!
//! Each process gets a pipe for standard output and one for standard error, as on the service. What was written before
//! an entry of the journal is told before it: the pipes are emptied first ([`Output::drain`]), so that an invocation's
//! lines stand between its START and its END.

use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinSet;

use crate::journal::{Entry, Journal, LogSource, LogStream};

/// Longest line that is told in one piece (source: AWS page "CloudWatch Logs quotas", maximum event size).
const LINE_LIMIT: usize = 256 * 1024;

/// Most that one look at a pipe takes: what it can hold, and so all that was in it when the look began.
const PIPE_CAPACITY: usize = 1024 * 1024;

const BLOCK: usize = 16 * 1024;

/// Whether the output of the function's processes also goes where this process's own goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessOutput {
    /// Byte by byte, standard output to standard output and standard error to standard error.
    #[default]
    PassedOn,
    /// It is told to the journal alone, as [`Entry::Log`].
    JournalOnly,
}

/// The pipes of one environment's processes.
#[derive(Debug)]
pub(crate) struct Output {
    journal: Journal,
    kept: ProcessOutput,
    pipes: Mutex<Vec<Arc<Pipe>>>,
    readers: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Pipe {
    receiver: Receiver,
    source: LogSource,
    stream: LogStream,
    /// The beginning of a line that has not ended; also keeps two readers apart.
    begun: Mutex<Vec<u8>>,
}

impl Output {
    /// Lines go to `journal`.
    pub(crate) fn new(journal: Journal, kept: ProcessOutput) -> Arc<Self> {
        Arc::new(Self {
            journal,
            kept,
            pipes: Mutex::default(),
            readers: Mutex::default(),
        })
    }

    /// A new pipe's end for a process to write to.
    pub(crate) fn pipe(
        self: &Arc<Self>,
        source: LogSource,
        stream: LogStream,
    ) -> io::Result<Stdio> {
        let (reader, writer) = io::pipe()?;
        let pipe = Arc::new(Pipe {
            receiver: Receiver::from_owned_fd(OwnedFd::from(reader))?,
            source,
            stream,
            begun: Mutex::default(),
        });
        lock(&self.pipes).push(Arc::clone(&pipe));
        let output = Arc::downgrade(self);
        lock(&self.readers).spawn(async move {
            while pipe.receiver.readable().await.is_ok() {
                let Some(output) = output.upgrade() else {
                    return;
                };
                if output.read_on(&pipe) {
                    lock(&output.pipes).retain(|known| !Arc::ptr_eq(known, &pipe));
                    return;
                }
            }
        });
        Ok(writer.into())
    }

    /// One block, and true at the pipe's end.
    fn read_on(&self, pipe: &Pipe) -> bool {
        let mut begun = lock(&pipe.begun);
        let mut block = [0; BLOCK];
        match pipe.receiver.try_read(&mut block) {
            Ok(0) => {
                self.tell_rest(pipe, &mut begun);
                true
            }
            Ok(count) => {
                self.take(pipe, &mut begun, block.get(..count).unwrap_or_default());
                false
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Tells what has been written by now.
    pub(crate) fn drain(&self) {
        let pipes = lock(&self.pipes).clone();
        for pipe in pipes {
            let mut begun = lock(&pipe.begun);
            let (mut block, mut taken) = ([0; BLOCK], 0);
            // Not `try_read`, which knows only what the event loop has been told of.
            while taken < PIPE_CAPACITY
                && let Ok(count @ 1..) = rustix::io::read(&pipe.receiver, &mut block)
            {
                taken += count;
                self.take(&pipe, &mut begun, block.get(..count).unwrap_or_default());
            }
        }
    }

    fn take(&self, pipe: &Pipe, begun: &mut Vec<u8>, bytes: &[u8]) {
        if self.kept == ProcessOutput::PassedOn {
            // Output that nobody reads any more is no reason to stop serving.
            let _ = match pipe.stream {
                LogStream::Stdout => pass_on(&mut io::stdout().lock(), bytes),
                LogStream::Stderr => pass_on(&mut io::stderr().lock(), bytes),
            };
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            begun.extend_from_slice(piece);
            if begun.ends_with(b"\n") || begun.len() >= LINE_LIMIT {
                self.tell(pipe, begun);
            }
        }
    }

    fn tell(&self, pipe: &Pipe, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        self.journal.write(&Entry::Log {
            source: pipe.source.clone(),
            stream: pipe.stream,
            line: text.trim_end_matches(['\n', '\r']).to_owned(),
        });
        line.clear();
    }

    fn tell_rest(&self, pipe: &Pipe, begun: &mut Vec<u8>) {
        if !begun.is_empty() {
            self.tell(pipe, begun);
        }
    }
}

fn pass_on(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn recorded() -> (Arc<Output>, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let journal = Journal::new(move |entry| {
            if let Entry::Log { line, .. } = entry {
                lock(&told).push(line.clone());
            }
        });
        (Output::new(journal, ProcessOutput::JournalOnly), lines)
    }

    #[tokio::test]
    async fn what_was_written_before_is_told_before() {
        let (output, lines) = recorded();
        let stdout = output.pipe(LogSource::Function, LogStream::Stdout).unwrap();
        let mut command = Command::new("printf");
        command.args([r"one\ntwo\nnot ended"]).stdout(stdout);
        let status = command.status().unwrap();
        assert!(status.success());
        // No event loop has run since.
        output.drain();
        assert_eq!(*lock(&lines), ["one", "two"]);
    }

    #[tokio::test]
    async fn the_last_line_needs_no_end_and_a_long_one_is_cut() {
        let (output, lines) = recorded();
        let stdout = output.pipe(LogSource::Function, LogStream::Stdout).unwrap();
        let script = format!("head -c {LINE_LIMIT} /dev/zero | tr '\\0' x; printf end");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdout(stdout)
            .spawn()
            .unwrap();
        while !lock(&output.pipes).is_empty() {
            tokio::task::yield_now().await;
        }
        child.wait().unwrap();
        let lines = lock(&lines);
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!(lengths.iter().sum::<usize>(), LINE_LIMIT + 3);
        assert!(lengths.iter().all(|&length| length < LINE_LIMIT + BLOCK));
        assert!(lines.last().unwrap().ends_with("end"));
    }
}
