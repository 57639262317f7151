// SPDX-License-Identifier: GPL-2.0

use super::user;
use kernel::{
    built_in,
    fs::{
        fhandle::{
            Decoder,
            FhFlag,
            FhFlags,
            StoredFileHandle,
            Undecoded,
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
        },
        nsfs,
        NewFile,
        Path, //
    },
    io_uring::{
        Issue,
        NonBlock,
        Opcode,
        OpenHow,
        Outcome,
        Prep,
        Sqe,
        Target,
        Worker, //
    },
    prelude::*, //
};

/// The open flags that modify the filesystem. Opening with one of them may block.
const FORCE_ASYNC: u32 = O_TRUNC | O_CREAT | (O_TMPFILE & !O_DIRECTORY);

/// The operation `IORING_OP_OPEN_BY_HANDLE_AT`.
///
/// | field        | argument of open_by_handle_at(2)                             |
/// |--------------|--------------------------------------------------------------|
/// | `fd`         | `mount_fd`, or the slot of a file with `IOSQE_FIXED_FILE`    |
/// | `addr`       | `handle`                                                     |
/// | `open_flags` | `flags`                                                      |
/// | `file_index` | none: the slot for a direct descriptor                       |
pub(crate) struct OpenByHandle {
    arguments: Arguments,
    progress: Progress,
}

#[derive(Clone, Copy)]
struct Arguments {
    mount_fd: c_int,
    oflags: u32,
    target: Target,
}

/// The steps that an attempt has completed. The next attempt does not repeat them.
enum Progress {
    /// No step.
    Start(StoredFileHandle),

    /// The permission check. The submitter must try to decode the handle before a worker does,
    /// unless `by_any` is `true`.
    Permitted {
        permitted: KBox<(Decoder, StoredFileHandle)>,
        by_any: bool,
    },

    /// The permission check and the decoding.
    ///
    /// The path keeps the file if it is unlinked, and a mount namespace that all tasks leave. The
    /// cancellation of the request then drops the last reference, with `uring_lock` held.
    Decoded(Path),
}

/// The reason why an attempt ended without a file.
enum Stop<'a> {
    /// The operation failed.
    Failed(Error),

    /// The next step may block.
    Blocks(Progress, NonBlock<'a>),

    /// The next step depends on the namespaces of the submitter.
    NeedsSubmitter(Progress, Worker<'a>),
}

impl From<Error> for Stop<'_> {
    #[inline]
    fn from(err: Error) -> Self {
        Self::Failed(err)
    }
}

impl Progress {
    /// Stores the result of the permission check.
    #[cold]
    fn permitted(decoder: Decoder, handle: StoredFileHandle, by_any: bool) -> Result<Self> {
        Ok(Self::Permitted {
            permitted: KBox::new((decoder, handle), GFP_KERNEL_ACCOUNT)?,
            by_any,
        })
    }
}

impl Arguments {
    /// Looks up the mount and checks the permission.
    #[inline]
    fn decoder(self, cx: &mut Issue<'_>) -> Result<Decoder> {
        match cx.fixed_file(self.mount_fd) {
            None => Decoder::new(built_in!(), self.mount_fd, self.oflags),
            Some(file) => Decoder::from_file(built_in!(), file?, self.oflags),
        }
    }

    /// Decodes the handle.
    #[inline]
    fn decode<'a>(self, progress: Progress, cx: &mut Issue<'a>) -> Result<Path, Stop<'a>> {
        let (decoder, mut handle, by_any) = match progress {
            Progress::Start(handle) => (self.decoder(cx)?, handle, false),
            Progress::Permitted { permitted, by_any } => {
                let (decoder, handle) = KBox::into_inner(permitted);

                (decoder, handle, by_any)
            }
            Progress::Decoded(path) => return Ok(path),
        };

        // nsfs compares the namespaces of the current task with that of the handle. A worker keeps
        // the namespaces that it was created with, also after unshare(2) or setns(2). If nsfs
        // returns `EAGAIN` to the submitter, the submitter may open all namespaces, and a worker
        // may as well.
        if !by_any && nsfs::is_nsfs(decoder.super_block()) {
            if let Some(worker) = cx.worker() {
                let progress = Progress::permitted(decoder, handle, false)?;

                return Err(Stop::NeedsSubmitter(progress, worker));
            }
        }
        let nonblock = cx.nonblock();
        let flags = if nonblock.is_some() {
            FhFlag::Nowait.into()
        } else {
            FhFlags::empty()
        };

        match (decoder.try_decode(&mut handle, flags), nonblock) {
            (Ok(path), _) => Ok(path),
            (Err(Undecoded::Failed(err)), _) => Err(Stop::Failed(err)),
            (Err(Undecoded::Waits(decoder)), Some(nonblock)) => {
                let progress = Progress::permitted(decoder, handle, true)?;

                Err(Stop::Blocks(progress, nonblock))
            }
            // Not returned without `FhFlag::Nowait`.
            (Err(Undecoded::Waits(_)), None) => Err(Stop::Failed(EAGAIN)),
        }
    }

    /// Executes the operation from the step after `progress`.
    #[inline]
    fn run<'a>(self, progress: Progress, cx: &mut Issue<'a>) -> Result<c_int, Stop<'a>> {
        let path = self.decode(progress, cx)?;
        let Some(nonblock) = cx.nonblock() else {
            return Ok(self.open(cx, || path.open_by_handle(self.oflags))?);
        };

        match self.open(cx, || path.try_open_by_handle(self.oflags)) {
            Err(EAGAIN) => Err(Stop::Blocks(Progress::Decoded(path), nonblock)),
            result => Ok(result?),
        }
    }

    #[inline]
    fn open(self, cx: &mut Issue<'_>, open: impl FnOnce() -> Result<NewFile>) -> Result<c_int> {
        self.target.open(cx, self.oflags, open)
    }
}

impl Opcode for OpenByHandle {
    #[inline]
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self> {
        if sqe.off != 0 || sqe.len != 0 || sqe.buf_index != 0 || sqe.addr3 != 0 || sqe.pad2 != 0 {
            return Err(EINVAL);
        }
        let target = Target::new(sqe, sqe.op_flags)?;
        let user_handle = UserFileHandle::new(built_in!(), user(sqe.addr))?;
        let handle = StoredFileHandle::read(user_handle)?;

        // The system call of 32-bit programs does not add `O_LARGEFILE` either.
        let largefile = if prep.is_compat() {
            0
        } else {
            file::largefile()
        };

        if sqe.op_flags & FORCE_ASYNC != 0 {
            prep.force_async();
        }
        Ok(Self {
            arguments: Arguments {
                mount_fd: sqe.fd,
                oflags: sqe.op_flags | largefile,
                target,
            },
            progress: Progress::Start(handle),
        })
    }

    #[inline]
    fn issue<'a>(self, cx: &mut Issue<'a>) -> Outcome<'a, Self> {
        let Self {
            arguments,
            progress,
        } = self;
        let with = |progress| Self {
            arguments,
            progress,
        };

        match arguments.run(progress, cx) {
            Ok(fd) => Outcome::Complete(Ok(fd)),
            Err(Stop::Failed(err)) => Outcome::Complete(Err(err)),
            Err(Stop::Blocks(progress, nonblock)) => Outcome::Retry(with(progress), nonblock),
            Err(Stop::NeedsSubmitter(progress, worker)) => {
                Outcome::Submitter(with(progress), worker)
            }
        }
    }

    fn open_how(&self) -> OpenHow {
        OpenHow {
            flags: u64::from(self.arguments.oflags),
            ..OpenHow::default()
        }
    }
}
