// SPDX-License-Identifier: GPL-2.0

use super::{
    Issue,
    NonBlock,
    Prep,
    Sqe,
    Worker, //
};
use crate::{
    bindings,
    prelude::*, //
};

/// The open flags of an operation, as exposed to BPF filters.
pub type OpenHow = bindings::open_how;

/// The outcome of [`Opcode::issue`].
pub enum Outcome<'a, T> {
    /// Complete the request with this result.
    Complete(Result<c_int>),

    /// The operation would block. io_uring issues it again, from a worker.
    Retry(T, NonBlock<'a>),

    /// The operation depends on a property of the submitting task that workers do not share, such
    /// as its namespaces. io_uring issues it again, from the submitting task or the SQPOLL thread.
    Submitter(T, Worker<'a>),
}

/// An io_uring operation.
///
/// The request stores the value, and has 56 bytes for it on 64-bit architectures. A larger type
/// does not compile.
///
/// # Destruction
///
/// If the request is cancelled or the ring is closed, `->cleanup()` drops the value, on any thread.
/// `uring_lock` is held, as it is while [`issue`](Self::issue) is called with [`NonBlock`], so a
/// destructor must not take it.
///
/// A destructor may sleep, but other requests of the ring wait for it. It should not do I/O, and
/// must not wait for another request of the ring. A [`Path`](crate::fs::Path) waits in two cases.
/// If it owns the last reference to an unlinked file, it evicts the inode, which frees the blocks
/// of the file. If it owns the last reference to a mount namespace, it takes `namespace_sem` and
/// waits for a grace period. `IORING_OP_OPENAT` does the former if its inline attempt fails after
/// it has found a file that is unlinked meanwhile. An [`ARef<File>`](crate::fs::File) does not,
/// because `fput()` defers the release of the file to task work.
///
/// # Examples
///
/// An operation that completes in a worker, with the value of its `fd` field:
///
/// ```
/// use kernel::{
///     io_uring::{
///         Issue,
///         Opcode,
///         Outcome,
///         Prep,
///         Sqe, //
///     },
///     prelude::*, //
/// };
///
/// struct Echo {
///     answer: i32,
/// }
///
/// impl Opcode for Echo {
///     fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self> {
///         if prep.has_fixed_file() {
///             return Err(EBADF);
///         }
///         // Fields that the operation does not use must be zero.
///         if sqe.addr != 0
///             || sqe.off != 0
///             || sqe.len != 0
///             || sqe.op_flags != 0
///             || sqe.buf_index != 0
///             || sqe.file_index != 0
///             || sqe.addr3 != 0
///             || sqe.pad2 != 0
///         {
///             return Err(EINVAL);
///         }
///         Ok(Self { answer: sqe.fd })
///     }
///
///     fn issue<'a>(self, cx: &mut Issue<'a>) -> Outcome<'a, Self> {
///         match cx.nonblock() {
///             Some(nonblock) => Outcome::Retry(self, nonblock),
///             None => Outcome::Complete(Ok(self.answer)),
///         }
///     }
/// }
/// ```
pub trait Opcode: Sized + Send {
    /// Creates the operation from a submission queue entry.
    ///
    /// An implementation copies and checks all input here, because user space may reuse the memory
    /// after the submission. It checks permissions in [`issue`](Self::issue), because the request
    /// may be issued with other credentials.
    ///
    /// Called by the submitting task or the SQPOLL thread, with `uring_lock` held. May sleep, but
    /// should not wait for other tasks.
    ///
    /// # Errors
    ///
    /// - Any error. It completes the request.
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self>;

    /// Executes the operation.
    ///
    /// Called by the submitting task, the SQPOLL thread or a worker, with the credentials of the
    /// submitting task or of the personality of the request. A retry may run on another thread. May
    /// sleep, but must not wait for other tasks or I/O if [`Issue::nonblock`] returns [`Some`].
    fn issue<'a>(self, cx: &mut Issue<'a>) -> Outcome<'a, Self>;

    /// Returns the open flags for BPF filters.
    ///
    /// Only called if `filter_pdu_size` is set in `struct io_issue_def`. Called under RCU, so it
    /// must not sleep.
    fn open_how(&self) -> OpenHow {
        OpenHow::default()
    }
}
