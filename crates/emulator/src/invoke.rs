// SPDX-License-Identifier: Apache-2.0
//! Invokes the function: for the front end, and for callers of the library as the Invoke APIs do.

use std::convert::Infallible;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::clock::epoch_millis;
use crate::invocation::{Answer, CallerContext, Invocation, InvocationError, Piece, StreamEnd};
use crate::settings::InvokeMode;

/// Largest event of a synchronous invocation (source: AWS page "Lambda quotas", where MB = 1,024 KB).
pub(crate) const EVENT_LIMIT: usize = 6 * 1024 * 1024;

/// One event for the function, and how it is to be invoked.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) request_id: Uuid,
    /// `Root=…` of the trace.
    pub(crate) trace_root: String,
    pub(crate) event: Bytes,
    pub(crate) mode: InvokeMode,
    pub(crate) context: CallerContext,
}

/// What a caller gets, and by what it knows that the environment is done with the invocation.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) answer: Answer,
    /// The end of the invocation's log; closes without it if there was no environment.
    pub(crate) log: oneshot::Receiver<Bytes>,
    /// Closes.
    pub(crate) over: oneshot::Receiver<Infallible>,
}

/// The one way into the function, for front ends and the library. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Invoker {
    pub(crate) invocations: mpsc::Sender<Invocation>,
}

impl Invoker {
    /// Resolves when the answer begins: with pieces as the function sends them, with a whole payload, or with the
    /// reason why there is none, be it that no environment is free.
    pub(crate) async fn invoke(&self, call: Call) -> Called {
        let (reply_to, answer) = oneshot::channel();
        let (guard, over) = oneshot::channel();
        let (log_to, log) = oneshot::channel();
        let parent = Uuid::new_v4().simple().to_string();
        let invocation = Invocation {
            request_id: call.request_id,
            attempt_id: Uuid::new_v4(),
            trace_id: format!(
                "{};Parent={};Sampled=0",
                call.trace_root,
                parent.get(..16).unwrap_or(&parent)
            ),
            event: call.event,
            mode: call.mode,
            context: call.context,
            reply_to,
            log: Some(log_to),
            guard: Some(guard),
        };
        let going_down = || {
            Answer::Failed(InvocationError::sandbox_failure(
                "the emulator is shutting down",
            ))
        };
        let answer = match self.invocations.send(invocation).await {
            Ok(()) => answer.await.unwrap_or_else(|_| going_down()),
            Err(_) => going_down(),
        };
        Called { answer, log, over }
    }

    /// The same as bytes, for whoever has no front end.
    pub(crate) async fn reply(
        &self,
        event: Bytes,
        mode: InvokeMode,
    ) -> Result<Reply, InvocationError> {
        if event.len() > EVENT_LIMIT {
            return Err(InvocationError::EventTooLarge {
                size: event.len(),
                limit: EVENT_LIMIT,
            });
        }
        let call = Call {
            request_id: Uuid::new_v4(),
            trace_root: new_trace_root(SystemTime::now()),
            event,
            mode,
            context: CallerContext::default(),
        };
        let Called { answer, over, .. } = self.invoke(call).await;
        let (content_type, rest) = match answer {
            Answer::Failed(error) => return Err(error),
            Answer::Payload { body } => (None, Rest::Payload(Some(body))),
            Answer::Stream {
                content_type,
                pieces,
            } => (content_type, Rest::Stream(pieces)),
        };
        Ok(Reply {
            content_type,
            rest,
            over,
        })
    }
}

/// `Root=…` of a new trace (source: AWS X-Ray's form of trace ids).
pub(crate) fn new_trace_root(now: SystemTime) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!(
        "Root=1-{:08x}-{}",
        epoch_millis(now) / 1000,
        random.get(..24).unwrap_or(&random)
    )
}

/// What the function answered to [`Emulator::invoke`](crate::Emulator::invoke), byte for byte: of a stream the prelude,
/// its delimiter and the payload. A reply that is not read holds the function back.
#[derive(Debug)]
pub struct Reply {
    content_type: Option<String>,
    rest: Rest,
    over: oneshot::Receiver<Infallible>,
}

#[derive(Debug)]
enum Rest {
    Payload(Option<Bytes>),
    Stream(mpsc::Receiver<Piece>),
}

impl Reply {
    /// Content type of the runtime's POST; not known of a buffered invocation.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The next piece as the runtime sends it, `None` at the end.
    ///
    /// # Errors
    /// A stream that ended with error trailers ([`InvocationError::Function`]) or broke off.
    ///
    /// # Cancel safety
    /// No piece is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, InvocationError> {
        let pieces = match &mut self.rest {
            Rest::Payload(payload) => return Ok(payload.take()),
            Rest::Stream(pieces) => pieces,
        };
        let end = match pieces.recv().await {
            Some(Piece::Data(data)) => return Ok(Some(data)),
            Some(Piece::End(end)) => end,
            None => StreamEnd::Cut(InvocationError::sandbox_failure(
                "the environment came to an end",
            )),
        };
        self.rest = Rest::Payload(None);
        match end {
            StreamEnd::Complete => Ok(None),
            StreamEnd::Trailers(error) => Err(InvocationError::Function(error)),
            StreamEnd::Cut(error) => Err(error),
        }
    }

    /// All that is left of the reply.
    ///
    /// # Errors
    /// As of [`Reply::next`].
    pub async fn collect(&mut self) -> Result<Bytes, InvocationError> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// Resolves when the environment is done with the invocation: the runtime and the extensions have asked for the
    /// next event, or the environment has fallen.
    pub async fn settled(self) {
        // A stream that nobody reads would hold the function back.
        drop(self.rest);
        // Nothing is ever sent; the other end is dropped.
        let _ = self.over.await;
    }
}
