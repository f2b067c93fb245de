// SPDX-License-Identifier: Apache-2.0
//! The body of a response, which drives its connection.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::Client;
use super::connection::Connection;

/// The body of a response. At its end the connection goes back to the client; dropped before, it closes.
pub(crate) struct ResponseBody {
    pub(super) incoming: Incoming,
    /// None once it has ended. Boxed, since bodies are passed on by value.
    pub(super) connection: Option<Box<Connection>>,
    pub(super) client: Rc<Client>,
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
        loop {
            if let ready @ Poll::Ready(_) = Pin::new(&mut self.incoming).poll_frame(context) {
                return ready;
            }
            // Asking the body is what lets the driver read; so it is driven behind the question, and asked again.
            if let Some(connection) = &mut self.connection
                && connection.poll_ended(context).is_ready()
            {
                self.connection = None;
            }
            let polled = Pin::new(&mut self.incoming).poll_frame(context);
            let connection = self.connection.as_ref();
            if polled.is_ready() || !connection.is_some_and(|connection| connection.hurry()) {
                return polled;
            }
        }
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
