// SPDX-License-Identifier: GPL-2.0

use super::{
    Issue,
    Sqe, //
};
use crate::{
    bindings,
    fs::{
        file::FileDescriptorReservation,
        File, //
    },
    prelude::*,
    sync::aref::ARef, //
};
use core::num::NonZeroU32;

/// Where an operation that opens a file shall put it.
#[derive(Clone, Copy)]
pub enum Target {
    /// Into the descriptors of the issuing task, within the limit that the submitter had.
    Task {
        /// `RLIMIT_NOFILE` when the request was made.
        nofile: usize,
    },

    /// Into the ring's table: a slot counted from one, or `IORING_FILE_INDEX_ALLOC` for any that is
    /// free.
    Ring(NonZeroU32),
}

impl Target {
    /// Takes it from the entry's `file_index`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a file in the ring's table was to be closed when the task executes another
    /// program.
    #[inline]
    pub fn new(sqe: &Sqe, oflags: u32) -> Result<Self> {
        match NonZeroU32::new(sqe.file_index) {
            Some(_) if oflags & bindings::O_CLOEXEC != 0 => Err(EINVAL),
            Some(slot) => Ok(Self::Ring(slot)),
            None => Ok(Self::Task {
                // SAFETY: The current task may read its limits at any time.
                nofile: unsafe { bindings::rlimit(bindings::RLIMIT_NOFILE) },
            }),
        }
    }

    /// Opens a file and puts it there; returns what the operation is to return.
    ///
    /// A descriptor is reserved before the file is opened, as in open(2).
    ///
    /// # Errors
    ///
    /// `EMFILE`, those of `open`, or those of [`Issue::install`].
    #[inline]
    pub fn open(
        self,
        cx: &mut Issue<'_>,
        oflags: u32,
        open: impl FnOnce() -> Result<ARef<File>>,
    ) -> Result<c_int> {
        match self {
            Self::Task { nofile } => {
                let fd = FileDescriptorReservation::with_limit(oflags, nofile)?;
                let file = open()?;
                // CAST: Descriptors are not negative as an `int`.
                let number = fd.reserved_fd() as c_int;

                fd.fd_install(file);
                Ok(number)
            }
            Self::Ring(slot) => cx.install(open()?, slot),
        }
    }
}
