// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};
use core::marker::PhantomPinned;

/// A secret key that signs [`Signed`](super::Signed) file handles (`siphash_key_t`).
///
/// Whoever knows the key can forge handles. The key does not move in memory, has no method that
/// reads or copies it, and is wiped when it is dropped. A dump of kernel memory contains the key.
///
/// C headers: [`include/linux/siphash.h`](srctree/include/linux/siphash.h),
/// [`include/linux/random.h`](srctree/include/linux/random.h),
/// [`include/crypto/utils.h`](srctree/include/crypto/utils.h)
#[pin_data(PinnedDrop)]
pub struct FhKey {
    raw: bindings::siphash_key_t,
    #[pin]
    _pin: PhantomPinned,
}

impl FhKey {
    /// Creates a random key of 128 bits.
    ///
    /// Sleeps until the random number generator is initialised. On a machine without a trusted
    /// source of randomness, a call during boot takes about a second if the CPU has a cycle
    /// counter, and longer otherwise.
    ///
    /// # Errors
    ///
    /// - `ERESTARTSYS` if a signal arrives during the wait.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            raw: pin_init::zeroed(),
            _pin: PhantomPinned,
        }? Error)
        .pin_chain(|key| {
            let raw: *mut bindings::siphash_key_t = key.project().raw;

            // SAFETY: `wait_for_random_bytes()` requires a context that may sleep, as this function
            // does.
            to_result(unsafe { bindings::wait_for_random_bytes() })?;

            // SAFETY: `raw` is valid for writes of its size. Any bytes are a valid key.
            unsafe { bindings::get_random_bytes(raw.cast(), size_of::<bindings::siphash_key_t>()) };
            Ok(())
        })
    }

    /// Returns the MAC of `message`: the 64-bit SipHash-2-4 of `siphash()`.
    ///
    /// The time depends only on the length of `message`. Does not sleep.
    #[inline]
    pub(super) fn mac(&self, message: &[u8]) -> u64 {
        // SAFETY: `message` is valid for reads of its length. `__siphash_unaligned()` requires no
        // alignment. The key is initialised.
        unsafe { bindings::__siphash_unaligned(message.as_ptr().cast(), message.len(), &self.raw) }
    }

    /// Returns `true` if `mac` is the MAC of `message`.
    ///
    /// The time depends only on the length of `message`. Does not sleep.
    #[inline]
    pub(super) fn verify_mac(&self, message: &[u8], mac: u64) -> bool {
        let expected = self.mac(message);
        let (a, b) = (&raw const mac, &raw const expected);

        // SAFETY: `a` and `b` are valid for reads of the size of a MAC.
        unsafe { bindings::__crypto_memneq(a.cast(), b.cast(), size_of::<u64>()) == 0 }
    }
}

#[pinned_drop]
impl PinnedDrop for FhKey {
    fn drop(self: Pin<&mut Self>) {
        let raw: *mut bindings::siphash_key_t = self.project().raw;

        // SAFETY: `raw` is valid for writes of its size. Zeros are a valid key.
        unsafe { bindings::memzero_explicit(raw.cast(), size_of::<bindings::siphash_key_t>()) };
    }
}
