// SPDX-License-Identifier: Apache-2.0
//! One invocation, from its payload to its outcome. Read this file first.
//!
//! ```text
//! next ─ payload ─▶ event::decode ─ request ─▶ policy ─▶ app ─ response ─▶ reply ─▶ Runtime API
//! ```
//!
//! Plain async functions that keep no state between calls, so that invocations may overlap. Nothing here ends the
//! environment: whatever the event, the app or Lambda does, the caller goes on to the next event.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};

use crate::app::AppClient;
use crate::body::{End, First, Observe, Prefix};
use crate::event::{self, Refused};
use crate::failure::{Failure, error_type};
use crate::front::{Front, Mode};
use crate::logging::chain;
use crate::policy::{self, Facts, Field};
use crate::reply::{self, Prelude, ReplyError, error_response, repair_location};
use crate::runtime_api::{Invocation, RuntimeApi, RuntimeApiError, wire};
use crate::settings::Settings;
use crate::transport::{RequestBody, ResponseBody};

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
    settings: &'a Settings,
    event_secret: &'a HeaderValue,
    streamed_once: OnceCell<()>,
}

/// One invocation under way.
struct Exchange<'a> {
    proxy: &'a Proxy<'a>,
    invocation: &'a Invocation,
    front: Front,
    /// Shared with the body of a streamed reply, which sees the app fail last.
    app: Rc<Cell<AppState>>,
}

