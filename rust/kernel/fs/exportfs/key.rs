// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};
use core::marker::PhantomPinned;

/// The secret by which a filesystem knows the [`Signed`](super::Signed) handles that it gave out:
/// 128 random bits.
///
/// Make one for each superblock, each time it is set up, and keep it nowhere else: a handle is
/// worth something for as long as its key exists, and where its key is.
///
/// There is one copy of it in memory, which does not move, and is wiped when it is dropped. It
/// cannot be printed, copied, compared or read; but a snapshot of a virtual machine holds it like
/// everything else.
///
/// C headers: [`include/linux/siphash.h`](srctree/include/linux/siphash.h),
/// [`include/linux/random.h`](srctree/include/linux/random.h)
#[pin_data(PinnedDrop)]
pub struct Key {
    raw: bindings::siphash_key_t,
    #[pin]
    _pin: PhantomPinned,
}

impl Key {
    /// Makes a key at random.
    ///
    /// Waits until the kernel's random numbers cannot be guessed, and so may sleep: a key that can
    /// be guessed protects nothing, and that would go unnoticed for as long as the system runs.
    /// Where the processor or the boot loader supplies randomness, there is nothing to wait for;
    /// elsewhere it takes about a second with a cycle counter, and without one until enough
    /// interrupts have come. Built-in code that must not hold up the boot makes its key when user
    /// space first needs it, not in an initcall.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal came while waiting.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            raw: pin_init::zeroed(),
            _pin: PhantomPinned,
        }? Error)
        .pin_chain(|key| {
            let raw: *mut bindings::siphash_key_t = key.project().raw;

            // SAFETY: May be called from any context that may sleep, as this function.
            to_result(unsafe { bindings::wait_for_random_bytes() })?;

            // SAFETY: `raw` may be written for its size, and any bytes make a key.
            unsafe { bindings::get_random_bytes(raw.cast(), size_of::<bindings::siphash_key_t>()) };
            Ok(())
        })
    }

    /// Computes the MAC of `message`: 64-bit SipHash-2-4, in a time that depends on the length
    /// only. Does not sleep.
    pub(super) fn mac(&self, message: &[u8]) -> u64 {
        // SAFETY: `message` may be read for its length, however it is aligned, and the key is
        // initialised.
        unsafe { bindings::__siphash_unaligned(message.as_ptr().cast(), message.len(), &self.raw) }
    }
}

#[pinned_drop]
impl PinnedDrop for Key {
    fn drop(self: Pin<&mut Self>) {
        let raw: *mut bindings::siphash_key_t = self.project().raw;

        // SAFETY: `raw` may be written for its size, and a key of zeros is still one.
        unsafe { bindings::memzero_explicit(raw.cast(), size_of::<bindings::siphash_key_t>()) };
    }
}
