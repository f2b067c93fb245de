// SPDX-License-Identifier: Apache-2.0
//! The function URL: HTTP/1.1 to clients, events and answers to the function.
//!
//! Streams are passed on piece by piece, nothing is collected. A client that leaves is not told to the function, which
//! goes on to the end (source: AWS page "Response streaming for Lambda functions").

mod body;
mod record;
mod streamed;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use body::{ReplyBody, Source};
use record::Record;
use streamed::Stream;

use crate::clock::epoch_millis;
use crate::event::{self, Arrival};
use crate::invocation::{Answer, Invocation, InvocationError};
use crate::journal::{AccessEnd, Entry, Journal};
use crate::reply;
use crate::settings::{BrokenStreams, InvokeMode, Settings};

/// Largest event of a synchronous invocation (source: AWS page "Lambda quotas", where MB = 1,024 KB).
const EVENT_LIMIT: usize = 6 * 1024 * 1024;

/// The first label of the URL's domain; on the service 32 random letters and digits.
const URL_ID: &str = "local0streamgate0function0url000";

/// A function URL.
#[derive(Debug)]
pub(crate) struct Front {
    invocations: mpsc::Sender<Invocation>,
    mode: InvokeMode,
    broken_streams: BrokenStreams,
    domain: String,
    journal: Journal,
}

impl Front {
    pub(crate) fn new(settings: &Settings, invocations: mpsc::Sender<Invocation>) -> Self {
        Self {
            invocations,
            mode: settings.invoke_mode,
            broken_streams: settings.broken_streams,
            domain: format!("{URL_ID}.lambda-url.{}.on.aws", settings.region),
            journal: settings.journal.clone(),
        }
    }

    /// Serves until `stop` turns true, then resolves when the connections that are open have ended.
    pub(crate) async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let front = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(connection(Arc::clone(&front), stream, peer, stop.clone()));
                    }
                    // Out of file descriptors or a peer that left: the next accept may work.
                    Err(_) => tokio::task::yield_now().await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn handle(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<ReplyBody> {
        let mut record = Record::begin(&self.journal, &request);
        let request_id = Uuid::new_v4();
        let now = SystemTime::now();
        let root = trace_root(&request, now);
        let head_only = request.method() == Method::HEAD;
        let mut response = match self.event(peer, request, request_id, &root, now).await {
            Ok(event) => self.answer(request_id, &root, event, &mut record).await,
            Err(unfit) => own_answer(
                StatusCode::PAYLOAD_TOO_LARGE,
                &unfit.to_string(),
                &mut record,
            ),
        };
        for (name, value) in [
            ("x-amzn-requestid", request_id.to_string()),
            ("x-amzn-trace-id", root),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().entry(name).or_insert(value);
            }
        }
        record.head(response.status());
        let bodyless = head_only
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
        // Without its body the function's stream is read to the end all the same, by the Runtime API.
        response
            .map(|source| ReplyBody::new(if bodyless { Source::empty() } else { source }, record))
    }

    async fn event(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
        request_id: Uuid,
        root: &str,
        now: SystemTime,
    ) -> Result<Bytes, Unfit> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, EVENT_LIMIT)
            .collect()
            .await
            .map_err(|_| Unfit)?
            .to_bytes();
        let arrival = Arrival {
            request_id: request_id.to_string(),
            trace_id: root.to_owned(),
            source_ip: peer.ip().to_string(),
            url_id: URL_ID,
            domain: &self.domain,
            epoch_millis: epoch_millis(now),
        };
        let event = event::build(&head, &body, &arrival).map_err(|_| Unfit)?;
        if event.len() > EVENT_LIMIT {
            Err(Unfit)
        } else {
            Ok(event.into())
        }
    }

    async fn answer(
        &self,
        request_id: Uuid,
        root: &str,
        event: Bytes,
        record: &mut Record,
    ) -> Response<Source> {
        let (reply_to, answer) = oneshot::channel();
        let parent = Uuid::new_v4().simple().to_string();
        let invocation = Invocation {
            request_id,
            attempt_id: Uuid::new_v4(),
            trace_id: format!(
                "{root};Parent={};Sampled=0",
                parent.get(..16).unwrap_or(&parent)
            ),
            event,
            mode: self.mode,
            reply_to,
        };
        let going_down = || InvocationError::sandbox_failure("the emulator is shutting down");
        let answer = match self.invocations.send(invocation).await {
            Ok(()) => answer
                .await
                .unwrap_or_else(|_| Answer::Failed(going_down())),
            Err(_) => Answer::Failed(going_down()),
        };
        match answer {
            Answer::Failed(error) => bad_gateway(&error.line(), record),
            Answer::Payload { body } => match reply::decode_payload(&body) {
                Ok(response) => response.map(Source::full),
                Err(error) => self.unusable(
                    request_id,
                    format!("the answer is no buffered response: {error}"),
                    record,
                ),
            },
            Answer::Stream {
                content_type,
                pieces,
            } => {
                let stream = Stream {
                    pieces,
                    broken_streams: self.broken_streams,
                };
                match stream.into_response(content_type).await {
                    Ok(response) => response,
                    Err(reason) => self.unusable(request_id, reason, record),
                }
            }
        }
    }

    fn unusable(&self, request_id: Uuid, reason: String, record: &mut Record) -> Response<Source> {
        let response = bad_gateway(&reason, record);
        self.journal.write(&Entry::BadAnswer {
            request_id: request_id.to_string(),
            reason,
        });
        response
    }
}

async fn connection(
    front: Arc<Front>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    // Failing costs latency only.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.handle(peer, request).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // A connection that ends with an error was left by the client or cut by us; its record says which.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A request that makes no event: it is too large, or its body did not arrive.
#[derive(Debug, thiserror::Error)]
#[error("request must be smaller than {EVENT_LIMIT} bytes for the InvokeFunction operation")]
struct Unfit;

/// `Root=…` of the request's trace: the client's, or a new one (source: AWS X-Ray's form of trace ids).
fn trace_root(request: &Request<Incoming>, now: SystemTime) -> String {
    let given = request
        .headers()
        .get("x-amzn-trace-id")
        .and_then(|value| value.to_str().ok());
    if let Some(root) = given.and_then(|given| {
        given
            .split(';')
            .map(str::trim)
            .find(|part| part.starts_with("Root="))
    }) {
        return root.to_owned();
    }
    let random = Uuid::new_v4().simple().to_string();
    format!(
        "Root=1-{:08x}-{}",
        epoch_millis(now) / 1000,
        random.get(..24).unwrap_or(&random)
    )
}

/// What the client gets for a function error, a timeout or an unusable answer; that it is 502 with this text is common
/// experience, not documented.
fn bad_gateway(reason: &str, record: &mut Record) -> Response<Source> {
    record.end(AccessEnd::Refused(reason.to_owned()));
    plain(StatusCode::BAD_GATEWAY, "Internal Server Error".to_owned())
}

fn own_answer(status: StatusCode, message: &str, record: &mut Record) -> Response<Source> {
    record.end(AccessEnd::Refused(message.to_owned()));
    plain(
        status,
        serde_json::json!({ "Message": message }).to_string(),
    )
}

fn plain(status: StatusCode, body: String) -> Response<Source> {
    let mut response = Response::new(Source::full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
