// SPDX-License-Identifier: GPL-2.0

//! Minimal Rust pseudo filesystem with file handles.
//!
//! The filesystem contains constant texts. An `ioctl()` on `/dev/rust_exportfs_minimal` opens a
//! text, and open_by_handle_at(2) opens it again. The texts are public: every process that has a
//! file of the filesystem open may open all texts, without privilege.
//!
//! The sample `rust_exportfs` is a filesystem with private, signed and writable objects.
//!
//! Tutorial:
//! <https://docs.kernel.org/filesystems/file-handles/filesystem-authors.html>

use kernel::{
    fs::{
        exportfs::{
            Encoded,
            Encoder,
            Fid,
            FileidType,
            Handle,
            Operations, //
        },
        file::{
            flags::*,
            FileDescriptorReservation,
            Offset, //
        },
        pseudo,
        File,
        Inode,
        NewFile,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    ioctl::_IO,
    iov::IovIterDest,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::Arc,
    task::Kuid, //
};

/// An object of the filesystem.
#[derive(Clone, Copy)]
struct Text {
    ino: u64,
    content: &'static [u8],
}

/// The objects. The inode number 1 is that of the root directory.
const TEXTS: [Text; 2] = [
    Text {
        ino: 2,
        content: b"one\n",
    },
    Text {
        ino: 3,
        content: b"two\n",
    },
];

impl Text {
    fn find(ino: u64) -> Option<Text> {
        TEXTS.into_iter().find(|text| text.ino == ino)
    }
}

#[vtable]
impl pseudo::Object for Text {
    fn ino(&self) -> u64 {
        self.ino
    }

    fn uid(&self) -> Kuid {
        Kuid::GLOBAL_ROOT
    }

    fn size(&self) -> u64 {
        self.content.len() as u64
    }

    fn read_iter(&self, mut pos: Offset, iov: &mut IovIterDest<'_>) -> Result {
        iov.simple_read_from_buffer(&mut pos, self.content)?;
        Ok(())
    }
}

struct TextFs;

impl pseudo::FileSystem for TextFs {
    const NAME: &'static CStr = c"rust_exportfs_minimal";
}

pseudo::file_system_type! {
    static TEXTFS: TextFs;
}

/// The file handle of a text.
#[repr(C)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
struct TextHandle {
    ino: u64,
}

impl Handle for TextHandle {
    const TYPE: FileidType = FileidType::new(0xf6);
}

#[vtable]
impl Operations for TextFs {
    type Private = Text;

    fn encode_fh<'a>(
        inode: &Inode<Text>,
        encoder: Encoder<'a>,
        _parent: Option<&Inode<Text>>,
    ) -> Encoded<'a> {
        encoder.store(|| TextHandle {
            ino: inode.private().ino,
        })
    }

    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let Some(handle) = fid.load::<TextHandle>() else {
            return Ok(None);
        };
        let Some(text) = Text::find(handle.ino) else {
            return Ok(None);
        };
        TEXTFS.dentry(sb, Arc::new(text, GFP_KERNEL)?).map(Some)
    }

    /// Lets every process read every text.
    fn permission(oflags: u32) -> Result {
        if oflags & !(O_RDONLY | O_CLOEXEC | O_LARGEFILE) != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Opens a text without a check of its mode, which allows only its owner to read it.
    fn open(path: &Path, oflags: u32) -> Result<NewFile> {
        path.dentry_open(oflags)
    }
}

/// `ioctl(fd, RUST_EXPORTFS_MINIMAL_OPEN, ino)` returns a file descriptor of a text.
const RUST_EXPORTFS_MINIMAL_OPEN: u32 = _IO('|' as u32, 0x93);

struct Device;

#[vtable]
impl MiscDevice for Device {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        Ok(KBox::new(Self, GFP_KERNEL)?)
    }

    fn ioctl(_device: &Self, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        if cmd != RUST_EXPORTFS_MINIMAL_OPEN {
            return Err(ENOTTY);
        }
        let text = Text::find(arg as u64).ok_or(ENOENT)?;
        let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        let file = TEXTFS
            .mount()?
            .open(Arc::new(text, GFP_KERNEL)?, O_RDONLY)?;
        let number = fd.reserved_fd() as isize;

        fd.fd_install(file);
        Ok(number)
    }
}

#[pin_data]
struct RustExportfsMinimal {
    #[pin]
    _miscdev: MiscDeviceRegistration<Device>,
}

impl kernel::InPlaceModule for RustExportfsMinimal {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _miscdev <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"rust_exportfs_minimal",
            }),
        })
    }
}

module! {
    type: RustExportfsMinimal,
    name: "rust_exportfs_minimal",
    authors: ["Linux file handles"],
    description: "Minimal Rust pseudo filesystem with file handles",
    license: "GPL",
}
