// SPDX-License-Identifier: Apache-2.0
//! Bytes that look random and are the same each time: the app sends them, the tests know them.

/// An endless sequence of bytes, cheap enough to fill hundreds of megabytes.
#[derive(Clone, Debug)]
pub struct Pattern(u64);

impl Default for Pattern {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Pattern {
    /// Fills a block with the next bytes of the sequence. Blocks of a multiple of eight bytes continue seamlessly.
    pub fn fill(&mut self, block: &mut [u8]) {
        for word in block.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes()[..word.len()]);
        }
    }

    /// The first `length` bytes of the sequence.
    #[must_use]
    pub fn bytes(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        Self::default().fill(&mut bytes);
        bytes
    }
}
