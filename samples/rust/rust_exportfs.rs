// SPDX-License-Identifier: GPL-2.0

//! Rust sample of a pseudo filesystem whose files are reopened by handles.
//!
//! A device makes objects: a few bytes that belong to a user. Each has a file on the filesystem,
//! and outlives the file: its owner stores a file handle instead, and gets the object back from
//! it after an exec, a restart or a crash, without any privilege. The handle is signed, so it
//! cannot be guessed, and ends with the module, as the objects do.
//!
//! An object is there for its owner alone. To everyone else who has its handle, root included, it
//! does not exist: root can become the owner, and an exception for `CAP_DAC_OVERRIDE` would be one
//! more thing to get wrong.
//!
//! The device is root's when the module is loaded; `chmod 666 /dev/rust_exportfs` gives it to all.
//!
//! Below is a userspace C program that exercises this sample's functionality.
//!
//! ```c
//! // store NAME: makes an object, fills it from the input, and writes its handle to the output
//! // fetch: reads a handle from the input, and writes to the output what the object holds
//! // remove NAME: removes an object
//!
//! #define _GNU_SOURCE
//! #include <err.h>
//! #include <fcntl.h>
//! #include <string.h>
//! #include <sys/ioctl.h>
//! #include <unistd.h>
//! #include "rust_exportfs.h"
//!
//! union handle {
//!   struct file_handle fh;
//!   char bytes[sizeof(struct file_handle) + RUST_EXPORTFS_HANDLE_SIZE];
//! };
//!
//! static void copy(int from, int to)
//! {
//!   char buffer[4096];
//!   ssize_t len;
//!
//!   while ((len = read(from, buffer, sizeof(buffer))) > 0)
//!     if (write(to, buffer, len) != len)
//!       err(1, "write");
//!   if (len < 0)
//!     err(1, "read");
//! }
//!
//! static void store(int dev, const char *name)
//! {
//!   struct rust_exportfs_make make = { .size = 4096 };
//!   union handle handle = { .fh.handle_bytes = RUST_EXPORTFS_HANDLE_SIZE };
//!   int mount_id, fd;
//!
//!   strncpy(make.name, name, sizeof(make.name));
//!   fd = ioctl(dev, RUST_EXPORTFS_MAKE, &make);
//!   if (fd < 0)
//!     err(1, "%s", name);
//!   copy(STDIN_FILENO, fd);
//!   if (name_to_handle_at(fd, "", &handle.fh, &mount_id, AT_EMPTY_PATH))
//!     err(1, "name_to_handle_at");
//!   if (write(STDOUT_FILENO, &handle, sizeof(handle)) != sizeof(handle))
//!     err(1, "write");
//! }
//!
//! static void fetch(int dev)
//! {
//!   union handle handle;
//!   int anchor, fd;
//!
//!   if (read(STDIN_FILENO, &handle, sizeof(handle)) != sizeof(handle))
//!     errx(1, "this is no handle");
//!   anchor = ioctl(dev, RUST_EXPORTFS_ANCHOR);
//!   if (anchor < 0)
//!     err(1, "anchor");
//!   fd = open_by_handle_at(anchor, &handle.fh, O_RDONLY);
//!   if (fd < 0)
//!     err(1, "open_by_handle_at");
//!   copy(fd, STDOUT_FILENO);
//! }
//!
//! static void remove_object(int dev, const char *name)
//! {
//!   struct rust_exportfs_remove remove = {};
//!
//!   strncpy(remove.name, name, sizeof(remove.name));
//!   if (ioctl(dev, RUST_EXPORTFS_REMOVE, &remove))
//!     err(1, "%s", name);
//! }
//!
//! int main(int argc, char **argv)
//! {
//!   int dev = open("/dev/rust_exportfs", O_RDWR | O_CLOEXEC);
//!
//!   if (dev < 0)
//!     err(1, "/dev/rust_exportfs");
//!   if (argc == 3 && !strcmp(argv[1], "store"))
//!     store(dev, argv[2]);
//!   else if (argc == 2 && !strcmp(argv[1], "fetch"))
//!     fetch(dev);
//!   else if (argc == 3 && !strcmp(argv[1], "remove"))
//!     remove_object(dev, argv[2]);
//!   else
//!     errx(2, "usage: %s store NAME | fetch | remove NAME", argv[0]);
//!   return 0;
//! }
//! ```

