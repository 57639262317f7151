// SPDX-License-Identifier: GPL-2.0

//! Rust pseudo filesystem sample, with file handles.
//!
//! The device `/dev/rust_exportfs` creates objects. An object stores a few bytes, belongs to a user
//! and has a file. The owner can store the file handle of the object and close the file. After an
//! exec, a restart or a crash of the program, open_by_handle_at(2) opens the file again, without
//! privileges. Handles are signed, so they cannot be guessed. Objects and handles are valid until
//! the module is unloaded.
//!
//! Only the owner can open an object by handle. All other users get `ESTALE`, including root, who
//! can become the owner first. There is no exception for `CAP_DAC_OVERRIDE`.
//!
//! Only root can open the device after the module is loaded. `chmod 666 /dev/rust_exportfs` allows
//! all users to open it.
//!
//! Below is a userspace C program that exercises this sample's functionality.
//!
//! ```c
//! // store NAME: create an object from standard input, and write its handle to standard output
//! // fetch: read a handle from standard input, and write the content of the object
//! // remove NAME: remove an object
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
//!   // The kernel reads handle_bytes bytes: a larger value would exceed the buffer.
//!   if (read(STDIN_FILENO, &handle, sizeof(handle)) != sizeof(handle) ||
//!       handle.fh.handle_bytes != RUST_EXPORTFS_HANDLE_SIZE)
//!     errx(1, "not a handle of rust_exportfs");
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
            Encoded,
            Encoder,
            FhKey,
            Fid,
            FileidType,
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
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        Arc,
        Mutex,
        SpinLock, //
    },
    task::Kuid,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    }, //
};

/// The size of a name, including its terminating NUL.
const NAME_SIZE: usize = 32;

/// The maximum capacity of an object in bytes.
const SIZE_MAX: usize = 64 * 1024;

/// The maximum number of objects of a user, including removed objects that are still open.
const USER_OBJECTS: usize = 64;

/// The maximum total capacity of the objects of a user in bytes.
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

pseudo::file_system_type! {
    static EXPORTFS: ExportFs;
}

kernel::sync::global_lock! {
    // SAFETY: `RustExportfs::init()` initialises the lock before it registers the device, and
    // nothing else uses the lock before that.
    unsafe(uninit) static STORE: SpinLock<Option<Arc<Store>>> = None;
}

#[pin_data]
struct RustExportfs {
    #[pin]
    _miscdev: MiscDeviceRegistration<Device>,
    _published: Published,
}

impl kernel::InPlaceModule for RustExportfs {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: The kernel calls `init()` exactly once for a module.
        unsafe { STORE.init() };

        try_pin_init!(Self {
            _published: Published::new()?,
            _miscdev <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"rust_exportfs",
            }),
        })
    }
}

/// Keeps the store in [`STORE`] for as long as the value exists.
struct Published;

