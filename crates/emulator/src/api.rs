// SPDX-License-Identifier: Apache-2.0
//! The listener of the Runtime API and the Extensions API: connections, calls on them, and what the fault script does
//! to these.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::environment::Shared;
use crate::faults::{self, CallBody, Ending, Line, Pieces};
use crate::journal::Entry;
use crate::runtime_api;
use crate::state::State;
use crate::wire::ApiResponse;

/// Serves both APIs to the processes of one environment until dropped.
pub(crate) async fn serve(listener: Arc<TcpListener>, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.ok(),
            Some(_) = connections.join_next() => None,
        };
        // A failed accept is a lack of file descriptors or a peer that left: the next one may work.
        let Some((stream, _)) = stream else {
            tokio::task::yield_now().await;
            continue;
        };
        // Failing costs latency only.
        let _ = stream.set_nodelay(true);
        connections.spawn(connection(stream, Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let outlives_restore = shared.peek(State::is_restored);
    let pieces = Pieces::default();
    let line = Line::new(stream, pieces.clone());
    let on_call = Arc::clone(&shared);
    let service = service_fn(move |request: Request<Incoming>| {
        Box::pin(call(
            Arc::clone(&on_call),
            pieces.clone(),
            request.map(CallBody::new),
        ))
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(line), service);
    // Without the shutdown, which is no fault's way to end a connection.
    let served = tokio::select! {
        served = poll_fn(|context| connection.poll_without_shutdown(context)) => served,
        () = shared.until(State::is_restored), if !outlives_restore => {
            // Pending calls are answered, all else of a connection is lost with a snapshot.
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    let mut line = connection.into_parts().io.into_inner();
    // Connections that break show where they matter: in the body of a response.
    let ending = served
        .err()
        .and_then(|error| error.source()?.downcast_ref::<Ending>().cloned());
    match ending {
        Some(ending) => line.end(ending).await,
        None => {
            let _ = line.shutdown().await;
        }
    }
}

async fn call(
    shared: Arc<Shared>,
    pieces: Pieces,
    request: Request<CallBody>,
) -> Result<ApiResponse, Ending> {
    pieces.set(0);
    let Some(planned) = shared.faults.plan(request.uri().path()) else {
        return answer(&shared, request).await;
    };
    shared.journal.write(&Entry::Faulted {
        call: planned.call,
        fault: planned.fault.to_owned(),
    });
    faults::carry_out(planned.act, request, &pieces, |request| {
        answer(&shared, request)
    })
    .await
}

/// What a call gets, by itself.
async fn answer(shared: &Arc<Shared>, request: Request<CallBody>) -> Result<ApiResponse, Ending> {
    let call = format!("{} {}", request.method(), request.uri().path());
    let response = runtime_api::dispatch(shared, request).await?;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let reason = response
            .body()
            .clone()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let reason = String::from_utf8_lossy(&reason.unwrap_or_default())
            .trim()
            .to_owned();
        shared.journal.write(&Entry::Refused {
            call,
            status: status.as_u16(),
            reason,
        });
    }
    Ok(response)
}
