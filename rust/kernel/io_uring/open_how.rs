// SPDX-License-Identifier: GPL-2.0

/// How a file is to be opened: what BPF filters see of it, as in `struct open_how`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OpenHow {
    /// The open flags.
    pub flags: u64,
    /// The mode of a file that is created.
    pub mode: u64,
    /// How a name is resolved: the `RESOLVE_*` flags.
    pub resolve: u64,
}
