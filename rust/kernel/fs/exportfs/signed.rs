// SPDX-License-Identifier: GPL-2.0

use super::{
    FileidType,
    Handle,
    Key, //
};
use crate::prelude::*;
use core::hint::black_box;
use zerocopy::Immutable;

/// The longest signed handle, in bytes. Servers in user space wrap handles into their own, which
/// have little room.
const MAX_SIZE: usize = 24;

/// What a [`Signed`] handle says: plain bytes without padding, 4, 8, 12 or 16 of them.
///
/// Deliberately not a [`Handle`], so that it cannot be stored without a signature, nor loaded
/// without the check of one.
///
/// For new kinds of handle only. What pidfs, nsfs and kernfs give out is stored by user space in
/// the layout that it has, so a payload of one of their types does not build.
pub trait Payload: FromBytes + IntoBytes + Immutable {
    /// The kind of the handle that carries this payload.
    const TYPE: FileidType;
}

/// A handle that only the kernel can make: a [`Payload`] and a MAC over it.
///
/// A filesystem that lets anybody decode handles, by [`Operations::permission`], has to assume
/// that all possible handles are tried. Where the payload is a number that counts up, that finds
/// every object. With the signature, a handle is found only by those who have been given it.
///
/// # Layout
///
/// | offset      | size             | what                                                 |
/// |-------------|------------------|------------------------------------------------------|
/// | 0           | `size_of::<P>()` | the payload, as it lies in memory: not encrypted     |
/// | end of that | 8                | the MAC: a `u64` in native byte order, not aligned   |
///
/// The MAC is the 64-bit SipHash-2-4, under the [`Key`], of the [`FileidType`] as a `u32` in native
/// byte order, followed by the payload. A handle is worth nothing outside of the superblock that
/// made it, so nobody has to understand one of another byte order.
///
/// # What it keeps out
///
/// [`verify`](Self::verify) gives [`None`] for what this key has not signed for this type: a
/// payload that was made up, a handle with any bit changed, one of another superblock or of
/// another kind, one from before a reboot. [`Fid::load`] gives [`None`] for one that is too short
/// or too long.
///
/// # What it does not
///
/// - A handle is good in everyone's hands. Whoever can name the file can pass its handle on, so
///   where that matters, look at the caller, too.
/// - A guess succeeds once in 2^64 times, and there is no limit on guesses: a million a second take
///   300 000 years for an even chance.
/// - Nothing is revoked while the key exists. A handle names its object until the filesystem finds
///   none any more; let the payload never name another one.
/// - The payload can be read by everyone.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::exportfs::{
///         Encoded,
///         Encoder,
///         Fid,
///         FileidType,
///         Key,
///         Payload,
///         Signed, //
///     },
///     prelude::*, //
/// };
///
/// /// Names an object by a number that is never used again.
/// #[repr(C)]
/// #[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
/// struct ObjectId {
///     id: u64,
/// }
///
/// impl Payload for ObjectId {
///     const TYPE: FileidType = FileidType::new(0xf7);
/// }
///
/// /// For `encode_fh`.
/// fn encode<'a>(id: u64, key: &Key, encoder: Encoder<'a>) -> Encoded<'a> {
///     encoder.store(|| Signed::new(ObjectId { id }, key))
/// }
///
/// /// For `fh_to_dentry`: the number to look up, if it was given out.
/// fn decode(fid: &Fid<'_>, key: &Key) -> Option<u64> {
///     let object = fid.load::<Signed<ObjectId>>()?.verify(key)?;
///     Some(object.id)
/// }
///
/// let key = KBox::pin_init(Key::new(), GFP_KERNEL)?;
/// let handle = Signed::new(ObjectId { id: 7 }, &key);
/// assert_eq!(size_of_val(&handle), 16);
/// assert_eq!(handle.verify(&key).map(|object| object.id), Some(7));
///
/// // As after a reboot, or from another superblock.
/// let other = KBox::pin_init(Key::new(), GFP_KERNEL)?;
/// assert!(Signed::new(ObjectId { id: 7 }, &other).verify(&key).is_none());
/// # Ok::<(), Error>(())
/// ```
///
/// [`Fid::load`]: super::Fid::load
/// [`Operations::permission`]: super::Operations::permission
#[repr(C, packed)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
pub struct Signed<P: Payload> {
    payload: P,
    mac: u64,
}

impl<P: Payload> Handle for Signed<P> {
    const TYPE: FileidType = P::TYPE;
}

impl<P: Payload> Signed<P> {
    /// Signs `payload`. Does not sleep and takes no lock.
    #[inline]
    pub fn new(payload: P, key: &Key) -> Self {
        let message = Message::new(payload);
        let mac = key.mac(message.as_bytes());

        Self {
            payload: message.payload,
            mac,
        }
    }

    /// Returns the payload if it was signed with `key`.
    ///
    /// Takes the same time whatever the MAC is, so that it cannot be found piece by piece. Does not
    /// sleep and takes no lock.
    #[inline]
    pub fn verify(self, key: &Key) -> Option<P> {
        let Self { payload, mac } = self;
        let message = Message::new(payload);

        equal(mac, key.mac(message.as_bytes())).then_some(message.payload)
    }
}

/// What the MAC is computed over. The kind is part of it, so that a payload cannot be passed off
/// as one of another type.
#[repr(C, packed)]
#[derive(IntoBytes, zerocopy_derive::Immutable)]
struct Message<P: Payload> {
    kind: u32,
    payload: P,
}

impl<P: Payload> Message<P> {
    #[inline]
    fn new(payload: P) -> Self {
        const {
            assert!(size_of::<P>() != 0, "there is something to sign");
            assert!(
                size_of::<Signed<P>>() <= MAX_SIZE,
                "a payload has at most 16 bytes"
            );
            assert!(
                P::TYPE.as_raw() != FileidType::KERNFS.as_raw()
                    && P::TYPE.as_raw() != FileidType::NSFS.as_raw(),
                "the handles of kernfs, pidfs and nsfs are not signed"
            );
        }

        Self {
            kind: P::TYPE.as_raw() as u32,
            payload,
        }
    }
}

/// Compares two MACs in a time that does not depend on them.
///
/// The difference is folded into 32 bits, which fit into one register everywhere, before it is
/// looked at: there is one branch, and it tells whether all bits are the same. [`black_box`] makes
/// the compiler have the folded value ready at that point, so that it cannot look at one half
/// first; it is what `OPTIMIZER_HIDE_VAR()` is for `crypto_memneq()`.
#[inline]
fn equal(a: u64, b: u64) -> bool {
    let difference = a ^ b;

    black_box((difference >> 32) as u32 | difference as u32) == 0
}
