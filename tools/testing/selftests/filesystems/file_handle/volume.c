// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/mount.h>
#include <sys/vfs.h>

#include "loop.h"
#include "volume.h"

#define IMAGE		"image"
#define BLOCK		16384	/* divides the size of each image */
#define MOUNT_POINT	TMPFS_DIR "/volume"
#define ID_SIZE		sizeof(__u64)

const char *const volume_names[VOLUME_KINDS] = {
	"tmpfs", "cgroup2", "ext4", "btrfs", "xfs",
};

/* How a filesystem is made. Both fields are 0 without a device. */
static const struct mkfs {
	const char *args[8];
	off_t mib;		/* the least size, rounded up */
	const char *missing;
	unsigned int magic;
} mkfs[VOLUME_KINDS] = {
	[VOLUME_TMPFS]	= { .magic = 0x01021994 },
	[VOLUME_KERNFS]	= { .magic = 0x63677270 },
	[VOLUME_EXT4]	= {
		.args		= { "mkfs.ext4", "-q", "-F", "-N", "8192", IMAGE },
		.mib		= 128,
		.missing	= "needs mkfs.ext4",
		.magic		= 0xef53,
	},
	[VOLUME_BTRFS]	= {
		.args		= { "mkfs.btrfs", "-q", "-m", "single", IMAGE },
		.mib		= 256,
		.missing	= "needs mkfs.btrfs",
		.magic		= 0x9123683e,
	},
	[VOLUME_XFS]	= {
		.args		= { "mkfs.xfs", "-q", IMAGE },
		.mib		= 320,
		.missing	= "needs mkfs.xfs",
		.magic		= 0x58465342,
	},
};

bool volume_is_disk(enum volume_kind kind)
{
	return mkfs[kind].mib;
}

/*
 * Images of new filesystems. The first case that needs one runs mkfs and stores
 * it, and later cases copy it. The program creates these files before the
 * harness forks a child for each case, so all cases share them.
 */
static int templates[VOLUME_KINDS];

static void __attribute__((constructor)) create_templates(void)
{
	int kind;

	for (kind = 0; kind < VOLUME_KINDS; kind++) {
		if (volume_is_disk(kind))
			templates[kind] = sys_memfd_create("template",
							   MFD_CLOEXEC);
	}
}

static int run_mkfs(const struct mkfs *how)
{
	pid_t pid = fork();
	int null;

	if (!pid) {
		null = open("/dev/null", O_RDWR);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		/* These are not in the path of each shell. */
		setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
		execvp(how->args[0], (char *const *)how->args);
		_exit(errno == ENOENT ? ENOENT : EIO);
	}
	return wait_status(pid, -EIO);
}

/*
 * Copies the blocks that are not zero, because mkfs.xfs writes 64 MiB of zeroes
 * to the log. The size of @to is @size only if the copy is complete.
 */
static int copy_image(int from, int to, off_t size)
{
	static const char zero[BLOCK];
	static char block[BLOCK];
	off_t offset = 0;

	if (ftruncate(to, 0))
		return -errno;
	while ((offset = lseek(from, offset, SEEK_DATA)) >= 0) {
		offset -= offset % BLOCK;
		if (pread(from, block, BLOCK, offset) != BLOCK)
			return -EIO;
		if (memcmp(block, zero, BLOCK) &&
		    pwrite(to, block, BLOCK, offset) != BLOCK)
			return -EIO;
		offset += BLOCK;
	}
	if (errno != ENXIO || ftruncate(to, size))
		return -errno;
	return 0;
}

