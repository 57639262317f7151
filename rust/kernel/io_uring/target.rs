// SPDX-License-Identifier: GPL-2.0

use super::{
    Issue,
    Sqe, //
};
use crate::{
    bindings,
    fs::{
        file::FileDescriptorReservation,
        NewFile, //
    },
    prelude::*, //
};
use core::num::NonZeroU32;

/// The table in which an operation installs the file that it opens.
#[derive(Clone, Copy)]
pub enum Target {
    /// The descriptor table of the issuing task.
    Task {
        /// The `RLIMIT_NOFILE` of the submitting task, which is at most `u32::MAX` here.
        nofile: u32,
    },

    /// A slot in the file table of the ring plus one, or `IORING_FILE_INDEX_ALLOC`.
    Ring(NonZeroU32),
}

impl Target {
    /// Creates the target from `file_index`.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if `file_index` is not zero and `oflags` contains `O_CLOEXEC`.
    #[inline]
    pub fn new(sqe: &Sqe, oflags: u32) -> Result<Self> {
        match NonZeroU32::new(sqe.file_index) {
            Some(_) if oflags & bindings::O_CLOEXEC != 0 => Err(EINVAL),
            Some(slot) => Ok(Self::Ring(slot)),
            None => {
                // SAFETY: `rlimit()` reads a limit of the current task.
                let nofile = unsafe { bindings::rlimit(bindings::RLIMIT_NOFILE) };

                Ok(Self::Task {
                    nofile: u32::try_from(nofile).unwrap_or(u32::MAX),
                })
            }
        }
    }

    /// Opens a file, installs it and returns the result of the operation.
    ///
    /// Reserves a file descriptor before it opens the file, as open(2) does.
    ///
    /// # Errors
    ///
    /// - The errors of `FileDescriptorReservation::with_limit()`.
    /// - The errors of `open` and of `io_fixed_fd_install()`.
    #[inline]
    pub fn open(
        self,
        cx: &mut Issue<'_>,
        oflags: u32,
        open: impl FnOnce() -> Result<NewFile>,
    ) -> Result<c_int> {
        match self {
            Self::Task { nofile } => {
                // CAST: `usize` has at least 32 bits on all supported architectures.
                let fd = FileDescriptorReservation::with_limit(oflags, nofile as usize)?;
                let file = open()?;
                // CAST: A file descriptor is a non-negative `int`.
                let number = fd.reserved_fd() as c_int;

                fd.fd_install(file.into());
                Ok(number)
            }
            Self::Ring(slot) => cx.install(open()?.into(), slot),
        }
    }
}
