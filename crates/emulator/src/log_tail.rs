// SPDX-License-Identifier: Apache-2.0
//! The end of each open invocation's log, for callers of the Invoke APIs that ask for it (`LogType: Tail`).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::journal::Entry;

/// How much of its log a caller gets (source: AWS API reference "Invoke", `X-Amz-Log-Result`).
const TAIL_LIMIT: usize = 4 * 1024;

/// The tails of the invocations that are open in one environment. Where several are, each has the lines of all: who
/// wrote a line is not known.
#[derive(Debug, Default)]
pub(crate) struct LogTails(Mutex<Vec<Tail>>);

#[derive(Debug)]
struct Tail {
    request_id: String,
    text: VecDeque<u8>,
}

impl Tail {
    fn push(&mut self, line: &str) {
        self.text.extend(line.bytes().chain([b'\n']));
        let over = self.text.len().saturating_sub(TAIL_LIMIT);
        self.text.drain(..over);
    }
}

impl LogTails {
    /// Takes what belongs to the log of an invocation.
    pub(crate) fn see(&self, entry: &Entry) {
        match entry {
            Entry::Start { request_id, .. } => {
                let mut tail = Tail {
                    request_id: request_id.clone(),
                    text: VecDeque::new(),
                };
                tail.push(&entry.to_string());
                self.lock().push(tail);
            }
            Entry::Log { line, .. } => {
                for tail in self.lock().iter_mut() {
                    tail.push(line);
                }
            }
            Entry::InvocationFailed { request_id, .. }
            | Entry::StreamError { request_id, .. }
            | Entry::End { request_id }
            | Entry::Report { request_id, .. } => {
                let line = entry.to_string();
                for tail in self.lock().iter_mut() {
                    if tail.request_id == *request_id {
                        tail.push(&line);
                    }
                }
            }
            _ => {}
        }
    }

    /// The tail of an invocation that is over.
    pub(crate) fn take(&self, request_id: &str) -> Bytes {
        let mut tails = self.lock();
        let at = tails.iter().position(|tail| tail.request_id == request_id);
        at.map(|at| tails.swap_remove(at).text.into_iter().collect())
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Tail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{LogSource, LogStream};

    fn log(line: String) -> Entry {
        Entry::Log {
            source: LogSource::Function,
            stream: LogStream::Stdout,
            line,
        }
    }

    #[test]
    fn a_tail_is_the_last_four_kilobytes_of_its_own_invocation() {
        let tails = LogTails::default();
        let request_id = "a".to_owned();
        tails.see(&log("before".to_owned()));
        tails.see(&Entry::Start {
            request_id: request_id.clone(),
            trace_id: String::new(),
        });
        tails.see(&log("first".to_owned()));
        tails.see(&Entry::End {
            request_id: "b".to_owned(),
        });
        tails.see(&Entry::End { request_id });
        assert_eq!(
            tails.take("a"),
            "START RequestId: a Version: $LATEST\nfirst\nEND RequestId: a\n"
        );
        assert_eq!(tails.take("a"), "");

        tails.see(&Entry::Start {
            request_id: "c".to_owned(),
            trace_id: String::new(),
        });
        for number in 0..10_000 {
            tails.see(&log(number.to_string()));
        }
        let tail = tails.take("c");
        assert_eq!(tail.len(), TAIL_LIMIT);
        assert!(tail.ends_with(b"\n9999\n"));
    }
}
