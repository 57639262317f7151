// SPDX-License-Identifier: GPL-2.0

use super::NonBlock;
use crate::prelude::*;

/// What came of issuing an operation.
pub enum Outcome<T> {
    /// It is over; the number or the error is the result.
    Complete(Result<c_int>),

    /// It would have had to wait: a worker shall issue it again. Only where waiting was not
    /// allowed; in a worker, `EAGAIN` is a result like others.
    Retry(T, NonBlock),
}
