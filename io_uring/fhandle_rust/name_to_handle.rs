// SPDX-License-Identifier: GPL-2.0

use super::user;
use kernel::{
    built_in,
    fs::{
        fhandle,
        DelayedFilename,
        LookupFlag,
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

/// The operation `IORING_OP_NAME_TO_HANDLE_AT`.
///
/// | field                  | argument of name_to_handle_at(2) |
/// |------------------------|----------------------------------|
/// | `fd`                   | `dirfd`                          |
/// | `addr`                 | `pathname`                       |
/// | `addr2`                | `handle`                         |
/// | `addr3`                | `mount_id`                       |
/// | `name_to_handle_flags` | `flags`                          |
pub(crate) struct NameToHandle {
    /// The descriptor of the file, if no path lookup is required.
    fd: Option<u32>,
    dfd: c_int,
    name: DelayedFilename,
    request: fhandle::NameToHandle,
    /// The size of the caller's buffer. `issue()` returns the error here after those of the lookup,
    /// as the system call does.
    room: Result<u32>,
}

impl Opcode for NameToHandle {
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self> {
        if sqe.len != 0 || sqe.buf_index != 0 || sqe.file_index != 0 || sqe.pad2 != 0 {
            return Err(EINVAL);
        }
        prep.refuse_fixed_file()?;

        let name = user(sqe.addr);
        let request =
            fhandle::NameToHandle::new(built_in!(), user(sqe.off), user(sqe.addr3), sqe.op_flags)?;

        Ok(Self {
            fd: request.fd(sqe.fd, name),
            dfd: sqe.fd,
            name: DelayedFilename::from_user(built_in!(), name, sqe.op_flags)?,
            room: request.room(),
            request,
        })
    }

    fn issue(self, cx: &mut Issue<'_>) -> Outcome<Self> {
        let Self {
            fd,
            dfd,
            name,
            request,
            room,
        } = self;

        if let Some(fd) = fd {
            match request.encode_fd(fd, || room) {
                Ok(false) => {}
                result => return Outcome::Complete(result.map(|_| 0)),
            }
        }

        let nonblock = cx.nonblock();
        let mut lookup = request.lookup_flags();

        if nonblock.is_some() {
            lookup |= LookupFlag::Cached;
        }
        let name = name.complete();
        let result =
            Path::lookup(dfd, &name, lookup).and_then(|path| request.encode(&path, || room));

        match (result, nonblock) {
            (Err(EAGAIN), Some(nonblock)) => match name.delay() {
                Ok(name) => Outcome::Retry(
                    Self {
                        fd,
                        dfd,
                        name,
                        request,
                        room,
                    },
                    nonblock,
                ),
                Err(err) => Outcome::Complete(Err(err)),
            },
            (result, _) => Outcome::Complete(result.map(|()| 0)),
        }
    }
}
