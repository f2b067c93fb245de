// SPDX-License-Identifier: Apache-2.0
//! `POST /runtime/invocation/{id}/response`: from the runtime's socket to the front, in either invoke mode.
//!
//! The body is moved by a task of its own, as the HTTP server drops a handler whose connection breaks, and a broken
//! body has to be told to the front. The invoke mode alone decides whether pieces are passed on as they come; the mode
//! header is validated and otherwise without effect (source: RIE `internal/lambda/core/directinvoke/directinvoke.go`;
//! aws-lambda-go never sends it).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Dropped, echo, refuse};
use crate::environment::Shared;
use crate::faults::{CallBody, SizeRefused};
use crate::invocation::{Answer, InvocationError, Piece, ReportedError, StreamEnd};
use crate::journal::Entry;
use crate::pace::{Pace, STREAM_LIMIT};
use crate::settings::InvokeMode;
use crate::state::{Refusal, RuntimeCall};
use crate::wire::{self, ApiResponse};

/// Largest buffered response: 6 MiB and 100 bytes (source: RIE `internal/lambda/interop/model.go`).
const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024 + 100;

/// Pieces between the runtime's connection and the client's; a full hand-over stops reading from the runtime.
const HAND_OVER: usize = 1;

pub(super) async fn respond(
    shared: &Arc<Shared>,
    request_id: &str,
    request: Request<CallBody>,
) -> Result<ApiResponse, Dropped> {
    let (head, body) = request.into_parts();
    let accepted = match shared.accept(RuntimeCall::Response, request_id, echo(&head.headers)) {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    let post = Post {
        shared: Arc::clone(shared),
        request_id: request_id.to_owned(),
        sequence: accepted.sequence,
        body,
    };
    if let Some(mode) = head
        .headers
        .get(wire::RESPONSE_MODE)
        .filter(|mode| !mode.is_empty() && *mode != "streaming")
    {
        let error =
            InvocationError::ResponseMode(String::from_utf8_lossy(mode.as_bytes()).into_owned());
        post.failed(&error);
        let _ = accepted.reply_to.send(Answer::Failed(error));
        // No transition to "response sent": the service leaves the runtime in this state, too.
        return Ok(wire::refused(
            StatusCode::BAD_REQUEST,
            "InvalidFunctionResponseMode",
            &"Invalid function response mode",
        ));
    }
    let content_type = head
        .headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let size_refused = head.extensions.get::<SizeRefused>().is_some();
    let work = tokio::spawn(async move {
        match accepted.mode {
            _ if size_refused => post.refuse_size(accepted.reply_to).await,
            InvokeMode::ResponseStream => post.stream(content_type, accepted.reply_to).await,
            InvokeMode::Buffered => post.collect(accepted.reply_to).await,
        }
    });
    work.await.unwrap_or(Err(Dropped))
}

/// How reading one more frame went.
enum Read {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    Broken,
    Aborted(InvocationError),
}

/// What is left for a stream to do.
struct Course<'a> {
    hand_over: &'a mpsc::Sender<Piece>,
    pace: Pace,
    /// Bytes until the limit.
    left: usize,
    /// Whether the log says that it is slowed down.
    told: bool,
}

struct Post {
    shared: Arc<Shared>,
    request_id: String,
    sequence: u64,
    body: CallBody,
}