use kernel::{
    fs::{
        exportfs::{
            Context,
            Encoded,
            Encoder,
            Fid,
            FileidType,
            Key,
            Operations,
            Payload,
            Signed, //
        },
        file::{
            flags::*,
            FileDescriptorReservation,
            Offset, //
        },
        pseudo,
        File,
        Inode,
        Kiocb,
        OwnedDentry,
        SuperBlock, //
    },
    ioctl::{
        _IO,
        _IOC_SIZE,
        _IOW, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
    task::Kuid,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    }, //
};

/// The room for a name, with the NUL that ends it.
const NAME_SIZE: usize = 32;

/// How many bytes one object can hold.
const SIZE_MAX: usize = 64 * 1024;

/// How many objects one user can have, counting those that are removed but still open.
const USER_OBJECTS: usize = 64;

/// How many bytes all the objects of one user can hold.
const USER_BYTES: usize = 256 * 1024;

/// `struct rust_exportfs_make`.
#[repr(C)]
struct Make {
    name: [u8; NAME_SIZE],
    size: u32,
}

/// `struct rust_exportfs_remove`.
#[repr(C)]
struct Remove {
    name: [u8; NAME_SIZE],
}

const RUST_EXPORTFS_MAKE: u32 = _IOW::<Make>('|' as u32, 0x90);
const RUST_EXPORTFS_REMOVE: u32 = _IOW::<Remove>('|' as u32, 0x91);
const RUST_EXPORTFS_ANCHOR: u32 = _IO('|' as u32, 0x92);

module! {
    type: RustExportfs,
    name: "rust_exportfs",
    authors: ["Linux file handles"],
    description: "Rust sample of a pseudo filesystem with file handles",
    license: "GPL",
}

static EXPORTFS: pseudo::Type<ExportFs> = pseudo::Type::new();

kernel::sync::global_lock! {
    // SAFETY: `RustExportfs::init` initialises it before anything else can happen.
    unsafe(uninit) static STORE: Mutex<Option<Arc<Store>>> = None;
}

#[pin_data]
struct RustExportfs {
    #[pin]
    _miscdev: MiscDeviceRegistration<Device>,
    _published: Published,
}

impl kernel::InPlaceModule for RustExportfs {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: A module is initialised once.
        unsafe { STORE.init() };

        try_pin_init!(Self {
            _published: Published::new()?,
            _miscdev <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"rust_exportfs",
            }),
        })
    }
}

/// The store is what [`STORE`] says, for as long as this exists.
struct Published;

impl Published {
    fn new() -> Result<Self> {
        let store = Arc::pin_init(Store::new(), GFP_KERNEL)?;

        *STORE.lock() = Some(store);
        Ok(Self)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let store = STORE.lock().take();

        drop(store);
    }
}

/// All objects.
#[pin_data]
struct Store {
    #[pin]
    key: Key,
    #[pin]
    objects: Mutex<Objects>,
    quota: Arc<Quota>,
}

struct Objects {
    next_id: u64,
    by_id: RBTree<u64, Arc<Object>>,
    by_name: RBTree<(u32, Name), u64>,
}

