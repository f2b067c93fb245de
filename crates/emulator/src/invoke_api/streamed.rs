// SPDX-License-Identifier: Apache-2.0
//! The answer to `InvokeWithResponseStream`: an event for each piece as it comes, and one for the end.

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::event_stream::{PAYLOAD_LIMIT, invoke_complete, payload_chunk};
use super::refusal::Refusal;
use super::request::LogType;
use super::{Refused, Reply, payload};
use crate::front::record::Record;
use crate::invocation::{Answer, InvocationError, Piece, StreamEnd};
use crate::invoke::Called;
use crate::journal::AccessEnd;

/// What is left of an answer.
struct Answering {
    request_id: Uuid,
    rest: Rest,
    /// Of a piece that fits no single event.
    left: Bytes,
    log: Option<oneshot::Receiver<Bytes>>,
    record: Record,
}

enum Rest {
    Pieces(mpsc::Receiver<Piece>),
    Failed(InvocationError),
    Over,
}

/// Failures of the function are told in the stream, with status 200; the service's own are not.
pub(super) fn response(
    request_id: Uuid,
    called: Called,
    log_type: LogType,
    mut record: Record,
) -> Result<Reply, Refused> {
    let Called { answer, log, .. } = called;
    let (rest, left) = match answer {
        Answer::Stream { pieces, .. } => (Rest::Pieces(pieces), Bytes::new()),
        Answer::Payload { body } => (Rest::Over, body),
        Answer::Failed(error) => match Refusal::instead_of(&error) {
            Some(refusal) => return Err(Box::new((refusal, record))),
            None => (Rest::Failed(error), Bytes::new()),
        },
    };
    record.head(StatusCode::OK, &HeaderMap::new(), None);
    let answering = Answering {
        request_id,
        rest,
        left,
        log: Some(log).filter(|_| log_type == LogType::Tail),
        record,
    };
    let events = stream::unfold(Some(answering), |answering| async {
        let (event, answering) = answering?.next().await;
        Some((Ok::<_, Infallible>(Frame::data(event)), answering))
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.amazon.eventstream"),
    );
    Ok(response)
}

impl Answering {
    /// The next event; the last one is that of the end.
    async fn next(mut self) -> (Bytes, Option<Self>) {
        if self.left.is_empty()
            && let Rest::Pieces(pieces) = &mut self.rest
        {
            match pieces.recv().await {
                Some(Piece::Data(data)) => self.left = data,
                Some(Piece::End(StreamEnd::Complete)) => self.rest = Rest::Over,
                Some(Piece::End(StreamEnd::Trailers(error))) => {
                    return self
                        .end_with_trailers(&error.error_type, &error.payload)
                        .await;
                }
                Some(Piece::End(StreamEnd::Cut(error))) => self.rest = Rest::Failed(error),
                None => {
                    self.rest = Rest::Failed(InvocationError::sandbox_failure(
                        "the environment came to an end",
                    ));
                }
            }
        }
        if !self.left.is_empty() {
            let piece = self.left.split_to(self.left.len().min(PAYLOAD_LIMIT));
            self.record.sent(&piece);
            return (payload_chunk(&piece), Some(self));
        }
        match std::mem::replace(&mut self.rest, Rest::Over) {
            Rest::Failed(error) => {
                let details = payload::of_error(&error, self.request_id);
                let error_type = error.error_type().to_owned();
                self.end(Some((payload::UNHANDLED, &details, error_type)))
                    .await
            }
            Rest::Over | Rest::Pieces(_) => self.end(None).await,
        }
    }

    /// An end that the function chose: its own type is the code.
    async fn end_with_trailers(self, error_type: &str, body: &[u8]) -> (Bytes, Option<Self>) {
        self.end(Some((error_type, body, error_type.to_owned())))
            .await
    }

    async fn end(mut self, error: Option<(&str, &[u8], String)>) -> (Bytes, Option<Self>) {
        let mut told = json!({});
        if let Some((code, details, _)) = &error {
            told["ErrorCode"] = json!(code);
            told["ErrorDetails"] = Value::String(String::from_utf8_lossy(details).into_owned());
        }
        if let Some(log) = self.log.take() {
            // Its last line is the report, so the end waits until the environment is done.
            told["LogResult"] = json!(STANDARD.encode(log.await.unwrap_or_default()));
        }
        self.record.end(match error {
            Some((.., error_type)) => AccessEnd::FunctionError(error_type),
            None => AccessEnd::Complete,
        });
        (invoke_complete(&told), None)
    }
}
