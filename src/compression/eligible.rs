// SPDX-License-Identifier: Apache-2.0
//! Which responses may be compressed.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::LEAST;
use crate::settings::Compression;

/// Headers that speak of the very bytes that the app sent: a coding is there already, it is a part of something, or
/// its digest is given (RFC 9530; RFC 3230; RFC 1864), which a client could no longer check.
const OF_THESE_BYTES: [HeaderName; 6] = [
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

const EVENT_STREAM: &str = "text/event-stream";

/// What gets shorter, beside `text/*` and what ends in `+json` or `+xml`. Images, video, archives and WOFF are
/// compressed in themselves.
const COMPRESSIBLE: [&str; 11] = [
    "application/json",
    "application/jsonl",
    "application/x-ndjson",
    "application/xml",
    "application/javascript",
    "application/x-javascript",
    "application/wasm",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
];

/// Whether a response may be compressed for a client that asks for it.
pub(super) fn is_eligible(setting: Compression, status: StatusCode, headers: &HeaderMap) -> bool {
    let has_no_whole_body = status.is_informational()
        || matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    let is_tiny = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.trim().parse().ok())
        .is_some_and(|length: u64| length < LEAST as u64);
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    setting != Compression::Off
        && !has_no_whole_body
        && !is_tiny
        && !OF_THESE_BYTES.iter().any(|name| headers.contains_key(name))
        && !forbids_transform(headers)
        && media_type.is_some_and(|media_type| is_compressible(setting, media_type))
}

/// Whether `Cache-Control` says `no-transform` (RFC 9111, sections 5.2.1.6 and 5.2.2.6).
pub(super) fn forbids_transform(headers: &HeaderMap) -> bool {
    list(headers, &header::CACHE_CONTROL)
        .any(|directive| directive.eq_ignore_ascii_case("no-transform"))
}

fn is_compressible(setting: Compression, media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence == EVENT_STREAM {
        return setting == Compression::WithEventStreams;
    }
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || COMPRESSIBLE.contains(&essence.as_str())
}

/// The members of a header that is a list, on however many lines.
pub(super) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn eligible(setting: Compression, status: u16, more: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        for (name, value) in more {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_eligible(setting, StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn types_that_get_shorter_are_compressed_and_others_are_not() {
        for (media_type, expected) in [
            ("text/html; charset=utf-8", true),
            ("TEXT/Plain", true),
            ("application/json", true),
            ("application/problem+json", true),
            ("application/atom+xml;type=feed", true),
            ("image/svg+xml", true),
            ("application/javascript", true),
            ("application/wasm", true),
            ("application/x-ndjson", true),
            ("image/png", false),
            ("video/mp4", false),
            ("application/zip", false),
            ("font/woff2", false),
            ("application/octet-stream", false),
            ("application/jsonish", false),
            ("", false),
        ] {
            let is = eligible(Compression::On, 200, &[("content-type", media_type)]);
            assert_eq!(is, expected, "{media_type:?}");
        }
        assert!(!is_eligible(
            Compression::On,
            StatusCode::OK,
            &HeaderMap::new()
        ));
    }

    #[test]
    fn event_streams_are_compressed_only_where_that_was_said() {
        for (setting, expected) in [
            (Compression::Off, false),
            (Compression::On, false),
            (Compression::WithEventStreams, true),
        ] {
            let headers = [("content-type", "text/event-stream; charset=utf-8")];
            assert_eq!(eligible(setting, 200, &headers), expected, "{setting:?}");
        }
    }

    #[test]
    fn only_a_status_with_a_whole_body_is_compressed() {
        for (status, expected) in [
            (200, true),
            (201, true),
            (404, true),
            (500, true),
            (101, false),
            (204, false),
            (205, false),
            (206, false),
            (304, false),
        ] {
            assert_eq!(eligible(Compression::On, status, &[]), expected, "{status}");
        }
    }

    #[test]
    fn what_speaks_of_the_apps_own_bytes_is_left_alone() {
        for (name, value) in [
            ("content-encoding", "br"),
            ("content-encoding", "identity"),
            ("content-range", "bytes */100"),
            ("content-digest", "sha-256=:AA==:"),
            ("repr-digest", "sha-256=:AA==:"),
            ("digest", "sha-256=AA=="),
            ("content-md5", "AA=="),
            ("cache-control", "no-transform"),
            ("cache-control", "max-age=60, No-Transform"),
            ("content-length", "0"),
            ("content-length", "1023"),
        ] {
            assert!(
                !eligible(Compression::On, 200, &[(name, value)]),
                "{name}: {value}"
            );
        }
        for (name, value) in [
            ("content-length", "1024"),
            ("cache-control", "no-store, private=\"x-no-transform\""),
            ("etag", "\"v1\""),
        ] {
            assert!(
                eligible(Compression::On, 200, &[(name, value)]),
                "{name}: {value}"
            );
        }
    }
}
