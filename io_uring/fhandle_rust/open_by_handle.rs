// SPDX-License-Identifier: GPL-2.0

use super::user;
use kernel::{
    built_in,
    fs::{
        fhandle::{
            decode,
            FhFlag,
            FhFlags,
            FileHandle,
            UserFileHandle, //
        },
        file::{
            self,
            flags::{
                O_CREAT,
                O_DIRECTORY,
                O_TMPFILE,
                O_TRUNC, //
            }, //
        }, //
    },
    io_uring::{
        Issue,
        Opcode,
        OpenHow,
        Outcome,
        Prep,
        Sqe,
        Target, //
    },
    prelude::*, //
};

/// The open flags that modify the filesystem. Opening with one of them may block.
const FORCE_ASYNC: u32 = O_TRUNC | O_CREAT | (O_TMPFILE & !O_DIRECTORY);

/// The operation `IORING_OP_OPEN_BY_HANDLE_AT`.
///
/// | field        | argument of open_by_handle_at(2)         |
/// |--------------|------------------------------------------|
/// | `fd`         | `mount_fd`                               |
/// | `addr`       | `handle`                                 |
/// | `open_flags` | `flags`                                  |
/// | `file_index` | none: the slot for a direct descriptor   |
pub(crate) struct OpenByHandle {
    mount_fd: c_int,
    oflags: u32,
    /// The handle. `issue()` returns the error here after that of the permission check, as the
    /// system call does.
    handle: Result<KBox<FileHandle>>,
    target: Target,
}

impl OpenByHandle {
    /// Executes the operation. If `wait` is `false`, fails with `EAGAIN` instead of blocking.
    fn run(&mut self, cx: &mut Issue<'_>, wait: bool) -> Result<c_int> {
        let oflags = self.oflags;
        let flags = if wait {
            FhFlags::empty()
        } else {
            FhFlag::Nonblock.into()
        };
        let path = decode(built_in!(), self.mount_fd, oflags, flags, || {
            self.handle.as_deref_mut().map_err(|err| *err)
        })?;

        self.target.open(cx, oflags, || {
            if wait {
                path.open_by_handle(oflags)
            } else {
                path.try_open_by_handle(oflags)
            }
        })
    }
}

impl Opcode for OpenByHandle {
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self> {
        if sqe.off != 0 || sqe.len != 0 || sqe.buf_index != 0 || sqe.addr3 != 0 || sqe.pad2 != 0 {
            return Err(EINVAL);
        }
        prep.refuse_fixed_file()?;

        let target = Target::new(sqe, sqe.op_flags)?;
        let user_handle = UserFileHandle::new(built_in!(), user(sqe.addr))?;
        let mut handle = KBox::new(FileHandle::empty(), GFP_KERNEL_ACCOUNT)?;
        let handle = handle.read(user_handle).map(|()| handle);

        if sqe.op_flags & FORCE_ASYNC != 0 {
            prep.force_async();
        }
        Ok(Self {
            mount_fd: sqe.fd,
            oflags: sqe.op_flags | file::largefile(),
            handle,
            target,
        })
    }

    fn issue(mut self, cx: &mut Issue<'_>) -> Outcome<Self> {
        let nonblock = cx.nonblock();

        match (self.run(cx, nonblock.is_none()), nonblock) {
            (Err(EAGAIN), Some(nonblock)) => Outcome::Retry(self, nonblock),
            (result, _) => Outcome::Complete(result),
        }
    }

    fn open_how(&self) -> OpenHow {
        OpenHow {
            flags: u64::from(self.oflags),
            ..OpenHow::default()
        }
    }
}
