// SPDX-License-Identifier: Apache-2.0
//! A picture that no compression makes small: a valid PNG of noise.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// The side of a picture that has three quarters of so many bytes.
pub(crate) fn side_within(room: usize) -> u32 {
    u32::try_from((room / 4).isqrt()).expect("a picture is small")
}

/// A square PNG in colour, some three bytes for each pixel; the same for the same side.
pub(crate) fn png(side: u32) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(&side.to_be_bytes());
    header.extend_from_slice(&side.to_be_bytes());
    // Eight bits, red, green and blue, and the one way to compress, filter and order that there is.
    header.extend_from_slice(&[8, 2, 0, 0, 0]);

    let mut pixels = Vec::new();
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..side {
        // No filter in this line.
        pixels.extend([0]);
        for _ in 0..side * 3 {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            pixels.push(noise.to_be_bytes()[3]);
        }
    }
    let mut data = ZlibEncoder::new(Vec::new(), Compression::fast());
    data.write_all(&pixels).expect("a vector can be written to");
    let data = data.finish().expect("a vector can be written to");

    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(chunk(*b"IHDR", &header));
    png.extend(chunk(*b"IDAT", &data));
    png.extend(chunk(*b"IEND", &[]));
    png
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = Crc::new();
    sum.update(&kind);
    sum.update(data);
    let length = u32::try_from(data.len()).expect("a chunk is small");
    let mut chunk = length.to_be_bytes().to_vec();
    chunk.extend_from_slice(&kind);
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(&sum.sum().to_be_bytes());
    chunk
}
