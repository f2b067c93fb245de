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
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tokio::time::timeout_at;

use crate::app::AppClient;
use crate::app::health::Health;
use crate::background::{Background, Token, Waited};
use crate::body::{End, Explain, First, Observe, Prefix};
use crate::compression::{self, Client, Coding, CollectError, Collected, Compressed, Encoder};
use crate::event::{self, Refused};
use crate::failure::{Failure, error_type};
use crate::front::{Front, Mode};
use crate::headers::TOKEN;
use crate::logging::chain;
use crate::policy::{self, Facts, Field};
use crate::reply::{self, Prelude, ReplyError, error_response, repair_location};
use crate::runtime_api::{Invocation, RuntimeApi, RuntimeApiError, wire};
use crate::settings::{Compression, Settings};
use crate::transport::{RequestBody, ResponseBody};

/// Kept back from Lambda's deadline, for a reply of our own.
const DEADLINE_MARGIN: Duration = Duration::from_millis(500);

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
    pub(crate) health: &'a Rc<Health>,
    /// `None`: the app has no way to tell of work behind its response.
    background: Option<&'a Rc<Background>>,
    settings: &'a Settings,
    event_secret: &'a HeaderValue,
    streamed_once: OnceCell<()>,
}

/// Why there is no response of the app that can be passed on.
struct Trouble {
    status: StatusCode,
    cause: String,
}

impl Trouble {
    fn bad_gateway(cause: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_GATEWAY,
            cause: cause.into(),
        }
    }
}

impl From<ReplyError> for Trouble {
    fn from(error: ReplyError) -> Self {
        Self::bad_gateway(error.to_string())
    }
}

/// One invocation under way.
struct Exchange<'a> {
    proxy: &'a Proxy<'a>,
    invocation: &'a Invocation,
    front: Front,
    /// Shared with the body of a streamed reply, which sees the app fail last.
    app: Rc<Cell<AppState>>,
    token: Option<&'a Token>,
}

impl<'a> Proxy<'a> {
    pub(crate) fn new(
        runtime_api: &'a RuntimeApi,
        app: &'a AppClient,
        health: &'a Rc<Health>,
        background: Option<&'a Rc<Background>>,
        settings: &'a Settings,
        event_secret: &'a HeaderValue,
    ) -> Self {
        Self {
            runtime_api,
            app,
            health,
            background,
            settings,
            event_secret,
            streamed_once: OnceCell::new(),
        }
    }

    /// Has the app looked after if nobody listens for it any more.
    pub(crate) async fn suspect_if_gone(&self) {
        if self.app.authority().connect().await.is_err() {
            self.health.suspect();
        }
    }

    /// Answers one invocation. An error is one of the Runtime API: the app's own become replies.
    pub(crate) async fn answer(
        &self,
        invocation: &Invocation,
    ) -> Result<AppState, RuntimeApiError> {
        let began_at = Instant::now();
        let app = Rc::new(Cell::new(AppState::Good));
        let token = self.background.map(Background::issue);
        let exchange = |front| Exchange {
            token: token.as_ref(),
            proxy: self,
            invocation,
            front,
            app: Rc::clone(&app),
        };
        match event::decode(&invocation.payload) {
            Ok(event) => {
                let route = tracing::enabled!(tracing::Level::DEBUG)
                    .then(|| format!("{} {}", event.request.method(), event.request.uri().path()));
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
                if let Some(front) = front {
                    let trouble = Trouble {
                        status: StatusCode::BAD_REQUEST,
                        cause: message,
                    };
                    exchange(front).tell(trouble).await?;
                } else {
                    tracing::error!(invocation.id, "event cannot be served: {message}");
                    let failure = Failure::new(error_type::EVENT, message);
                    self.runtime_api.fail(invocation, &failure).await?;
                }
            }
        }
        if let Some(token) = &token {
            self.wait_for_background(invocation, token).await;
        }
        Ok(app.get())
    }