static int make_image(enum volume_kind kind)
{
	const off_t size = mkfs[kind].mib << 20;
	int template = templates[kind];
	int image = open(IMAGE, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int ret;

	if (image < 0)
		return -errno;
	if (lseek(template, 0, SEEK_END) == size) {
		ret = copy_image(template, image, size);
	} else {
		ret = ftruncate(image, size) ? -errno : run_mkfs(&mkfs[kind]);
		/* Without a template, the next case runs mkfs as well. */
		if (!ret)
			copy_image(image, template, size);
	}
	close(image);
	return ret;
}

static int attach_image(struct volume *v)
{
	int image = open(IMAGE, O_RDWR | O_CLOEXEC);
	int device = loop_attach(image, v->name, sizeof(v->name));

	close(image);
	if (device < 0)
		return device;
	v->device = device;
	return 0;
}

int volume_mount(struct volume *v)
{
	const char *source = volume_is_disk(v->kind) ? v->name : "file_handle";
	/* The process of a case that was killed may not have dropped its mount. */
	const char *options = v->kind == VOLUME_XFS ? "nouuid" : NULL;

	return mount(source, MOUNT_POINT, volume_names[v->kind], 0, options) ?
	       -errno : 0;
}

int volume_unmount(struct volume *v, int flags)
{
	int i;

	if (v->root >= 0)
		close(v->root);
	v->root = -1;
	for (i = 0; i < RETRIES; i++) {
		if (!umount2(MOUNT_POINT, flags))
			return 0;
		if (errno != EBUSY)
			break;
		usleep(1000);
	}
	return -errno;
}

int volume_open_root(const struct volume *v)
{
	struct statfs fs;
	int fd;

	fd = open(v->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (!fstatfs(fd, &fs) && (unsigned int)fs.f_type == mkfs[v->kind].magic)
		return fd;
	close(fd);
	return -EAGAIN;
}

static int reopen_root(struct volume *v)
{
	v->root = volume_open_root(v);
	return v->root < 0 ? v->root : 0;
}

static const char *make_disk(struct volume *v)
{
	int ret = make_image(v->kind);

	if (ret == -ENOENT)
		return mkfs[v->kind].missing;
	if (ret)
		return NULL;
	return attach_image(v) ? "needs a loop device (CONFIG_BLK_DEV_LOOP)" : "";
}

/* A directory of the test, whose name other tests do not use. */
static int make_directory(struct volume *v)
{
	snprintf(v->path, sizeof(v->path), "%s/file_handle_%d", MOUNT_POINT,
		 getpid());
	return mkdir(v->path, 0755) ? -errno : 0;
}

const char *volume_make(struct volume *v, enum volume_kind kind)
{
	const char *reason = "";

	*v = (struct volume) { .kind = kind, .device = -1, .root = -1 };
	if (!is_root())
		return NEEDS_INITIAL_ROOT;
	if (!has_filesystem(volume_names[kind]))
		return "needs the filesystem in the kernel";
	v->tmpfs = enter_private_tmpfs();
	if (v->tmpfs == -EPERM)
		return "needs CAP_SYS_ADMIN to mount";
	if (v->tmpfs < 0 || mkdir(MOUNT_POINT, 0755))
		return NULL;
	if (volume_is_disk(kind))
		reason = make_disk(v);
	if (!reason || *reason)
		return reason;
	if (volume_mount(v))
		return kind == VOLUME_KERNFS ? "needs the cgroup2 filesystem" :
					       NULL;
	return make_directory(v) || reopen_root(v) ? NULL : "";
}

int volume_remove(struct volume *v)
{
	int ret;

	if (v->kind == VOLUME_KERNFS)
		rmdir(v->path);
	ret = volume_unmount(v, 0);
	if (v->device >= 0)
		close(v->device);
	return ret ?: leave_private_tmpfs(v->tmpfs);
}

int volume_forget(struct volume *v)
{
	if (!volume_is_disk(v->kind))
		return 0;
	return volume_unmount(v, 0) ?: volume_mount(v) ?: reopen_root(v);
}

bool volume_is_stale(const struct volume *v, int error)
{
	return error == -ESTALE ||
	       (error == -ENOMEM && v->kind == VOLUME_EXT4) ||
	       (error == -ENODEV && v->kind == VOLUME_KERNFS);
}

int drop_all_caches(void)
{
	return write_string("/proc/sys/vm/drop_caches", "3");
}

int volume_evict(struct volume *v)
{
	int i, ret = 0;

	if (syncfs(v->root))
		return -errno;
	/* The first pass over an inode that was used may only mark it unused. */
	for (i = 0; i < 3 && !ret; i++)
		ret = drop_all_caches();
	return ret;
}

const char *volume_file(const struct volume *v, const char *name)
{
	static __thread char path[VOLUME_NAME_MAX];

	if (v->kind != VOLUME_KERNFS)
		return name;
	snprintf(path, sizeof(path), "%s/cgroup.procs", name);
	return path;
}

int volume_add(const struct volume *v, const char *name, __u64 id,
	       struct handle *fh)
{
	int fd, ret;

	if (v->kind == VOLUME_KERNFS) {
		if (mkdirat(v->root, name, 0755))
			return -errno;
		return encode_path(v->root, volume_file(v, name), fh);
	}
	fd = openat(v->root, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	ret = pwrite(fd, &id, ID_SIZE, 0) == ID_SIZE ? encode(fd, fh) : -EIO;
	close(fd);
	return ret;
}

int volume_unlink(const struct volume *v, const char *name)
{
	int flags = v->kind == VOLUME_KERNFS ? AT_REMOVEDIR : 0;

	return unlinkat(v->root, name, flags) ? -errno : 0;
}

__u64 volume_id(const struct volume *v, int fd, const struct handle *fh,
		__u64 id)
{
	struct stat st;
	__u64 seen;

	/* On 32-bit kernels, the inode number is the lower half. */
	if (v->kind == VOLUME_KERNFS)
		return !fstat(fd, &st) &&
		       (unsigned long)st.st_ino ==
			       (unsigned long)handle_number(fh) ? id : 0;
	return pread(fd, &seen, ID_SIZE, 0) == ID_SIZE ? seen : 0;
}

unsigned int volume_generation_offset(const struct volume *v,
				      const struct handle *fh)
{
	switch (v->kind) {
	case VOLUME_TMPFS:
		return 0;
	case VOLUME_KERNFS:
		return UPPER_HALF * sizeof(__u32);
	case VOLUME_BTRFS:
		return 16;
	case VOLUME_XFS:
		return fh->type == FILEID_INO32_GEN ? 4 : 8;
	default:
		return 4;
	}
}

unsigned int from_environment(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);
	int number = value ? atoi(value) : 0;

	return number > 0 ? number : otherwise;
}
