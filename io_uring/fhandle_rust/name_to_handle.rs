// SPDX-License-Identifier: GPL-2.0

use super::user;
use kernel::{
    built_in,
    fs::{
        fhandle::{
            self,
            FhFlag,
            FhFlags, //
        },
        DelayedFilename,
        LookupFlag,
        Path, //
    },
    io_uring::{
        Issue,
        NonBlock,
        Opcode,
        Outcome,
        Prep,
        Sqe, //
    },
    prelude::*, //
};

/// The operation `IORING_OP_NAME_TO_HANDLE_AT`.
///
/// | field                  | argument of name_to_handle_at(2)                              |
/// |------------------------|---------------------------------------------------------------|
/// | `fd`                   | `dirfd`, or the slot of the file with `IOSQE_FIXED_FILE`      |
/// | `addr`                 | `pathname`                                                    |
/// | `addr2`                | `handle`                                                      |
/// | `addr3`                | `mount_id`                                                    |
/// | `name_to_handle_flags` | `flags`                                                       |
pub(crate) struct NameToHandle {
    subject: Subject,
    request: fhandle::NameToHandle,
    /// The size of the caller's buffer. `issue()` returns the error here after those of the lookup,
    /// as the system call does.
    room: Result<u32>,
}

/// What is named.
enum Subject {
    /// The file of a descriptor.
    Fd(u32),

    /// The file in a slot of the ring.
    Slot(c_int),

    /// The file at the end of a path.
    Name { dfd: c_int, name: DelayedFilename },

    /// The file of a descriptor, which an attempt has looked up.
    Found(Path),
}

impl Subject {
    #[inline]
    fn new(
        prep: &Prep<'_>,
        sqe: &Sqe,
        request: &fhandle::NameToHandle,
        flags: u32,
    ) -> Result<Self> {
        let name = user(sqe.addr);

        if prep.has_fixed_file() {
            // A path cannot start at a slot.
            return if request.is_empty(name)? {
                Ok(Self::Slot(sqe.fd))
            } else {
                Err(EBADF)
            };
        }
        if let Some(fd) = request.fd(sqe.fd, name) {
            return Ok(Self::Fd(fd));
        }
        Ok(Self::Name {
            dfd: sqe.fd,
            name: DelayedFilename::from_user(built_in!(), name, flags)?,
        })
    }
}

/// The outcome of an attempt.
enum Attempt<'a> {
    Complete(Result),

    /// The attempt would have blocked.
    Blocks(Subject, NonBlock<'a>),
}

impl Subject {
    /// Looks up the file if necessary, and encodes it.
    #[inline]
    fn encode<'a>(
        self,
        request: &fhandle::NameToHandle,
        room: Result<u32>,
        cx: &mut Issue<'a>,
    ) -> Attempt<'a> {
        match cx.nonblock() {
            Some(nonblock) => self.encode_inline(request, room, cx, nonblock),
            None => Attempt::Complete(self.encode_in_worker(request, room, cx)),
        }
    }

    #[inline]
    fn encode_inline<'a>(
        self,
        request: &fhandle::NameToHandle,
        room: Result<u32>,
        cx: &mut Issue<'a>,
        nonblock: NonBlock<'a>,
    ) -> Attempt<'a> {
        let flags = FhFlag::Nowait.into();
        let (result, subject) = match self {
            Self::Fd(fd) => match request.try_encode_fd(fd, Some(room)) {
                Ok(None) => return Attempt::Complete(Ok(())),
                Ok(Some(path)) => return Attempt::Blocks(Self::Found(path), nonblock),
                Err(err) => return Attempt::Complete(Err(err)),
            },
            Self::Slot(slot) => (
                encode_slot(request, slot, flags, room, cx),
                Self::Slot(slot),
            ),
            Self::Name { dfd, name } => {
                let name = name.complete();
                let lookup = request.lookup_flags() | LookupFlag::Cached;
                let result = Path::lookup(dfd, &name, lookup)
                    .and_then(|path| request.encode(&path, flags, Some(room)));

                if result != Err(EAGAIN) {
                    return Attempt::Complete(result);
                }
                // As for `IORING_OP_OPENAT`, the worker repeats the lookup, which audits the name.
                match name.delay() {
                    Ok(name) => (result, Self::Name { dfd, name }),
                    Err(err) => return Attempt::Complete(Err(err)),
                }
            }
            Self::Found(path) => (
                request.encode_path(&path, flags, Some(room)),
                Self::Found(path),
            ),
        };

        match result {
            Err(EAGAIN) => Attempt::Blocks(subject, nonblock),
            result => Attempt::Complete(result),
        }
    }

    #[inline]
    fn encode_in_worker(
        self,
        request: &fhandle::NameToHandle,
        room: Result<u32>,
        cx: &mut Issue<'_>,
    ) -> Result {
        let flags = FhFlags::empty();

        match self {
            Self::Fd(fd) => request.encode_fd(fd, flags, Some(room)),
            Self::Slot(slot) => encode_slot(request, slot, flags, room, cx),
            Self::Name { dfd, name } => {
                let path = Path::lookup(dfd, &name.complete(), request.lookup_flags())?;

                request.encode(&path, flags, Some(room))
            }
            Self::Found(path) => request.encode_path(&path, flags, Some(room)),
        }
    }
}

/// Encodes the file in a slot of the ring.
#[inline]
fn encode_slot(
    request: &fhandle::NameToHandle,
    slot: c_int,
    flags: FhFlags,
    room: Result<u32>,
    cx: &mut Issue<'_>,
) -> Result {
    let file = cx.fixed_file(slot).unwrap_or(Err(EBADF))?;

    request.encode_path(file.path(), flags, Some(room))
}

impl Opcode for NameToHandle {
    #[inline]
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self> {
        if sqe.len != 0 || sqe.buf_index != 0 || sqe.file_index != 0 || sqe.pad2 != 0 {
            return Err(EINVAL);
        }
        let request =
            fhandle::NameToHandle::new(built_in!(), user(sqe.off), user(sqe.addr3), sqe.op_flags)?;

        Ok(Self {
            subject: Subject::new(prep, sqe, &request, sqe.op_flags)?,
            room: request.room(),
            request,
        })
    }

    #[inline]
    fn issue<'a>(self, cx: &mut Issue<'a>) -> Outcome<'a, Self> {
        let Self {
            subject,
            request,
            room,
        } = self;

        match subject.encode(&request, room, cx) {
            Attempt::Complete(result) => Outcome::Complete(result.map(|()| 0)),
            Attempt::Blocks(subject, nonblock) => Outcome::Retry(
                Self {
                    subject,
                    request,
                    room,
                },
                nonblock,
            ),
        }
    }
}
