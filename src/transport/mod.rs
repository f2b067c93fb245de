// SPDX-License-Identifier: Apache-2.0
//! An HTTP/1.1 client bound to one authority, which keeps its connections.
//!
//! No task stands behind a connection: whoever waits for a response or reads its body drives it, in the same task. So
//! bytes that the kernel has are read in the poll that asks for them, a reply's head and first chunk can leave in one
//! write, and dropping a body closes its socket. Values stay on one thread.

mod authority;
mod connection;
mod idle;
mod request_body;
mod response_body;
mod socket;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use tokio::task::spawn_blocking;

pub(crate) use authority::{Authority, UnknownHost};
use connection::{Answer, Connection};
use idle::{APP_IDLE_LIMIT, Idle};
pub(crate) use request_body::{Aborted, RequestBody};
pub(crate) use response_body::ResponseBody;

/// Where a request went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("cannot connect to {authority}")]
    Connect {
        authority: String,
        source: io::Error,
    },
    #[error("no response from {authority}")]
    NoResponse {
        authority: String,
        source: hyper::Error,
    },
    #[error("{authority} closed the connection before it answered")]
    Closed { authority: String },
    #[error("{first}; again on a new connection")]
    Again {
        /// What went wrong with the kept one, causes included.
        first: String,
        source: Box<TransportError>,
    },
}

impl TransportError {
    /// Why there was no connection, if there was none.
    pub(crate) fn connecting(&self) -> Option<&io::Error> {
        match self {
            Self::Connect { source, .. } => Some(source),
            Self::Again { source, .. } => source.connecting(),
            Self::NoResponse { .. } | Self::Closed { .. } => None,
        }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// Closes its connections when it likes, and most of all when it awakes from a freeze. So what has been idle for
    /// long is not used, and a request that a kept connection has lost is sent once more.
    App,
    /// Keeps them as long as an invocation may last. What may be called twice is known to the caller alone.
    Lambda,
}

/// The client.
pub(crate) struct Client {
    authority: Authority,
    host: HeaderValue,
    peer: Peer,
    idle: Idle,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the app.
    pub(crate) fn to_app(authority: Authority) -> Rc<Self> {
        Self::new(authority, Peer::App)
    }

    /// A client of one of Lambda's own APIs. It never sends a request twice.
    pub(crate) fn to_lambda(authority: Authority) -> Rc<Self> {
        Self::new(authority, Peer::Lambda)
    }

    fn new(authority: Authority, peer: Peer) -> Rc<Self> {
        let host =
            HeaderValue::try_from(&authority.text).unwrap_or(HeaderValue::from_static("localhost"));
        Rc::new(Self {
            authority,
            host,
            peer,
            idle: Idle::default(),
        })
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Sends a request on a kept connection that is still open, else on a new one, and waits for the head of the
    /// response. A missing `Host` is added.
    pub(crate) async fn send(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        request
            .headers_mut()
            .entry(header::HOST)
            .or_insert_with(|| self.host.clone());
        let (limit, again) = match self.peer {
            Peer::App => (Some(APP_IDLE_LIMIT), true),
            Peer::Lambda => (None, false),
        };
        let Some(mut kept) = self.idle.take(limit).await else {
            return self.send_anew(request).await;
        };
        let copy = if again { copy(&request) } else { None };
        let clearings = self.idle.clearings();
        let first = match self.exchange(&mut kept, request).await {
            Ok(answer) => return Ok(self.response(kept, answer)),
            Err(error) => error,
        };
        match copy {
            // The app may close a connection in the moment in which it is used; it has answered nothing, so it is asked
            // again, on a connection of which that cannot be said. Not so an app in the place of the one that was asked: if
            // that one ended of the request, this one would too.
            Some(copy) if !kept.is_answered() && self.idle.clearings() == clearings => {
                drop(kept);
                let first = crate::logging::chain(&first);
                tracing::debug!(error = first, "sending a request again");
                let again = self.send_anew(copy).await;
                again.map_err(|source| TransportError::Again {
                    first,
                    source: Box::new(source),
                })
            }
            _ => Err(first),
        }
    }

    async fn send_anew(
        self: &Rc<Self>,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let mut connection = self.open().await?;
        let answer = self.exchange(&mut connection, request).await?;
        Ok(self.response(connection, answer))
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        request: Request<RequestBody>,
    ) -> Result<Answer, TransportError> {
        let authority = || self.authority.text.clone();
        match connection.send(request).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(TransportError::Closed {
                authority: authority(),
            }),
            Err(source) => Err(TransportError::NoResponse {
                authority: authority(),
                source,
            }),
        }
    }

    fn response(
        self: &Rc<Self>,
        connection: Box<Connection>,
        answer: Answer,
    ) -> Response<ResponseBody> {
        answer.response.map(|incoming| ResponseBody {
            incoming,
            connection: (!answer.is_last).then_some(connection),
            client: Rc::clone(self),
        })
    }

    async fn open(&self) -> Result<Box<Connection>, TransportError> {
        let connect = |source| TransportError::Connect {
            authority: self.authority.text.clone(),
            source,
        };
        let socket = self.authority.connect().await.map_err(connect)?;
        let connection = Connection::over(socket).await;
        connection
            .map(Box::new)
            .map_err(|error| connect(io::Error::other(error)))
    }

    /// Waits until somebody listens, at most for so long, and keeps the connection that shows it. In a thread of its
    /// own: it knocks often, and the runtime would ask the kernel twice as much for each time.
    pub(crate) async fn knock(&self, interval: Duration, patience: Duration) {
        let authority = self.authority.clone();
        let knocking = spawn_blocking(move || authority.knock(interval, patience));
        if let Ok(Some(stream)) = knocking.await
            && let Ok(socket) = authority::finish(stream).await
            && let Ok(connection) = Connection::over(socket).await
        {
            self.keep(Box::new(connection));
        }
    }

    /// Closes the connections that are kept: the peer is another one from now on.
    pub(crate) fn forget_idle(&self) {
        self.idle.clear();
    }

    fn keep(&self, connection: Box<Connection>) {
        self.idle.keep(connection);
    }
}

/// The same request again, where its body is at hand.
fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let mut copy = Request::new(request.body().replay()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

#[cfg(test)]
mod tests;