impl Post {
    async fn read(&mut self) -> Read {
        let frame = tokio::select! {
            frame = self.body.frame() => frame,
            reason = self.shared.aborted(self.sequence) => return Read::Aborted(reason),
        };
        match frame {
            None => Read::End,
            Some(Err(_)) => Read::Broken,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.shared.responses.read(self.sequence, data.len());
                    Read::Data(data)
                }
                Err(other) => other
                    .into_trailers()
                    .map_or(Read::Data(Bytes::new()), Read::Trailers),
            },
        }
    }

    async fn stream(
        mut self,
        content_type: Option<String>,
        reply_to: oneshot::Sender<Answer>,
    ) -> Result<ApiResponse, Dropped> {
        let (hand_over, pieces) = mpsc::channel(HAND_OVER);
        // A front that has gone is not told to the function: its stream is consumed to the end.
        let _ = reply_to.send(Answer::Stream {
            content_type,
            pieces,
        });
        let mut course = Course {
            hand_over: &hand_over,
            pace: self.shared.pace(),
            left: STREAM_LIMIT,
            told: false,
        };
        let end = loop {
            match self.read().await {
                Read::Data(data) => {
                    let passed_on = tokio::select! {
                        passed_on = self.pass_on(data, &mut course) => passed_on,
                        reason = self.shared.aborted(self.sequence) => break Err(reason),
                    };
                    if let Err(oversized) = passed_on {
                        self.failed(&STREAM_TOO_LARGE);
                        break Ok(StreamEnd::Trailers(oversized));
                    }
                }
                Read::Trailers(trailers) => {
                    if let Some(error) = trailer_error(&trailers) {
                        self.shared.journal.write(&Entry::StreamError {
                            request_id: self.request_id.clone(),
                            error: error.clone(),
                        });
                        break Ok(StreamEnd::Trailers(error));
                    }
                }
                Read::End => break Ok(StreamEnd::Complete),
                Read::Broken => break Ok(StreamEnd::Cut(InvocationError::Truncated)),
                Read::Aborted(reason) => break Err(reason),
            }
        };
        let end = match end {
            Ok(end) => end,
            Err(reason) => {
                // The client may be slow; the environment does not wait for it, closing the hand-over cuts as well.
                let _ = hand_over.try_send(Piece::End(StreamEnd::Cut(reason)));
                return self.given_up();
            }
        };
        let truncated = matches!(end, StreamEnd::Cut(_));
        let oversized = matches!(&end, StreamEnd::Trailers(error) if *error == too_large_stream());
        if truncated {
            self.failed(&InvocationError::Truncated);
        }
        tokio::select! {
            _ = hand_over.send(Piece::End(end)) => {}
            _ = self.shared.aborted(self.sequence) => return self.given_up(),
        }
        Ok(self.sent(if truncated {
            truncated_response()
        } else if oversized {
            too_large_response(STREAM_LIMIT)
        } else {
            wire::accepted()
        }))
    }

    /// Hands a piece to the client, no faster than the stream may go.
    ///
    /// # Errors
    /// The end of a stream that is too long.
    async fn pass_on(&self, mut data: Bytes, course: &mut Course<'_>) -> Result<(), ReportedError> {
        let oversized = data.len() > course.left;
        data.truncate(course.left);
        course.left -= data.len();
        while !data.is_empty() {
            match course.pace.take(data.len(), Instant::now()) {
                Ok(size) => {
                    // An error means that the client has gone; reading goes on.
                    let _ = course
                        .hand_over
                        .send(Piece::Data(data.split_to(size)))
                        .await;
                }
                Err(later) => {
                    if !std::mem::replace(&mut course.told, true) {
                        self.shared.journal.write(&Entry::Paced {
                            request_id: self.request_id.clone(),
                        });
                    }
                    tokio::time::sleep_until(later).await;
                }
            }
        }
        if oversized {
            Err(too_large_stream())
        } else {
            Ok(())
        }
    }

    async fn collect(mut self, reply_to: oneshot::Sender<Answer>) -> Result<ApiResponse, Dropped> {
        let mut payload = BytesMut::new();
        let (answer, response) = loop {
            match self.read().await {
                Read::Data(data) if payload.len() + data.len() > PAYLOAD_LIMIT => {
                    break (Answer::Failed(TOO_LARGE), too_large_response(PAYLOAD_LIMIT));
                }
                Read::Data(data) => payload.extend_from_slice(&data),
                Read::Trailers(trailers) => {
                    if let Some(error) = trailer_error(&trailers) {
                        break (
                            Answer::Failed(InvocationError::Function(error)),
                            wire::accepted(),
                        );
                    }
                }
                Read::End => {
                    break (
                        Answer::Payload {
                            body: payload.freeze(),
                        },
                        wire::accepted(),
                    );
                }
                Read::Broken => {
                    break (
                        Answer::Failed(InvocationError::Truncated),
                        truncated_response(),
                    );
                }
                Read::Aborted(reason) => {
                    let _ = reply_to.send(Answer::Failed(reason));
                    return self.given_up();
                }
            }
        };
        if let Answer::Failed(error) = &answer {
            self.failed(error);
        }
        let _ = reply_to.send(answer);
        Ok(self.sent(response))
    }

    /// Refuses the body for its size, whatever that is, and with it the invocation.
    async fn refuse_size(
        mut self,
        reply_to: oneshot::Sender<Answer>,
    ) -> Result<ApiResponse, Dropped> {
        while matches!(self.read().await, Read::Data(_) | Read::Trailers(_)) {}
        self.failed(&TOO_LARGE);
        let _ = reply_to.send(Answer::Failed(TOO_LARGE));
        Ok(self.sent(too_large_response(PAYLOAD_LIMIT)))
    }

    /// The environment goes down, or goes on without this invocation.
    fn given_up(&self) -> Result<ApiResponse, Dropped> {
        if self.shared.peek(|state| state.is_late(&self.request_id)) {
            return Ok(refuse(&Refusal::Late(self.request_id.clone())));
        }
        Err(Dropped)
    }

    /// Takes the runtime on to its next poll.
    fn sent(&self, response: ApiResponse) -> ApiResponse {
        match self.shared.apply(|state| state.sent(self.sequence)) {
            Ok(()) => response,
            Err(refusal) => refuse(&refusal),
        }
    }

    fn failed(&self, error: &InvocationError) {
        self.shared.journal.write(&Entry::InvocationFailed {
            request_id: self.request_id.clone(),
            error: error.clone(),
        });
    }
}