impl Store {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            key <- Key::new(),
            objects <- new_mutex!(Objects {
                // 1 is the number of the root's inode.
                next_id: 2,
                by_id: RBTree::new(),
                by_name: RBTree::new(),
            }),
            quota: Arc::pin_init(Quota::new(), GFP_KERNEL)?,
        })
    }

    /// Makes an object that cannot be found yet.
    fn make(&self, owner: Kuid, capacity: usize) -> Result<Arc<Object>> {
        if capacity == 0 || capacity > SIZE_MAX {
            return Err(EINVAL);
        }
        let charge = Quota::charge(&self.quota, owner, capacity)?;
        let data = KVVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?;

        Arc::pin_init(
            pin_init!(Object {
                id: self.new_id(),
                owner,
                data <- new_mutex!(data),
                capacity,
                _charge: charge,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Returns a number that has not been used before, and will not be again.
    fn new_id(&self) -> u64 {
        let mut objects = self.objects.lock();
        let id = objects.next_id;

        // Even at a billion a second, there are enough of them for five hundred years.
        objects.next_id = id.wrapping_add(1);
        id
    }

    /// Lets an object be found.
    fn insert(&self, name: Name, object: Arc<Object>) -> Result {
        let key = (uid_number(object.owner), name);
        let by_name = RBTreeNode::new(key, object.id, GFP_KERNEL_ACCOUNT)?;
        let by_id = RBTreeNode::new(object.id, object, GFP_KERNEL_ACCOUNT)?;
        let mut objects = self.objects.lock();

        if objects.by_name.get(&key).is_some() {
            return Err(EEXIST);
        }
        objects.by_name.insert(by_name);
        objects.by_id.insert(by_id);
        Ok(())
    }

    /// Finds an object of `owner`.
    fn find(&self, id: u64, owner: Kuid) -> Option<Arc<Object>> {
        let objects = self.objects.lock();

        objects
            .by_id
            .get(&id)
            .filter(|object| object.owner == owner)
            .cloned()
    }

    /// Removes an object of `owner`. What it holds is freed with the last file of it.
    fn remove(&self, name: Name, owner: Kuid) -> Result {
        let mut objects = self.objects.lock();
        let id = objects
            .by_name
            .remove(&(uid_number(owner), name))
            .ok_or(ENOENT)?;
        let node = objects.by_id.remove_node(&id);

        drop(objects);
        drop(node);
        Ok(())
    }
}

/// What orders users; not for user space, which sees them through its namespace.
fn uid_number(uid: Kuid) -> u32 {
    uid.into_raw().val
}

/// The name of an object, padded with NULs, of which there is at least one.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Name([u8; NAME_SIZE]);

impl Name {
    /// Reads a name from user space. What follows the first NUL is ignored.
    fn read(reader: &mut UserSliceReader) -> Result<Self> {
        let mut name = [0; NAME_SIZE];

        reader.read_slice(&mut name)?;
        let len = name
            .iter()
            .position(|&byte| byte == 0)
            .ok_or(ENAMETOOLONG)?;
        if len == 0 {
            return Err(EINVAL);
        }
        name.iter_mut().skip(len).for_each(|byte| *byte = 0);
        Ok(Self(name))
    }
}

/// What users have.
#[pin_data]
struct Quota {
    #[pin]
    users: Mutex<RBTree<u32, Usage>>,
}

struct Usage {
    objects: usize,
    bytes: usize,
}

impl Quota {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            users <- new_mutex!(RBTree::new()),
        })
    }

    /// Charges a user for an object, until the charge is dropped.
    fn charge(this: &Arc<Self>, uid: Kuid, bytes: usize) -> Result<Charge> {
        let reservation = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
        let uid = uid_number(uid);
        let mut users = this.users.lock();

        match users.get_mut(&uid) {
            Some(usage) => usage.add(bytes)?,
            None => {
                let mut usage = Usage {
                    objects: 0,
                    bytes: 0,
                };

                usage.add(bytes)?;
                users.insert(reservation.into_node(uid, usage));
            }
        }
        Ok(Charge {
            quota: this.clone(),
            uid,
            bytes,
        })
    }
}

impl Usage {
    fn add(&mut self, bytes: usize) -> Result {
        if self.objects >= USER_OBJECTS || bytes > USER_BYTES.saturating_sub(self.bytes) {
            return Err(EDQUOT);
        }
        self.objects += 1;
        self.bytes += bytes;
        Ok(())
    }
}

/// What an object costs its owner, for as long as it takes memory.
struct Charge {
    quota: Arc<Quota>,
    uid: u32,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut users = self.quota.users.lock();
        let mut empty = None;

        if let Some(usage) = users.get_mut(&self.uid) {
            usage.objects -= 1;
            usage.bytes -= self.bytes;
            if usage.objects == 0 {
                empty = users.remove_node(&self.uid);
            }
        }
        drop(users);
        drop(empty);
    }
}

/// An object: some bytes, which belong to a user.
#[pin_data]
struct Object {
    id: u64,
    owner: Kuid,
    #[pin]
    data: Mutex<KVVec<u8>>,
    capacity: usize,
    _charge: Charge,
}

#[vtable]
impl pseudo::Object for Object {
    fn ino(&self) -> u64 {
        self.id
    }

    fn uid(&self) -> Kuid {
        self.owner
    }

    fn size(&self) -> u64 {
        self.data.lock().len() as u64
    }

    fn read_iter(mut kiocb: Kiocb<'_, Arc<Self>>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let object = kiocb.file();
        let data = object.data.lock();
        let is_at_end = usize::try_from(kiocb.ki_pos())? >= data.len();
        let read = iov.simple_read_from_buffer(kiocb.ki_pos_mut(), &data)?;

        // Nothing could be copied although there is something to read, and room for it.
        if read == 0 && !is_at_end && !iov.is_empty() {
            return Err(EFAULT);
        }
        Ok(read)
    }

    fn write_iter(mut kiocb: Kiocb<'_, Arc<Self>>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let written = kiocb.file().write(usize::try_from(kiocb.ki_pos())?, iov)?;

        *kiocb.ki_pos_mut() += written as Offset;
        Ok(written)
    }
}

