// SPDX-License-Identifier: Apache-2.0
//! Responses are compressed for clients that ask for it, if the user wants it: which coding a client takes (`accept`),
//! which responses may change (`eligible`), and the two ways in which bytes pass (`body` as they come, `whole` at once).
//! Pure. What a response says of itself is changed here alone, by [`Client::settle`] and [`announce`].

mod accept;
mod body;
mod eligible;
mod encoder;
mod whole;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};

pub(crate) use accept::Coding;
pub(crate) use body::Compressed;
pub(crate) use encoder::Encoder;
pub(crate) use whole::{CollectError, Collected, collect};

use crate::settings::Compression;

/// Fewest bytes that are worth a coding. Below, a packet is a packet.
const LEAST: usize = 1024;

/// What the client of a request lets be done with its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    coding: Option<Coding>,
}

impl Client {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        // A client may forbid it too (RFC 9111, section 5.2.1.6). The response to HEAD has no bytes.
        let refuses = request.method() == Method::HEAD || eligible::forbids_transform(headers);
        Self {
            coding: (!refuses).then(|| accept::choose(headers)).flatten(),
        }
    }

    /// The coding of a response, if it is to have one. A response that may have one says that the choice was the
    /// client's, so that no cache gives it to another.
    pub(crate) fn settle(
        self,
        setting: Compression,
        status: StatusCode,
        headers: &mut HeaderMap,
    ) -> Option<Coding> {
        if !eligible::is_eligible(setting, status, headers) {
            return None;
        }
        let varies = eligible::list(headers, &header::VARY)
            .any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"));
        if !varies {
            headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        self.coding
    }
}

/// Makes a head one of a compressed body: other bytes than the app's, of a length that is not known, whose parts
/// nobody can ask for.
pub(crate) fn announce(coding: Coding, headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_ENCODING,
        HeaderValue::from_static(coding.name()),
    );
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::ACCEPT_RANGES);
    // The tag named the app's own bytes; these are only as good as those (RFC 9110, section 8.8.1).
    let strong = headers
        .get(header::ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    if let Some(tag) = strong
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
}

#[cfg(test)]
mod tests;
