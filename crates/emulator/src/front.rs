// SPDX-License-Identifier: Apache-2.0
//! The front end: HTTP/1.1 to clients, events and answers to the function.
//!
//! Streams are passed on piece by piece, nothing is collected. A client that leaves is not told to the function, which
//! goes on to the end (source: AWS page "Response streaming for Lambda functions").

mod body;
mod profile;
pub(crate) mod record;
mod refusal;
mod streamed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use uuid::Uuid;

use body::{ReplyBody, Source};
use profile::Profile;
use record::Record;
use refusal::Refusal;
use streamed::{NoResponse, RawPrelude, Stream};

use crate::clock::epoch_millis;
use crate::event::{self, Arrival};
use crate::invocation::{Answer, CallerContext, InvocationError};
use crate::invoke::{Call, Called, EVENT_LIMIT, Invoker, new_trace_root};
use crate::journal::{AccessEnd, Entry, Journal};
use crate::reply::{self, Base64};
use crate::server::Handler;
use crate::settings::{BrokenStreams, FrontKind, InvokeMode, Settings};

/// The front end of the function.
#[derive(Debug)]
pub(crate) struct Front {
    invoker: Invoker,
    mode: InvokeMode,
    profile: Profile,
    /// `binaryMediaTypes` of a REST API.
    binary: Vec<String>,
    broken_streams: BrokenStreams,
    journal: Journal,
}

/// A request as the front end knows it while it is answered.
struct Exchange<'a> {
    head: Parts,
    invocation_id: Uuid,
    arrival: Arrival<'a>,
}

impl Front {
    pub(crate) fn new(settings: &Settings, invoker: Invoker) -> Self {
        Self {
            invoker,
            mode: settings.front.mode(settings.invoke_mode),
            profile: Profile::new(settings.front, &settings.region),
            binary: settings.rest_binary.clone(),
            broken_streams: settings.broken_streams,
            journal: settings.journal.clone(),
        }
    }

