// SPDX-License-Identifier: Apache-2.0
//! A client's side of the content codings: what can be read of the bytes so far, and whether they came to their end.

use std::io::{self, Write};

use zstd::stream::write::Decoder as Zstd;

/// The codings that the adapter knows, as HTTP calls them.
pub const CODINGS: [&str; 3] = ["zstd", "gzip", "br"];

/// Reads encoded bytes as they come.
pub struct Decoder(Codec);

enum Codec {
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
    Zstd(Box<Zstd<'static, Vec<u8>>>),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// For the coding of this name.
    #[must_use]
    pub fn of(coding: &str) -> Self {
        Self(match coding {
            "br" => Codec::Brotli(Box::new(brotli::DecompressorWriter::new(Vec::new(), 4096))),
            "gzip" => Codec::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))),
            "zstd" => Codec::Zstd(Box::new(
                Zstd::new(Vec::new()).expect("there is memory for a decoder"),
            )),
            other => panic!("no coding of ours: {other}"),
        })
    }

    /// Takes encoded bytes; gives what can be read now and could not before.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        fn through(writer: &mut impl Write, bytes: &[u8]) {
            writer
                .write_all(bytes)
                .and_then(|()| writer.flush())
                .expect("the bytes are of this coding");
        }
        match &mut self.0 {
            Codec::Brotli(brotli) => {
                through(brotli, bytes);
                std::mem::take(brotli.get_mut())
            }
            Codec::Gzip(gzip) => {
                through(gzip, bytes);
                std::mem::take(gzip.get_mut())
            }
            Codec::Zstd(zstd) => {
                through(zstd, bytes);
                std::mem::take(zstd.get_mut())
            }
        }
    }

    /// Whether the bytes came to the end that their coding has.
    pub fn is_complete(mut self) -> bool {
        let end: io::Result<()> = match &mut self.0 {
            Codec::Brotli(brotli) => brotli.close(),
            Codec::Gzip(gzip) => gzip.try_finish(),
            Codec::Zstd(zstd) => zstd.do_finish(),
        };
        end.is_ok()
    }
}

/// Decodes a whole body, which has to be one.
#[must_use]
pub fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::of(coding);
    let body = decoder.push(bytes);
    assert!(decoder.is_complete(), "{coding}: the body has no end");
    body
}
