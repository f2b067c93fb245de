// SPDX-License-Identifier: Apache-2.0
//! Sends one item and reads its answer, of which nothing is kept but its measures.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use streamgate_emulator::{Emulator, InvocationError};
use tokio::net::TcpStream;

use super::outcome::{Answered, Outcome, Played};
use super::recording::{Action, Item};

/// Announces that a stream begins with JSON and eight NULs (source: aws-lambda-go `events/lambda_function_urls.go`).
const PRELUDE_TYPE: &str = "application/vnd.awslambda.http-integration-response";
const DELIMITER: [u8; 8] = [0; 8];
/// How long that may be (source: AWS page "Set up a Lambda proxy integration with payload response streaming in API
/// Gateway").
const PRELUDE_LIMIT: usize = 16 * 1024;
/// How long a reply may be that is one JSON document (source: AWS page "Lambda quotas").
const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

pub(super) async fn play(emulator: &Emulator, item: Item) -> Played {
    let began = Instant::now();
    let outcome = match item.action {
        Action::Skip(skip) => Outcome::Skipped(skip),
        Action::Send(request) => match send(emulator.address(), *request, began).await {
            Ok(answered) => Outcome::Answered(answered),
            Err(error) => Outcome::Failed {
                reason: format!("no answer: {}", with_causes(&error)),
                total: began.elapsed(),
            },
        },
        Action::Invoke(event) => match invoke(emulator, event, began).await {
            Ok(answered) => Outcome::Answered(answered),
            Err(error) => Outcome::Failed {
                reason: error.error_type().to_owned(),
                total: began.elapsed(),
            },
        },
    };
    Played {
        name: item.name,
        recorded: item.recorded,
        outcome,
    }
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Connection(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// On a connection of its own: a reply that breaks off takes its connection along.
async fn send(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
    began: Instant,
) -> Result<Answered, SendError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong with it is told to the request or to the reader of the body. It ends with them.
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let first_byte = Some(began.elapsed());
    let status = Some(response.status().as_u16());
    let mut body = response.into_body();
    let (mut bytes, mut broken) = (0, None);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes += frame.data_ref().map_or(0, size),
            Err(error) => broken = Some(with_causes(&error)),
        }
    }
    Ok(Answered {
        status,
        first_byte,
        total: began.elapsed(),
        bytes,
        broken,
    })
}

/// Resolves when the environment is done with it.
async fn invoke(
    emulator: &Emulator,
    event: Bytes,
    began: Instant,
) -> Result<Answered, InvocationError> {
    let mut reply = emulator.invoke(event).await?;
    let mut head = Head::of(reply.content_type());
    let (mut first_byte, mut bytes) = (None, 0);
    let broken = loop {
        match reply.next().await {
            Ok(Some(piece)) => {
                first_byte.get_or_insert_with(|| began.elapsed());
                bytes += size(&piece);
                head.push(&piece);
            }
            Ok(None) => break None,
            Err(error) => break Some(error.error_type().to_owned()),
        }
    };
    let total = began.elapsed();
    reply.settled().await;
    Ok(Answered {
        status: head.status(),
        first_byte,
        total,
        bytes,
        broken,
    })
}

/// As much of an event's reply as may name a status.
enum Head {
    /// Of a stream, until its delimiter.
    Prelude(Vec<u8>),
    /// The whole of a reply that is JSON, be it buffered or a stream.
    Payload(Vec<u8>),
    /// A stream that is nothing but payload.
    None,
}

impl Head {
    /// `content_type` is that of a stream.
    fn of(content_type: Option<&str>) -> Self {
        match content_type {
            None => Self::Payload(Vec::new()),
            Some(announced) if announced.starts_with(PRELUDE_TYPE) => Self::Prelude(Vec::new()),
            Some(json) if json.starts_with("application/json") => Self::Payload(Vec::new()),
            Some(_) => Self::None,
        }
    }

    fn push(&mut self, piece: &Bytes) {
        match self {
            Self::Prelude(held) => {
                let room = PRELUDE_LIMIT.saturating_sub(held.len());
                held.extend_from_slice(piece.get(..room).unwrap_or(piece));
            }
            Self::Payload(held) if held.len() + piece.len() <= PAYLOAD_LIMIT => {
                held.extend_from_slice(piece);
            }
            Self::Payload(_) => *self = Self::None,
            Self::None => {}
        }
    }

    fn status(&self) -> Option<u16> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named {
            status_code: u16,
        }
        let json = match self {
            Self::Prelude(held) => {
                let mut windows = held.windows(DELIMITER.len());
                let end = windows.position(|window| window == DELIMITER)?;
                held.get(..end)?
            }
            Self::Payload(payload) => payload,
            Self::None => return None,
        };
        serde_json::from_slice(json)
            .ok()
            .map(|Named { status_code }| status_code)
    }
}

fn size(data: &Bytes) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