impl Published {
    fn new() -> Result<Self> {
        let store = Arc::pin_init(Store::new()?, GFP_KERNEL)?;

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

/// The objects of all users, and the key that signs their handles.
#[pin_data]
struct Store {
    key: Arc<FhKey>,
    #[pin]
    objects: SpinLock<Objects>,
    quota: Arc<Quota>,
    anchor: Arc<Object>,
}

struct Objects {
    next_id: u64,
    by_id: RBTree<u64, Arc<Object>>,
    by_name: RBTree<(u32, Name), u64>,
}

impl Store {
    fn new() -> Result<impl PinInit<Self, Error>> {
        let key = Arc::pin_init(FhKey::new(), GFP_KERNEL)?;

        Ok(try_pin_init!(Self {
            anchor: Object::new(ANCHOR_ID, Kuid::current_euid(), &key, 0, None)?,
            key,
            objects <- new_spinlock!(Objects {
                next_id: ANCHOR_ID + 1,
                by_id: RBTree::new(),
                by_name: RBTree::new(),
            }),
            quota: Arc::pin_init(Quota::new(), GFP_KERNEL)?,
        }))
    }

    /// Returns the store of the module.
    fn get() -> Result<Arc<Self>> {
        STORE.lock().clone().ok_or(ENODEV)
    }

    /// Creates an object that is not in the store yet.
    fn make(&self, owner: Kuid, capacity: usize) -> Result<Arc<Object>> {
        if capacity == 0 || capacity > SIZE_MAX {
            return Err(EINVAL);
        }
        let charge = Quota::charge(&self.quota, owner, capacity)?;

        Object::new(self.new_id(), owner, &self.key, capacity, Some(charge))
    }

    /// Returns a number that was never used for another object.
    fn new_id(&self) -> u64 {
        let mut objects = self.objects.lock();
        let id = objects.next_id;

        // At 10^9 objects a second, the number wraps after more than 500 years.
        objects.next_id = id.wrapping_add(1);
        id
    }

    /// Adds an object to the store.
    ///
    /// # Errors
    ///
    /// - `EEXIST` if the owner has an object with that name.
    /// - `ENOMEM` if memory allocation fails.
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

    /// Looks up the object of a handle, if it belongs to the caller.
    fn decode(&self, fid: &Fid<'_>) -> Option<Arc<Object>> {
        fid.load::<Signed<ObjectId>>()
            .and_then(|handle| handle.verify(&self.key))
            .and_then(|object| self.find(object.id, Kuid::current_euid()))
    }

    /// Looks up an object that belongs to `owner`.
    fn find(&self, id: u64, owner: Kuid) -> Option<Arc<Object>> {
        let objects = self.objects.lock();

        objects
            .by_id
            .get(&id)
            .filter(|object| object.owner == owner)
            .cloned()
    }

    /// Removes an object that belongs to `owner`.
    ///
    /// The memory of the object is freed when its last file is closed.
    ///
    /// # Errors
    ///
    /// - `ENOENT` if `owner` has no object with that name.
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

/// Returns `uid` as a key for the trees.
///
/// The number must not be passed to user space, because it is not translated to the user namespace
/// of the caller.
fn uid_number(uid: Kuid) -> u32 {
    uid.into_raw().val
}

/// The name of an object, padded with at least one NUL.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Name([u8; NAME_SIZE]);

impl Name {
    /// Reads a name from user space, and ignores the bytes after the first NUL.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the memory is not accessible.
    /// - `ENAMETOOLONG` if there is no NUL.
    /// - `EINVAL` if the name is empty.
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

/// The resources that each user consumes.
#[pin_data]
struct Quota {
    #[pin]
    users: SpinLock<RBTree<u32, Usage>>,
}

struct Usage {
    objects: usize,
    bytes: usize,
}

impl Quota {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            users <- new_spinlock!(RBTree::new()),
        })
    }

    /// Charges a user for an object. Dropping the result removes the charge.
    ///
    /// # Errors
    ///
    /// - `EDQUOT` if the user would exceed a limit.
    /// - `ENOMEM` if memory allocation fails.
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

/// The charge of a user for the memory of an object.
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

/// The number of the anchor object. The root directory has the number 1.
const ANCHOR_ID: u64 = 2;

/// An object: a few bytes that belong to a user.
#[pin_data]
struct Object {
    id: u64,
    owner: Kuid,
    key: Arc<FhKey>,
    /// Not a `KVVec`: `fh_to_dentry_nowait()` can drop the last reference, and `vfree()` sleeps.
    #[pin]
    data: Mutex<KVec<u8>>,
    capacity: usize,
    _charge: Option<Charge>,
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

    fn read_iter(&self, mut pos: Offset, iov: &mut IovIterDest<'_>) -> Result {
        let data = self.data.lock();
        let is_at_end = usize::try_from(pos)? >= data.len();
        let read = iov.simple_read_from_buffer(&mut pos, &data)?;

        // `iov` has room and the object has data, so the user memory is not accessible.
        if read == 0 && !is_at_end && !iov.is_empty() {
            return Err(EFAULT);
        }
        Ok(())
    }

    fn write_iter(&self, pos: Offset, iov: &mut IovIterSource<'_>) -> Result {
        self.write(usize::try_from(pos)?, iov)
    }
}

impl Object {
    fn new(
        id: u64,
        owner: Kuid,
        key: &Arc<FhKey>,
        capacity: usize,
        charge: Option<Charge>,
    ) -> Result<Arc<Self>> {
        let data = KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?;

        Arc::pin_init(
            pin_init!(Self {
                id,
                owner,
                key: key.clone(),
                data <- new_mutex!(data),
                capacity,
                _charge: charge,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Writes at `pos`, up to the capacity of the object. Fills a gap before `pos` with zeros.
    ///
    /// # Errors
    ///
    /// - `EFBIG` if `pos` is not less than the capacity.
    /// - `EFAULT` if no byte can be copied from `iov`.
    fn write(&self, pos: usize, iov: &mut IovIterSource<'_>) -> Result {
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
        Ok(())
    }
}

/// The payload of a handle: the number of an object, which is never reused.
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
}

/// The flags that open_by_handle_at(2) accepts. The system call adds `O_LARGEFILE`.
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
        let &Object { id, ref key, .. } = inode.private();

        if id == ANCHOR_ID {
            return encoder.refuse();
        }
        encoder.store(|| Signed::new(ObjectId { id }, key))
    }

    /// Looks up an object that belongs to the caller.
    ///
    /// An object of another user is treated like one that does not exist.
    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let object = Store::get()?.decode(fid);

        object.map(|object| EXPORTFS.dentry(sb, object)).transpose()
    }

    /// Looks up an object that belongs to the caller, if one of its files is open.
    fn fh_to_dentry_nowait<'sb>(
        sb: &'sb SuperBlock,
        fid: &Fid<'_>,
    ) -> Result<Option<OwnedDentry<'sb>>> {
        let object = Store::get()?.decode(fid);

        object
            .map(|object| EXPORTFS.dentry_nowait(sb, &object))
            .transpose()
    }

    fn permission(oflags: u32) -> Result {
        if oflags & !VALID_OPEN_FLAGS != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }
}

/// The data of an open file of the device. It holds a mount of the filesystem.
struct Device {
    store: Arc<Store>,
    mount: pseudo::Mount<ExportFs>,
}

#[vtable]
impl MiscDevice for Device {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        let store = Store::get()?;
        let mount = EXPORTFS.mount()?;

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

        // `insert()` makes the object visible, so no later step may fail.
        self.store.insert(name, object)?;
        Ok(install(fd, file))
    }

    fn remove(&self, reader: &mut UserSliceReader) -> Result<isize> {
        let name = Name::read(reader)?;

        self.store.remove(name, Kuid::current_euid())?;
        Ok(0)
    }

    /// Opens a file of the anchor, for the argument `mount_fd` of open_by_handle_at(2).
    fn anchor(&self) -> Result<isize> {
        let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        let file = self.mount.open(self.store.anchor.clone(), O_RDONLY)?;

        Ok(install(fd, file))
    }
}

fn install(fd: FileDescriptorReservation, file: ARef<File>) -> isize {
    let number = fd.reserved_fd() as isize;

    fd.fd_install(file);
    number
}