impl Object {
    /// Writes at `pos` as much as there is room for, and fills a gap before that with zeros.
    fn write(&self, pos: usize, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let end = self.capacity.min(pos.saturating_add(iov.len()));
        if end <= pos {
            return Err(EFBIG);
        }

        let mut data = self.data.lock();
        let len = data.len();

        if end > len {
            data.resize(end, 0, GFP_KERNEL_ACCOUNT)?;
        }
        let written = data
            .get_mut(pos..end)
            .map_or(0, |data| iov.copy_from_iter(data));
        if written == 0 {
            data.truncate(len);
            return Err(EFAULT);
        }
        data.truncate(len.max(pos + written));
        Ok(written)
    }
}

/// What a handle of an object says.
#[repr(C)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
struct ObjectId {
    id: u64,
}

impl Payload for ObjectId {
    const TYPE: FileidType = FileidType::new(0xf7);
}

/// The filesystem.
struct ExportFs;

impl pseudo::FileSystem for ExportFs {
    const NAME: &'static CStr = c"rust_exportfs";
    const MAGIC: usize = 0x72657866;
    const MAX_BYTES: Offset = SIZE_MAX as Offset;

    type Data = Arc<Store>;
}

/// What open_by_handle_at(2) accepts; `O_LARGEFILE` is added by the system call.
const VALID_OPEN_FLAGS: u32 =
    O_RDONLY | O_WRONLY | O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_LARGEFILE;

#[vtable]
impl Operations for ExportFs {
    type Private = Object;

    fn encode_fh<'a>(
        inode: &Inode<Object>,
        encoder: Encoder<'a>,
        _parent: Option<&Inode<Object>>,
    ) -> Encoded<'a> {
        let Some(sb) = EXPORTFS.super_block(inode.super_block()) else {
            return encoder.refuse();
        };
        let store = sb.data();
        let id = inode.private().id;

        encoder.store(|| Signed::new(ObjectId { id }, &store.key))
    }

    /// Finds an object for its owner. Whoever else has the handle, root included, is told that
    /// there is no such object.
    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let sb = EXPORTFS.super_block(sb).ok_or(EINVAL)?;
        let store = sb.data();
        let object = fid
            .load::<Signed<ObjectId>>()
            .and_then(|handle| handle.verify(&store.key))
            .and_then(|object| store.find(object.id, Kuid::current_euid()));

        object.map(|object| sb.dentry(object)).transpose()
    }

    fn permission(_ctx: &Context, oflags: u32) -> Result {
        if oflags & !VALID_OPEN_FLAGS != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }
}

/// An open file of the device.
struct Device {
    store: Arc<Store>,
    mount: pseudo::Mount<ExportFs>,
}

#[vtable]
impl MiscDevice for Device {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        let store = STORE.lock().clone().ok_or(ENODEV)?;
        let mount = EXPORTFS.mount(store.clone())?;

        Ok(KBox::new(Self { store, mount }, GFP_KERNEL_ACCOUNT)?)
    }

    fn ioctl(device: &Self, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let mut reader = UserSlice::new(UserPtr::from_addr(arg), _IOC_SIZE(cmd)).reader();

        match cmd {
            RUST_EXPORTFS_MAKE => device.make(&mut reader),
            RUST_EXPORTFS_REMOVE => device.remove(&mut reader),
            RUST_EXPORTFS_ANCHOR => device.anchor(),
            _ => Err(ENOTTY),
        }
    }
}

impl Device {
    fn make(&self, reader: &mut UserSliceReader) -> Result<isize> {
        let name = Name::read(reader)?;
        let capacity: u32 = reader.read()?;
        let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        let object = self.store.make(Kuid::current_euid(), capacity as usize)?;
        let file = self.mount.open(object.clone(), O_RDWR)?;

        // From here on, the object can be found.
        self.store.insert(name, object)?;
        Ok(install(fd, file))
    }

    fn remove(&self, reader: &mut UserSliceReader) -> Result<isize> {
        let name = Name::read(reader)?;

        self.store.remove(name, Kuid::current_euid())?;
        Ok(0)
    }

    fn anchor(&self) -> Result<isize> {
        let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        let file = self.mount.open_root()?;

        Ok(install(fd, file))
    }
}

fn install(fd: FileDescriptorReservation, file: ARef<File>) -> isize {
    let number = fd.reserved_fd() as isize;

    fd.fd_install(file);
    number
}
