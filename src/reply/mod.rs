// SPDX-License-Identifier: Apache-2.0
//! From the app's response to the reply that Lambda takes. Pure.

mod buffered;
mod prelude;

pub use buffered::{buffered, result};
pub use prelude::{PRELUDE_LIMIT, Prelude};

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// A response that cannot be given in the form that its front takes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReplyError {
    /// Status and headers do not fit before the delimiter.
    #[error(
        "the response's status and headers need {size} bytes as a prelude, over the limit of {PRELUDE_LIMIT}"
    )]
    PreludeTooLarge {
        /// Bytes of the encoded prelude.
        size: usize,
    },
    /// The reply document is larger than Lambda takes.
    #[error("the response needs {size} bytes as a buffered reply, over the limit of {limit}")]
    BufferedTooLarge {
        /// Bytes of the encoded reply; of the body alone where reading stopped at the limit.
        size: usize,
        /// Most bytes that the front takes.
        limit: usize,
    },
}

/// The response that the adapter itself gives where the app gave none that can be used.
#[must_use]
pub fn error_response(status: StatusCode, cause: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("streamgate: {cause}\n")));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// Whether a body is made of server-sent events that can be read, and added to, as they are.
pub(crate) fn is_plain_event_stream(headers: &HeaderMap) -> bool {
    let is = |name, expected| {
        let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        values
            .map(|value| {
                let end = value.iter().position(|byte| *byte == b';');
                &value[..end.unwrap_or(value.len())]
            })
            .all(|value| value.trim_ascii().eq_ignore_ascii_case(expected))
    };
    headers.contains_key(header::CONTENT_TYPE)
        && is(header::CONTENT_TYPE, b"text/event-stream".as_slice())
        && is(header::CONTENT_ENCODING, b"identity")
}

/// Makes a redirect relative that names the app's own address, which no client can reach.
pub(crate) fn repair_location(headers: &mut HeaderMap, app: &str) {
    let location = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok());
    let rest = location.and_then(|location| {
        let rest = location
            .strip_prefix("http://")
            .or_else(|| location.strip_prefix("https://"))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let port = app.rsplit_once(':').map_or("", |(_, port)| port);
        let names_app = authority == app
            || ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"]
                .iter()
                .any(|host| {
                    authority
                        .strip_prefix(host)
                        .and_then(|rest| rest.strip_prefix(':'))
                        == Some(port)
                });
        names_app.then(|| {
            if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            }
        })
    });
    if let Some(relative) = rest.and_then(|rest| HeaderValue::try_from(rest).ok()) {
        headers.insert(header::LOCATION, relative);
    }
}

/// Appends `"headers":{…` without its closing brace: one string per name, repeats joined, cookies left out, and none
/// of those that the front sets itself.
fn write_headers(json: &mut Vec<u8>, headers: &HeaderMap) {
    json.extend_from_slice(b"\"headers\":{");
    let mut separator = "";
    for name in headers.keys() {
        if *name == header::SET_COOKIE || *name == header::CONTENT_LENGTH {
            continue;
        }
        json.extend_from_slice(separator.as_bytes());
        separator = ",";
        write_string(json, name.as_str().as_bytes());
        json.push(b':');
        let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let first = values.next().unwrap_or_default();
        let mut rest = values.peekable();
        if rest.peek().is_none() {
            write_string(json, first);
        } else {
            let all: Vec<&[u8]> = std::iter::once(first).chain(rest).collect();
            write_string(json, &all.join(&b", "[..]));
        }
    }
}

/// Appends `"cookies":[…],`, or nothing where there are none: each becomes a `Set-Cookie` line of its own.
fn write_cookies(json: &mut Vec<u8>, headers: &HeaderMap) {
    let mut separator = "\"cookies\":[";
    for cookie in headers.get_all(header::SET_COOKIE) {
        json.extend_from_slice(separator.as_bytes());
        separator = ",";
        write_string(json, cookie.as_bytes());
    }
    if separator == "," {
        json.extend_from_slice(b"],");
    }
}

/// A header value is bytes; where they are no UTF-8, each stands for the character of that number, as HTTP/1.0 had it.
fn write_string(json: &mut Vec<u8>, bytes: &[u8]) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    };
    write_text(json, &text);
}

fn write_text(json: &mut Vec<u8>, text: &str) {
    json_escape_simd::escape_into(text, json);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stream_is_told_by_its_type_unless_it_is_encoded() {
        for (lines, is_plain) in [
            (&[("content-type", "text/event-stream")][..], true),
            (
                &[("content-type", "Text/Event-Stream; charset=utf-8")],
                true,
            ),
            (
                &[
                    ("content-type", "text/event-stream"),
                    ("content-encoding", "Identity"),
                ],
                true,
            ),
            (
                &[
                    ("content-type", "text/event-stream"),
                    ("content-encoding", "gzip"),
                ],
                false,
            ),
            (&[("content-type", "text/event-stream-2")], false),
            (&[("content-type", "text/plain")], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(is_plain_event_stream(&headers), is_plain, "{lines:?}");
        }
    }

    #[test]
    fn a_text_is_the_same_behind_its_json_wherever_it_has_to_be_escaped() {
        let characters = (0_u8..=0x7f)
            .map(char::from)
            .chain(['\u{80}', 'é', '\u{2028}', '😀']);
        for character in characters {
            // Longer than any register, so that each place in one has its turn.
            for before in 0..70 {
                let text = format!(
                    "{}{character}{}",
                    "a".repeat(before),
                    "b".repeat(70 - before)
                );
                let mut json = b"before".to_vec();
                write_text(&mut json, &text);
                let read: String = serde_json::from_slice(&json[6..]).unwrap();
                assert_eq!(read, text);
            }
        }
    }

    #[test]
    fn a_redirect_to_the_apps_own_address_is_made_relative() {
        for (location, repaired) in [
            ("http://127.0.0.1:8080/login?next=/", "/login?next=/"),
            ("http://localhost:8080", "/"),
            ("http://localhost:8080?a=1", "/?a=1"),
            ("http://localhost:9090/x", "http://localhost:9090/x"),
            ("https://www.example/x", "https://www.example/x"),
            ("/already", "/already"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
            repair_location(&mut headers, "127.0.0.1:8080");
            assert_eq!(headers[header::LOCATION], repaired);
        }
    }
}
