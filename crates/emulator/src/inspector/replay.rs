// SPDX-License-Identifier: Apache-2.0
//! The same event once more, as if from the same client. Nobody reads the answer but the inspector.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use uuid::Uuid;

use super::invocation::Invocation;
use crate::front::record::Record;
use crate::invocation::{Answer, CallerContext, Piece, StreamEnd};
use crate::invoke::{Call, Invoker, new_trace_root};
use crate::journal::{AccessEnd, Journal};
use crate::settings::InvokeMode;

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

    pub(super) async fn invoke(self, invoker: Invoker, mode: InvokeMode, journal: Journal) {
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
                record.head(StatusCode::OK, &HeaderMap::new(), None);
                record.sent(&body);
                record.end(AccessEnd::Complete);
            }
            Answer::Stream { mut pieces, .. } => {
                record.head(StatusCode::OK, &HeaderMap::new(), None);
                while let Some(piece) = pieces.recv().await {
                    match piece {
                        Piece::Data(data) => record.sent(&data),
                        Piece::End(StreamEnd::Complete) => record.end(AccessEnd::Complete),
                        Piece::End(StreamEnd::Trailers(error)) => {
                            record.end(AccessEnd::FunctionError(error.error_type));
                        }
                        Piece::End(StreamEnd::Cut(error)) => {
                            record.end(AccessEnd::Cut(error.to_string()));
                        }
                    }
                }
            }
        }
    }
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
