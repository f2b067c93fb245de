// SPDX-License-Identifier: Apache-2.0
//! What the app answers.

use std::convert::Infallible;
use std::fmt::Write as _;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::time;

use crate::text;

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_STORE: (HeaderName, &str) = (CACHE_CONTROL, "no-store");
const X_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");

/// What `/echo` takes: more than a Lambda event can carry, so that the limit seen is Lambda's.
const ECHO_LIMIT: usize = 16 * 1024 * 1024;

/// The app: all its routes.
pub(crate) fn app() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/stream", get(stream_plain))
        .route("/sse", get(stream_events))
        .route("/buffered", get(buffered))
        .route("/echo", post(echo).layer(DefaultBodyLimit::max(ECHO_LIMIT)))
        .route("/file", get(file))
}

async fn page() -> impl IntoResponse {
    ([NO_STORE], Html(include_str!("page.html")))
}

/// The text as it is made, for `curl -N`.
async fn stream_plain() -> impl IntoResponse {
    let newline = stream::once(async { "\n" });
    let body = Body::from_stream(paced_tokens().chain(newline).map(Ok::<_, Infallible>));
    (
        [NO_STORE, (CONTENT_TYPE, "text/plain; charset=utf-8")],
        body,
    )
}

/// The text as it is made, for an `EventSource`. The last event tells the page that nothing more comes: an `EventSource`
/// that only sees the connection close would connect anew.
async fn stream_events() -> impl IntoResponse {
    let tokens = paced_tokens().map(|token| Event::default().data(token));
    let done = stream::once(async { Event::default().event("done").data("complete") });
    (
        [NO_STORE],
        Sse::new(tokens.chain(done).map(Ok::<_, Infallible>)),
    )
}

/// The text made at the same pace, and sent when it is complete.
async fn buffered() -> impl IntoResponse {
    time::sleep(text::duration()).await;
    ([NO_STORE], text::tokens().collect::<String>())
}

/// The request's body, with its content type.
async fn echo(headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let content_type = headers.get(CONTENT_TYPE).cloned().unwrap_or(PLAIN_TEXT);
    ([(CONTENT_TYPE, content_type)], body)
}

/// Bytes that are no text: every value a byte can have, in an order that a wrong decoder would not restore.
async fn file() -> impl IntoResponse {
    let bytes: Vec<u8> = (0..64 * 1024_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        write!(digest, "{byte:02x}").expect("a string takes every write");
    }
    (
        [
            (CONTENT_TYPE, "application/octet-stream".to_owned()),
            (X_CONTENT_SHA256, digest),
        ],
        bytes,
    )
}

/// Each token once it is made: the first after one step, like every other.
fn paced_tokens() -> impl Stream<Item = &'static str> {
    let start = time::Instant::now();
    stream::iter(text::tokens().zip(1_u32..)).then(move |(token, nth)| async move {
        // Counted from the start, so that the timer's rounding does not add up and both panes end together.
        time::sleep_until(start + text::PACE * nth).await;
        token
    })
}
