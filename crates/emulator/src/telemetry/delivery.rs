// SPDX-License-Identifier: Apache-2.0
//! Posts batches to one subscriber, one after another.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::mailbox::{Batch, Mailbox};
use super::subscription::Destination;
use crate::journal::{Entry, Journal};

/// How often a batch is tried, the pauses between doubling (assumed; the service retries with back-off).
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("no listener on port {port}: {source}")]
    Connect { port: u16, source: std::io::Error },
    #[error("the listener on port {port} broke off: {source}")]
    Broken { port: u16, source: hyper::Error },
    #[error("the listener on port {port} answered {status}")]
    Status { port: u16, status: u16 },
}

/// Delivers until the mailbox is closed and empty. A frozen listener is waited for, however long that takes.
pub(super) async fn run(
    name: String,
    destination: Destination,
    mailbox: Arc<Mailbox>,
    journal: Journal,
) {
    while let Some(batch) = mailbox.batch().await {
        if let Err(error) = deliver(&destination, &batch).await {
            mailbox.dropped(&batch);
            journal.write(&Entry::TelemetryDropped {
                name: name.clone(),
                records: batch.events.len(),
                reason: error.to_string(),
            });
        }
    }
}

async fn deliver(destination: &Destination, batch: &Batch) -> Result<(), DeliveryError> {
    let body = array(batch);
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        match post(destination, body.clone()).await {
            Err(_) if attempt < ATTEMPTS => {
                tokio::time::sleep(pause).await;
                (attempt, pause) = (attempt + 1, pause * 2);
            }
            outcome => return outcome,
        }
    }
}

fn array(batch: &Batch) -> Bytes {
    let mut array = vec![b'['];
    for (index, event) in batch.events.iter().enumerate() {
        if index > 0 {
            array.push(b',');
        }
        array.extend_from_slice(event);
    }
    array.push(b']');
    array.into()
}

async fn post(destination: &Destination, body: Bytes) -> Result<(), DeliveryError> {
    let port = destination.port;
    let broken = |source| DeliveryError::Broken { port, source };
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|source| DeliveryError::Connect { port, source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    // It was a URI's when the subscription was read.
    *request.uri_mut() = destination.path.parse().unwrap_or_default();
    for (name, value) in [
        (header::HOST, destination.authority.as_str()),
        (header::CONTENT_TYPE, "application/json"),
        (header::CONNECTION, "close"),
    ] {
        if let Ok(value) = header::HeaderValue::from_str(value) {
            request.headers_mut().insert(name, value);
        }
    }
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok(status)
    };
    let status = tokio::select! {
        status = exchange => status,
        Err(error) = connection => Err(error),
    }
    .map_err(broken)?;
    if status.is_success() {
        Ok(())
    } else {
        let status = status.as_u16();
        Err(DeliveryError::Status { port, status })
    }
}
