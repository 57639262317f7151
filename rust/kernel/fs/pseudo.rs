// SPDX-License-Identifier: GPL-2.0

//! Pseudo filesystems: files that represent kernel objects.
//!
//! User space cannot mount a pseudo filesystem, and the filesystem has no directories. A process
//! receives a file descriptor from the code that owns the object, or opens the file by its handle.
//!
//! | Rust               | C                                                            |
//! |--------------------|--------------------------------------------------------------|
//! | [`FileSystem`]     | `struct pseudo_fs_context`, as `init_pseudo()` returns it    |
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
//! All mounts share one superblock (`pseudo_fs_context::single`), which is active while a mount
//! exists. Every open file and every `O_PATH` descriptor holds a mount. An inotify watch only holds
//! the inode; shutting down the superblock removes the watch.
//!
//! The superblock holds a reference to the module (`file_system_type::owner`). The VFS drops this
//! reference after its last use of the filesystem type. Unloading the module fails with
//! `EWOULDBLOCK` until then, so no callback runs in an unloaded module.
//!
//! A module must therefore not hold a [`Mount`] from its initialisation to its exit: it could not
//! be unloaded. Instead it can, for example, mount when a user opens its device.
//!
//! A reference does not keep a module whose initialisation fails. [`FileSystemType::mount`]
//! therefore fails with `EBUSY` until the initialisation has succeeded. A module cannot mount
//! during its initialisation.
//!
//! The VFS does not cache unused inodes: an inode exists while its object has an open file or
//! another reference to its dentry. A filesystem that supports file handles must therefore store
//! its objects outside of the inodes. It cannot store them in the superblock either (`s_fs_info`),
//! because the superblock is shut down with the last open file.
//!
//! # Limitations
//!
//! Not supported: mounts by user space, directories, memory mappings, `IOCB_NOWAIT`, and changing
//! attributes (`EOPNOTSUPP`).
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
//!     fn read_iter(&self, mut pos: Offset, iov: &mut IovIterDest<'_>) -> Result {
//!         iov.simple_read_from_buffer(&mut pos, self.text)?;
//!         Ok(())
//!     }
//! }
//!
//! struct TextFs;
//!
//! impl pseudo::FileSystem for TextFs {
//!     const NAME: &'static CStr = c"textfs";
//! }
//!
//! // This filesystem implements no export operations, so its files have no handles.
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
//! // The file holds the mount, and the mount keeps the superblock active.
//! drop(mount);
//! assert_eq!(file.flags() & flags::O_ACCMODE, flags::O_RDONLY);
//! # Ok::<(), Error>(())
//! ```
//!
//! A [`FileSystemType`] that is not a `static` requires `unsafe`:
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
