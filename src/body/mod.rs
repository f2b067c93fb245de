// SPDX-License-Identifier: Apache-2.0
//! Combinators of HTTP bodies. Streaming is a type here, not a task: each wraps a body and is polled only when the
//! peer has room, so back-pressure needs no code.

mod bounded;
mod event_stream;
mod explain;
mod keep_alive;
mod observe;
mod prefix;

pub(crate) use bounded::{Bounded, Limits};
pub(crate) use explain::Explain;
pub(crate) use keep_alive::KeepAlive;
pub(crate) use observe::{End, Observe};
pub(crate) use prefix::{First, Prefix};

use std::fmt;

use crate::failure::{Failure, error_type};

/// Why a response of the app stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// By itself: the error, with its causes.
    #[error("the app broke off its response: {0}")]
    ByApp(String),
    /// It cannot be compressed: the error, with its causes.
    #[error("the response cannot be compressed: {0}")]
    Coding(String),
    /// It was held to a limit.
    #[error("the app's response was ended: {0}")]
    AtLimit(Limit),
}

impl Broken {
    /// What Lambda is told.
    pub(crate) fn failure(&self) -> Failure {
        let error_type = match self {
            Self::ByApp(_) => error_type::APP_STREAM,
            Self::Coding(_) => error_type::ADAPTER,
            Self::AtLimit(Limit::Deadline) => error_type::APP_TIMEOUT,
            Self::AtLimit(Limit::Idle | Limit::Duration) => error_type::STREAM_LIMIT,
        };
        Failure::new(error_type, self.to_string())
    }
}

/// What a response is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Lambda's deadline, less the margin.
    Deadline,
    /// The user's limit of the time in which nothing comes.
    Idle,
    /// The user's limit of the whole time.
    Duration,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "it was not complete shortly before Lambda's deadline",
            Self::Idle => "nothing came of it for STREAM_IDLE_TIMEOUT",
            Self::Duration => "it was still open after STREAM_MAX_DURATION",
        })
    }
}

#[cfg(test)]
pub(crate) mod scripted;
