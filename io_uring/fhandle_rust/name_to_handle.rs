// SPDX-License-Identifier: GPL-2.0

use super::user;
use kernel::{
    fs::{
        fhandle::{
            self,
            Capacity,
            NameFlags,
            UserHandle, //
        },
        DelayedFilename,
        LookupFlags,
        Path, //
    },
    io_uring::{
        Issue,
        Opcode,
        Outcome,
        Prep,
        Sqe, //
    },
    prelude::*, //
};

/// `IORING_OP_NAME_TO_HANDLE_AT`
///
/// | entry                  | argument of name_to_handle_at(2) |
/// |------------------------|----------------------------------|
/// | `fd`                   | `dirfd`                          |
/// | `addr`                 | `pathname`                       |
/// | `addr2`                | `handle`                         |
/// | `addr3`                | `mount_id`                       |
/// | `name_to_handle_flags` | `flags`                          |
pub(crate) struct NameToHandle {
    dfd: c_int,
    name: DelayedFilename,
    request: fhandle::NameToHandle,
    /// An error in the handle is found after one in the name.
    capacity: Result<Capacity>,
}

impl Opcode for NameToHandle {
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self> {
        if sqe.len != 0 || sqe.buf_index != 0 || sqe.file_index != 0 || sqe.pad2 != 0 {
            return Err(EINVAL);
        }
        prep.refuse_fixed_file()?;

        let flags = NameFlags::new(sqe.op_flags)?;
        let name = DelayedFilename::from_user(user(sqe.addr), flags.as_raw())?;
        let handle = UserHandle::new(user(sqe.off));

        Ok(Self {
            dfd: sqe.fd,
            name,
            request: fhandle::NameToHandle::new(handle, user(sqe.addr3), flags),
            capacity: handle.capacity(),
        })
    }

    fn issue(self, cx: &mut Issue<'_>) -> Outcome<Self> {
        let Self {
            dfd,
            name,
            request,
            capacity,
        } = self;
        let nonblock = cx.nonblock();
        let lookup = match nonblock {
            Some(_) => request.flags().lookup() | LookupFlags::CACHED,
            None => request.flags().lookup(),
        };
        let name = name.complete();
        let result =
            Path::lookup(dfd, &name, lookup).and_then(|path| request.encode(&path, capacity));

        match (result, nonblock) {
            (Err(EAGAIN), Some(nonblock)) => match name.delay() {
                Ok(name) => Outcome::Retry(
                    Self {
                        dfd,
                        name,
                        request,
                        capacity,
                    },
                    nonblock,
                ),
                Err(err) => Outcome::Complete(Err(err)),
            },
            (result, _) => Outcome::Complete(result.map(|()| 0)),
        }
    }
}
