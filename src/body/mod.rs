// SPDX-License-Identifier: Apache-2.0
//! Combinators of HTTP bodies. Streaming is a type here, not a task: each wraps a body and is polled only when the
//! peer has room, so back-pressure needs no code.

mod explain;
mod observe;
mod prefix;

pub(crate) use explain::Explain;
pub(crate) use observe::{End, Observe};
pub(crate) use prefix::{First, Prefix};

#[cfg(test)]
pub(crate) mod scripted;
