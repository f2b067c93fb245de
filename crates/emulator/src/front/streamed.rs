// SPDX-License-Identifier: Apache-2.0
//! A function's streamed answer as an HTTP response (source: AWS page "Response streaming for Lambda functions").

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use tokio::sync::mpsc;

use super::body::Source;
use crate::invocation::{InvocationError, Piece, StreamEnd};
use crate::journal::AccessEnd;
use crate::reply::{self, ReplyError};
use crate::settings::{BrokenStreams, FrontKind};
use crate::stream::PreludeFinder;

/// The pieces of an answer, and what to make of a bad end.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) pieces: mpsc::Receiver<Piece>,
    pub(super) broken_streams: BrokenStreams,
}

/// What the client's connection is to do next.
#[derive(Debug)]
pub(super) enum Step {
    Data(Bytes),
    Done(AccessEnd),
    Cut(AccessEnd),
}

/// The bytes of a prelude, as an extension of the response that was made of it.
#[derive(Clone, Debug)]
pub(super) struct RawPrelude(pub(super) Bytes);

/// Why a stream is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoResponse {
    /// It is not prelude, delimiter and payload.
    #[error("{0}")]
    Form(String),
    /// Its prelude describes no head.
    #[error(transparent)]
    Head(#[from] ReplyError),
    /// The function gave up before its prelude.
    #[error("{0}")]
    Failed(String),
}

/// Content type of a stream that has none (source: middyjs/middy issue #1189).
const DEFAULT_TYPE: &str = "application/octet-stream";

impl Stream {
    /// The response's head as soon as it is known; the rest of the stream is its body.
    ///
    /// A stream whose content type announces no prelude is the body itself, with status 200 and that content type
    /// (source: aws-lambda-go `lambda/runtime_api_client.go`). API Gateway takes nothing but a prelude (source: AWS page
    /// "Set up a Lambda proxy integration with payload response streaming in API Gateway"); that it goes by the bytes
    /// and not by the content type is assumed.
    ///
    /// # Errors
    /// What keeps the stream from being a response.
    pub(super) async fn into_response(
        mut self,
        kind: FrontKind,
        content_type: Option<String>,
    ) -> Result<Response<Source>, NoResponse> {
        let strict = kind == FrontKind::RestStream;
        let content_type = content_type.filter(|text| !text.is_empty());
        let announced = content_type
            .as_deref()
            .is_some_and(reply::announces_prelude);
        if !announced && !strict {
            let value = content_type.and_then(|text| HeaderValue::from_str(&text).ok());
            return Ok(typed(
                Source::Stream {
                    first: None,
                    stream: self,
                },
                value,
            ));
        }
        let mut finder = PreludeFinder::default();
        let mut written = 0;
        loop {
            let piece = self.pieces.recv().await;
            match piece.unwrap_or_else(|| Piece::End(unannounced())) {
                Piece::Data(data) => {
                    written += data.len();
                    let Some(found) = finder
                        .push(&data)
                        .map_err(|error| NoResponse::Form(error.to_string()))?
                    else {
                        continue;
                    };
                    let mut head = reply::decode_prelude(kind, &found.prelude)?;
                    head.extensions.insert(RawPrelude(found.prelude));
                    let first = Some(found.rest).filter(|rest| !rest.is_empty());
                    return Ok(Response::from_parts(
                        head,
                        Source::Stream {
                            first,
                            stream: self,
                        },
                    ));
                }
                Piece::End(StreamEnd::Complete) if written == 0 && !strict => {
                    // Chunked like any stream, so the end is said once more to the body.
                    return Ok(typed(
                        Source::Stream {
                            first: None,
                            stream: self.ended(),
                        },
                        None,
                    ));
                }
                Piece::End(StreamEnd::Complete) => {
                    return Err(NoResponse::Form(format!(
                        "the stream ended after {written} bytes without the delimiter of 8 NULs"
                    )));
                }
                Piece::End(StreamEnd::Trailers(error)) => {
                    return Err(NoResponse::Failed(format!(
                        "the stream ended before its prelude with error trailers: {error}"
                    )));
                }
                Piece::End(StreamEnd::Cut(error)) => {
                    return Err(NoResponse::Failed(format!(
                        "the stream broke off before its prelude: {}",
                        error.line()
                    )));
                }
            }
        }
    }

    fn ended(self) -> Self {
        let (end, pieces) = mpsc::channel(1);
        // Cannot be full: nothing was sent.
        let _ = end.try_send(Piece::End(StreamEnd::Complete));
        Self { pieces, ..self }
    }

    pub(super) fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        let piece = ready!(self.pieces.poll_recv(context));
        Poll::Ready(match piece.unwrap_or_else(|| Piece::End(unannounced())) {
            Piece::Data(data) => Step::Data(data),
            Piece::End(StreamEnd::Complete) => Step::Done(AccessEnd::Complete),
            Piece::End(StreamEnd::Trailers(error)) => match self.broken_streams {
                BrokenStreams::EndCleanly => Step::Done(AccessEnd::FunctionError(error.error_type)),
                BrokenStreams::Cut => Step::Cut(AccessEnd::Cut(format!("error trailers, {error}"))),
            },
            Piece::End(StreamEnd::Cut(error)) => Step::Cut(AccessEnd::Cut(error.to_string())),
        })
    }
}

fn typed(source: Source, content_type: Option<HeaderValue>) -> Response<Source> {
    let mut response = Response::new(source);
    let content_type = content_type.unwrap_or(HeaderValue::from_static(DEFAULT_TYPE));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// The end of a hand-over that was closed without one.
fn unannounced() -> StreamEnd {
    StreamEnd::Cut(InvocationError::sandbox_failure(
        "the environment came to an end",
    ))
}
