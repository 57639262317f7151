// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};
use core::marker::PhantomPinned;

/// A signing key: the secret with which a filesystem signs its [`Signed`](super::Signed) file
/// handles.
///
/// The security of signed file handles relies entirely on the secrecy of the key. The key does not
/// move in memory, cannot be read or copied, and is wiped when it is dropped. A dump of the memory
/// of the kernel contains it.
///
/// C: `siphash_key_t`.
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
    /// Sleeps until the random number generator is initialised. On a machine without a source of
    /// randomness that the kernel trusts, a call during boot takes about a second with a cycle
    /// counter, and longer without one.
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

            // SAFETY: `wait_for_random_bytes()` may be called from any context that may sleep.
            to_result(unsafe { bindings::wait_for_random_bytes() })?;

            // SAFETY: `raw` may be written for its size, and any bytes are a valid key.
            unsafe { bindings::get_random_bytes(raw.cast(), size_of::<bindings::siphash_key_t>()) };
            Ok(())
        })
    }

    /// Computes the MAC of `message`: the 64-bit SipHash-2-4 of `siphash()`.
    ///
    /// The time depends on the length only. Does not sleep.
    #[inline]
    pub(super) fn mac(&self, message: &[u8]) -> u64 {
        // SAFETY: `message` may be read for its length and needs no alignment. The key is
        // initialised.
        unsafe { bindings::__siphash_unaligned(message.as_ptr().cast(), message.len(), &self.raw) }
    }

    /// Returns `true` if `mac` is the MAC of `message`.
    ///
    /// The time depends on the length of the message only. Does not sleep.
    #[inline]
    pub(super) fn verify_mac(&self, message: &[u8], mac: u64) -> bool {
        let expected = self.mac(message);
        let (a, b) = (&raw const mac, &raw const expected);

        // SAFETY: `a` and `b` may be read for the size of a MAC.
        unsafe { bindings::__crypto_memneq(a.cast(), b.cast(), size_of::<u64>()) == 0 }
    }
}

#[pinned_drop]
impl PinnedDrop for FhKey {
    fn drop(self: Pin<&mut Self>) {
        let raw: *mut bindings::siphash_key_t = self.project().raw;

        // SAFETY: `raw` may be written for its size, and zeros are a valid key.
        unsafe { bindings::memzero_explicit(raw.cast(), size_of::<bindings::siphash_key_t>()) };
    }
}
