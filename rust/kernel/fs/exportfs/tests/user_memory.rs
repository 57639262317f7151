// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};
use core::ptr;

/// Maps a page of user memory, and no memory after it. The memory is freed with the test's task.
pub(super) fn page() -> Result<UserPtr> {
    const PROT_READ: c_ulong = 1;
    const PROT_WRITE: c_ulong = 2;
    const MAP_PRIVATE: c_ulong = 2;
    const MAP_ANONYMOUS: c_ulong = 0x20;

    // SAFETY: The function has no requirements.
    crate::error::to_result(unsafe { bindings::kunit_attach_mm() })?;
    // SAFETY: The current task has an address space, and the mapping replaces no other one.
    let start = unsafe {
        bindings::vm_mmap(
            ptr::null_mut(),
            0,
            2 * PAGE_SIZE,
            PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS,
            0,
        )
    };

    if start % PAGE_SIZE != 0 {
        return Err(ENOMEM);
    }
    // SAFETY: Nothing uses the second page.
    crate::error::to_result(unsafe { bindings::vm_munmap(start + PAGE_SIZE, PAGE_SIZE) })?;
    Ok(UserPtr::from_addr(start))
}

#[kunit_tests(rust_exportfs_user_memory)]
mod suite {
    use super::*;

    const AROUND: usize = 8;
    const ROOM: usize = 3 * AROUND;

    /// Reads and writes a value of `N` bytes between others, and where its last byte is not mapped.
    fn check<T, const N: usize>(page: UserPtr, value: T) -> Result
    where
        T: AsBytes + FromBytes,
    {
        let bytes = <T as AsBytes>::as_bytes(&value);
        let at = page.wrapping_byte_add(AROUND);
        let end = page.wrapping_byte_add(PAGE_SIZE + 1 - N);
        let mut memory = [0xa5; ROOM];

        UserSlice::new(page, ROOM).writer().write_slice(&memory)?;
        let mut writer = UserSlice::new(at, N + 1).writer();
        writer.write(&value)?;
        expect!(writer.len() == 1, "{N}: {} left", writer.len());
        UserSlice::new(page, ROOM)
            .reader()
            .read_slice(&mut memory)?;
        let (before, rest) = memory.split_at(AROUND);
        let (written, after) = rest.split_at(N);
        expect!(written == bytes, "{N}: {written:?}");
        expect!(
            Iterator::chain(before.iter(), after).all(|&byte| byte == 0xa5),
            "{N}: {memory:?}"
        );

        let mut reader = UserSlice::new(at, N + 1).reader();
        let read = reader.read::<T>()?;
        expect!(<T as AsBytes>::as_bytes(&read) == bytes, "{N}");
        expect!(reader.len() == 1, "{N}: {} left", reader.len());

        let last = page.wrapping_byte_add(PAGE_SIZE - AROUND);
        let mut memory = [0xa5; AROUND];
        UserSlice::new(last, AROUND).writer().write_slice(&memory)?;
        for at in [end, UserPtr::from_addr(usize::MAX)] {
            let got = UserSlice::new(at, N).writer().write(&value);
            expect!(got == Err(EFAULT), "{N}: {got:?}");
            let got = UserSlice::new(at, N).reader().read::<T>().map(drop);
            expect!(got == Err(EFAULT), "{N}: {got:?}");
        }
        // A word is written as a whole. Some architectures write it in several steps.
        UserSlice::new(last, AROUND)
            .reader()
            .read_slice(&mut memory)?;
        expect!(
            memory == [0xa5; AROUND] || !cfg!(CONFIG_X86_64) || !matches!(N, 1 | 2 | 4 | 8),
            "{N}: {memory:?}"
        );
        // The slice is too short.
        let got = UserSlice::new(page, N - 1).writer().write(&value);
        expect!(got == Err(EFAULT), "{N}: {got:?}");
        let got = UserSlice::new(page, N - 1).reader().read::<T>().map(drop);
        expect!(got == Err(EFAULT), "{N}: {got:?}");
        Ok(())
    }

    #[test]
    fn values_of_each_size() -> Result {
        let page = page()?;

        check::<u8, 1>(page, 0x81)?;
        check::<u16, 2>(page, 0x8182)?;
        check::<[u8; 3], 3>(page, [1, 2, 3])?;
        check::<u32, 4>(page, 0x8182_8384)?;
        check::<[u8; 5], 5>(page, [1, 2, 3, 4, 5])?;
        check::<[u8; 7], 7>(page, [1, 2, 3, 4, 5, 6, 7])?;
        check::<u64, 8>(page, 0x8182_8384_8586_8788)?;
        check::<[u8; 8], 8>(page, [1, 2, 3, 4, 5, 6, 7, 8])?;
        check::<[u8; 9], 9>(page, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    }
}
