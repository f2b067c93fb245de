// SPDX-License-Identifier: Apache-2.0
//! One invocation, from its payload to its outcome. Read this file first.
//!
//! ```text
//! next ─ payload ─▶ event::decode ─ request ─▶ app ─ response ─▶ reply ─▶ Runtime API
//! ```
//!
//! Plain async functions that keep no state between calls, so that invocations may overlap. Nothing here ends the
//! environment: whatever the event, the app or Lambda does, the caller goes on to the next event.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};

use crate::app::AppClient;
use crate::body::{First, Observe, Prefix};
use crate::event;
use crate::front::Mode;
use crate::logging::chain;
use crate::reply::{self, BUFFERED_LIMIT, Prelude, ReplyError, error_response};
use crate::runtime_api::wire::error_type;
use crate::runtime_api::{Failure, Invocation, RuntimeApi, RuntimeApiError};
use crate::settings::InvokeMode;
use crate::transport::{RequestBody, ResponseBody};

const X_RAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The way between Lambda and the app.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) runtime_api: Rc<RuntimeApi>,
    pub(crate) app: AppClient,
    pub(crate) invoke_mode: InvokeMode,
    pub(crate) streamed_once: OnceCell<()>,
}

impl Proxy {
    /// Answers one invocation. An error is one of the Runtime API: the app's own become replies.
    pub(crate) async fn answer(&self, invocation: &Invocation) -> Result<(), RuntimeApiError> {
        let began_at = Instant::now();
        let event = match event::decode(&invocation.payload) {
            Ok(event) => event,
            Err(error) => {
                let message = chain(&error);
                tracing::error!(invocation.id, error = message, "event cannot be served");
                return self
                    .runtime_api
                    .fail(invocation, &Failure::new(error_type::EVENT, message))
                    .await;
            }
        };
        let mode = event.front.mode(self.invoke_mode);
        let route = format!("{} {}", event.request.method(), event.request.uri().path());
        let response = self
            .ask_app(invocation, event.request.map(RequestBody::from))
            .await;
        let status = response
            .as_ref()
            .map_or_else(Response::status, Response::status)
            .as_u16();
        let result = match (mode, response) {
            (Mode::Streamed, Ok(response)) => self.stream(invocation, response).await,
            (Mode::Streamed, Err(own)) => self.stream(invocation, own.map(Full::new)).await,
            (Mode::Buffered, Ok(response)) => {
                self.buffer(invocation, collect(response).await).await
            }
            (Mode::Buffered, Err(own)) => self.buffer(invocation, own).await,
        };
        let elapsed_ms = u64::try_from(began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            invocation.id,
            route,
            http.status = status,
            elapsed_ms,
            "invocation ended"
        );
        result
    }

    /// The app's response, or one of our own where there is none that can be passed on.
    async fn ask_app(
        &self,
        invocation: &Invocation,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Response<Bytes>> {
        if let Some(trace) = &invocation.trace {
            // Lambda's own segment is the parent, not the one that the front wrote.
            request.headers_mut().insert(X_RAY, trace.clone());
        }
        match self.app.send(request).await {
            Ok(response) if response.status().is_informational() => {
                let cause = format!(
                    "the app answered with status {}, which Lambda cannot pass on",
                    response.status()
                );
                tracing::warn!(invocation.id, "{cause}");
                Err(error_response(StatusCode::BAD_GATEWAY, &cause))
            }
            Ok(response) => Ok(response),
            Err(error) => {
                let cause = chain(&error);
                tracing::warn!(invocation.id, error = cause, "app gave no response");
                Err(error_response(StatusCode::BAD_GATEWAY, &cause))
            }
        }
    }

    async fn stream<B>(
        &self,
        invocation: &Invocation,
        response: Response<B>,
    ) -> Result<(), RuntimeApiError>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: std::error::Error + Unpin + 'static,
    {
        self.streamed_once.get_or_init(|| {
            tracing::info!(
                "replies are streamed: the function URL's invoke mode must be RESPONSE_STREAM"
            );
        });
        let (head, body) = response.into_parts();
        let prelude = match Prelude::new(head) {
            Ok(prelude) => prelude,
            Err(error) => {
                let own = Self::refused(invocation, &error);
                let (head, body) = own.into_parts();
                // Our own head is a few lines.
                let Ok(prelude) = Prelude::new(head) else {
                    return Ok(());
                };
                return self.post_stream(invocation, prelude, Full::new(body)).await;
            }
        };
        self.post_stream(invocation, prelude, body).await
    }

    async fn post_stream<B>(
        &self,
        invocation: &Invocation,
        prelude: Prelude,
        body: B,
    ) -> Result<(), RuntimeApiError>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: std::error::Error + Unpin + 'static,
    {
        let id = invocation.id.clone();
        let body = Observe::new(body, move |end, bytes| match end {
            crate::body::End::Failed(error) => {
                tracing::error!(
                    invocation.id = id,
                    error,
                    body.bytes = bytes,
                    "app broke off its response"
                );
            }
            end => tracing::debug!(
                invocation.id = id,
                ?end,
                body.bytes = bytes,
                "response body ended"
            ),
        });
        let body = Prefix::new(move |first| prelude.finish(first == First::End), body);
        self.runtime_api.respond_streamed(invocation, body).await
    }

    async fn buffer(
        &self,
        invocation: &Invocation,
        response: Response<Bytes>,
    ) -> Result<(), RuntimeApiError> {
        let json = reply::buffered(response)
            .or_else(|error| reply::buffered(Self::refused(invocation, &error)));
        // The second is a short text.
        self.runtime_api
            .respond_buffered(invocation, json.unwrap_or_default())
            .await
    }

    fn refused(invocation: &Invocation, error: &ReplyError) -> Response<Bytes> {
        tracing::error!(invocation.id, %error, "response cannot be passed on");
        error_response(StatusCode::BAD_GATEWAY, &error.to_string())
    }
}

/// The whole response, or one of our own where it breaks off or is larger than any reply could be.
async fn collect(response: Response<ResponseBody>) -> Response<Bytes> {
    let (head, body) = response.into_parts();
    match Limited::new(body, BUFFERED_LIMIT).collect().await {
        Ok(body) => Response::from_parts(head, body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let error = ReplyError::BufferedTooLarge {
                size: BUFFERED_LIMIT + 1,
            };
            tracing::error!(%error, "response cannot be passed on");
            error_response(StatusCode::BAD_GATEWAY, &error.to_string())
        }
        Err(error) => {
            let cause = format!("the app broke off its response: {}", chain(&*error));
            tracing::error!("{cause}");
            error_response(StatusCode::BAD_GATEWAY, &cause)
        }
    }
}

/// Whether an invocation is open, for whoever has to decide if the loop may be dropped.
#[derive(Debug, Default)]
pub(crate) struct Open(Cell<usize>);

impl Open {
    pub(crate) fn is_any(&self) -> bool {
        self.0.get() > 0
    }

    pub(crate) fn enter(&self) -> impl Drop + use<'_> {
        struct Entered<'a>(&'a Cell<usize>);
        impl Drop for Entered<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.0.set(self.0.get() + 1);
        Entered(&self.0)
    }
}
