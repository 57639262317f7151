// SPDX-License-Identifier: GPL-2.0

use super::{
    Issue,
    NonBlock,
    Prep,
    Sqe, //
};
use crate::{
    bindings,
    prelude::*, //
};

/// The open flags of an operation, as exposed to BPF filters.
pub type OpenHow = bindings::open_how;

/// The outcome of [`Opcode::issue`].
pub enum Outcome<T> {
    /// The request is complete and has this result.
    Complete(Result<c_int>),

    /// The operation would block. A worker issues it again.
    Retry(T, NonBlock),
}

/// An operation of io_uring.
///
/// The value is stored in the request, which has 56 bytes for it on 64-bit architectures. A larger
/// type does not compile. If the request is cancelled or the ring is closed, the value is dropped,
/// on any thread.
///
/// # Examples
///
/// An operation that returns its `fd` field, from a worker.
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
///     fn prep(_prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self> {
///         if sqe.addr != 0 || sqe.off != 0 || sqe.len != 0 || sqe.addr3 != 0 {
///             return Err(EINVAL);
///         }
///         Ok(Self { answer: sqe.fd })
///     }
///
///     fn issue(self, cx: &mut Issue<'_>) -> Outcome<Self> {
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
    /// An implementation reads and checks everything that user space passes, because the memory may
    /// be reused after the submission. It checks no permission, because the request may be issued
    /// with other credentials.
    ///
    /// Called by the submitting task with `uring_lock` held, or by the SQPOLL thread. May sleep,
    /// but should not wait.
    ///
    /// # Errors
    ///
    /// An error completes the request.
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self>;

    /// Executes the operation.
    ///
    /// Called with the credentials of the submitting task or of the personality of the request, by
    /// that task or by a worker. A retry may run on another thread. May sleep, but must not wait if
    /// [`Issue::nonblock`] is [`Some`].
    fn issue(self, cx: &mut Issue<'_>) -> Outcome<Self>;

    /// Returns the open flags for BPF filters.
    ///
    /// Only called if `struct io_issue_def` has a `filter_pdu_size`.
    fn open_how(&self) -> OpenHow {
        OpenHow::default()
    }
}
