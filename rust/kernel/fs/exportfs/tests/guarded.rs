// SPDX-License-Identifier: GPL-2.0

/// The number of canaries on either side of a buffer.
const GUARD: usize = 64;

/// The size of the largest buffer: room for the longest handle at every offset.
const ROOM: usize = 256;

/// A byte value that the tests never write.
const CANARY: u8 = 0xa5;

/// A buffer between canaries that must not change.
#[repr(align(16))]
pub(super) struct Guarded([u8; GUARD + ROOM + GUARD]);

impl Guarded {
    pub(super) fn new() -> Self {
        Self([CANARY; GUARD + ROOM + GUARD])
    }

    /// Returns a buffer of `len` bytes, `offset` bytes after an address aligned to 16 bytes.
    pub(super) fn buffer(&mut self, offset: usize, len: usize) -> &mut [u8] {
        &mut self.0[GUARD + offset..][..len]
    }

    /// Returns `true` if the buffer at `offset` holds `content`, and all other bytes are unchanged.
    pub(super) fn holds(&self, offset: usize, content: &[u8]) -> bool {
        let (before, rest) = self.0.split_at(GUARD + offset);
        let (buffer, after) = rest.split_at(content.len());

        buffer == content && before.iter().chain(after).all(|&byte| byte == CANARY)
    }
}
