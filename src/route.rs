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

/// The same query below another path. `None` where both are longer than a target can be.
#[must_use]
pub fn with_path(target: &Uri, path: &str) -> Option<Uri> {
    let target = match target.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    PathAndQuery::try_from(target).ok().map(Uri::from)
}

/// Whether some app may take `path` for `own`. Apps decode escapes, fold slashes, resolve dot segments and cut segments
/// short, each in its own order. All that any order can do to segments, decoded as far as they go, is to leave some out.
#[must_use]
pub fn may_be(path: &str, own: &str) -> bool {
    let (path, own) = (Segments::of(path), Segments::of(own));
    if path.may_be_changed {
        let mut rest = path.names.iter();
        own.names.iter().all(|name| rest.any(|other| other == name))
    } else {
        path.names == own.names
    }
}

/// The segments of a path, decoded and in lower case. Empty ones are left out.
struct Segments {
    names: Vec<Vec<u8>>,
    /// Whether there is anything that apps see differently, beside escapes and slashes.
    may_be_changed: bool,
}

impl Segments {
    fn of(path: &str) -> Self {
        let mut names = Vec::new();
        let mut may_be_changed = false;
        for segment in path.split('/') {
            let segment = decoded_whole(segment.as_bytes());
            let has = |marks: &[u8]| segment.iter().any(|byte| marks.contains(byte));
            // What was escaped so as to begin no query and no fragment, and to end no string of C; and slashes among
            // path parameters, which go with these or part them.
            may_be_changed |= has(b"?#\0") || has(b";") && has(b"/\\");
            for name in segment.split(|byte| b"/\\".contains(byte)) {
                let mut parts = name.split(|byte| b";?#\0".contains(byte));
                let name = parts.next().unwrap_or_default();
                may_be_changed |= matches!(name, b"." | b"..");
                if !name.is_empty() {
                    names.push(name.to_ascii_lowercase());
                }
            }
        }
        Self {
            names,
            may_be_changed,
        }
    }
}

/// Decodes escapes, and those that come of it, until none is left.
fn decoded_whole(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    for &byte in path {
        decoded.push(byte);
        while let [.., b'%', high, low] = decoded[..]
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            decoded.truncate(decoded.len() - 3);
            decoded.push(high * 16 + low);
        }
    }
    decoded
}

fn hex(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
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
    fn another_path_has_room_for_the_query_or_is_none() {
        let query = "q".repeat(usize::from(u16::MAX) - "/?".len() - 1);
        let target = format!("/?{query}").parse().unwrap();
        assert_eq!(with_path(&target, "/").unwrap(), target);
        assert_eq!(with_path(&target, "/x"), None);
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
            // Dot segments resolved before escapes are decoded, as RFC 3986 and browsers do.
            "/x%2Fy/../%65vents",
            "/x%2Fy/%2E./events",
            // An empty segment is one to a parser of URLs.
            "/events//..",
            "/events/x//../..",
            "/events;%2Fx",
            "/events%3B%2Fx",
            "/events%00.html",
            "/events%253F/x",
            "/event%%37%33",
        ] {
            assert!(may_be(path, "/events"), "{path}");
        }
        for path in [
            "/",
            "/event",
            "/events2",
            "/events/x",
            "/x/events",
            "/x%2Fevents",
            "/events/My%20party",
            "/x/events;y=1",
            "/event%",
            "/../event",
        ] {
            assert!(!may_be(path, "/events"), "{path}");
        }
        assert!(may_be("/%252561%20b/c", "/a%20b/c"));
        assert!(!may_be("/c/../a", "/a/c"));
    }
}
