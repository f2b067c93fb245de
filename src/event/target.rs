// SPDX-License-Identifier: Apache-2.0
//! The request target. What the event has of path and query is passed as it stands; only bytes that may not stand on
//! a request line are escaped. Nothing is normalised or escaped twice. Fronts that decode are told apart from those
//! that do not, and what they decoded is escaped again.

use std::fmt::Write as _;

use http::uri::PathAndQuery;

/// A request target under way.
#[derive(Debug)]
pub(super) struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// Begins with a path that is still escaped, as the client sent it. An empty path is `/`.
    pub(super) fn verbatim(path: &str) -> Self {
        // A `?` in the path would begin the query.
        Self::begin(path, |byte| byte == b'?' || !is_allowed_in_path(byte))
    }

    /// Begins with a path that the front has decoded. Every byte that RFC 3986, section 3.3, does not allow is escaped,
    /// `%` among them: a literal one was `%25`.
    pub(super) fn decoded(path: &str) -> Self {
        Self::begin(path, |byte| byte != b'/' && !is_pchar(byte))
    }

    /// Begins with a path and the query that follows it, both as the client sent them.
    pub(super) fn verbatim_with_query(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut target = Self::verbatim(path);
        target.query(query);
        target
    }

    fn begin(path: &str, must_escape: impl Fn(u8) -> bool) -> Self {
        let mut text = String::with_capacity(path.len() + 64);
        if !path.starts_with('/') {
            text.push('/');
        }
        escape(path, &mut text, must_escape);
        Self {
            text,
            has_query: false,
        }
    }

    /// A whole query, as the client sent it. An empty one has no `?`.
    pub(super) fn query(&mut self, query: &str) {
        if !query.is_empty() {
            self.text.push('?');
            self.has_query = true;
            escape(query, &mut self.text, |byte| !is_allowed_in_query(byte));
        }
    }

    pub(super) fn has_query(&self) -> bool {
        self.has_query
    }

    /// One parameter, as the client sent it.
    pub(super) fn parameter(&mut self, name: &str, value: &str) {
        self.separate();
        // A `&` can only stand between parameters.
        let must_escape = |byte| byte == b'&' || !is_allowed_in_query(byte);
        escape(name, &mut self.text, must_escape);
        self.text.push('=');
        escape(value, &mut self.text, must_escape);
    }

    /// One parameter that the front has decoded.
    pub(super) fn decoded_parameter(&mut self, name: &str, value: &str) {
        self.separate();
        let must_escape = |byte| !is_unreserved(byte);
        escape(name, &mut self.text, must_escape);
        self.text.push('=');
        escape(value, &mut self.text, must_escape);
    }

    fn separate(&mut self) {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
    }

    /// The target. `None` where it is longer than a target can be.
    pub(super) fn finish(self) -> Option<PathAndQuery> {
        PathAndQuery::from_maybe_shared(bytes::Bytes::from(self.text)).ok()
    }
}

fn escape(text: &str, target: &mut String, must_escape: impl Fn(u8) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&must_escape) {
        // Each byte that is escaped is either ASCII or part of a character all of whose bytes are.
        let (clean, tail) = rest.split_at(at);
        target.push_str(clean);
        let mut characters = tail.chars();
        let mut utf8 = [0; 4];
        let character = characters.next().map_or("", |c| c.encode_utf8(&mut utf8));
        for byte in character.bytes() {
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

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986, section 3.3, without escapes.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(path: &str, query: &str) -> String {
        let mut target = Target::verbatim(path);
        target.query(query);
        target.finish().unwrap().to_string()
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
            ("/{json}\"|^\\[]", "q={}|^`\\[]'?/&&=="),
        ] {
            let expected = if query.is_empty() {
                path.to_owned()
            } else {
                format!("{path}?{query}")
            };
            assert_eq!(joined(path, query), expected);
            assert_eq!(
                Target::verbatim_with_query(&expected)
                    .finish()
                    .unwrap()
                    .to_string(),
                expected
            );
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
    fn what_a_front_decoded_is_escaped_again() {
        let path = |path| Target::decoded(path).finish().unwrap().to_string();
        assert_eq!(
            path("/a b/ñ/100%/what?#/x'y"),
            "/a%20b/%C3%B1/100%25/what%3F%23/x'y"
        );
        let mut target = Target::verbatim("/x");
        target.decoded_parameter("a b", "1+1=2 & more");
        target.decoded_parameter("empty", "");
        assert_eq!(
            target.finish().unwrap(),
            "/x?a%20b=1%2B1%3D2%20%26%20more&empty="
        );
    }

    #[test]
    fn parameters_that_were_not_decoded_pass_as_they_are() {
        let mut target = Target::verbatim("/x");
        for (name, value) in [
            ("next", "https%3A%2F%2Fx%3Fy%3D1"),
            ("plus", "a+b"),
            ("empty", ""),
            ("ü", "a&b"),
        ] {
            target.parameter(name, value);
        }
        assert_eq!(
            target.finish().unwrap(),
            "/x?next=https%3A%2F%2Fx%3Fy%3D1&plus=a+b&empty=&%C3%BC=a%26b"
        );
    }

    #[test]
    fn every_character_makes_a_target_that_can_be_sent() {
        for c in (0..=0x2FF_u32).filter_map(char::from_u32) {
            let text = format!("/x{c}y");
            let mut targets = [Target::verbatim(&text), Target::decoded(&text)];
            targets[0].query(&text);
            targets[1].parameter(&text, &text);
            targets[1].decoded_parameter(&text, &text);
            for target in targets {
                let target = target.finish().unwrap().to_string();
                assert!(
                    target.bytes().all(|b| b.is_ascii_graphic()),
                    "{c:?} gave {target}"
                );
            }
        }
    }
}
