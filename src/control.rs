// SPDX-License-Identifier: Apache-2.0
//! Edge: the adapter's own address, for the app alone: `POST /background` and `POST /background/done`, each with the
//! token of a request in `x-streamgate-token`. On loopback; a token is known to nobody but the app.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::background::{Background, UnknownToken};
use crate::headers::TOKEN;

/// After a failed accept, such as for want of descriptors.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The listening server.
#[derive(Debug)]
pub(crate) struct Control {
    listener: TcpListener,
    address: SocketAddr,
}

impl Control {
    /// Listens on this port of loopback; 0: any.
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for ever.
    pub(crate) async fn run(&self, background: &Background) -> Infallible {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                // A connection that breaks is the app's affair.
                Some(_) = connections.next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let service = service_fn(async |request| {
                            Ok::<_, Infallible>(answer(background, &request))
                        });
                        connections.push(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "control connection was not accepted");
                        sleep(ACCEPT_RETRY_INTERVAL).await;
                    }
                },
            }
        }
    }
}

fn answer(background: &Background, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let token = || {
        request
            .headers()
            .get(TOKEN)
            .map_or(&[][..], HeaderValue::as_bytes)
    };
    let outcome = match (request.method(), request.uri().path()) {
        (&Method::POST, "/background") => background.start(token()),
        (&Method::POST, "/background/done") => background.finish(token()),
        (_, "/background" | "/background/done") => {
            let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, "POST alone is understood");
            let post = HeaderValue::from_static("POST");
            response.headers_mut().insert(header::ALLOW, post);
            return response;
        }
        _ => {
            return reply(
                StatusCode::NOT_FOUND,
                "there are POST /background and POST /background/done",
            );
        }
    };
    match outcome {
        Ok(()) => reply(StatusCode::NO_CONTENT, ""),
        Err(error @ UnknownToken) => reply(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

fn reply(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let text = if text.is_empty() {
        Bytes::new()
    } else {
        Bytes::from(format!("streamgate: {text}\n"))
    };
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    response
}
