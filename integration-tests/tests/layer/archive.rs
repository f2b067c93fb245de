// SPDX-License-Identifier: Apache-2.0
//! Reads a zip as strictly as it was promised: both headers of each member agree, and neither has an extra field.

use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// A file of an archive.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Type and permissions.
    pub(crate) mode: u32,
    /// Time and date as DOS has them.
    pub(crate) date: [u8; 4],
    pub(crate) bytes: Vec<u8>,
}

/// The members in the order of the directory; nothing lies between or behind them.
pub(crate) fn members(zip: &[u8]) -> Vec<Member> {
    let end = &zip[zip.len() - 22..];
    assert_eq!(end[..4], *b"PK\x05\x06", "no comment behind the directory");
    let (mut at, count) = (number(end, 16, 4), number(end, 10, 2));
    let (mut body, directory) = (0, at);
    let mut members = Vec::new();
    for _ in 0..count {
        let entry = &zip[at..];
        assert_eq!(entry[..4], *b"PK\x01\x02");
        assert_eq!(entry[5], 3, "made by Unix");
        assert_eq!(entry[30..34], [0; 4], "no extra field, no comment");
        assert_eq!(number(entry, 42, 4), body, "it follows the one before");
        let name = &entry[46..46 + number(entry, 28, 2)];

        let local = &zip[body..];
        assert_eq!(local[..4], *b"PK\x03\x04");
        assert_eq!(local[4..30], entry[6..32], "both headers say the same");
        assert_eq!(local[30..30 + name.len()], *name);
        let begin = 30 + name.len();
        let deflated = &local[begin..begin + number(entry, 20, 4)];
        let mut bytes = Vec::new();
        DeflateDecoder::new(deflated)
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes.len(), number(entry, 24, 4));
        let mut crc = Crc::new();
        crc.update(&bytes);
        assert_eq!(crc.sum().to_le_bytes(), entry[16..20]);

        members.push(Member {
            name: String::from_utf8(name.to_vec()).unwrap(),
            mode: u32::try_from(number(entry, 38, 4) >> 16).unwrap(),
            date: entry[12..16].try_into().unwrap(),
            bytes,
        });
        body += begin + deflated.len();
        at += 46 + name.len();
    }
    assert_eq!(body, directory, "nothing lies before the directory");
    assert_eq!(at, zip.len() - 22, "nothing lies behind the directory");
    members
}

fn number(bytes: &[u8], at: usize, size: usize) -> usize {
    let digits = bytes[at..at + size].iter().rev();
    digits.fold(0, |number, &byte| number << 8 | usize::from(byte))
}