    async fn respond(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<ReplyBody> {
        let mut record = Record::begin(&self.journal, self.profile.kind.title(), &request);
        let (head, body) = request.into_parts();
        let exchange = self.exchange(peer, head);
        let mut response = match self.event(&exchange, body).await {
            Ok(event) => self.answer(&exchange, event, &mut record).await,
            Err(limit) => {
                record.end(AccessEnd::Refused(refusal::too_large(limit)));
                self.refuse(&exchange, Refusal::TooLarge { limit })
            }
        };
        self.add_own_headers(&exchange, response.headers_mut());
        let prelude = response.extensions_mut().remove::<RawPrelude>();
        record.head(
            response.status(),
            response.headers(),
            prelude.as_ref().map(|RawPrelude(bytes)| bytes),
        );
        let without_body = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        if without_body.contains(&response.status()) {
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let bodyless =
            exchange.head.method == Method::HEAD || without_body.contains(&response.status());
        // Without its body the function's stream is read to the end all the same, by the Runtime API.
        response
            .map(|source| ReplyBody::new(if bodyless { Source::empty() } else { source }, record))
    }

    fn exchange(&self, peer: SocketAddr, head: Parts) -> Exchange<'_> {
        let now = SystemTime::now();
        let invocation_id = Uuid::new_v4();
        // A function URL tells the id of the invocation, an API one of its own.
        let request_id = match self.profile.kind {
            FrontKind::FunctionUrl => invocation_id,
            _ => Uuid::new_v4(),
        };
        Exchange {
            arrival: Arrival {
                request_id: request_id.to_string(),
                extended_id: STANDARD.encode(request_id.as_bytes().split_at(11).0),
                trace_id: trace_root(&head.headers).unwrap_or_else(|| new_trace_root(now)),
                source_ip: peer.ip().to_string(),
                api_id: self.profile.api_id,
                domain: &self.profile.domain,
                region: &self.profile.region,
                epoch_millis: epoch_millis(now),
            },
            head,
            invocation_id,
        }
    }

    /// The event, or the limit that the request does not fit; a body that did not arrive fits none.
    async fn event(&self, exchange: &Exchange<'_>, body: Incoming) -> Result<Bytes, usize> {
        let limit = self.profile.body_limit();
        let body = Limited::new(body, limit)
            .collect()
            .await
            .map_err(|_| limit)?
            .to_bytes();
        let Exchange { head, arrival, .. } = exchange;
        event::build(self.profile.kind, &self.binary, head, &body, arrival)
            .ok()
            .filter(|event| event.len() <= EVENT_LIMIT)
            .map(Bytes::from)
            .ok_or(EVENT_LIMIT)
    }

    async fn answer(
        &self,
        exchange: &Exchange<'_>,
        event: Bytes,
        record: &mut Record,
    ) -> Response<Source> {
        record.invocation(&exchange.invocation_id.to_string());
        record.called(&exchange.head.headers, &event);
        let call = Call {
            request_id: exchange.invocation_id,
            trace_root: exchange.arrival.trace_id.clone(),
            event,
            mode: self.mode,
            context: CallerContext::default(),
        };
        let Called { answer, .. } = self.invoker.invoke(call).await;
        let response = match answer {
            Answer::Failed(error @ InvocationError::Throttled) => {
                record.end(AccessEnd::Refused(error.line()));
                return self.refuse(exchange, Refusal::Throttled);
            }
            Answer::Failed(error) => {
                record.end(AccessEnd::Refused(error.line()));
                return self.refuse(exchange, Refusal::BadAnswer);
            }
            Answer::Payload { body } => self
                .buffered(exchange, &body)
                .map_err(|reason| (reason, Refusal::BadAnswer)),
            Answer::Stream {
                content_type,
                pieces,
            } => {
                let stream = Stream {
                    pieces,
                    broken_streams: self.broken_streams,
                };
                stream
                    .into_response(self.profile.kind, content_type)
                    .await
                    .map_err(|error| (error.to_string(), self.refusal_of(&error)))
            }
        };
        response.unwrap_or_else(|(reason, refusal)| {
            record.end(AccessEnd::Refused(reason.clone()));
            self.journal.write(&Entry::BadAnswer {
                request_id: exchange.invocation_id.to_string(),
                reason,
            });
            self.refuse(exchange, refusal)
        })
    }

    fn buffered(
        &self,
        exchange: &Exchange<'_>,
        payload: &Bytes,
    ) -> Result<Response<Source>, String> {
        let limit = self.profile.payload_limit();
        if payload.len() > limit {
            let size = payload.len();
            return Err(format!(
                "the answer has {size} bytes, the front end takes {limit}"
            ));
        }
        // Only the first type that the client accepts counts (source: AWS page "Content type conversions in API
        // Gateway").
        let accepted = exchange.head.headers.get(header::ACCEPT);
        let first = accepted
            .and_then(|accepted| accepted.to_str().ok())
            .and_then(|accepted| accepted.split([',', ';']).next())
            .map(str::trim);
        let base64 = if event::is_binary(&self.binary, first) {
            Base64::Decoded
        } else {
            Base64::Verbatim
        };
        let mut response = reply::decode_payload(self.profile.kind, payload, base64)
            .map_err(|error| format!("the answer is no buffered response: {error}"))?;
        // An accepted or refused connection has no body (source: AWS page "Manage connected users and client apps").
        if self.profile.kind == FrontKind::WebSocket && exchange.head.uri.path() == event::CONNECT {
            response.body_mut().clear();
        }
        Ok(response.map(Source::full))
    }

    fn refusal_of(&self, error: &NoResponse) -> Refusal {
        match error {
            NoResponse::Form(_) if self.profile.kind == FrontKind::RestStream => Refusal::NoStream,
            _ => Refusal::BadAnswer,
        }
    }

    fn refuse(&self, exchange: &Exchange<'_>, refusal: Refusal) -> Response<Source> {
        let connection = event::connection_id(&exchange.head);
        refusal::response(self.profile.kind, refusal, &exchange.arrival, &connection)
    }

    /// What the services add to every response, as captures have it. Load balancers and VPC Lattice add nothing.
    fn add_own_headers(&self, exchange: &Exchange<'_>, headers: &mut HeaderMap) {
        let Arrival {
            request_id,
            extended_id,
            trace_id,
            ..
        } = &exchange.arrival;
        let own: &[(&'static str, &str)] = match self.profile.kind {
            FrontKind::FunctionUrl => &[
                ("x-amzn-requestid", request_id),
                ("x-amzn-trace-id", trace_id),
            ],
            FrontKind::HttpApi => &[("apigw-requestid", extended_id)],
            FrontKind::Rest | FrontKind::RestStream => &[
                ("x-amzn-requestid", request_id),
                ("x-amz-apigw-id", extended_id),
                ("x-amzn-trace-id", trace_id),
            ],
            _ => &[],
        };
        for (name, value) in own {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.entry(*name).or_insert(value);
            }
        }
    }
}

impl Handler for Arc<Front> {
    type Body = ReplyBody;

    async fn handle(self, peer: SocketAddr, request: Request<Incoming>) -> Response<ReplyBody> {
        self.respond(peer, request).await
    }
}

/// `Root=…` of the client's trace.
pub(crate) fn trace_root(headers: &HeaderMap) -> Option<String> {
    let given = headers.get("x-amzn-trace-id")?.to_str().ok()?;
    given
        .split(';')
        .map(str::trim)
        .find(|part| part.starts_with("Root="))
        .map(str::to_owned)
}
