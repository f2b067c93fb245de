// SPDX-License-Identifier: Apache-2.0
//! A zip archive that depends on its entries alone: in the order given, dated 1980, with mode bits and no extra fields.
//!
//! The format is APPNOTE.TXT 6.3.10 of PKWARE. Not done: folders of their own, zip64, entries of 4 GiB.

use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::error::LayerError;

/// 1 January 1980, the first day that the format has.
const DATE: u16 = 0x21;
const TIME: u16 = 0;
const DEFLATE: u16 = 8;
/// Version 2.0 of the format: deflate, and folders in names.
const VERSION: u16 = 20;
/// The upper byte of "made by": the mode is in the upper half of the external attributes.
const UNIX: u16 = 3 << 8;
const REGULAR_FILE: u32 = 0o100_000;

/// A file of the archive.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

/// The archive of these files.
pub(crate) fn archive(entries: &[Entry]) -> Result<Vec<u8>, LayerError> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = size(entry.name, archive.len())?;
        let (deflated, about) = compressed(entry)?;
        archive.extend(b"PK\x03\x04");
        archive.extend(&about);
        archive.extend(entry.name.as_bytes());
        archive.extend(deflated);

        directory.extend(b"PK\x01\x02");
        directory.extend((UNIX | VERSION).to_le_bytes());
        directory.extend(&about);
        // No comment, disk 0, no internal attributes.
        directory.extend([0; 6]);
        directory.extend(((REGULAR_FILE | entry.mode) << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let offset = size("the archive", archive.len())?;
    let length = size("the directory", directory.len())?;
    let count = u16::try_from(entries.len())
        .map_err(|_| LayerError::TooLarge("the list of entries", entries.len()))?;
    archive.append(&mut directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(length.to_le_bytes());
    archive.extend(offset.to_le_bytes());
    // No comment.
    archive.extend([0; 2]);
    Ok(archive)
}

/// The compressed bytes, and what both headers say of them.
fn compressed(entry: &Entry) -> Result<(Vec<u8>, Vec<u8>), LayerError> {
    // Deflate adds 5 bytes a block at most; an eighth and a kilobyte is more than that.
    let mut deflated = Vec::with_capacity(entry.bytes.len() * 9 / 8 + 1024);
    Compress::new(Compression::best(), false)
        .compress_vec(&entry.bytes, &mut deflated, FlushCompress::Finish)
        .expect("there is no dictionary that could be missing");
    let mut crc = Crc::new();
    crc.update(&entry.bytes);

    let mut about = Vec::new();
    for number in [VERSION, 0, DEFLATE, TIME, DATE] {
        about.extend(number.to_le_bytes());
    }
    about.extend(crc.sum().to_le_bytes());
    about.extend(size(entry.name, deflated.len())?.to_le_bytes());
    about.extend(size(entry.name, entry.bytes.len())?.to_le_bytes());
    let name = u16::try_from(entry.name.len())
        .map_err(|_| LayerError::TooLarge(entry.name, entry.name.len()))?;
    about.extend(name.to_le_bytes());
    // No extra fields.
    about.extend([0; 2]);
    Ok((deflated, about))
}

fn size(of: &'static str, bytes: usize) -> Result<u32, LayerError> {
    u32::try_from(bytes).map_err(|_| LayerError::TooLarge(of, bytes))
}
