// SPDX-License-Identifier: Apache-2.0
//! Reads what a function answers to a front end: the prelude of a stream, and buffered envelopes.
//!
//! Pure. Which headers a front end lets through, and under which name, is decided here as well.

mod buffered;
mod members;
mod names;
mod prelude;

pub(crate) use buffered::decode_payload;
pub(crate) use members::Base64;
pub(crate) use prelude::{announces_prelude, decode_prelude};

/// Why an answer is no HTTP response.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error("{what} is not a JSON object: {start:?}")]
    NotAnObject { what: &'static str, start: String },
    #[error("statusCode {0} is not an integer from 200 to 599")]
    StatusCode(String),
    #[error("{member} is not {expected}")]
    Member {
        member: &'static str,
        expected: &'static str,
    },
    #[error("member {0:?} is not known to this front end")]
    UnknownMember(String),
    #[error("value of header {name:?} is {value}, not a string")]
    HeaderNotAString { name: String, value: String },
    #[error("header {0:?} cannot be sent")]
    Header(String),
    #[error("body is not valid base64")]
    Base64,
}

#[cfg(test)]
mod tests;
