// SPDX-License-Identifier: GPL-2.0

//! io_uring operations.
//!
//! An operation is a type that implements [`Opcode`]. `prep()` creates a value from a submission
//! queue entry. `issue()` consumes it.
//!
//! ```text
//!             prep()               issue()
//!   Sqe  ---------------->  Self  --------->  Outcome::Complete(result)
//!         or an error        ^   `--------->  Outcome::Retry(Self, NonBlock)
//!                            |                    |
//!                            `--  by a worker  <--'
//! ```
//!
//! A worker can also return [`Outcome::Submitter`] to move the operation to the submitting task.
//!
//! [`io_uring_opcode!`](crate::io_uring_opcode) defines the C functions of an operation for the
//! tables in [`io_uring/opdef.c`](srctree/io_uring/opdef.c).
//!
//! Only built-in code can define operations.
//!
//! C header: [`io_uring/io_uring.h`](srctree/io_uring/io_uring.h)

#[doc(hidden)]
pub mod handlers;

mod issue;
mod opcode;
mod prep;
mod sqe;
mod target;

pub use self::{
    issue::{
        Issue,
        NonBlock,
        Worker, //
    },
    opcode::{
        Opcode,
        OpenHow,
        Outcome, //
    },
    prep::Prep,
    sqe::Sqe,
    target::Target, //
};