const TOO_LARGE: InvocationError = InvocationError::TooLarge {
    limit: PAYLOAD_LIMIT,
};

const STREAM_TOO_LARGE: InvocationError = InvocationError::TooLarge {
    limit: STREAM_LIMIT,
};

fn too_large_response(limit: usize) -> ApiResponse {
    wire::refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        &format!("Exceeded maximum allowed payload size ({limit} bytes)."),
    )
}

/// How a stream above the limit ends for its client (source: RIE `internal/lambda/core/directinvoke/directinvoke.go`).
fn too_large_stream() -> ReportedError {
    let (error_type, message) = (STREAM_TOO_LARGE.error_type(), STREAM_TOO_LARGE.to_string());
    let payload = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    ReportedError {
        error_type: error_type.to_owned(),
        payload: payload.to_string().into(),
        message,
    }
}

fn truncated_response() -> ApiResponse {
    wire::refused(
        StatusCode::BAD_REQUEST,
        "TruncatedHTTPRequest",
        &"HTTP request detected as truncated",
    )
}

/// The error in the trailers of a stream (source: AWS page "Building a custom runtime for AWS Lambda").
fn trailer_error(trailers: &HeaderMap) -> Option<ReportedError> {
    let text = |name| {
        trailers
            .get(name)
            .map(|value: &header::HeaderValue| value.as_bytes())
    };
    let error_type = text(wire::ERROR_TYPE)
        .map(String::from_utf8_lossy)
        .filter(|text| !text.is_empty())?;
    let encoded = text(wire::ERROR_BODY).unwrap_or_default();
    let body = STANDARD
        .decode(encoded)
        .unwrap_or_else(|_| encoded.to_vec());
    Some(ReportedError::from_body(Some(&error_type), &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_trailers_are_decoded() {
        let mut trailers = HeaderMap::new();
        assert_eq!(trailer_error(&trailers), None);
        trailers.insert(wire::ERROR_TYPE, "Runtime.StreamError".parse().unwrap());
        let body = STANDARD.encode(r#"{"errorMessage":"reset","errorType":"Runtime.StreamError"}"#);
        trailers.insert(wire::ERROR_BODY, body.parse().unwrap());
        assert_eq!(
            trailer_error(&trailers).unwrap().to_string(),
            "Runtime.StreamError: reset"
        );
        trailers.insert(wire::ERROR_BODY, "not base64!".parse().unwrap());
        assert_eq!(
            trailer_error(&trailers).unwrap().to_string(),
            "Runtime.StreamError: not base64!"
        );
    }
}
