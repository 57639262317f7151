// SPDX-License-Identifier: GPL-2.0

//! Which mutant runs, and which blocks have been executed. See `scripts/mutants.py`.

extern "C" {
    static mutant_chosen: u32;
    static mutant_reach: u32;
    fn mutant_reached(probe: u32);
}

/// Returns the number of the chosen mutant if it is one of this function, otherwise 0.
#[inline(always)]
pub fn of(first: u32, last: u32) -> u32 {
    // SAFETY: The variable is valid, and concurrent writes are volatile as well.
    let chosen = unsafe { (&raw const mutant_chosen).read_volatile() };

    if chosen.wrapping_sub(first) <= last - first {
        chosen
    } else {
        0
    }
}

/// Records that a block has been executed.
#[inline(always)]
pub fn probe(probe: u32) {
    // SAFETY: The variable is valid, and concurrent writes are volatile as well.
    if unsafe { (&raw const mutant_reach).read_volatile() } != 0 {
        // SAFETY: The function has no requirements.
        unsafe { mutant_reached(probe) };
    }
}

/// Ends a function without a chosen mutant.
#[cold]
pub fn none() -> ! {
    panic!("the chosen mutant is not built")
}
