// SPDX-License-Identifier: Apache-2.0
//! A small web app whose page shows what streaming is for: one text, token by token, beside the same text in one piece.
//!
//! It is an ordinary axum server. It knows nothing about Lambda: it listens on `$PORT`, answers, and ends on SIGTERM. That
//! is the point of it, for Streamgate runs it as it is.

mod routes;
mod text;

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time;

const DEFAULT_PORT: u16 = 8080;

/// How long an answer that is still being streamed may go on after SIGTERM. Lambda gives an environment two seconds in all.
const GRACE: Duration = Duration::from_millis(1_500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    // Installed before the port is open, so that a signal that follows the first answer is never the default, sudden one.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port()?));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    println!("listening on http://{}/", listener.local_addr()?);

    // Small chunks, each wanted at once: the case that Nagle's algorithm would hold back.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let (stop, stopping) = oneshot::channel::<()>();
    // Ends by itself once it was told to stop and the last answer is out.
    let serving = axum::serve(listener, routes::app())
        .with_graceful_shutdown(async { drop(stopping.await) })
        .into_future();
    let patience = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        println!("stopping");
        drop(stop);
        time::sleep(GRACE).await;
    };
    tokio::select! {
        result = serving => result,
        () = patience => Ok(()),
    }
}

fn port() -> io::Result<u16> {
    match env::var("PORT") {
        Err(_) => Ok(DEFAULT_PORT),
        Ok(value) => value.parse().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("PORT is {value:?}, but a number from 0 to 65535 is needed"),
            )
        }),
    }
}
