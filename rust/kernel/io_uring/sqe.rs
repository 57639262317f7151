// SPDX-License-Identifier: GPL-2.0

use crate::bindings;

/// The opcode-specific fields of a submission queue entry.
///
/// User space may change the entry at any time, so this is a copy that reads each field once.
///
/// An operation must return an error if a field that it does not use is not zero, so that a later
/// version can use the field.
pub struct Sqe {
    /// `fd`
    pub fd: i32,
    /// `off` or `addr2`
    pub off: u64,
    /// `addr`
    pub addr: u64,
    /// `len`
    pub len: u32,
    /// The flags of the operation: `rw_flags`, `open_flags` and the other members of that union
    pub op_flags: u32,
    /// `buf_index` or `buf_group`
    pub buf_index: u16,
    /// `file_index` or `splice_fd_in`
    pub file_index: u32,
    /// `addr3`
    pub addr3: u64,
    /// The field after `addr3`
    pub pad2: u64,
}

/// Reads a field of an entry.
macro_rules! fetch {
    ($sqe:ident, $($field:tt)+) => {
        // SAFETY: The caller of `Sqe::fetch()` ensures that the entry is valid for volatile reads.
        // All fields are aligned in the entry, including `buf_index` in its packed union.
        unsafe { (&raw const (*$sqe).$($field)+).read_volatile() }
    };
}

/// Reads a field of the last union of an entry, which bindgen only exposes by reference. User space
/// may write the entry, so there must be no reference to it.
macro_rules! fetch_end {
    ($sqe:ident, $field:ident) => {{
        // SAFETY: The caller of `Sqe::fetch()` ensures that the entry is valid for volatile reads.
        let end = unsafe { &raw const (*$sqe).__bindgen_anon_6 }.cast::<End>();

        // SAFETY: `End` is the layout of the first member of the union, and its fields are aligned.
        unsafe { (&raw const (*end).$field).read_volatile() }
    }};
}

type End = bindings::io_uring_sqe__bindgen_ty_6__bindgen_ty_1;

impl Sqe {
    /// Copies the opcode-specific fields of an entry.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `sqe` is valid for volatile reads.
    #[inline]
    pub(super) unsafe fn fetch(sqe: *const bindings::io_uring_sqe) -> Self {
        Self {
            fd: fetch!(sqe, fd),
            off: fetch!(sqe, __bindgen_anon_1.off),
            addr: fetch!(sqe, __bindgen_anon_2.addr),
            len: fetch!(sqe, len),
            op_flags: fetch!(sqe, __bindgen_anon_3.open_flags),
            buf_index: fetch!(sqe, __bindgen_anon_4.buf_index),
            file_index: fetch!(sqe, __bindgen_anon_5.file_index),
            addr3: fetch_end!(sqe, addr3),
            pad2: fetch_end!(sqe, __pad2)[0],
        }
    }
}
