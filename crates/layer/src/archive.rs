// SPDX-License-Identifier: Apache-2.0
//! A zip archive that depends on its entries alone: in the order given, dated 1980, with mode bits and no extra fields.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::LayerError;

/// The best that Deflate does.
const LEVEL: i64 = 9;

/// A file of the archive.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

/// The archive of these files.
pub(crate) fn of(entries: &[Entry]) -> Result<Vec<u8>, LayerError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let failed = |error| LayerError::Zip(entry.name, error);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            // 1 January 1980, the first day that the format has.
            .last_modified_time(DateTime::default())
            .unix_permissions(entry.mode);
        archive.start_file(entry.name, options).map_err(failed)?;
        archive
            .write_all(&entry.bytes)
            .map_err(|error| failed(error.into()))?;
    }
    let finished = archive
        .finish()
        .map_err(|error| LayerError::Zip("the directory", error))?;
    Ok(finished.into_inner())
}
