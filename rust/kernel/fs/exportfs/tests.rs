// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of file handles, which call the operations through the C table.

/// Fails the current test and prints the case.
macro_rules! expect {
    ($condition:expr, $($case:tt)*) => {
        if !$condition {
            kernel::kunit::err(fmt!("    # not {}: ", stringify!($condition)));
            kernel::kunit::err(fmt!($($case)*));
            kernel::kunit::err(fmt!("\n"));
            return Err(EINVAL);
        }
    };
}

mod fake;
mod files;
mod guarded;
mod ops;
mod outcomes;
mod signed_files;
mod single;

mod decode;
mod encode;
#[cfg(CONFIG_IO_URING_HANDLE)]
mod exiting;
mod results;
#[cfg(any(CONFIG_FHANDLE_RUST, CONFIG_IO_URING_HANDLE))]
mod revalidate;
mod signed;
mod table;
mod user_memory;

use self::{
    fake::{
        Decoded,
        Fake, //
    },
    files::{
        content,
        each_size,
        judge,
        Bytes,
        Files,
        Filled,
        Made,
        Variable,
        Wide,
        CONTENT,
        FILEID_TYPE,
        INTACT,
        MAX, //
    },
    guarded::Guarded,
    ops::Ops,
    outcomes::Outcomes,
    signed_files::SignedFiles, //
};
use crate::prelude::*;

/// The maximum size of a handle, in units of four bytes.
const MAX_UNITS: c_int = (MAX / size_of::<u32>()) as c_int;

/// Returns types other than `ours`: all other 8-bit values, and wider values with the same lower
/// bits.
fn other_types(ours: u8) -> impl Iterator<Item = c_int> {
    let ours = c_int::from(ours);
    let wider = [
        ours | 0x1_0000,
        ours | 0x2_0000,
        ours | c_int::MIN,
        ours - 0x100,
        -ours,
        -1,
        c_int::MIN,
        c_int::MAX,
    ];
    Iterator::chain(
        (0..=0x1ff).filter(move |&fileid_type| fileid_type != ours),
        wider,
    )
}
