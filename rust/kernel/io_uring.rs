// SPDX-License-Identifier: GPL-2.0

//! Operations of io_uring.
//!
//! An operation is a type that implements [`Opcode`]: its value is made from the submission queue
//! entry, and consumed by issuing it.
//!
//! ```text
//!             prep()               issue()
//!   Sqe  ---------------->  Self  --------->  Outcome::Complete(result)
//!         or an error        ^   `--------->  Outcome::Retry(Self, NonBlock)
//!                            |                    |
//!                            `-- from a worker  <-'
//! ```
//!
//! [`io_uring_opcode!`](crate::io_uring_opcode) makes the functions of it that the table in
//! [`io_uring/opdef.c`](srctree/io_uring/opdef.c) has.
//!
//! Built-in code only. C header: [`io_uring/io_uring.h`](srctree/io_uring/io_uring.h)

#[doc(hidden)]
pub mod handlers;

mod issue;
mod opcode;
mod open_how;
mod outcome;
mod prep;
mod sqe;
mod target;

pub use self::{
    issue::{
        Issue,
        NonBlock, //
    },
    opcode::Opcode,
    open_how::OpenHow,
    outcome::Outcome,
    prep::Prep,
    sqe::Sqe,
    target::Target, //
};
