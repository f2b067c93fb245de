// SPDX-License-Identifier: Apache-2.0
//! The adapter's own log: one subscriber, in Lambda's two formats, and the names of the fields.
//!
//! Lines go to standard error, which Lambda keeps in the function's log group as it does standard output.

use std::io::{self, IsTerminal};

use crate::settings::{Log, LogFormat};

/// Starts the log of this process. A second call has no effect.
pub fn init(log: Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(log.level)
        .with_writer(io::stderr);
    // Lambda files a JSON line under its `level` only if a `timestamp` stands beside it; a text line it stamps itself.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init().is_ok(),
        LogFormat::Text => builder
            .without_time()
            .with_ansi(io::stderr().is_terminal())
            .try_init()
            .is_ok(),
    };
}

/// An error with the chain of its causes, for one log field: each error's own text names its own level only.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