    /// Holds the invocation open, behind its reply, while the app works for it.
    async fn wait_for_background(&self, invocation: &Invocation, token: &Token) {
        let began_at = Instant::now();
        let failures = self.health.failures();
        let most = tokio::time::Instant::now().checked_add(self.settings.background_max);
        let deadline = invocation
            .deadline
            .and_then(|at| at.checked_sub(DEADLINE_MARGIN));
        let until = most.into_iter().chain(deadline).min();
        let waited = tokio::select! {
            waited = token.wait(until) => waited,
            () = self.health.failed_since(failures) => Waited::TimeIsUp,
        };
        let elapsed_ms = u64::try_from(began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        match waited {
            Waited::Not => {}
            Waited::Done => tracing::debug!(invocation.id, elapsed_ms, "background work is done"),
            Waited::TimeIsUp => tracing::warn!(
                invocation.id,
                elapsed_ms,
                "background work is not done, but its time is up; lambda may freeze it"
            ),
        }
    }
}

impl Exchange<'_> {
    /// Asks the app and replies; gives the status that the reply had.
    async fn serve(&self, event: event::Event) -> Result<StatusCode, RuntimeApiError> {
        match self.try_serve(event).await {
            Ok(replied) => replied,
            Err(trouble) => self.tell(trouble).await,
        }
    }

    async fn try_serve(
        &self,
        event: event::Event,
    ) -> Result<Result<StatusCode, RuntimeApiError>, Trouble> {
        let Proxy {
            settings,
            event_secret,
            ..
        } = *self.proxy;
        let facts = facts(self.invocation);
        // What the client asks for, whatever the user makes of it for the app.
        let compresses = settings.compression != Compression::Off && self.front.is_http();
        let client = compresses.then(|| Client::of(&event.request));
        let request =
            policy::apply(settings, event_secret, event, facts).map_err(|forbidden| Trouble {
                status: StatusCode::FORBIDDEN,
                cause: forbidden.to_string(),
            })?;
        let is_head = request.method() == Method::HEAD;
        let mut request = request.map(RequestBody::from);
        if let Some(token) = self.token.and_then(Token::to_header) {
            request.headers_mut().insert(TOKEN, token);
        }
        let mut response = self.ask_app(request).await?;
        if let Some(token) = self.token
            && let Err(value) = token.take_announced(response.headers_mut())
        {
            tracing::warn!(
                invocation.id = self.invocation.id,
                "x-streamgate-background={value:?} is not a number of seconds"
            );
        }
        let status = response.status();
        if self.fails_the_invocation(status) {
            let body = self.collect(response).await?.into_body();
            let excerpt = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
            let cause = format!("the app answered with status {status}: {excerpt}");
            return Ok(self.fail(cause).await.map(|()| status));
        }
        if settings.location_repair {
            repair_location(response.headers_mut(), self.proxy.app.authority().as_str());
        }
        let coding = client
            .and_then(|client| client.settle(settings.compression, status, response.headers_mut()));
        if self.front.mode(settings.invoke_mode) == Mode::Streamed {
            let (mut head, body) = response.into_parts();
            let body = self.observed(body);
            let may_have_body =
                !is_head && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            let pads = settings.empty_body_pad && may_have_body;
            let Some(coding) = coding else {
                let prelude = Prelude::new(head)?;
                let begin = move |first| begin(prelude, first, pads);
                return Ok(self.stream(begin, body).await.map(|()| status));
            };
            let encoder = Encoder::new(coding).map_err(cannot_compress)?;
            // An empty body is not compressed, and that it is empty is known only when it is asked.
            let plain = Prelude::new(head.clone())?;
            compression::announce(coding, &mut head.headers);
            let changed = Prelude::new(head)?;
            let begin = move |first| match first {
                First::End => begin(plain, first, pads),
                First::Body => changed.finish(false),
            };
            let body = Compressed::new(body, encoder);
            return Ok(self.stream(begin, body).await.map(|()| status));
        }
        let response = match coding {
            None => self.collect(response).await?,
            Some(coding) => self.collect_compressed(coding, response).await?,
        };
        let json = self.encode(response)?;
        let replied = self
            .proxy
            .runtime_api
            .respond_buffered(self.invocation, json)
            .await;
        Ok(replied.map(|()| status))
    }

