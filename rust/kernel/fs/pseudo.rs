// SPDX-License-Identifier: GPL-2.0

//! Pseudo filesystems: files of kernel objects, without a mount point.
//!
//! User space does not mount such a filesystem, and it has no directories. A process gets its files
//! as file descriptors from the code that owns the object, or reopens them by file handles.
//!
//! | Rust               | C                                                            |
//! |--------------------|--------------------------------------------------------------|
//! | [`FileSystem`]     | the arguments of `init_pseudo()`: `struct pseudo_fs_context` |
//! | [`Object`]         | `i_private` of an inode, and its `struct file_operations`    |
//! | [`FileSystemType`] | `struct file_system_type`, declared by [`file_system_type!`] |
//! | [`Mount`]          | `struct vfsmount`, as `vfs_kern_mount()` returns it          |
//!
//! # Ownership
//!
//! ```text
//! open file -> Mount -> superblock -> FileSystemType -> module
//!          \-> dentry -> inode -> Object
//! ```
//!
//! All mounts share one superblock (`pseudo_fs_context::single`), which exists as long as there is
//! a mount. Every open file holds a mount, and so does an `O_PATH` descriptor. An inotify watch
//! holds the inode only, but shutting down the superblock removes it.
//!
//! The superblock holds a reference to the module (`file_system_type::owner`), which the VFS drops
//! last. Unloading the module fails with `EWOULDBLOCK` until then, so no callback runs in a module
//! that is gone. For the same reason, a module must not keep a [`Mount`] from its initialisation to
//! its exit: it could never be unloaded. Mount when a user opens a device, for example.
//!
//! An inode is not cached: it exists while the object has an open file or another reference to its
//! dentry. A filesystem whose files are reopened by handle must keep its objects elsewhere. The
//! superblock has no data (`s_fs_info`) for the same reason.
//!
//! # Limitations
//!
//! Not supported: mounts by user space, directories, memory mappings, changes of attributes
//! (`EOPNOTSUPP`), `IOCB_NOWAIT`.
//!
//! # Examples
//!
//! A filesystem of read-only texts:
//!
//! ```
//! use kernel::{
//!     fs::{
//!         exportfs,
//!         file::{
//!             flags,
//!             Offset, //
//!         },
//!         pseudo, //
//!     },
//!     iov::IovIterDest,
//!     prelude::*,
//!     sync::Arc,
//!     task::Kuid, //
//! };
//!
//! struct Text {
//!     id: u64,
//!     text: &'static [u8],
//! }
//!
//! #[vtable]
//! impl pseudo::Object for Text {
//!     fn ino(&self) -> u64 {
//!         self.id
//!     }
//!
//!     fn uid(&self) -> Kuid {
//!         Kuid::current_euid()
//!     }
//!
//!     fn size(&self) -> u64 {
//!         self.text.len() as u64
//!     }
//!
//!     fn read_iter(&self, pos: &mut Offset, iov: &mut IovIterDest<'_>) -> Result<usize> {
//!         iov.simple_read_from_buffer(pos, self.text)
//!     }
//! }
//!
//! struct TextFs;
//!
//! impl pseudo::FileSystem for TextFs {
//!     const NAME: &'static CStr = c"textfs";
//!     const MAGIC: usize = 0x74657874;
//! }
//!
//! // This filesystem implements no export operation, so its files have no handles.
//! #[vtable]
//! impl exportfs::Operations for TextFs {
//!     type Private = Text;
//! }
//!
//! pseudo::file_system_type! {
//!     static TEXTFS: TextFs;
//! }
//!
//! let mount = TEXTFS.mount()?;
//! let text = Arc::new(Text { id: 2, text: b"hello" }, GFP_KERNEL)?;
//! let file = mount.open(text, flags::O_RDONLY)?;
//!
//! // The file keeps the mount, and the mount keeps the superblock.
//! drop(mount);
//! assert_eq!(file.flags() & flags::O_ACCMODE, flags::O_RDONLY);
//! # Ok::<(), Error>(())
//! ```
//!
//! A type that is not a static does not compile:
//!
//! ```ignore,compile_fail
//! // error[E0133]: call to unsafe function
//! let fs_type = KBox::leak(KBox::new(pseudo::FileSystemType::<TextFs>::new(), GFP_KERNEL)?);
//! let mount = fs_type.mount()?;
//! ```
//!
//! C headers: [`include/linux/pseudo_fs.h`](srctree/include/linux/pseudo_fs.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)

mod file;
mod file_system;
mod fs_type;
mod inode;
mod mount;
mod object;

#[cfg(CONFIG_RUST_EXPORTFS_KUNIT_TEST)]
mod tests;

#[doc(inline)]
pub use crate::pseudo_file_system_type as file_system_type;

pub use self::{
    file_system::FileSystem,
    fs_type::FileSystemType,
    mount::Mount,
    object::Object, //
};