impl<'a> Proxy<'a> {
    pub(crate) fn new(
        runtime_api: &'a RuntimeApi,
        app: &'a AppClient,
        settings: &'a Settings,
        event_secret: &'a HeaderValue,
    ) -> Self {
        Self {
            runtime_api,
            app,
            settings,
            event_secret,
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
        let app = Rc::new(Cell::new(AppState::Good));
        let exchange = |front| Exchange {
            proxy: self,
            invocation,
            front,
            app: Rc::clone(&app),
        };
        match event::decode(&invocation.payload) {
            Ok(event) => {
                let route = format!("{} {}", event.request.method(), event.request.uri().path());
                let front = event.front;
                let status = exchange(front).serve(event).await?.as_u16();
                let elapsed_ms = u64::try_from(began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(
                    invocation.id,
                    ?front,
                    route,
                    http.status = status,
                    elapsed_ms,
                    "invocation ended"
                );
            }
            Err(Refused { error, front }) => {
                let message = chain(&error);
                tracing::error!(
                    invocation.id,
                    ?front,
                    error = message,
                    "event cannot be served"
                );
                match front {
                    Some(front) => {
                        let own = error_response(StatusCode::BAD_REQUEST, &message);
                        exchange(front).reply_whole(own).await?;
                    }
                    None => {
                        self.runtime_api
                            .fail(invocation, &Failure::new(error_type::EVENT, message))
                            .await?;
                    }
                }
            }
        }
        Ok(app.get())
    }
}

impl Exchange<'_> {
    /// Asks the app and replies; gives the status that the reply had.
    async fn serve(&self, event: event::Event) -> Result<StatusCode, RuntimeApiError> {
        let Proxy {
            settings,
            event_secret,
            ..
        } = *self.proxy;
        let facts = facts(self.invocation);
        let request = match policy::apply(settings, event_secret, event, facts) {
            Ok(request) => request,
            Err(forbidden) => {
                tracing::warn!(
                    invocation.id = self.invocation.id,
                    "request refused: {forbidden}"
                );
                return self
                    .reply_whole(error_response(
                        StatusCode::FORBIDDEN,
                        &forbidden.to_string(),
                    ))
                    .await;
            }
        };
        let is_head = request.method() == Method::HEAD;
        let mut response = match self.ask_app(request.map(RequestBody::from)).await {
            Ok(response) => response,
            Err(own) => return self.reply_whole(own).await,
        };
        let status = response.status();
        if self.fails_the_invocation(status) {
            return self.fail_with(response).await;
        }
        if settings.location_repair {
            repair_location(response.headers_mut(), self.proxy.app.authority().as_str());
        }
        match self.front.mode(settings.invoke_mode) {
            Mode::Streamed => self.reply_streamed(response, is_head).await?,
            Mode::Buffered => return self.reply_whole(self.collect(response).await).await,
        }
        Ok(status)
    }

    /// The app's response, or one of our own where there is none that can be passed on.
    async fn ask_app(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Response<Bytes>> {
        let cause = match self.proxy.app.send(request).await {
            Ok(response) if response.status().is_informational() => {
                format!(
                    "the app answered with status {}, which Lambda cannot pass on",
                    response.status()
                )
            }
            Ok(response) => return Ok(response),
            Err(error) => {
                self.app.set(AppState::Failed);
                format!("the app gave no response: {}", chain(&error))
            }
        };
        tracing::error!(invocation.id = self.invocation.id, "{cause}");
        Err(error_response(StatusCode::BAD_GATEWAY, &cause))
    }

    /// A queue or a stream learns of a failure only through a failed invocation; to a client it is a reply like others,
    /// unless the user wants otherwise.
    fn fails_the_invocation(&self, status: StatusCode) -> bool {
        match &self.proxy.settings.error_statuses {
            Some(statuses) => statuses.contains(status.as_u16()),
            None => matches!(self.front, Front::Other(_)) && status.is_server_error(),
        }
    }

    async fn fail_with(
        &self,
        response: Response<ResponseBody>,
    ) -> Result<StatusCode, RuntimeApiError> {
        let status = response.status();
        let body = self.collect(response).await.into_body();
        let excerpt = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
        tracing::error!(
            invocation.id = self.invocation.id,
            http.status = status.as_u16(),
            "app failed the invocation"
        );
        let failure = Failure::new(
            error_type::APP_STATUS,
            format!("the app answered with status {status}: {excerpt}"),
        );
        self.proxy
            .runtime_api
            .fail(self.invocation, &failure)
            .await?;
        Ok(status)
    }

    async fn reply_streamed<B>(
        &self,
        response: Response<B>,
        is_head: bool,
    ) -> Result<(), RuntimeApiError>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: std::error::Error + Unpin + 'static,
    {
        self.proxy.streamed_once.get_or_init(|| {
            tracing::info!(
                "replies are streamed: the function URL's invoke mode must be RESPONSE_STREAM"
            );
        });
        let (head, body) = response.into_parts();
        let may_have_body = !is_head
            && !matches!(
                head.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        let pads = self.proxy.settings.empty_body_pad && may_have_body;
        let prelude = match Prelude::new(head) {
            Ok(prelude) => prelude,
            Err(error) => {
                // Our own head is a few lines, so this happens once.
                let own = self.refused(&error).map(Full::new);
                return Box::pin(self.reply_streamed(own, is_head)).await;
            }
        };
        let (id, app) = (self.invocation.id.clone(), Rc::clone(&self.app));
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
        let body = Prefix::new(
            move |first| match first {
                First::End if pads => prelude.padded(),
                first => prelude.finish(first == First::End),
            },
            body,
        );
        self.proxy
            .runtime_api
            .respond_streamed(self.invocation, body)
            .await
    }

    /// Replies with a whole response in the mode and form of the front; gives the status that the reply has.
    async fn reply_whole(&self, response: Response<Bytes>) -> Result<StatusCode, RuntimeApiError> {
        let status = response.status();
        if self.front.mode(self.proxy.settings.invoke_mode) == Mode::Streamed {
            self.reply_streamed(response.map(Full::new), false).await?;
            return Ok(status);
        }
        let encode = |response: Response<Bytes>| match self.front {
            Front::Other(_) => reply::result(self.front, response.body()),
            _ => reply::buffered(self.front, response),
        };
        match encode(response) {
            Ok(json) => {
                self.proxy
                    .runtime_api
                    .respond_buffered(self.invocation, json)
                    .await?;
                Ok(status)
            }
            Err(error) if matches!(self.front, Front::Other(_)) => {
                let failure = Failure::new(error_type::APP_STATUS, error.to_string());
                self.proxy
                    .runtime_api
                    .fail(self.invocation, &failure)
                    .await?;
                Ok(StatusCode::BAD_GATEWAY)
            }
            Err(error) => {
                // The second is a short text.
                let json = encode(self.refused(&error)).unwrap_or_default();
                self.proxy
                    .runtime_api
                    .respond_buffered(self.invocation, json)
                    .await?;
                Ok(StatusCode::BAD_GATEWAY)
            }
        }
    }

    /// The whole response, or one of our own where it breaks off or is larger than any reply could be.
    async fn collect(&self, response: Response<ResponseBody>) -> Response<Bytes> {
        let limit = self.front.reply_limit();
        let (head, body) = response.into_parts();
        match Limited::new(body, limit).collect().await {
            Ok(body) => Response::from_parts(head, body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                self.refused(&ReplyError::BufferedTooLarge {
                    size: limit + 1,
                    limit,
                })
            }
            Err(error) => {
                self.app.set(AppState::Failed);
                let cause = format!("the app broke off its response: {}", chain(&*error));
                tracing::error!(invocation.id = self.invocation.id, "{cause}");
                error_response(StatusCode::BAD_GATEWAY, &cause)
            }
        }
    }

    fn refused(&self, error: &ReplyError) -> Response<Bytes> {
        tracing::error!(invocation.id = self.invocation.id, %error, "response cannot be passed on");
        error_response(StatusCode::BAD_GATEWAY, &error.to_string())
    }
}

/// What Lambda says of an invocation, for the app.
fn facts(invocation: &Invocation) -> Facts<'_> {
    let text = |name| {
        invocation
            .header(name)
            .and_then(|value| value.to_str().ok())
    };
    let json = |name| Field::Json(text(name).unwrap_or("null"));
    let deadline = text(wire::DEADLINE_MS).and_then(|deadline| deadline.parse().ok());
    let optional = |name| text(name).map_or(Field::Json("null"), Field::Text);
    Facts {
        lambda_context: policy::lambda_context([
            ("request_id", Field::Text(&invocation.id)),
            (
                "deadline",
                deadline.map_or(Field::Json("null"), Field::Number),
            ),
            ("invoked_function_arn", optional(wire::FUNCTION_ARN)),
            ("xray_trace_id", optional(wire::TRACE_ID)),
            ("client_context", json(wire::CLIENT_CONTEXT)),
            ("identity", json(wire::COGNITO_IDENTITY)),
            ("tenant_id", optional(wire::TENANT_ID)),
        ]),
        trace: invocation.header(wire::TRACE_ID),
        tenant: invocation.header(wire::TENANT_ID),
    }
}
