// SPDX-License-Identifier: Apache-2.0
//! The least that a proxy between Lambda and an app can do, as a measure for those that do more: a thread, two kept
//! connections, buffers that are used again, bytes searched and not parsed. It hands on no request headers, repeats
//! nothing, and ends at the first surprise.
//!
//! `AWS_LAMBDA_RUNTIME_API`, `PORT`, and `NULL_MODE` (`streamed` or `buffered`) tell it what to do; with
//! `AWS_LAMBDA_MAX_CONCURRENCY` there is one such thread for each invocation at once.

mod event;
mod lane;
mod reply;

use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lane::Lane;

/// Between two looks for the app.
const PROBE_INTERVAL: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("null-adapter: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let runtime: SocketAddr = variable("AWS_LAMBDA_RUNTIME_API")?;
    let port: u16 = variable("PORT")?;
    let is_streamed = variable::<String>("NULL_MODE")? == "streamed";
    let concurrency: usize = variable("AWS_LAMBDA_MAX_CONCURRENCY").unwrap_or(1);
    let app = SocketAddr::from(([127, 0, 0, 1], port));

    // Kept to the end, with a poll that is never answered.
    let _extension = register(runtime)?;
    let first = loop {
        match TcpStream::connect(app) {
            Ok(stream) => break stream,
            Err(_) => thread::sleep(PROBE_INTERVAL),
        }
    };
    for _ in 1..concurrency {
        let lane = Lane::new(
            TcpStream::connect(runtime)?,
            TcpStream::connect(app)?,
            is_streamed,
        )?;
        thread::spawn(move || end(&lane.run()));
    }
    Lane::new(TcpStream::connect(runtime)?, first, is_streamed)?.run()
}

fn end(result: &io::Result<()>) {
    if let Err(error) = result {
        eprintln!("null-adapter: {error}");
    }
}

fn variable<T: std::str::FromStr>(name: &str) -> io::Result<T> {
    let value = env::var(name).map_err(|_| io::Error::other(format!("{name} is not set")))?;
    value
        .parse()
        .map_err(|_| io::Error::other(format!("{name} is `{value}`")))
}

fn register(runtime: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(runtime)?;
    stream.set_nodelay(true)?;
    stream.write_all(
        b"POST /2020-01-01/extension/register HTTP/1.1\r\nHost: lambda\r\n\
          Lambda-Extension-Name: null-adapter\r\nContent-Length: 13\r\n\r\n{\"events\":[]}",
    )?;
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer)?;
    let identifier =
        streamgate_benches::wire::header(&buffer[..count], "lambda-extension-identifier")
            .ok_or_else(|| io::Error::other("registration gave no identifier"))?;
    let poll = [
        b"GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: lambda\r\nLambda-Extension-Identifier: ",
        identifier,
        b"\r\n\r\n",
    ];
    stream.write_all(&poll.concat())?;
    Ok(stream)
}
