// SPDX-License-Identifier: Apache-2.0
//! Does to a call what the script says.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Collected};

use super::{Act, CallBody, Change, Ending, Instead, Pieces, Timing, What};
use crate::wire::{self, ApiResponse};

/// Begins like nothing that HTTP knows; the first bytes are those of a TLS record.
const MALFORMED: &[u8] = b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n";

/// An extension of a request whose body is to be refused as too large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeRefused;

/// Lets a call go wrong; `answer` is what would have become of it.
pub(crate) async fn carry_out<F>(
    act: &Act,
    mut request: Request<CallBody>,
    pieces: &Pieces,
    answer: impl FnOnce(Request<CallBody>) -> F,
) -> Result<ApiResponse, Ending>
where
    F: Future<Output = Result<ApiResponse, Ending>>,
{
    pause(act.delay).await;
    match &act.what {
        What::Instead(instead, timing) => {
            if let Instead::ResetAfter(bytes) = instead {
                request.body_mut().cut_after(*bytes);
            }
            match timing {
                Timing::Early => {}
                Timing::Untaken => drain(&mut request).await,
                Timing::Taken => drop(answer(request).await?),
            }
            replace(instead).await
        }
        What::Answer(change) => {
            if *change == Change::SizeRefused {
                request.extensions_mut().insert(SizeRefused);
            }
            let answer = answer(request).await?;
            alter(answer, change, pieces).await
        }
    }
}

async fn pause(delay: Duration) {
    // Even a timer of nothing costs a turn of the clock.
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Reads a body that nobody takes.
async fn drain(request: &mut Request<CallBody>) {
    while let Some(Ok(_)) = request.body_mut().frame().await {}
}

async fn replace(instead: &Instead) -> Result<ApiResponse, Ending> {
    match instead {
        Instead::Stall => std::future::pending().await,
        Instead::Close => Err(Ending::Closed(Bytes::new())),
        Instead::Reset | Instead::ResetAfter(_) => Err(Ending::Reset),
        Instead::Status(status) => Ok(status_response(*status)),
        Instead::Malformed => Err(Ending::Closed(Bytes::from_static(MALFORMED))),
    }
}

async fn alter(
    mut answer: ApiResponse,
    change: &Change,
    pieces: &Pieces,
) -> Result<ApiResponse, Ending> {
    match change {
        Change::Late(delay) => pause(*delay).await,
        Change::Split(bytes) => pieces.set(*bytes),
        Change::Half => return Err(Ending::Closed(half(answer).await)),
        Change::Without(name) => {
            answer.headers_mut().remove(name);
        }
        Change::With(name, value) => {
            answer.headers_mut().insert(name, value.clone());
        }
        Change::SizeRefused => {}
    }
    Ok(answer)
}

/// As Lambda forms its errors (source: RIE `internal/lambda/rapi/rendering/render_error.go`).
fn status_response(status: StatusCode) -> ApiResponse {
    let error_type = match status.as_u16() {
        400 => "InvalidRequestID",
        403 => "InvalidStateTransition",
        410 => "InvokeTimeout",
        413 => "RequestEntityTooLarge",
        500.. => "InternalServerError",
        _ => "Unknown",
    };
    let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
    if bodyless.contains(&status) {
        return wire::empty(status);
    }
    wire::refused(status, error_type, &"by the fault script")
}

/// The head of an answer, whole, and half of its body.
async fn half(answer: ApiResponse) -> Bytes {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(Collected::to_bytes);
    let body = body.unwrap_or_default();
    let mut text = format!(
        "HTTP/1.1 {}\r\ncontent-length: {}\r\n",
        head.status,
        body.len()
    );
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        // Writing to a string does not fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    let kept = body.get(..body.len() / 2).unwrap_or_default();
    [text.as_bytes(), kept].concat().into()
}
