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
use crate::body::{End, First, Observe, Prefix};
use crate::event;
use crate::failure::{Failure, error_type};
use crate::front::Mode;
use crate::logging::chain;
use crate::reply::{self, BUFFERED_LIMIT, Prelude, ReplyError, error_response};
use crate::runtime_api::{Invocation, RuntimeApi, RuntimeApiError};
use crate::settings::InvokeMode;
use crate::transport::{RequestBody, ResponseBody};

const X_RAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// What an invocation showed of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppState {
    Good,
    /// It gave no response, or broke one off. It may be gone.
    Failed,
}

/// The way between Lambda and the app.
#[derive(Debug)]
pub(crate) struct Proxy<'a> {
    pub(crate) runtime_api: &'a RuntimeApi,
    app: &'a AppClient,
    invoke_mode: InvokeMode,
    streamed_once: OnceCell<()>,
}

impl<'a> Proxy<'a> {
    pub(crate) fn new(
        runtime_api: &'a RuntimeApi,
        app: &'a AppClient,
        invoke_mode: InvokeMode,
    ) -> Self {
        Self {
            runtime_api,
            app,
            invoke_mode,
            streamed_once: OnceCell::new(),
        }
    }

    /// Whether a new connection to the app is accepted.
    pub(crate) async fn app_listens(&self) -> bool {
        self.app.authority().connect().await.is_ok()
    }

    /// Answers one invocation. An error is one of the Runtime API: the app's own become replies.
    pub(crate) async fn answer(
        &self,
        invocation: &Invocation,
    ) -> Result<AppState, RuntimeApiError> {
        let began_at = Instant::now();
        let event = match event::decode(&invocation.payload) {
            Ok(event) => event,
            Err(error) => {
                let message = chain(&error);
                tracing::error!(invocation.id, error = message, "event cannot be served");
                let failure = Failure::new(error_type::EVENT, message);
                return self
                    .runtime_api
                    .fail(invocation, &failure)
                    .await
                    .map(|()| AppState::Good);
            }
        };
        let mode = event.front.mode(self.invoke_mode);
        let route = format!("{} {}", event.request.method(), event.request.uri().path());
        let app = Rc::new(Cell::new(AppState::Good));
        let response = self
            .ask_app(invocation, event.request.map(RequestBody::from), &app)
            .await;
        let status = response
            .as_ref()
            .map_or_else(Response::status, Response::status)
            .as_u16();
        let replied = match (mode, response) {
            (Mode::Streamed, Ok(response)) => self.stream(invocation, response, &app).await,
            (Mode::Streamed, Err(own)) => self.stream(invocation, own.map(Full::new), &app).await,
            (Mode::Buffered, Ok(response)) => {
                let whole = collect(invocation, response, &app).await;
                self.buffer(invocation, whole).await
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
        replied.map(|()| app.get())
    }

    /// The app's response, or one of our own where there is none that can be passed on.
    async fn ask_app(
        &self,
        invocation: &Invocation,
        mut request: Request<RequestBody>,
        app: &Cell<AppState>,
    ) -> Result<Response<ResponseBody>, Response<Bytes>> {
        if let Some(trace) = &invocation.trace {
            // Lambda's own segment is the parent, not the one that the front wrote.
            request.headers_mut().insert(X_RAY, trace.clone());
        }
        let cause = match self.app.send(request).await {
            Ok(response) if response.status().is_informational() => {
                format!(
                    "the app answered with status {}, which Lambda cannot pass on",
                    response.status()
                )
            }
            Ok(response) => return Ok(response),
            Err(error) => {
                app.set(AppState::Failed);
                format!("the app gave no response: {}", chain(&error))
            }
        };
        tracing::error!(invocation.id, "{cause}");
        Err(error_response(StatusCode::BAD_GATEWAY, &cause))
    }

    async fn stream<B>(
        &self,
        invocation: &Invocation,
        response: Response<B>,
        app: &Rc<Cell<AppState>>,
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
                // Our own head is a few lines, so this happens once.
                let own = refused(invocation, &error).map(Full::new);
                return Box::pin(self.stream(invocation, own, app)).await;
            }
        };
        let (id, app) = (invocation.id.clone(), Rc::clone(app));
        let body = Observe::new(body, move |end, bytes| match end {
            End::Failed(error) => {
                app.set(AppState::Failed);
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
        let json =
            reply::buffered(response).or_else(|error| reply::buffered(refused(invocation, &error)));
        // The second is a short text.
        self.runtime_api
            .respond_buffered(invocation, json.unwrap_or_default())
            .await
    }
}

/// The whole response, or one of our own where it breaks off or is larger than any reply could be.
async fn collect(
    invocation: &Invocation,
    response: Response<ResponseBody>,
    app: &Cell<AppState>,
) -> Response<Bytes> {
    let (head, body) = response.into_parts();
    match Limited::new(body, BUFFERED_LIMIT).collect().await {
        Ok(body) => Response::from_parts(head, body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => refused(
            invocation,
            &ReplyError::BufferedTooLarge {
                size: BUFFERED_LIMIT + 1,
            },
        ),
        Err(error) => {
            app.set(AppState::Failed);
            let cause = format!("the app broke off its response: {}", chain(&*error));
            tracing::error!(invocation.id, "{cause}");
            error_response(StatusCode::BAD_GATEWAY, &cause)
        }
    }
}

fn refused(invocation: &Invocation, error: &ReplyError) -> Response<Bytes> {
    tracing::error!(invocation.id, %error, "response cannot be passed on");
    error_response(StatusCode::BAD_GATEWAY, &error.to_string())
}
