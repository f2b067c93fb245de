// SPDX-License-Identifier: Apache-2.0
//! One connection, driven by whoever waits for it.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::request_body::RequestBody;
use super::socket::{Arrivals, Socket};

/// One connection.
pub(super) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    driver: http1::Connection<TokioIo<Socket>, RequestBody>,
    arrivals: Rc<Arrivals>,
}

/// A response's head, and whether its connection ended with it.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) is_last: bool,
}

impl Connection {
    pub(super) async fn over(socket: Socket) -> hyper::Result<Self> {
        let arrivals = socket.arrivals();
        let (sender, driver) = http1::handshake(TokioIo::new(socket)).await?;
        Ok(Self {
            sender,
            driver,
            arrivals,
        })
    }

    /// `None`: the connection ended and there is no error to tell.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> hyper::Result<Option<Answer>> {
        self.arrivals.expect_answer();
        let mut response = pin!(self.sender.send_request(request));
        let driver = &mut self.driver;
        let answered = |response: hyper::Result<_>, is_last| {
            Poll::Ready(response.map(|response| Some(Answer { response, is_last })))
        };
        poll_fn(|context| {
            loop {
                // Asked before as well: a streamed body that never runs dry uses up all that a task may do in one go
                // (tokio's budget), and what is asked behind it then is never ready.
                if let Poll::Ready(response) = response.as_mut().poll(context) {
                    return answered(response, false);
                }
                let ended = Pin::new(&mut *driver).poll(context);
                if let Poll::Ready(response) = response.as_mut().poll(context) {
                    return answered(response, ended.is_ready());
                }
                if ended.is_pending() && self.arrivals.hurry() {
                    continue;
                }
                // The driver has told the response of its end, whatever that was; no more will come.
                return ended.map(|result| result.map(|()| None));
            }
        })
        .await
    }

    /// Whether any byte has come since the last request was handed over.
    pub(super) fn is_answered(&self) -> bool {
        self.arrivals.is_answered()
    }

    /// More of a response is waited for. Whether the connection has to be driven once more for it.
    pub(super) fn hurry(&self) -> bool {
        self.arrivals.hurry()
    }

    /// Reads and writes what can be. Ready at the end of the connection, and not to be asked after it.
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.driver).poll(context).map(drop)
    }

    /// Ready once it can carry a request. Pending also where its peer has closed it.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.poll_ended(context).is_ready() {
            return Poll::Pending;
        }
        match ready!(self.sender.poll_ready(context)) {
            Ok(()) => Poll::Ready(()),
            Err(_) => Poll::Pending,
        }
    }
}
