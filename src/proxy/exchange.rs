// SPDX-License-Identifier: Apache-2.0
//! One invocation under way: what is asked of the app, and what is told to Lambda.

use std::cell::Cell;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};

use super::Proxy;
use super::record::{AppState, Record};
use crate::alarm::Alarm;
use crate::background::Token;
use crate::body::{Bounded, Broken, Explain, First, KeepAlive, Limit, Limits, Observe, Prefix};
use crate::compression::{self, Client, Coding, CollectError, Collected, Compressed, Encoder};
use crate::deadline::Deadline;
use crate::event::Event;
use crate::failure::{Failure, error_type};
use crate::front::{Front, Mode};
use crate::headers::TOKEN;
use crate::logging::chain;
use crate::metrics::Outcome;
use crate::policy::{self, Facts, Field};
use crate::reply::{
    self, Prelude, ReplyError, error_response, is_plain_event_stream, repair_location,
};
use crate::runtime_api::{Invocation, RuntimeApiError, wire};
use crate::settings::{Compression, Stream};
use crate::transport::{RequestBody, ResponseBody};

/// How long Lambda may take for what is left of a reply whose time is up: bandwidth of 2 MB/s, and some MB in buffers.
const LAST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no response of the app that can be passed on.
pub(super) struct Trouble {
    status: StatusCode,
    cause: String,
}

impl Trouble {
    pub(super) fn new(status: StatusCode, cause: impl Into<String>) -> Self {
        Self {
            status,
            cause: cause.into(),
        }
    }

    fn bad_gateway(cause: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, cause)
    }

    fn error_type(&self) -> &'static str {
        match self.status {
            StatusCode::BAD_REQUEST => error_type::EVENT,
            StatusCode::GATEWAY_TIMEOUT => error_type::APP_TIMEOUT,
            _ => error_type::APP_STATUS,
        }
    }

    fn outcome(&self) -> Outcome {
        match self.status {
            StatusCode::GATEWAY_TIMEOUT => Outcome::TimedOut,
            status if status.is_client_error() => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }
}

impl From<ReplyError> for Trouble {
    fn from(error: ReplyError) -> Self {
        Self::bad_gateway(error.to_string())
    }
}

/// One invocation under way.
pub(super) struct Exchange<'a> {
    pub(super) proxy: &'a Proxy<'a>,
    pub(super) invocation: &'a Invocation,
    pub(super) front: Front,
    /// Shared with the body of a streamed reply, which sees the app last.
    pub(super) record: Rc<Record>,
    pub(super) alarm: Rc<Alarm>,
    pub(super) deadline: Option<Deadline>,
    /// By which the app names this invocation.
    pub(super) token: Option<&'a Token>,
}

