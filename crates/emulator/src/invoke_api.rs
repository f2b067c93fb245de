// SPDX-License-Identifier: Apache-2.0
//! The service's own APIs to invoke the function, `Invoke` and `InvokeWithResponseStream`, as SDKs call them.
//!
//! Requests are read in `request`, errors have the service's form (`refusal`), streams its framing (`event_stream`), and
//! what is invoked asynchronously is tried again in `asynchronous`. A signature is taken unchecked: who can reach the
//! port may invoke (source of paths, headers and limits: AWS API reference "Invoke" and "`InvokeWithResponseStream`").

mod asynchronous;
mod event_stream;
mod payload;
mod refusal;
mod request;
mod streamed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use uuid::Uuid;

use asynchronous::Queue;
use refusal::Refusal;
use request::{InvocationType, LogType, Operation, Target};

use crate::front::record::Record;
use crate::invocation::{Answer, CallerContext};
use crate::invoke::{Call, Called, EVENT_LIMIT, Invoker, new_trace_root};
use crate::journal::{AccessEnd, Journal};
use crate::server::Handler;
use crate::settings::{InvokeMode, Settings};

/// What people know these APIs as.
pub(crate) const TITLE: &str = "Invoke API";

/// Largest event of an asynchronous invocation (source: AWS page "Lambda quotas", where it is 1 MB).
const ASYNC_EVENT_LIMIT: usize = 1024 * 1024;

/// How much of a request above the limit is read before it is refused, so that its client gets to read the refusal.
const READ_LIMIT: usize = 64 * 1024 * 1024;

const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// A call that was refused, with the record of it.
type Refused = Box<(Refusal, Record)>;

type Reply = Response<UnsyncBoxBody<Bytes, std::convert::Infallible>>;

/// The two APIs of one function. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct InvokeApi {
    invoker: Invoker,
    function: Arc<request::Function>,
    queue: Queue,
    journal: Journal,
}

impl Handler for InvokeApi {
    type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

    async fn handle(self, _: SocketAddr, request: Request<Incoming>) -> Reply {
        let mut record = Record::begin(&self.journal, TITLE, &request);
        let request_id = Uuid::new_v4();
        record.invocation(&request_id.to_string());
        let mut response = match self.answer(request_id, request, record).await {
            Ok(response) => response,
            Err(refused) => {
                let (refusal, mut record) = *refused;
                record.end(AccessEnd::Refused(refusal.to_string()));
                record.head(refusal.status(), &HeaderMap::new(), None);
                refusal.response()
            }
        };
        set(response.headers_mut(), REQUEST_ID, &request_id.to_string());
        response
    }
}

/// A call that was read.
struct Ready {
    request_id: Uuid,
    trace_root: String,
    event: Bytes,
    context: CallerContext,
    log_type: LogType,
}

impl Ready {
    fn call(&self, mode: InvokeMode) -> Call {
        Call {
            request_id: self.request_id,
            trace_root: self.trace_root.clone(),
            event: self.event.clone(),
            mode,
            context: self.context.clone(),
        }
    }
}

impl InvokeApi {
    pub(crate) fn new(settings: &Settings, invoker: Invoker) -> Self {
        Self {
            queue: Queue::new(invoker.clone(), settings.retry_interval, &settings.journal),
            invoker,
            function: Arc::new(request::Function {
                name: settings.function_name.clone(),
                region: settings.region.clone(),
                arn: settings.function_arn(),
            }),
            journal: settings.journal.clone(),
        }
    }

    async fn answer(
        &self,
        request_id: Uuid,
        request: Request<Incoming>,
        mut record: Record,
    ) -> Result<Reply, Refused> {
        let (head, body) = request.into_parts();
        let read = async {
            let target = Target::read(&self.function, &head)?;
            let limit = match target.invocation_type {
                InvocationType::Event => ASYNC_EVENT_LIMIT,
                InvocationType::RequestResponse | InvocationType::DryRun => EVENT_LIMIT,
            };
            let event = payload::read(body, limit, READ_LIMIT).await?;
            Ok((target, payload::json(event)?))
        };
        let (target, event) = match read.await {
            Ok(read) => read,
            Err(refusal) => return Err(Box::new((refusal, record))),
        };
        record.called(&head.headers, &event);
        let version = target.executed_version();
        let call = Ready {
            request_id,
            trace_root: trace_root(&head.headers),
            event,
            context: target.context,
            log_type: target.log_type,
        };
        let mut response = match (target.invocation_type, target.operation) {
            (InvocationType::DryRun, _) => {
                record.head(StatusCode::NO_CONTENT, &HeaderMap::new(), None);
                record.end(AccessEnd::Complete);
                status_only(StatusCode::NO_CONTENT)
            }
            (InvocationType::Event, _) => {
                if let Err(refusal) = self.queue.take(call.call(InvokeMode::Buffered)) {
                    return Err(Box::new((refusal, record)));
                }
                record.head(StatusCode::ACCEPTED, &HeaderMap::new(), None);
                record.end(AccessEnd::Complete);
                status_only(StatusCode::ACCEPTED)
            }
            (InvocationType::RequestResponse, Operation::Invoke) => {
                self.buffered(&call, record).await?
            }
            (InvocationType::RequestResponse, Operation::Stream) => {
                let called = self
                    .invoker
                    .invoke(call.call(InvokeMode::ResponseStream))
                    .await;
                streamed::response(request_id, called, call.log_type, record)?
            }
        };
        let headers = response.headers_mut();
        set(headers, EXECUTED_VERSION, &version);
        set(headers, TRACE_ID, &call.trace_root);
        Ok(response)
    }

    async fn buffered(&self, call: &Ready, mut record: Record) -> Result<Reply, Refused> {
        let Called { answer, log, .. } = self.invoker.invoke(call.call(InvokeMode::Buffered)).await;
        let (payload, failed) = match answer {
            Answer::Payload { body } => (body, None),
            Answer::Stream { mut pieces, .. } => {
                // Not of a buffered invocation.
                pieces.close();
                (Bytes::new(), None)
            }
            Answer::Failed(error) => match Refusal::instead_of(&error) {
                Some(refusal) => return Err(Box::new((refusal, record))),
                None => (payload::of_error(&error, call.request_id), Some(error)),
            },
        };
        let mut response = whole(payload.clone());
        let headers = response.headers_mut();
        if failed.is_some() {
            headers.insert(FUNCTION_ERROR, HeaderValue::from_static(payload::UNHANDLED));
        }
        if call.log_type == LogType::Tail {
            // Its last line is the report, so the caller waits until the environment is done.
            set(
                headers,
                LOG_RESULT,
                &STANDARD.encode(log.await.unwrap_or_default()),
            );
        }
        record.head(StatusCode::OK, response.headers(), None);
        record.sent(&payload);
        record.end(match failed {
            Some(error) => AccessEnd::FunctionError(error.error_type().to_owned()),
            None => AccessEnd::Complete,
        });
        Ok(response)
    }
}

fn whole(payload: Bytes) -> Reply {
    let mut response = Response::new(Full::new(payload).boxed_unsync());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn status_only(status: StatusCode) -> Reply {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// `Root=…` of the caller's trace, or of a new one.
fn trace_root(headers: &HeaderMap) -> String {
    crate::front::trace_root(headers).unwrap_or_else(|| new_trace_root(SystemTime::now()))
}

/// How long the service waits before it tries a failed asynchronous invocation again; twice that the second time
/// (source: AWS page "Error handling and retries for asynchronous invocations", one and two minutes).
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_mins(1);
