// SPDX-License-Identifier: GPL-2.0

use super::{
    Header,
    MAX_HANDLE_SZ, //
};

/// A file handle that is to be decoded: a [`Header`], and the bytes that belong to it.
///
/// It owns them: nobody changes them between a check and a use.
#[repr(C, align(8))]
pub struct FileHandle {
    bytes: [u8; MAX_HANDLE_SZ],
    header: Header,
}

impl FileHandle {
    /// Makes a handle of zeros, to be filled by [`UserHandle::read`](super::UserHandle::read).
    #[inline]
    pub fn new(header: Header) -> Self {
        Self {
            bytes: [0; MAX_HANDLE_SZ],
            header,
        }
    }

    /// The length and the type.
    #[inline]
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes that the filesystem chose, aligned to eight bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        let (bytes, _) = self.bytes.split_at(self.header.len().min(MAX_HANDLE_SZ));

        bytes
    }

    /// The same, to be filled.
    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.header.len().min(MAX_HANDLE_SZ);
        let (bytes, _) = self.bytes.split_at_mut(len);

        bytes
    }
}