impl Exchange<'_> {
    /// Asks the app and replies.
    pub(super) async fn serve(&self, event: Event) -> Result<(), RuntimeApiError> {
        match self.try_serve(event).await {
            Ok(replied) => replied,
            Err(trouble) => self.tell(trouble).await,
        }
    }

    async fn try_serve(&self, event: Event) -> Result<Result<(), RuntimeApiError>, Trouble> {
        let settings = self.proxy.settings;
        let facts = facts(self.invocation, &self.proxy.env_config);
        // What the client asks for, whatever the user makes of it for the app.
        let compresses = settings.compression != Compression::Off && self.front.is_http();
        let client = compresses.then(|| Client::of(&event.request));
        let request = policy::apply(settings, self.proxy.event_secret, event, facts)
            .map_err(|refusal| Trouble::new(refusal.status(), refusal.to_string()))?;
        let is_head = request.method() == Method::HEAD;
        let mut response = self.ask_app(request.map(RequestBody::from)).await?;
        let status = response.status();
        if self.fails_the_invocation(status) {
            let body = self.collect(response).await?.into_body();
            let excerpt = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
            let cause = format!("the app answered with status {status}: {excerpt}");
            self.record.outcome.set(Outcome::Failed);
            return Ok(self.fail(error_type::APP_STATUS, cause).await);
        }
        if settings.location_repair {
            repair_location(response.headers_mut(), self.proxy.app.authority().as_str());
        }
        let coding = client
            .and_then(|client| client.settle(settings.compression, status, response.headers_mut()));
        let replied = if self.front.mode(settings.invoke_mode) == Mode::Streamed {
            self.reply_streamed(response, coding, is_head).await?
        } else {
            let response = match coding {
                None => self.collect(response).await?,
                Some(coding) => self.collect_compressed(coding, response).await?,
            };
            self.record.bytes.set(response.body().len() as u64);
            let json = self.encode(response)?;
            self.reply_whole(json).await
        };
        if replied.is_ok() {
            let front = self.front;
            let (route, elapsed_ms) = (&self.record.route, self.record.elapsed_ms());
            tracing::debug!(?front, %route, http.status = status.as_u16(), elapsed_ms, "invocation ended");
        }
        Ok(replied)
    }

    async fn ask_app(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, Trouble> {
        if let Some(token) = self.token.and_then(Token::to_header) {
            request.headers_mut().insert(TOKEN, token);
        }
        self.app_is_ready().await?;
        let health = self.proxy.health;
        let failures = health.failures();
        let until = self.deadline.map(|deadline| deadline.of_app);
        let sending = self.proxy.app.send(request);
        let Some(sent) = self.alarm.within(until, pin!(sending)).await else {
            return Err(self.timed_out(format_args!("it gave no response")));
        };
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => {
                self.record.app.set(AppState::Failed);
                let cause = health.cause_since(failures, self.proxy.app).await;
                let cause = cause.map_or_else(|| chain(&error), |cause| cause.to_string());
                return Err(Trouble::bad_gateway(format!(
                    "the app gave no response: {cause}"
                )));
            }
        };
        if response.status().is_informational() {
            return Err(Trouble::bad_gateway(format!(
                "the app answered with status {}, which Lambda cannot pass on",
                response.status()
            )));
        }
        if let Some(token) = self.token
            && let Err(value) = token.take_announced(response.headers_mut())
        {
            tracing::warn!("x-streamgate-background={value:?} is not a number of seconds");
        }
        Ok(response)
    }

    /// Waits for an app that comes up, as long as a reply can still be given.
    async fn app_is_ready(&self) -> Result<(), Trouble> {
        let health = self.proxy.health;
        if health.is_ready() {
            return Ok(());
        }
        let until = self.deadline.map(|deadline| deadline.of_app);
        let ready = self.alarm.within(until, pin!(health.ready())).await;
        ready.ok_or_else(|| {
            let cause = match health.last_cause() {
                Some(cause) => format!("the app is not up again yet: {cause}"),
                None => "the app is not ready yet".to_owned(),
            };
            Trouble::new(StatusCode::SERVICE_UNAVAILABLE, cause)
        })
    }

    /// The app's request is cancelled by then.
    fn timed_out(&self, got: fmt::Arguments<'_>) -> Trouble {
        self.record.app.set(AppState::TimedOut);
        Trouble {
            status: StatusCode::GATEWAY_TIMEOUT,
            cause: format!(
                "the app timed out: {got} within {} ms, and Lambda's deadline is near",
                self.record.elapsed_ms()
            ),
        }
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
    pub(super) async fn tell(&self, trouble: Trouble) -> Result<(), RuntimeApiError> {
        let error_type = trouble.error_type();
        self.record.outcome.set(trouble.outcome());
        let Trouble { status, cause } = trouble;
        if matches!(self.front, Front::Other(_)) {
            return self.fail(error_type, cause).await;
        }
        let (route, elapsed_ms) = (&self.record.route, self.record.elapsed_ms());
        let http_status = status.as_u16();
        if status.is_client_error() {
            tracing::warn!(%route, elapsed_ms, http.status = http_status, "{cause}");
        } else {
            tracing::error!(%route, elapsed_ms, http.status = http_status, "{cause}");
        }
        let own = error_response(status, &cause);
        if self.front.mode(self.proxy.settings.invoke_mode) == Mode::Streamed {
            let (head, body) = own.into_parts();
            // Our own head is a few lines, and our own body a short text.
            let Ok(prelude) = Prelude::new(head) else {
                return Ok(());
            };
            let begin = move |first| begin(prelude, first, false);
            let body = Bounded::new(Full::new(body), Rc::default(), Limits::default());
            self.stream(begin, body, Limits::default()).await
        } else {
            let json = self.encode(own).unwrap_or_default();
            self.reply_whole(json).await
        }
    }

    async fn reply_whole(&self, json: Bytes) -> Result<(), RuntimeApiError> {
        self.record.reply_begins();
        let runtime_api = self.proxy.runtime_api;
        runtime_api.respond_buffered(self.invocation, json).await
    }

    async fn fail(&self, error_type: &'static str, cause: String) -> Result<(), RuntimeApiError> {
        let (route, elapsed_ms) = (&self.record.route, self.record.elapsed_ms());
        tracing::error!(%route, elapsed_ms, "invocation failed: {cause}");
        let failure = Failure::new(error_type, cause);
        self.proxy.runtime_api.fail(self.invocation, &failure).await
    }

    async fn reply_streamed(
        &self,
        response: Response<ResponseBody>,
        coding: Option<Coding>,
        is_head: bool,
    ) -> Result<Result<(), RuntimeApiError>, Trouble> {
        let settings = self.proxy.settings;
        let (mut head, body) = response.into_parts();
        let may_have_body = !is_head
            && !matches!(
                head.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        let pads = settings.empty_body_pad && may_have_body;
        let limits = self.limits();
        let keep_alive = settings.stream.sse_keep_alive;
        let keep_alive = keep_alive.filter(|_| is_plain_event_stream(&head.headers));
        let body = Bounded::new(self.explained(body), Rc::clone(&self.alarm), limits);
        let body = KeepAlive::new(body, Rc::clone(&self.alarm), keep_alive);
        let Some(coding) = coding else {
            let prelude = Prelude::new(head)?;
            let begin = move |first| begin(prelude, first, pads);
            return Ok(self.stream(begin, body, limits).await);
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
        Ok(self.stream(begin, body, limits).await)
    }

    /// What a stream that begins now is held to.
    fn limits(&self) -> Limits {
        let Stream {
            idle_timeout,
            max_duration,
            ..
        } = self.proxy.settings.stream;
        let of_user = max_duration.and_then(|max| Alarm::now().checked_add(max));
        let ends = [
            self.deadline.map(|at| (at.of_app, Limit::Deadline)),
            of_user.map(|at| (at, Limit::Duration)),
        ];
        Limits {
            end: ends.into_iter().flatten().min_by_key(|(at, _)| *at),
            idle: idle_timeout,
        }
    }

    /// Replies with what `begin` makes, and then the body.
    async fn stream<P, B>(&self, begin: P, body: B, limits: Limits) -> Result<(), RuntimeApiError>
    where
        P: FnOnce(First) -> Bytes + Unpin + 'static,
        B: Body<Data = Bytes, Error = Broken> + Unpin + 'static,
    {
        self.proxy.streamed_once.get_or_init(|| {
            // Of the environment, not of this invocation.
            tracing::info!(
                parent: None,
                "replies are streamed: the function URL's invoke mode must be RESPONSE_STREAM"
            );
        });
        let (record, errors) = (Rc::clone(&self.record), self.proxy.settings.stream.errors);
        let body = Observe::new(body, move |end, bytes| {
            record.body_ended(end, bytes, errors);
        });
        let record = Rc::clone(&self.record);
        let begin = move |first| {
            record.reply_begins();
            begin(first)
        };
        let body = Prefix::new(begin, body);
        let replying = self
            .proxy
            .runtime_api
            .respond_streamed(self.invocation, body, errors);
        let until = [
            self.deadline.map(|at| at.of_reply),
            limits
                .end
                .and_then(|(at, _)| at.checked_add(LAST_BYTES_TIMEOUT)),
        ];
        let until = until.into_iter().flatten().min();
        let Some(replied) = self.alarm.within(until, pin!(replying)).await else {
            self.record.reply_was_cut();
            return Ok(());
        };
        replied
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
        let bytes = Rc::new(Cell::new(0));
        let body = self.counted(body, &bytes);
        let collecting = compression::collect(coding, body, limit);
        match self.in_time(&bytes, collecting).await? {
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
        let bytes = Rc::new(Cell::new(0));
        let body = self.counted(body, &bytes);
        let collecting = Limited::new(body, limit).collect();
        match self.in_time(&bytes, collecting).await? {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
            Err(error) => Err(self.broken_off(&*error)),
        }
    }

    fn counted(
        &self,
        body: ResponseBody,
        bytes: &Rc<Cell<usize>>,
    ) -> impl Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Unpin + use<> {
        let bytes = Rc::clone(bytes);
        self.explained(body).map_frame(move |frame| {
            bytes.set(bytes.get() + frame.data_ref().map_or(0, Bytes::len));
            frame
        })
    }

    /// What is made of a response of which so many bytes have come.
    async fn in_time<T>(
        &self,
        bytes: &Cell<usize>,
        collecting: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let until = self.deadline.map(|deadline| deadline.of_app);
        let collected = self.alarm.within(until, pin!(collecting)).await;
        collected.ok_or_else(|| {
            let bytes = bytes.get();
            self.timed_out(format_args!("{bytes} bytes of its response came"))
        })
    }

    fn broken_off(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        self.record.app.set(AppState::Failed);
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
fn facts<'a>(invocation: &'a Invocation, env_config: &'a str) -> Facts<'a> {
    let text = |name| {
        invocation
            .header(name)
            .and_then(|value| str::from_utf8(value.as_bytes()).ok())
    };
    let json = |name| Field::Json(text(name).unwrap_or("null"));
    let deadline = invocation.deadline_ms();
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
            ("env_config", Field::Own(env_config)),
        ]),
        trace: invocation.header(wire::TRACE_ID),
        tenant: invocation.header(wire::TENANT_ID),
    }
}
