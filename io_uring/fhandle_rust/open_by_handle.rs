// SPDX-License-Identifier: GPL-2.0

use super::user;
use kernel::{
    fs::{
        fhandle::{
            Decoder,
            FileHandle,
            UserHandle, //
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

/// The flags with which opening changes the filesystem, and so waits.
const FORCE_ASYNC: u32 = O_TRUNC | O_CREAT | (O_TMPFILE & !O_DIRECTORY);

/// `IORING_OP_OPEN_BY_HANDLE_AT`
///
/// | entry        | argument of open_by_handle_at(2)                     |
/// |--------------|------------------------------------------------------|
/// | `fd`         | `mount_fd`                                           |
/// | `addr`       | `handle`                                             |
/// | `open_flags` | `flags`                                              |
/// | `file_index` | where the file shall go, instead of to a descriptor  |
pub(crate) struct OpenByHandle {
    mount_fd: c_int,
    oflags: u32,
    /// An error in what follows the header is found after one in the mount's descriptor, or in
    /// the permission.
    handle: Result<KBox<FileHandle>>,
    target: Target,
}

impl OpenByHandle {
    /// Opens the file; if `wait` is not allowed, `EAGAIN` is for what would have.
    fn run(&self, cx: &mut Issue<'_>, wait: bool) -> Result<c_int> {
        let decoder = Decoder::new(self.mount_fd, self.oflags)?;
        let handle = self.handle.as_ref().map_err(|err| *err)?;
        let path = if wait {
            decoder.decode(handle)?
        } else {
            decoder.try_decode(handle)?
        };

        self.target.open(cx, self.oflags, || {
            if wait {
                path.open_by_handle(self.oflags)
            } else {
                path.try_open_by_handle(self.oflags)
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
        let place = UserHandle::new(user(sqe.addr));
        let mut handle = KBox::new(FileHandle::new(place.header()?), GFP_KERNEL_ACCOUNT)?;
        let handle = place.read(&mut handle).map(|()| handle);

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

    fn issue(self, cx: &mut Issue<'_>) -> Outcome<Self> {
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
