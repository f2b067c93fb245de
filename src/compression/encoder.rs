// SPDX-License-Identifier: Apache-2.0
//! The codecs behind one face. Levels and windows are for responses that are made while they are read: some hundred
//! megabytes a second, and a memory that the smallest function can spare. `docs/design.md` has the figures.

use std::fmt;
use std::io::{self, Write as _};
use std::mem;

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;
use zstd::zstd_safe::CParameter;

use super::Coding;

const GZIP_LEVEL: u32 = 5;
const ZSTD_LEVEL: i32 = 3;
/// 128 KiB; RFC 9659 lets a client take up to 8 MB.
const ZSTD_WINDOW_LOG: u32 = 17;
const BROTLI_QUALITY: u32 = 4;
/// 256 KiB.
const BROTLI_WINDOW_LOG: u32 = 18;
/// What the codec hands out at a time.
const BROTLI_BUFFER: usize = 4 * 1024;

/// A compressor of one body.
pub(crate) struct Encoder(Codec);

enum Codec {
    Zstd(ZstdEncoder<'static, Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// # Errors
    ///
    /// zstd says so where it gets no memory.
    pub(crate) fn new(coding: Coding) -> io::Result<Self> {
        Ok(Self(match coding {
            Coding::Zstd => {
                let mut zstd = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
                zstd.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
                Codec::Zstd(zstd)
            }
            Coding::Brotli => Codec::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW_LOG,
            ))),
            Coding::Gzip => Codec::Gzip(GzEncoder::new(
                Vec::new(),
                flate2::Compression::new(GZIP_LEVEL),
            )),
        }))
    }

    /// Takes bytes in; [`Self::take`] gives out what has come of them so far.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Codec::Zstd(zstd) => zstd.write_all(data),
            Codec::Brotli(brotli) => brotli.write_all(data),
            Codec::Gzip(gzip) => gzip.write_all(data),
        }
    }

    /// Lets go of all that was written: with what [`Self::take`] gives then, a client can read it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Codec::Zstd(zstd) => zstd.flush(),
            Codec::Brotli(brotli) => brotli.flush(),
            Codec::Gzip(gzip) => gzip.flush(),
        }
    }

    /// What was made since the last time.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        mem::take(match &mut self.0 {
            Codec::Zstd(zstd) => zstd.get_mut(),
            Codec::Brotli(brotli) => brotli.get_mut(),
            Codec::Gzip(gzip) => gzip.get_mut(),
        })
    }

    /// The end of the body, and all that was not taken.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        let rest = match self.0 {
            Codec::Zstd(zstd) => zstd.finish()?,
            // Its one error is that of the writer, and a vector has none.
            Codec::Brotli(brotli) => brotli.into_inner(),
            Codec::Gzip(gzip) => gzip.finish()?,
        };
        Ok(Bytes::from(rest))
    }
}
