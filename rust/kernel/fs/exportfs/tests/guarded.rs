// SPDX-License-Identifier: GPL-2.0

/// What lies around a buffer, in bytes, on either side.
const GUARD: usize = 64;

/// The largest buffer: a name of the longest kind, or a handle at every offset.
const ROOM: usize = 256;

/// A byte that nobody writes.
const CANARY: u8 = 0xa5;

/// A buffer in the middle of bytes that must not change.
#[repr(align(16))]
pub(super) struct Guarded([u8; GUARD + ROOM + GUARD]);

impl Guarded {
    pub(super) fn new() -> Self {
        Self([CANARY; GUARD + ROOM + GUARD])
    }

    /// The buffer of `len` bytes, `offset` bytes after the alignment of any handle.
    pub(super) fn buffer(&mut self, offset: usize, len: usize) -> &mut [u8] {
        &mut self.0[GUARD + offset..][..len]
    }

    /// Tells whether `content` was written into the buffer at `offset`, and nothing anywhere else.
    pub(super) fn holds(&self, offset: usize, content: &[u8]) -> bool {
        let (before, rest) = self.0.split_at(GUARD + offset);
        let (buffer, after) = rest.split_at(content.len());

        buffer == content && before.iter().chain(after).all(|&byte| byte == CANARY)
    }
}
