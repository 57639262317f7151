// SPDX-License-Identifier: GPL-2.0

use crate::bindings;

/// What user space passed in a submission queue entry, but for what io_uring itself looks at.
///
/// The entry is in memory that user space may change at any time; here, each field has been
/// fetched once. A field that an operation does not use is to be refused unless it is zero, so
/// that it can get a meaning later.
#[derive(Clone, Copy, Debug)]
pub struct Sqe {
    /// A descriptor.
    pub fd: i32,
    /// `off`, also `addr2`.
    pub off: u64,
    /// A pointer.
    pub addr: u64,
    /// A length.
    pub len: u32,
    /// The flags of the operation: `rw_flags`, `open_flags` and the like.
    pub op_flags: u32,
    /// The index of a registered buffer, also `buf_group`.
    pub buf_index: u16,
    /// Where a file shall go or come from: `file_index`, also `splice_fd_in`.
    pub file_index: u32,
    /// One more pointer.
    pub addr3: u64,
    /// What follows `addr3`.
    pub pad2: u64,
}

/// Fetches a field of an entry.
macro_rules! fetch {
    ($sqe:ident, $($field:tt)+) => {
        // SAFETY: The caller passes a pointer that may be read. User space may write to the entry
        // at the same time, which is why the read is volatile.
        unsafe { (&raw const (*$sqe).$($field)+).read_volatile() }
    };
}

impl Sqe {
    /// Fetches the entry.
    ///
    /// # Safety
    ///
    /// `sqe` must be valid for volatile reads.
    #[inline]
    pub(super) unsafe fn fetch(sqe: *const bindings::io_uring_sqe) -> Self {
        Self {
            fd: fetch!(sqe, fd),
            off: fetch!(sqe, __bindgen_anon_1.off),
            addr: fetch!(sqe, __bindgen_anon_2.addr),
            len: fetch!(sqe, len),
            op_flags: fetch!(sqe, __bindgen_anon_3.open_flags),
            // The field is packed, and so need not be aligned for its type.
            buf_index: fetch!(sqe, __bindgen_anon_4.buf_index),
            file_index: fetch!(sqe, __bindgen_anon_5.file_index),
            addr3: fetch!(sqe, __bindgen_anon_6.__bindgen_anon_1.as_ref().addr3),
            pad2: fetch!(sqe, __bindgen_anon_6.__bindgen_anon_1.as_ref().__pad2[0]),
        }
    }
}
