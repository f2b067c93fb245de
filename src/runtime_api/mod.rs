// SPDX-License-Identifier: Apache-2.0
//! Edge: Lambda's Runtime API (2018-06-01). Fetches invocations and posts replies and failures.
//!
//! Source: AWS, "Using the Lambda runtime API for custom runtimes" and "Building a custom runtime for AWS Lambda".
//! What an invocation means is left to `proxy`. Invariant: no second `next` while an invocation is open, since Lambda
//! would answer with the same event again.

mod refusal;
mod reply_body;
pub(crate) mod wire;

use std::error::Error;
use std::iter::successors;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::body::Broken;
use crate::failure::Failure;
use crate::settings::StreamErrors;
use crate::transport::{Aborted, Authority, Client, RequestBody, ResponseBody, TransportError};

use reply_body::ReplyBody;

/// Waits between tries of a call that Lambda did not take. Their sum is well under the shortest timeout in use.
const RETRY_INTERVALS: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(125),
    Duration::from_millis(625),
];

/// Kept back from an invocation's deadline by whatever comes before the next poll: Lambda has to see that before.
pub(crate) const POLL_RESERVE: Duration = Duration::from_millis(100);
/// The longest timeout that a function can have, with room.
const LONGEST_INVOCATION: Duration = Duration::from_hours(2);
/// The least that a document gets, however near the deadline, and what the report of a failed start gets: Lambda learns
/// of that from our exit too.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeApiError {
    #[error("runtime API {call} failed")]
    Transport {
        call: &'static str,
        source: TransportError,
    },
    #[error("runtime API {call} broke off")]
    Cut {
        call: &'static str,
        source: hyper::Error,
    },
    #[error("runtime API refused {call} with {status}{}: {message}", refusal::meaning(*.status))]
    Refused {
        call: &'static str,
        status: StatusCode,
        message: String,
    },
    #[error("runtime API did not answer {0} in time")]
    TimedOut(&'static str),
    #[error("runtime API answered {call} before it had all of it")]
    Early { call: &'static str },
    #[error("runtime API answered {call} without a usable `{header}` header")]
    MissingHeader {
        call: &'static str,
        header: &'static str,
    },
}

/// One event, and what Lambda says of it.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Request id, as it stands in paths.
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    headers: HeaderMap,
}

impl Invocation {
    /// What Lambda says in a header of this name. Managed Instances send some empty; an empty one is an absent one.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name).filter(|value| !value.is_empty())
    }

    /// When Lambda ends it, in milliseconds since 1970.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let value = self.header(wire::DEADLINE_MS)?;
        value.to_str().ok()?.parse().ok()
    }

    /// How long Lambda may take for a reply.
    fn reply_timeout(&self) -> Duration {
        let left = self.time_left().unwrap_or(LONGEST_INVOCATION);
        left.saturating_sub(POLL_RESERVE)
            .clamp(DOCUMENT_TIMEOUT, LONGEST_INVOCATION)
    }

    /// How long until Lambda ends it. An open invocation is never frozen.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let deadline = Duration::from_millis(self.deadline_ms()?);
        Some(deadline.saturating_sub(SystemTime::UNIX_EPOCH.elapsed().ok()?))
    }
}

/// The Runtime API at one authority.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    client: Rc<Client>,
}

impl RuntimeApi {
    pub(crate) fn new(authority: Authority) -> Self {
        Self {
            client: Client::to_lambda(authority),
        }
    }

    /// Waits for the next event, for as long as it takes: the environment may be frozen meanwhile.
    pub(crate) async fn next(&self) -> Result<Invocation, RuntimeApiError> {
        const CALL: &str = "next";
        let response = self
            .call(
                CALL,
                Method::GET,
                wire::NEXT,
                HeaderMap::new(),
                RequestBody::from(Bytes::new()),
            )
            .await?;
        let (head, body) = response.into_parts();
        let payload = body
            .collect()
            .await
            .map_err(|source| RuntimeApiError::Cut { call: CALL, source })?
            .to_bytes();
        accepted(CALL, head.status, &payload)?;
        let id = head
            .headers
            .get(wire::REQUEST_ID)
            .and_then(|id| id.to_str().ok());
        let id = id.filter(|id| !id.is_empty() && id.bytes().all(wire::is_unreserved));
        let missing = RuntimeApiError::MissingHeader {
            call: CALL,
            header: "lambda-runtime-aws-request-id",
        };
        Ok(Invocation {
            id: id.ok_or(missing)?.to_owned(),
            payload,
            headers: head.headers,
        })
    }

    /// Posts a streamed reply; returns when Lambda has taken all of it, or the reply was cut on purpose.
    pub(crate) async fn respond_streamed<B>(
        &self,
        invocation: &Invocation,
        body: B,
        errors: StreamErrors,
    ) -> Result<(), RuntimeApiError>
    where
        B: Body<Data = Bytes, Error = Broken> + Unpin + 'static,
    {
        const CALL: &str = "response";
        let body = ReplyBody::new(body, errors);
        let has_ended = body.has_ended();
        let body = RequestBody::Streamed(Box::pin(body));
        let mut headers = echo(invocation);
        headers.insert(wire::RESPONSE_MODE, wire::STREAMING);
        headers.insert(header::CONTENT_TYPE, wire::HTTP_INTEGRATION);
        headers.insert(header::TRAILER, wire::ERROR_TRAILERS);
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
        let posted = self
            .post(CALL, &wire::response(&invocation.id), headers, body)
            .await;
        match posted {
            Err(error) if error.is_own() => Ok(()),
            // An answer ends the call, and whatever had not been sent is lost.
            Ok(()) if !has_ended.get() => Err(RuntimeApiError::Early { call: CALL }),
            posted => posted,
        }
    }

