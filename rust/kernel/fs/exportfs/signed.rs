// SPDX-License-Identifier: GPL-2.0

use super::{
    FhKey,
    FileidType,
    Handle, //
};
use crate::prelude::*;
use zerocopy::Immutable;

/// The maximum size of a signed handle, in bytes. User space NFS servers embed handles in their
/// own, which leaves little room.
const MAX_SIZE: usize = 24;

/// The content of a [`Signed`] handle: plain bytes without padding, 4, 8, 12 or 16 of them.
///
/// This is not a [`Handle`], so [`Encoder::store`] and [`Fid::load`] only accept it as [`Signed`].
/// [`Signed::verify`] returns it. A type should not implement both traits.
///
/// The types of pidfs, nsfs and kernfs are a build error: their layout is ABI.
///
/// [`Encoder::store`]: super::Encoder::store
/// [`Fid::load`]: super::Fid::load
pub trait Payload: FromBytes + IntoBytes + Immutable {
    /// The type of the signed handle.
    const TYPE: FileidType;
}

/// A file handle with a Message Authentication Code (MAC).
///
/// Signed handles protect against handle guessing attacks. A filesystem that implements
/// [`Operations::permission`] lets every process decode handles. If its handles are predictable, a
/// process can guess the handle of an object that it has no access to. A MAC prevents this: only
/// the holder of the signing key, which is the kernel, can create a handle that decodes.
///
/// `nfsd` signs its handles in the same way, see "Signed Filehandles" in
/// [`exporting.rst`](srctree/Documentation/filesystems/nfs/exporting.rst). The Kconfig entry of a
/// user of this type must select `CRYPTO_LIB_UTILS`.
///
/// # Layout
///
/// | offset           | size             | content                                        |
/// |------------------|------------------|------------------------------------------------|
/// | 0                | `size_of::<P>()` | the payload                                    |
/// | `size_of::<P>()` | 8                | the MAC: a `u64` in native byte order          |
///
/// The MAC is the 64-bit SipHash-2-4 of the [`FileidType`], as a `u32` in native byte order,
/// followed by the payload. The native byte order is sufficient because a handle is only valid for
/// the key that signed it.
///
/// # Limitations
///
/// - The MAC provides integrity and authenticity but not confidentiality. The payload remains
///   visible.
/// - A handle is valid for every process that presents it. If that matters, `fh_to_dentry` must
///   check the caller as well.
/// - A guess succeeds with a probability of 2^-64. The number of guesses is not limited.
/// - A single handle cannot be revoked. A payload must never identify a second object.
/// - One to three bytes after the MAC are not verified: exportfs does not pass them to the
///   filesystem. Longer tails are rejected.
///
/// # Key management and rotation
///
/// Each superblock generates its key when it is set up. Handles do not survive an unmount or a
/// reboot. There is no key rotation: replacing the key immediately invalidates all previous
/// handles, which then fail to decode with `ESTALE`.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::exportfs::{
///         Encoded,
///         Encoder,
///         FhKey,
///         Fid,
///         FileidType,
///         Payload,
///         Signed, //
///     },
///     prelude::*, //
/// };
///
/// /// Identifies an object by a number that is never reused.
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
/// fn encode<'a>(id: u64, key: &FhKey, encoder: Encoder<'a>) -> Encoded<'a> {
///     encoder.store(|| Signed::new(ObjectId { id }, key))
/// }
///
/// /// For `fh_to_dentry`: returns the number to look up.
/// fn decode(fid: &Fid<'_>, key: &FhKey) -> Option<u64> {
///     let object = fid.load::<Signed<ObjectId>>()?.verify(key)?;
///     Some(object.id)
/// }
///
/// let key = KBox::pin_init(FhKey::new(), GFP_KERNEL)?;
/// let handle = Signed::new(ObjectId { id: 7 }, &key);
/// assert_eq!(size_of_val(&handle), 16);
/// assert_eq!(handle.verify(&key).map(|object| object.id), Some(7));
///
/// // A handle of another superblock, or from before a reboot.
/// let other = KBox::pin_init(FhKey::new(), GFP_KERNEL)?;
/// assert!(Signed::new(ObjectId { id: 7 }, &other).verify(&key).is_none());
/// # Ok::<(), Error>(())
/// ```
///
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
    /// Signs `payload` with `key`.
    ///
    /// Does not sleep.
    ///
    /// C: `fh_append_mac()` in nfsd.
    #[inline]
    pub fn new(payload: P, key: &FhKey) -> Self {
        let message = Message::new(payload);
        let mac = key.mac(message.as_bytes());

        Self {
            payload: message.payload,
            mac,
        }
    }

    /// Returns the payload if `key` signed it.
    ///
    /// The time does not depend on the MAC. Does not sleep.
    ///
    /// C: `fh_verify_mac()` in nfsd.
    #[inline]
    pub fn verify(self, key: &FhKey) -> Option<P> {
        let Self { payload, mac } = self;
        let message = Message::new(payload);

        key.verify_mac(message.as_bytes(), mac)
            .then_some(message.payload)
    }
}

/// The message that is signed. It includes the type, so that a handle of one type is not valid as a
/// handle of another type with the same payload.
#[repr(C, packed)]
#[derive(IntoBytes, zerocopy_derive::Immutable)]
struct Message<P: Payload> {
    fileid_type: u32,
    payload: P,
}

impl<P: Payload> Message<P> {
    #[inline]
    fn new(payload: P) -> Self {
        const {
            assert!(size_of::<P>() != 0, "a payload has at least 4 bytes");
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
            fileid_type: P::TYPE.as_raw() as u32,
            payload,
        }
    }
}
