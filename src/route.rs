// SPDX-License-Identifier: Apache-2.0
//! Paths: the base path that is taken off, and whether two paths are the same place to an app. Pure.

use http::Uri;
use http::uri::PathAndQuery;

/// Takes a base path off a target, once and at the end of a segment. `None` where the target is not below it.
#[must_use]
pub fn without_base(target: &Uri, base: &str) -> Option<Uri> {
    let rest = target.path_and_query()?.as_str().strip_prefix(base)?;
    let rest = match rest.bytes().next() {
        None => "/".to_owned(),
        Some(b'/') => rest.to_owned(),
        Some(b'?') => format!("/{rest}"),
        Some(_) => return None,
    };
    PathAndQuery::try_from(rest).ok().map(Uri::from)
}

/// The same query below another path.
#[must_use]
pub fn with_path(target: &Uri, path: &str) -> Uri {
    let target = match target.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    PathAndQuery::try_from(target).map_or_else(|_| Uri::from_static("/"), Uri::from)
}

/// Whether an app may take `path` for `own`: apps decode escapes, fold slashes and resolve dot segments, each in its
/// own way, so a path that has to stay private is compared after all of these.
#[must_use]
pub fn may_be(path: &str, own: &str) -> bool {
    let own = places(own.as_bytes());
    let decoded = decode(path.as_bytes());
    places(path.as_bytes()) == own || places(&decoded) == own || places(&decode(&decoded)) == own
}

fn places(path: &[u8]) -> Vec<Vec<u8>> {
    let mut places: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        // Some servers take path parameters off.
        let segment = segment
            .split(|&byte| byte == b';')
            .next()
            .unwrap_or_default();
        match segment {
            b"" | b"." => {}
            b".." => drop(places.pop()),
            segment => places.push(segment.to_ascii_lowercase()),
        }
    }
    places
}

fn decode(path: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            decoded.push(high * 16 + low);
            rest = after;
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_taken_off_once_and_at_the_end_of_a_segment() {
        for (target, rest) in [
            ("/orders/9", Some("/9")),
            ("/orders", Some("/")),
            ("/orders?a=1", Some("/?a=1")),
            ("/orders/orders/5", Some("/orders/5")),
            ("/orders/", Some("/")),
            ("/orders//x", Some("//x")),
            ("/orders-v2/9", None),
            ("/other", None),
        ] {
            let taken =
                without_base(&target.parse().unwrap(), "/orders").map(|uri| uri.to_string());
            assert_eq!(taken.as_deref(), rest, "{target}");
        }
    }

    #[test]
    fn a_private_path_is_found_however_it_is_written() {
        for path in [
            "/events",
            "/events/",
            "//events",
            "/./events",
            "/x/../events",
            "/%65vents",
            "/%2565vents",
            "/events;x=1",
            "/Events",
            "\\events",
            "/x/%2e%2e/events",
        ] {
            assert!(may_be(path, "/events"), "{path}");
        }
        for path in ["/", "/event", "/events2", "/events/x", "/x/events"] {
            assert!(!may_be(path, "/events"), "{path}");
        }
    }
}
