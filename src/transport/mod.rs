// SPDX-License-Identifier: Apache-2.0
//! An HTTP/1.1 client bound to one authority, which keeps its connections.
//!
//! No task stands behind a connection: whoever waits for a response or reads its body drives it, in the same task. So
//! bytes that the kernel has are read in the poll that asks for them, a reply's head and first chunk can leave in one
//! write, and dropping a body closes its socket. Values stay on one thread.

mod authority;
mod socket;

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

pub(crate) use authority::{Authority, UnknownHost};
use socket::Socket;

/// A body that is still being made. Whoever makes it says how a failure is told to the peer; this error tells nothing,
/// but cuts the connection.
pub(crate) type StreamedBody = Pin<Box<dyn Body<Data = Bytes, Error = Aborted>>>;

/// A request was cut in its body, as its maker wanted.
#[derive(Debug, thiserror::Error)]
#[error("the request was aborted")]
pub(crate) struct Aborted;

/// The body of a request. One type for every peer, so that the binary holds one client.
pub(crate) enum RequestBody {
    /// Bytes of known length, or none.
    Whole(Full<Bytes>),
    /// Frames as they come, in chunks.
    Streamed(StreamedBody),
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Streamed(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

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
}

/// One kept connection.
struct Connection {
    sender: http1::SendRequest<RequestBody>,
    driver: http1::Connection<TokioIo<Socket>, RequestBody>,
}

/// The client.
pub(crate) struct Client {
    authority: Authority,
    host: HeaderValue,
    idle: RefCell<Vec<Connection>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(authority: Authority) -> Rc<Self> {
        let host =
            HeaderValue::try_from(&authority.text).unwrap_or(HeaderValue::from_static("localhost"));
        Rc::new(Self {
            authority,
            host,
            idle: RefCell::default(),
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
        let mut connection = match self.take_idle().await {
            Some(connection) => connection,
            None => self.open().await?,
        };
        let response = connection
            .send(request)
            .await
            .map_err(|source| TransportError::NoResponse {
                authority: self.authority.text.clone(),
                source,
            })?
            .ok_or_else(|| TransportError::Closed {
                authority: self.authority.text.clone(),
            })?;
        Ok(response.map(|incoming| ResponseBody {
            incoming,
            connection: Some(connection),
            client: Rc::clone(self),
        }))
    }

    async fn open(&self) -> Result<Connection, TransportError> {
        let connect = |source| TransportError::Connect {
            authority: self.authority.text.clone(),
            source,
        };
        let stream = self.authority.connect().await.map_err(connect)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| connect(io::Error::other(error)))?;
        Ok(Connection { sender, driver })
    }

    /// A kept connection whose peer has not closed it. The peer may have done so while the environment was frozen, so
    /// the socket is asked, not a clock.
    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            if poll_fn(|context| Poll::Ready(connection.poll_ready(context).is_ready())).await {
                return Some(connection);
            }
        }
    }

    /// Closes the connections that are kept.
    pub(crate) fn forget_idle(&self) {
        self.idle.borrow_mut().clear();
    }

    fn keep(&self, connection: Connection) {
        self.idle.borrow_mut().push(connection);
    }
}

impl Connection {
    /// `None`: the connection ended and there is no error to tell.
    async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> hyper::Result<Option<Response<Incoming>>> {
        let mut response = pin!(self.sender.send_request(request));
        let driver = &mut self.driver;
        poll_fn(|context| {
            let ended = Pin::new(&mut *driver).poll(context);
            if let Poll::Ready(response) = response.as_mut().poll(context) {
                return Poll::Ready(response.map(Some));
            }
            // The driver has told the response of its end, whatever that was; no more will come.
            ended.map(|result| result.map(|()| None))
        })
        .await
    }

    /// Ready once it can carry a request. Pending also where its peer has closed it.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.driver).poll(context).is_ready() {
            return Poll::Pending;
        }
        match ready!(self.sender.poll_ready(context)) {
            Ok(()) => Poll::Ready(()),
            Err(_) => Poll::Pending,
        }
    }
}

/// The body of a response. At its end the connection goes back to the client; dropped before, it closes.
pub(crate) struct ResponseBody {
    incoming: Incoming,
    connection: Option<Connection>,
    client: Rc<Client>,
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody")
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

impl ResponseBody {
    fn poll_driven(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let ready @ Poll::Ready(_) = Pin::new(&mut self.incoming).poll_frame(context) {
            return ready;
        }
        // Asking the body is what lets the driver read; so it is driven behind the question, and asked again.
        if let Some(connection) = &mut self.connection
            && Pin::new(&mut connection.driver).poll(context).is_ready()
        {
            self.connection = None;
        }
        Pin::new(&mut self.incoming).poll_frame(context)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = self.poll_driven(context);
        if let Poll::Ready(None) = polled
            && let Some(mut connection) = self.connection.take()
            && connection.poll_ready(context).is_ready()
        {
            self.client.keep(connection);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
