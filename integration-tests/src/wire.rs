// SPDX-License-Identifier: Apache-2.0
//! HTTP/1.1 as bytes: heads and chunked bodies, read strictly and by hand.
//!
//! The judge must not share a codec with what it judges, so nothing here comes from hyper. It is strict where a lenient
//! parser would hide a framing mistake: every line ends in CRLF, a chunk size is plain hex, a trailer has a name.

/// The start line and the header lines of a message, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Request line or status line, without its line end.
    pub start: String,
    /// Header lines as they were written: names keep their case, values lose the blanks around them.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Parses the head at the start of `bytes`; says how long it was, or `None` while it is incomplete.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let Some(end) = find(bytes, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines.map(parse_field).collect::<Result<_, _>>()?;
        Ok(Some((Self { start, headers }, end + 4)))
    }

    /// The first value under this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All values under this name, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The status code of a status line.
    #[must_use]
    pub fn status(&self) -> u16 {
        let code = self.start.split(' ').nth(1).unwrap_or_default();
        code.parse()
            .unwrap_or_else(|_| panic!("no status code in the line {:?}", self.start))
    }

    /// The method of a request line.
    #[must_use]
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The request target of a request line, byte for byte.
    #[must_use]
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// How a body after this head is framed, if it is a request's or a response's that may have one.
    #[must_use]
    pub fn framing(&self, without: Framing) -> Framing {
        let chunked = self
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let length = self
            .header("content-length")
            .and_then(|value| value.parse().ok());
        match (chunked, length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => without,
        }
    }
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks, a terminator, perhaps trailers.
    Chunked,
    /// Everything until the peer closes.
    UntilClose,
}

/// One step of a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The data of one chunk.
    Chunk(Vec<u8>),
    /// The terminator with the trailers that followed it.
    End(Vec<(String, String)>),
}

/// Takes the next piece off the front of `buffer`, or nothing while it is incomplete.
pub fn take_piece(buffer: &mut Vec<u8>) -> Result<Option<Piece>, String> {
    let Some(line) = find(buffer, b"\r\n") else {
        return Ok(None);
    };
    let digits = String::from_utf8_lossy(&buffer[..line]).into_owned();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("chunk size line {digits:?} is not plain hex"));
    }
    let size = usize::from_str_radix(&digits, 16).map_err(|error| error.to_string())?;
    let start = line + 2;
    if size > 0 {
        let end = start + size;
        if buffer.len() < end + 2 {
            return Ok(None);
        }
        if &buffer[end..end + 2] != b"\r\n" {
            return Err(format!(
                "a chunk of {size} bytes is not followed by a line end"
            ));
        }
        let chunk = buffer[start..end].to_vec();
        buffer.drain(..end + 2);
        return Ok(Some(Piece::Chunk(chunk)));
    }
    if buffer[start..].starts_with(b"\r\n") {
        buffer.drain(..start + 2);
        return Ok(Some(Piece::End(Vec::new())));
    }
    let Some(end) = find(&buffer[start..], b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&buffer[start..start + end]).into_owned();
    let trailers = text
        .split("\r\n")
        .map(parse_field)
        .collect::<Result<_, _>>()?;
    buffer.drain(..start + end + 4);
    Ok(Some(Piece::End(trailers)))
}

/// Where `needle` begins in `bytes`.
#[must_use]
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

fn parse_field(line: &str) -> Result<(String, String), String> {
    match line.split_once(':') {
        Some((name, value)) if !name.is_empty() && !name.contains(' ') => {
            Ok((name.to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{line:?} is no header line")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, take_piece};

    #[test]
    fn a_chunked_body_is_taken_piece_by_piece() {
        let mut buffer = b"3\r\nabc\r\n0\r\nA: b\r\n\r\nnext".to_vec();
        assert_eq!(
            take_piece(&mut buffer),
            Ok(Some(Piece::Chunk(b"abc".to_vec())))
        );
        let trailers = vec![("A".to_owned(), "b".to_owned())];
        assert_eq!(take_piece(&mut buffer), Ok(Some(Piece::End(trailers))));
        assert_eq!(buffer, b"next");
    }

    #[test]
    fn a_wrong_chunk_size_is_an_error_and_a_short_chunk_is_not_yet_one() {
        assert_eq!(take_piece(&mut b"5\r\nab".to_vec()), Ok(None));
        assert!(take_piece(&mut b"1\r\nab\r\n".to_vec()).is_err());
        assert!(take_piece(&mut b"x\r\n".to_vec()).is_err());
    }
}