    async fn ask_app(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Trouble> {
        let health = self.proxy.health;
        self.app_is_ready().await?;
        let failures = health.failures();
        match self.proxy.app.send(request).await {
            Ok(response) if response.status().is_informational() => {
                Err(Trouble::bad_gateway(format!(
                    "the app answered with status {}, which Lambda cannot pass on",
                    response.status()
                )))
            }
            Ok(response) => Ok(response),
            Err(error) => {
                self.app.set(AppState::Failed);
                let cause = health.cause_since(failures, self.proxy.app).await;
                Err(Trouble::bad_gateway(match cause {
                    Some(cause) => format!("the app gave no response: {cause}"),
                    None => format!("the app gave no response: {}", chain(&error)),
                }))
            }
        }
    }

    /// Waits for an app that comes up, as long as a reply can still be given.
    async fn app_is_ready(&self) -> Result<(), Trouble> {
        let health = self.proxy.health;
        if health.is_ready() {
            return Ok(());
        }
        let until = self
            .invocation
            .deadline
            .and_then(|at| at.checked_sub(DEADLINE_MARGIN));
        let ready = if let Some(until) = until {
            timeout_at(until, health.ready()).await
        } else {
            health.ready().await;
            Ok(())
        };
        ready.map_err(|_| Trouble {
            status: StatusCode::SERVICE_UNAVAILABLE,
            cause: match health.last_cause() {
                Some(cause) => format!("the app is not up again yet: {cause}"),
                None => "the app is not ready yet".to_owned(),
            },
        })
    }

    /// A queue or a stream learns of a failure only through a failed invocation; to a client it is a reply like others,
    /// unless the user wants otherwise.
    fn fails_the_invocation(&self, status: StatusCode) -> bool {
        match &self.proxy.settings.error_statuses {
            Some(statuses) => statuses.contains(status.as_u16()),
            None => matches!(self.front, Front::Other(_)) && status.is_server_error(),
        }
    }

    /// Tells whoever waits that there is no response of the app: a client by a reply of our own, and a queue by a failed
    /// invocation, since it would take any result for success.
    async fn tell(&self, trouble: Trouble) -> Result<StatusCode, RuntimeApiError> {
        let Trouble { status, cause } = trouble;
        if matches!(self.front, Front::Other(_)) {
            self.fail(cause).await?;
            return Ok(status);
        }
        if status.is_client_error() {
            tracing::warn!(
                invocation.id = self.invocation.id,
                http.status = status.as_u16(),
                "{cause}"
            );
        } else {
            tracing::error!(
                invocation.id = self.invocation.id,
                http.status = status.as_u16(),
                "{cause}"
            );
        }
        let own = error_response(status, &cause);
        if self.front.mode(self.proxy.settings.invoke_mode) == Mode::Streamed {
            let (head, body) = own.into_parts();
            // Our own head is a few lines, and our own body a short text.
            if let Ok(prelude) = Prelude::new(head) {
                let begin = move |first| begin(prelude, first, false);
                self.stream(begin, Full::new(body)).await?;
            }
        } else {
            let json = self.encode(own).unwrap_or_default();
            self.proxy
                .runtime_api
                .respond_buffered(self.invocation, json)
                .await?;
        }
        Ok(status)
    }

    async fn fail(&self, cause: String) -> Result<(), RuntimeApiError> {
        tracing::error!(
            invocation.id = self.invocation.id,
            "invocation failed: {cause}"
        );
        let failure = Failure::new(error_type::APP_STATUS, cause);
        self.proxy.runtime_api.fail(self.invocation, &failure).await
    }

    /// Replies with what `begin` makes, and then the body.
    async fn stream<P, B>(&self, begin: P, body: B) -> Result<(), RuntimeApiError>
    where
        P: FnOnce(First) -> Bytes + Unpin + 'static,
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: std::error::Error + Unpin + 'static,
    {
        self.proxy.streamed_once.get_or_init(|| {
            tracing::info!(
                "replies are streamed: the function URL's invoke mode must be RESPONSE_STREAM"
            );
        });
        let body = Prefix::new(begin, body);
        self.proxy
            .runtime_api
            .respond_streamed(self.invocation, body)
            .await
    }

    /// The app's body, whose end is logged, and remembered if it was a bad one.
    fn observed(
        &self,
        body: ResponseBody,
    ) -> impl Body<Data = Bytes, Error: std::error::Error + Send + Sync + Unpin> + Unpin + use<>
    {
        let body = self.explained(body);
        let (id, app) = (self.invocation.id.clone(), Rc::clone(&self.app));
        Observe::new(body, move |end, bytes| match end {
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
        })
    }

    /// A body that tells of the app's own end, if that is why it breaks off.
    fn explained(
        &self,
        body: ResponseBody,
    ) -> impl Body<Data = Bytes, Error: std::error::Error + Send + Sync + Unpin> + Unpin + use<>
    {
        let (health, app) = (Rc::clone(self.proxy.health), Rc::clone(self.proxy.app));
        let failures = health.failures();
        Explain::new(body, move || {
            Box::pin(async move { health.cause_since(failures, &app).await })
        })
    }

    fn encode(&self, response: Response<Bytes>) -> Result<Bytes, ReplyError> {
        match self.front {
            Front::Other(_) => reply::result(self.front, response.body()),
            _ => reply::buffered(self.front, response),
        }
    }

    /// The whole response, compressed if that pays.
    async fn collect_compressed(
        &self,
        coding: Coding,
        response: Response<ResponseBody>,
    ) -> Result<Response<Bytes>, Trouble> {
        let limit = self.front.reply_limit();
        let (mut head, body) = response.into_parts();
        match compression::collect(coding, self.explained(body), limit).await {
            Ok(Collected::Plain(body)) => Ok(Response::from_parts(head, body)),
            Ok(Collected::Encoded(body)) => {
                compression::announce(coding, &mut head.headers);
                Ok(Response::from_parts(head, body))
            }
            Err(CollectError::TooLarge) => Err(too_large(limit)),
            Err(CollectError::Body(error)) => Err(self.broken_off(&error)),
            Err(CollectError::Encoder(error)) => Err(cannot_compress(error)),
        }
    }

    /// The whole response, read no further than any reply could be long.
    async fn collect(&self, response: Response<ResponseBody>) -> Result<Response<Bytes>, Trouble> {
        let limit = self.front.reply_limit();
        let (head, body) = response.into_parts();
        match Limited::new(self.explained(body), limit).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
            Err(error) => Err(self.broken_off(&*error)),
        }
    }

    fn broken_off(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        self.app.set(AppState::Failed);
        Trouble::bad_gateway(format!("the app broke off its response: {}", chain(error)))
    }
}

/// Status and headers, now that it is known whether a body follows.
fn begin(prelude: Prelude, first: First, pads: bool) -> Bytes {
    match first {
        First::End if pads => prelude.padded(),
        first => prelude.finish(first == First::End),
    }
}

/// Nothing more was read than showed that it is too much.
fn too_large(limit: usize) -> Trouble {
    let size = limit + 1;
    ReplyError::BufferedTooLarge { size, limit }.into()
}

#[expect(clippy::needless_pass_by_value, reason = "maps an error")]
fn cannot_compress(error: std::io::Error) -> Trouble {
    Trouble::bad_gateway(format!(
        "the response cannot be compressed: {}",
        chain(&error)
    ))
}

/// What Lambda says of an invocation, for the app.
fn facts(invocation: &Invocation) -> Facts<'_> {
    let text = |name| {
        invocation
            .header(name)
            .and_then(|value| str::from_utf8(value.as_bytes()).ok())
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
