// SPDX-License-Identifier: GPL-2.0

//! Pseudo filesystems: files that stand for objects of the kernel.
//!
//! Such a filesystem is never mounted anywhere and has no directories. Its files are made for an
//! object when somebody asks for one, and a process reaches them by a file descriptor that it was
//! given, or by a file handle.
//!
//! | type           | stands for                                                          |
//! |----------------|---------------------------------------------------------------------|
//! | [`FileSystem`] | what a filesystem implements, beside its [`exportfs::Operations`]   |
//! | [`Object`]     | what its files stand for: `i_private` and `struct file_operations`  |
//! | [`Type`]       | `struct file_system_type`, a static                                 |
//! | [`Mount`]      | an internal mount, by which files are opened                        |
//! | [`SuperBlock`] | the superblock, with the data of the filesystem                     |
//!
//! # Who keeps what
//!
//! ```text
//! open file -> Mount -> SuperBlock -> Type -> module
//!          \-> dentry -> inode -> Object
//! ```
//!
//! The superblock exists for as long as somebody has a mount, and there is at most one at a time.
//! All that user space can have of a file refers to a mount: an open file, wherever its descriptor
//! is, and an `O_PATH` descriptor, which opens nothing. (A watch of inotify refers to the inode
//! alone, but is taken away when the superblock is shut down.)
//!
//! The superblock holds the module, from before anybody can find it until the VFS has taken it off
//! its lists, as the last thing that it does. So the module cannot be unloaded while one of its
//! callbacks runs or could be called, and nobody has to count: unloading is refused, with
//! `EWOULDBLOCK`, until the last such reference is gone.
//!
//! What makes that work is that nobody has a mount without a reason. With a mount from when the
//! module is loaded until it is unloaded, it would never be unloaded.
//!
//! An object can outlive the files that stand for it, if the filesystem keeps it elsewhere. It
//! must, where a handle is to lead back to it: inodes are not cached.
//!
//! # What is not supported
//!
//! Mounting by user space, directories and names, memory mapping, changing attributes.
//!
//! # Examples
//!
//! A filesystem of texts, which can be read:
//!
//! ```
//! use kernel::{
//!     fs::{
//!         exportfs,
//!         file::{
//!             flags,
//!             Offset, //
//!         },
//!         pseudo,
//!         Kiocb, //
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
//!     fn read_iter(mut kiocb: Kiocb<'_, Arc<Self>>, iov: &mut IovIterDest<'_>) -> Result<usize> {
//!         let text = kiocb.file().text;
//!
//!         iov.simple_read_from_buffer(kiocb.ki_pos_mut(), text)
//!     }
//! }
//!
//! struct TextFs;
//!
//! impl pseudo::FileSystem for TextFs {
//!     const NAME: &'static CStr = c"textfs";
//!     const MAGIC: usize = 0x74657874;
//!     const MAX_BYTES: Offset = 4096;
//!
//!     type Data = Arc<u64>;
//! }
//!
//! // Its files cannot be named by handles, as it implements no operation for that.
//! #[vtable]
//! impl exportfs::Operations for TextFs {
//!     type Private = Text;
//! }
//!
//! static TEXTFS: pseudo::Type<TextFs> = pseudo::Type::new();
//!
//! let data = Arc::new(7, GFP_KERNEL)?;
//! let mount = TEXTFS.mount(data.clone())?;
//! assert_eq!(mount.super_block().magic(), 0x74657874);
//!
//! // There is one superblock, which keeps its data.
//! let again = TEXTFS.mount(Arc::new(8, GFP_KERNEL)?)?;
//! assert!(core::ptr::eq(mount.super_block(), again.super_block()));
//! assert_eq!(*again.super_block().data(), 7);
//!
//! // It is found by what it is, too.
//! let sb: &kernel::fs::SuperBlock = mount.super_block();
//! assert!(TEXTFS.super_block(sb).is_some());
//!
//! // There is one dentry for an object, and one inode, while it is held.
//! let text = Arc::new(Text { id: 2, text: b"hello" }, GFP_KERNEL)?;
//! let dentry = mount.super_block().dentry(text.clone())?;
//! assert!(core::ptr::eq(&*dentry, &*again.super_block().dentry(text.clone())?));
//! let inode = dentry.inode().ok_or(ENOENT)?;
//! assert_eq!(inode.ino(), 2);
//! drop(dentry);
//!
//! // With the last mount, the superblock goes, and drops what it has.
//! drop(mount);
//! drop(again);
//! assert!(Arc::into_unique_or_drop(data).is_some());
//! assert!(Arc::into_unique_or_drop(text).is_some());
//!
//! // The next mount makes another one, which an open file keeps as well.
//! let text = Arc::new(Text { id: 2, text: b"hello" }, GFP_KERNEL)?;
//! let mount = TEXTFS.mount(Arc::new(9, GFP_KERNEL)?)?;
//! assert_eq!(*mount.super_block().data(), 9);
//! let file = mount.open(text, flags::O_RDONLY)?;
//! drop(mount);
//! assert_eq!(file.flags() & flags::O_ACCMODE, flags::O_RDONLY);
//! # Ok::<(), Error>(())
//! ```
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h). What is done here for all
//! filesystems alike is what [`fs/libfs.c`](srctree/fs/libfs.c) does for the users of
//! `init_pseudo()`, which itself makes a new superblock for each mount.
//!
//! [`exportfs::Operations`]: super::exportfs::Operations

mod file;
mod file_system;
mod fs_type;
mod inode;
mod mount;
mod object;
mod super_block;

pub use self::{
    file_system::FileSystem,
    fs_type::Type,
    mount::Mount,
    object::Object,
    super_block::SuperBlock, //
};
