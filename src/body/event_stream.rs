// SPDX-License-Identifier: Apache-2.0
//! Where a comment may stand in an event stream: at its start, or behind the empty line that ends an event.
//!
//! Source: WHATWG HTML, "Server-sent events", section 9.2.5 (parsing). A line ends with LF, CR, or CR LF. A comment in
//! the middle of an event would do no harm, but the empty line behind it, which makes proxies and clients hand it on,
//! would end the event.

use bytes::{Bytes, BytesMut};

/// What a client passes over.
pub(super) const COMMENT: &[u8] = b": keep-alive\n\n";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where the last byte that passed leaves the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between two events, or before the first.
    Boundary,
    /// At the start of a line of an event.
    LineStart,
    Line,
}

#[derive(Debug)]
enum Start {
    /// Nothing has passed.
    Clear,
    /// A comment has gone before all else; the bytes that came since are less than a byte order mark.
    Commented(BytesMut),
    Past,
}

/// An event stream on its way.
#[derive(Debug)]
pub(super) struct EventStream {
    place: Place,
    /// A LF that comes next belongs to the line end before it.
    follows_cr: bool,
    start: Start,
}

impl EventStream {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Boundary,
            follows_cr: false,
            start: Start::Clear,
        }
    }

    pub(super) fn is_at_boundary(&self) -> bool {
        self.place == Place::Boundary
    }

    /// The comment, for a stream at a boundary.
    pub(super) fn comment(&mut self) -> Bytes {
        if matches!(self.start, Start::Clear) {
            self.start = Start::Commented(BytesMut::new());
        }
        Bytes::from_static(COMMENT)
    }

    /// What the next bytes of the stream become: themselves, but for a byte order mark that would no longer stand at
    /// the start, where alone a client knows it for one. Bytes that may be part of one wait for the next.
    pub(super) fn pass(&mut self, mut data: Bytes) -> Bytes {
        if data.is_empty() {
            return data;
        }
        match std::mem::replace(&mut self.start, Start::Past) {
            Start::Past => {}
            Start::Clear => {
                self.follow(data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&data));
                return data;
            }
            Start::Commented(mut held) => {
                if !held.is_empty() {
                    held.extend_from_slice(&data);
                    data = held.split().freeze();
                }
                if data.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&data) {
                    self.start = Start::Commented(BytesMut::from(data));
                    return Bytes::new();
                }
                if data.starts_with(BYTE_ORDER_MARK) {
                    data = data.slice(BYTE_ORDER_MARK.len()..);
                }
            }
        }
        self.follow(&data);
        data
    }

    /// What still waits at the end of the stream.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.start, Start::Past) {
            Start::Commented(held) if !held.is_empty() => Some(held.freeze()),
            _ => None,
        }
    }

    /// Only line ends at the end of the bytes say where they leave the stream.
    fn follow(&mut self, data: &[u8]) {
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let line = data.iter().rposition(|byte| !is_line_end(byte));
        if line.is_some() {
            self.place = Place::Line;
            self.follows_cr = false;
        }
        for &byte in &data[line.map_or(0, |last| last + 1)..] {
            if !(byte == b'\n' && self.follows_cr) {
                self.place = match self.place {
                    Place::Line => Place::LineStart,
                    Place::LineStart | Place::Boundary => Place::Boundary,
                };
            }
            self.follows_cr = byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_boundary_is_the_start_or_lies_behind_an_empty_line() {
        for (chunks, is_boundary) in [
            (vec![], true),
            (vec!["data: x"], false),
            (vec!["data: x\n"], false),
            (vec!["data: x\n\n"], true),
            (vec!["data: x\r\n"], false),
            (vec!["data: x\r", "\n"], false),
            (vec!["data: x\r\n\r\n"], true),
            (vec!["data: x\r\n\r"], true),
            (vec!["data: x\r\n\r", "\n"], true),
            (vec!["data: x\r\r"], true),
            (vec!["data: x\r", "\r"], true),
            (vec!["data: x\n\r\n"], true),
            (vec!["data: x\r\n\n"], true),
            (vec!["data: x\r", "\n", "\n"], true),
            (vec!["data: x\n", "\n"], true),
            (vec!["data: x\n\nd"], false),
            (vec![": hello\n"], false),
            (vec!["\n"], true),
            (vec!["\u{feff}"], true),
            (vec!["\u{feff}", "data: x"], false),
            (vec!["\u{feff}\r", "\n"], true),
            (vec!["", "\u{feff}"], true),
            (vec!["\u{feff}data: x\n\n"], true),
            (vec!["", "data: x\n", "", "\n", ""], true),
        ] {
            let mut stream = EventStream::new();
            for chunk in &chunks {
                assert_eq!(stream.pass(Bytes::from(*chunk)), chunk);
            }
            assert_eq!(stream.is_at_boundary(), is_boundary, "{chunks:?}");
        }
    }

    /// Events as a client sees them: WHATWG HTML, section 9.2.6 (interpretation), on text.
    fn events(stream: &[u8]) -> Vec<(String, String, String)> {
        let text = String::from_utf8_lossy(stream).into_owned();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let (mut kind, mut data, mut id) = (String::new(), String::new(), String::new());
        let mut events = Vec::new();
        // What follows the last line end is no line yet.
        let lines: Vec<&str> = text.split('\n').collect();
        for line in &lines[..lines.len() - 1] {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    if !data.is_empty() {
                        events.push((kind.clone(), data.clone(), id.clone()));
                    }
                    kind.clear();
                    data.clear();
                }
                "event" => value.clone_into(&mut kind),
                "data" => data.extend([value, "\n"]),
                "id" => value.clone_into(&mut id),
                _ => {}
            }
        }
        events
    }

    fn piece() -> impl Strategy<Value = &'static [u8]> {
        prop::sample::select(vec![
            &b"data: x"[..],
            b"data",
            b":",
            b" ",
            b"id: 7",
            b"event: e",
            b": comment",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\r\r",
            b"\r\n\r\n",
            BYTE_ORDER_MARK,
            b"\xef",
            b"\xbb",
            b"\xff",
            "ü".as_bytes(),
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn comments_at_boundaries_change_no_event(
            pieces in vec(piece(), 0..40),
            starts_with_mark in any::<bool>(),
            cuts in vec((any::<prop::sample::Index>(), any::<bool>()), 0..20),
        ) {
            let mut original = if starts_with_mark { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
            original.extend(pieces.concat());
            let mut cuts: Vec<(usize, bool)> = cuts
                .into_iter()
                .map(|(at, wants_comment)| (at.index(original.len() + 1), wants_comment))
                .collect();
            cuts.sort_unstable();

            let mut stream = EventStream::new();
            // The stream as a client gets it, and the same without the comments.
            let (mut with, mut without) = (Vec::new(), Vec::new());
            let (mut from, mut commented_first) = (0, false);
            for (at, wants_comment) in cuts.into_iter().chain([(original.len(), true)]) {
                let passed = stream.pass(Bytes::copy_from_slice(&original[from..at]));
                from = at;
                with.extend_from_slice(&passed);
                without.extend_from_slice(&passed);
                if wants_comment && stream.is_at_boundary() {
                    commented_first |= without.is_empty();
                    with.extend_from_slice(&stream.comment());
                }
            }
            if let Some(rest) = stream.rest() {
                with.extend_from_slice(&rest);
                without.extend_from_slice(&rest);
            }

            let expected = match original.strip_prefix(BYTE_ORDER_MARK) {
                Some(rest) if without.len() < original.len() => {
                    prop_assert!(commented_first);
                    rest
                }
                _ => &original,
            };
            prop_assert_eq!(&without, expected);
            prop_assert_eq!(events(&with), events(&original));
        }

        #[test]
        fn every_boundary_is_found_however_the_stream_is_cut(
            pieces in vec(piece(), 0..40),
            sizes in vec(1_usize..7, 1..60),
        ) {
            let original = pieces.concat();
            let mut stream = EventStream::new();
            // A mark that comes in parts is taken for part of a line: there is a comment less than there might be.
            let mark = if sizes[0] < BYTE_ORDER_MARK.len() { b"".as_slice() } else { BYTE_ORDER_MARK };
            let mut at = 0;
            for size in sizes {
                let end = (at + size).min(original.len());
                stream.pass(Bytes::copy_from_slice(&original[at..end]));
                at = end;
                let seen = original[..at].strip_prefix(mark).unwrap_or(&original[..at]);
                let text: String = seen.iter().map(|&byte| char::from(byte)).collect();
                let text = text.replace("\r\n", "\n").replace('\r', "\n");
                let lines: Vec<&str> = text.split('\n').collect();
                let is_boundary = match lines[..] {
                    [.., before, ""] => before.is_empty(),
                    [only] => only.is_empty(),
                    _ => false,
                };
                prop_assert_eq!(stream.is_at_boundary(), is_boundary, "{:?}", text);
            }
        }
    }
}
