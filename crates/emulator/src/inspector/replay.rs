// SPDX-License-Identifier: Apache-2.0
//! The same event once more, as if from the same client. Nobody reads the answer but the inspector.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::invocation::Invocation;
use crate::front::record::Record;
use crate::invocation::{Answer, CallerContext, Piece, StreamEnd};
use crate::invoke::{Call, Invoker, new_trace_root};
use crate::journal::{AccessEnd, Journal};
use crate::reply::{self, Base64};
use crate::settings::{FrontKind, InvokeMode};
use crate::stream::PreludeFinder;

/// An invocation that is to be made again.
pub(super) struct Again {
    request: Request<()>,
    front: &'static str,
    event: Bytes,
}

impl Again {
    pub(super) fn of(one: &Invocation) -> Self {
        let mut request = Request::new(());
        // What came over HTTP fits into it.
        *request.method_mut() = one.method.parse().unwrap_or_default();
        *request.uri_mut() = one.target.parse().unwrap_or_default();
        *request.headers_mut() = headers(&one.request_headers);
        Self {
            request,
            front: one.front,
            event: one.event.clone(),
        }
    }

    /// `kind` is the front that reads the answer.
    pub(super) async fn invoke(
        self,
        invoker: Invoker,
        kind: FrontKind,
        mode: InvokeMode,
        journal: Journal,
    ) {
        let request_id = Uuid::new_v4();
        let mut record = Record::begin(&journal, self.front, &self.request);
        record.invocation(&request_id.to_string());
        record.called(self.request.headers(), &self.event);
        let call = Call {
            request_id,
            trace_root: new_trace_root(SystemTime::now()),
            event: self.event,
            mode,
            context: CallerContext::default(),
        };
        match invoker.invoke(call).await.answer {
            Answer::Failed(error) => record.end(AccessEnd::Refused(error.line())),
            Answer::Payload { body } => {
                match reply::decode_payload(kind, &body, Base64::Verbatim) {
                    Ok(response) => {
                        record.head(response.status(), response.headers(), None);
                        record.sent(response.body());
                        record.end(AccessEnd::Complete);
                    }
                    Err(error) => record.end(AccessEnd::Refused(error.to_string())),
                }
            }
            Answer::Stream {
                content_type,
                pieces,
            } => {
                let announced = content_type.is_some_and(|text| reply::announces_prelude(&text));
                let end = read(kind, announced, pieces, &mut record).await;
                record.end(end);
            }
        }
    }
}

/// Reads a stream to its end. One that announces a prelude begins with it.
async fn read(
    kind: FrontKind,
    announced: bool,
    mut pieces: mpsc::Receiver<Piece>,
    record: &mut Record,
) -> AccessEnd {
    let mut finder = announced.then(PreludeFinder::default);
    if finder.is_none() {
        record.head(StatusCode::OK, &HeaderMap::new(), None);
    }
    while let Some(piece) = pieces.recv().await {
        let mut data = match piece {
            Piece::Data(data) => data,
            Piece::End(StreamEnd::Complete) => return AccessEnd::Complete,
            Piece::End(StreamEnd::Trailers(error)) => {
                return AccessEnd::FunctionError(error.error_type);
            }
            Piece::End(StreamEnd::Cut(error)) => return AccessEnd::Cut(error.to_string()),
        };
        if let Some(open) = &mut finder {
            let found = match open.push(&data) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => return AccessEnd::Refused(error.to_string()),
            };
            match reply::decode_prelude(kind, &found.prelude) {
                Ok(head) => record.head(head.status, &head.headers, Some(&found.prelude)),
                Err(error) => return AccessEnd::Refused(error.to_string()),
            }
            finder = None;
            data = found.rest;
        }
        if !data.is_empty() {
            record.sent(&data);
        }
    }
    AccessEnd::Cut("the environment came to an end".to_owned())
}

fn headers(pairs: &[(String, String)]) -> HeaderMap {
    let pairs = pairs.iter().filter_map(|(name, value)| {
        let name = name.parse::<HeaderName>().ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}