    /// Posts a whole reply. A call that breaks is repeated: Lambda takes one reply for an id and refuses the second.
    pub(crate) async fn respond_buffered(
        &self,
        invocation: &Invocation,
        json: Bytes,
    ) -> Result<(), RuntimeApiError> {
        let (path, headers) = (wire::response(&invocation.id), echo(invocation));
        let limit = invocation.reply_timeout();
        self.post_document("response", &path, headers, json, limit)
            .await
    }

    /// Reports that an invocation failed. Only before a reply has begun.
    pub(crate) async fn fail(
        &self,
        invocation: &Invocation,
        failure: &Failure,
    ) -> Result<(), RuntimeApiError> {
        let headers = with_error_type(echo(invocation), failure);
        let path = wire::error(&invocation.id);
        let limit = invocation.reply_timeout();
        self.post_document("error", &path, headers, failure.to_json(), limit)
            .await
    }

    /// Reports that the start failed. Only before the first `next`.
    pub(crate) async fn fail_init(&self, failure: &Failure) -> Result<(), RuntimeApiError> {
        self.report("init/error", wire::INIT_ERROR, failure).await
    }

    /// Tells Lambda that the snapshot may be taken; returns in an environment that was restored from it.
    pub(crate) async fn restored(&self) -> Result<(), RuntimeApiError> {
        const CALL: &str = "restore/next";
        let none = RequestBody::from(Bytes::new());
        let response = self
            .call(
                CALL,
                Method::GET,
                wire::RESTORE_NEXT,
                HeaderMap::new(),
                none,
            )
            .await?;
        let (head, body) = response.into_parts();
        let answer = body
            .collect()
            .await
            .map_err(|source| RuntimeApiError::Cut { call: CALL, source })?
            .to_bytes();
        self.client.forget_idle();
        accepted(CALL, head.status, &answer)
    }

    /// Reports that the restore failed.
    pub(crate) async fn fail_restore(&self, failure: &Failure) -> Result<(), RuntimeApiError> {
        self.report("restore/error", wire::RESTORE_ERROR, failure)
            .await
    }

    /// Reports what ends the environment.
    async fn report(
        &self,
        call: &'static str,
        path: &str,
        failure: &Failure,
    ) -> Result<(), RuntimeApiError> {
        let headers = with_error_type(HeaderMap::new(), failure);
        let json = failure.to_json();
        self.post_document(call, path, headers, json, DOCUMENT_TIMEOUT)
            .await
    }

    /// Posts a document, again where the call does not come through; Lambda has so long for all of it.
    async fn post_document(
        &self,
        call: &'static str,
        path: &str,
        mut headers: HeaderMap,
        json: Bytes,
        limit: Duration,
    ) -> Result<(), RuntimeApiError> {
        headers.insert(header::CONTENT_TYPE, wire::JSON);
        let mut intervals = RETRY_INTERVALS.iter();
        let mut is_repeat = false;
        let until = Instant::now() + limit;
        loop {
            let body = RequestBody::from(json.clone());
            let posted = timeout_at(until, self.post(call, path, headers.clone(), body)).await;
            match (
                posted.unwrap_or(Err(RuntimeApiError::TimedOut(call))),
                intervals.next(),
            ) {
                (Err(error), Some(interval)) if error.is_passing() => {
                    tracing::warn!(error = %crate::logging::chain(&error), "repeating a call");
                    tokio::time::sleep(*interval).await;
                    is_repeat = true;
                }
                // The first try had arrived after all.
                (Err(RuntimeApiError::Refused { status, .. }), _)
                    if is_repeat && refusal::says_it_is_answered(status) =>
                {
                    return Ok(());
                }
                (result, _) => return result,
            }
        }
    }

    async fn post(
        &self,
        call: &'static str,
        path: &str,
        headers: HeaderMap,
        body: RequestBody,
    ) -> Result<(), RuntimeApiError> {
        let (head, body) = self
            .call(call, Method::POST, path, headers, body)
            .await?
            .into_parts();
        let answer = body
            .collect()
            .await
            .map_err(|source| RuntimeApiError::Cut { call, source })?
            .to_bytes();
        accepted(call, head.status, &answer)
    }

    async fn call(
        &self,
        call: &'static str,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: RequestBody,
    ) -> Result<Response<ResponseBody>, RuntimeApiError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path
            .parse()
            .expect("paths are constants around an id of unreserved characters");
        *request.headers_mut() = headers;
        self.client
            .send(request)
            .await
            .map_err(|source| RuntimeApiError::Transport { call, source })
    }
}

impl RuntimeApiError {
    /// Whether we have cut the connection ourselves.
    fn is_own(&self) -> bool {
        let mut causes = successors(Some(self as &dyn Error), |error| (*error).source());
        causes.any(<dyn Error>::is::<Aborted>)
    }

    /// Whether the same call may succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Cut { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::MissingHeader { .. } | Self::Early { .. } | Self::TimedOut(_) => false,
        }
    }
}

fn accepted(call: &'static str, status: StatusCode, answer: &[u8]) -> Result<(), RuntimeApiError> {
    if status.is_success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&answer[..answer.len().min(512)]).into_owned();
    Err(RuntimeApiError::Refused {
        call,
        status,
        message,
    })
}

fn echo(invocation: &Invocation) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(attempt) = invocation.header(wire::INVOCATION_ID) {
        headers.insert(wire::INVOCATION_ID, attempt.clone());
    }
    headers
}

fn with_error_type(mut headers: HeaderMap, failure: &Failure) -> HeaderMap {
    headers.insert(
        wire::ERROR_TYPE,
        HeaderValue::from_static(failure.error_type()),
    );
    headers
}
