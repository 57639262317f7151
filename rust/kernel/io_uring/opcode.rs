// SPDX-License-Identifier: GPL-2.0

use super::{
    Issue,
    OpenHow,
    Outcome,
    Prep,
    Sqe, //
};
use crate::prelude::*;

/// An operation of io_uring.
///
/// The value is kept in the request, beside the file pointer: it has 56 bytes on 64-bit, and a type
/// that takes more does not build. It is dropped if the request is cancelled or its ring goes
/// away, on any thread.
///
/// # Examples
///
/// An operation that answers with what it was given, from a worker.
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
    /// Makes the operation from the submission queue entry.
    ///
    /// All that user space passed is to be fetched and checked here, for it may be reused as soon
    /// as the submission is over. Nothing is to be permitted: the operation may be issued with
    /// other credentials. Called by the submitting task with `uring_lock` held, or by the ring's
    /// own. May sleep, but should not wait.
    ///
    /// # Errors
    ///
    /// The request is completed with the error.
    fn prep(prep: &mut Prep<'_>, sqe: &Sqe) -> Result<Self>;

    /// Does it.
    ///
    /// With the credentials of the submitting task or of the request's personality, by that task
    /// or a worker, at any time and by another thread than before. May sleep; is to wait only if
    /// [`Issue::nonblock`] is [`None`].
    fn issue(self, cx: &mut Issue<'_>) -> Outcome<Self>;

    /// Returns what a BPF filter sees of an operation that opens a file.
    ///
    /// Only for those whose entry in the table has a `filter_pdu_size`.
    fn open_how(&self) -> OpenHow {
        OpenHow::default()
    }
}
