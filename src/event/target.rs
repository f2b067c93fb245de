// SPDX-License-Identifier: Apache-2.0
//! The request target. Path and query pass as the event has them; only bytes that may not stand on a request line are
//! escaped. Nothing is decoded, normalised or escaped twice, so what was escaped by the client stays as it was.

use std::fmt::Write as _;

use http::uri::PathAndQuery;

/// Joins path and query. An empty path is `/`; an empty query has no `?`.
pub(super) fn join(path: &str, query: &str) -> Option<PathAndQuery> {
    let mut target = String::with_capacity(path.len() + query.len() + 2);
    if !path.starts_with('/') {
        target.push('/');
    }
    // A `?` in the path would begin the query.
    escape(path, &mut target, |byte| {
        byte == b'?' || !is_allowed_in_path(byte)
    });
    if !query.is_empty() {
        target.push('?');
        escape(query, &mut target, |byte| !is_allowed_in_query(byte));
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).ok()
}

fn escape(text: &str, target: &mut String, must_escape: impl Fn(u8) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&must_escape) {
        // Each byte that is escaped is either ASCII or part of a character all of whose bytes are.
        let (clean, tail) = rest.split_at(at);
        target.push_str(clean);
        let mut characters = tail.chars();
        for byte in characters
            .next()
            .map(|c| c.to_string())
            .unwrap_or_default()
            .bytes()
        {
            let _ = write!(target, "%{byte:02X}");
        }
        rest = characters.as_str();
    }
    target.push_str(rest);
}

/// What servers accept in a path though RFC 3986, section 3.3, is stricter; `%` begins an escape that stays.
fn is_allowed_in_path(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'`')
}

fn is_allowed_in_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(path: &str, query: &str) -> String {
        join(path, query).unwrap().to_string()
    }

    #[test]
    fn path_and_query_pass_byte_for_byte() {
        for (path, query) in [
            (
                "/items/blue%20pen",
                "tag=one&tag=two&plus=a+b&pct=a%2Bb&empty=",
            ),
            ("//double//slash/", ""),
            ("/a/../b/./c", "x"),
            ("/%2Fslash%2f", "%zz=%"),
            ("/{json}\"|^\\[]", "q={}|^`\\[]?/&&=="),
        ] {
            let expected = if query.is_empty() {
                path.to_owned()
            } else {
                format!("{path}?{query}")
            };
            assert_eq!(joined(path, query), expected);
        }
    }

    #[test]
    fn bytes_that_may_not_stand_on_a_request_line_are_escaped_once() {
        assert_eq!(joined("/a b", "c d=<e>"), "/a%20b?c%20d=%3Ce%3E");
        assert_eq!(joined("/ñ#frag", "ü#\u{7f}"), "/%C3%B1%23frag?%C3%BC%23%7F");
        assert_eq!(joined("/a\r\nHost: x", "\0"), "/a%0D%0AHost:%20x?%00");
        assert_eq!(joined("/what?", ""), "/what%3F");
    }

    #[test]
    fn an_empty_path_is_the_root() {
        assert_eq!(joined("", ""), "/");
        assert_eq!(joined("", "a=1"), "/?a=1");
        assert_eq!(joined("items", ""), "/items");
    }

    #[test]
    fn every_character_makes_a_target_that_can_be_sent() {
        for c in (0..=0x2FF_u32).filter_map(char::from_u32) {
            let text = format!("/x{c}y");
            let target = joined(&text, &text);
            assert!(
                target.bytes().all(|b| b.is_ascii_graphic()),
                "{c:?} gave {target}"
            );
        }
    }
}
