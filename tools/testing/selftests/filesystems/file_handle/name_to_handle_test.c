// SPDX-License-Identifier: GPL-2.0
/*
 * name_to_handle_at(2) with an empty name takes the path from the descriptor.
 * The lookup of a magic link to the same file must have the same result.
 */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "file_handle.h"
#include "kselftest_harness.h"

#define CGROUPS		"/sys/fs/cgroup"

#define NEEDS_MOUNT	"needs CAP_SYS_ADMIN to mount a tmpfs"
#define NEEDS_OVERLAY	"needs overlayfs with nfs_export=on over a tmpfs with xattrs"

/* The flags that AT_EMPTY_PATH can be combined with. */
static const unsigned int flags[] = {
	AT_SYMLINK_FOLLOW, AT_HANDLE_FID, AT_HANDLE_MNT_ID_UNIQUE,
	AT_HANDLE_CONNECTABLE,
};

#define FLAG_SETS	16	/* 2 to the power of ARRAY_SIZE(flags) */

static unsigned int flag_set(unsigned int nr)
{
	unsigned int set = 0, i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		set |= nr & 1U << i ? flags[i] : 0;
	return set;
}

/* The result of one call, and all memory that it could write. */
struct result {
	int ret;
	struct handle fh;
	unsigned char mnt_id[16];
};

static struct result call(int dfd, const char *name, unsigned int set,
			  __u32 bytes)
{
	struct result result;

	memset(&result, CANARY, sizeof(result));
	result.fh.bytes = bytes;
	result.ret = encode_at(dfd, name, &result.fh, result.mnt_id, set);
	return result;
}

static bool same_result(const struct result *a, const struct result *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Both calls pass AT_EMPTY_PATH. */
static struct result by_descriptor(int fd, unsigned int set, __u32 bytes)
{
	return call(fd, "", set | AT_EMPTY_PATH, bytes);
}

static struct result by_magic_link(int fd, unsigned int set, __u32 bytes)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return call(AT_FDCWD, name, set | AT_EMPTY_PATH | AT_SYMLINK_FOLLOW,
		    bytes);
}

enum {
	PIDFD,
	NAMESPACE,
	TMPFS_FILE,
	TMPFS_DIRECTORY,
	TMPFS_REMOVED_FILE,
	TMPFS_REMOVED_DIRECTORY,
	TMPFS_COVERED_DIRECTORY,
	TMPFS_DETACHED,
	PATH_FILE,
	PATH_DIRECTORY,
	PATH_SYMLINK,
	PATH_FIFO,
	ROOT,
	DEVICE,
	PROC_FILE,
	PROC_DIRECTORY,
	CGROUP_FILE,
	CGROUP_DIRECTORY,
	MEMFD,
	PIPE,
	SOCKET,
	EVENTFD,
	NR_FDS,
};

FIXTURE(name)
{
	int fds[NR_FDS];
	int dirs[2];	/* descriptors to look "." up at */
	int closed;
};

FIXTURE_VARIANT(name)
{
	bool user;	/* run as an ordinary user */
	bool shared;	/* share the descriptor table */
};

FIXTURE_VARIANT_ADD(name, root) { };

FIXTURE_VARIANT_ADD(name, user) { .user = true };

FIXTURE_VARIANT_ADD(name, shared_table) { .shared = true };

static int open_at(const char *name, int how)
{
	return open(name, how | O_CLOEXEC, 0644);
}

FIXTURE_SETUP(name)
{
	const char *reason = pidfs_missing();
	int pipes[2], i, root;

	if (reason)
		SKIP(return, "%s", reason);
	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	if (access("/proc/self/fd", X_OK))
		SKIP(return, NEEDS_PROCFS);
	root = enter_private_tmpfs();
	if (root == -EPERM)
		SKIP(return, NEEDS_MOUNT);
	ASSERT_GE(root, 0);
	close(root);
	ASSERT_EQ(mkdir("dir", 0755), 0);
	ASSERT_EQ(mkdir("gone", 0755), 0);
	ASSERT_EQ(mkdir("covered", 0755), 0);
	ASSERT_EQ(mkdir("detached", 0755), 0);
	ASSERT_EQ(symlink("dir", "link"), 0);
	ASSERT_EQ(mkfifo("fifo", 0644), 0);
	ASSERT_EQ(mount("name", "detached", "tmpfs", 0, NULL), 0);

	self->fds[PIDFD] = sys_pidfd_open(getpid(), 0);
	self->fds[NAMESPACE] = open_at("/proc/self/ns/uts", O_RDONLY);
	self->fds[TMPFS_FILE] = open_at("file", O_CREAT | O_RDWR);
	self->fds[TMPFS_DIRECTORY] = open_at("dir", O_RDONLY);
	self->fds[TMPFS_REMOVED_FILE] = open_at("gone/x", O_CREAT | O_RDWR);
	ASSERT_EQ(unlink("gone/x"), 0);
	self->fds[TMPFS_REMOVED_DIRECTORY] = open_at("gone", O_RDONLY);
	ASSERT_EQ(rmdir("gone"), 0);
	self->fds[TMPFS_COVERED_DIRECTORY] = open_at("covered", O_RDONLY);
	ASSERT_EQ(mount("name", "covered", "tmpfs", 0, NULL), 0);
	self->fds[TMPFS_DETACHED] = open_at("detached", O_RDONLY);
	ASSERT_EQ(umount2("detached", MNT_DETACH), 0);
	self->fds[PATH_FILE] = open_at("file", O_PATH);
	self->fds[PATH_DIRECTORY] = open_at("dir", O_PATH);
	self->fds[PATH_SYMLINK] = open_at("link", O_PATH | O_NOFOLLOW);
	self->fds[PATH_FIFO] = open_at("fifo", O_PATH);
	self->fds[ROOT] = open_at("/", O_RDONLY);
	self->fds[DEVICE] = open_at("/dev/null", O_RDWR);
	self->fds[PROC_FILE] = open_at("/proc/self/status", O_RDONLY);
	self->fds[PROC_DIRECTORY] = open_at("/proc/self", O_RDONLY);
	/* Without cgroups, files of procfs take their place. */
	self->fds[CGROUP_FILE] = open_at(CGROUPS "/cgroup.procs", O_RDONLY);
	if (self->fds[CGROUP_FILE] < 0)
		self->fds[CGROUP_FILE] = open_at("/proc/filesystems", O_RDONLY);
	self->fds[CGROUP_DIRECTORY] = open_at(CGROUPS, O_RDONLY);
	if (self->fds[CGROUP_DIRECTORY] < 0)
		self->fds[CGROUP_DIRECTORY] = open_at("/proc", O_RDONLY);
	self->fds[MEMFD] = syscall(__NR_memfd_create, "name", 1U);
	ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
	self->fds[PIPE] = pipes[0];
	self->fds[SOCKET] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	self->fds[EVENTFD] = eventfd(0, EFD_CLOEXEC);
	for (i = 0; i < NR_FDS; i++)
		ASSERT_GE(self->fds[i], 0) TH_LOG("descriptor %d", i);
	self->dirs[0] = self->fds[TMPFS_DIRECTORY];
	self->dirs[1] = self->fds[PATH_DIRECTORY];
	self->closed = fcntl(pipes[1], F_DUPFD_CLOEXEC, 100);
	ASSERT_GE(self->closed, 0);
	ASSERT_EQ(close(self->closed), 0);

	if (variant->shared)
		ASSERT_GT(paused_child(CLONE_FILES, NULL), 0);
	if (variant->user) {
		ASSERT_EQ(become_user(), 0);
		/* Otherwise, the magic links of this process belong to root. */
		ASSERT_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
	}
}

FIXTURE_TEARDOWN(name)
{
	kill_children();
}

TEST_F(name, empty_name_equals_a_magic_link)
{
	static const __u32 sizes[] = {
		0, 1, 4, 7, 8, 12, 15, 16, 20, HANDLE_MAX - 1, HANDLE_MAX,
		HANDLE_MAX + 1, UINT_MAX,
	};
	unsigned int nr, size, encoded = 0;
	int i;

	for (i = 0; i < NR_FDS; i++) {
		for (nr = 0; nr < FLAG_SETS; nr++) {
			for (size = 0; size < ARRAY_SIZE(sizes); size++) {
				struct result a, b;

				a = by_descriptor(self->fds[i],
						  flag_set(nr),
						  sizes[size]);
				b = by_magic_link(self->fds[i],
						  flag_set(nr),
						  sizes[size]);
				EXPECT_TRUE(same_result(&a, &b)) {
					TH_LOG("descriptor %d, flags %#x, %u bytes: %d and %d",
					       i, flag_set(nr), sizes[size],
					       a.ret, b.ret);
				}
				encoded += !a.ret;
			}
		}
	}
	EXPECT_GT(encoded, 100U);
}

TEST_F(name, empty_name_of_a_directory_equals_its_dot)
{
	unsigned int nr, i;

	for (i = 0; i < ARRAY_SIZE(self->dirs); i++) {
		for (nr = 0; nr < FLAG_SETS; nr++) {
			unsigned int set = flag_set(nr) | AT_EMPTY_PATH;
			struct result a, b;

			a = call(self->dirs[i], "", set, HANDLE_MAX);
			b = call(self->dirs[i], ".", set, HANDLE_MAX);
			EXPECT_TRUE(same_result(&a, &b)) {
				TH_LOG("flags %#x: %d and %d", set, a.ret,
				       b.ret);
			}
		}
	}
}

TEST_F(name, empty_name_of_the_working_directory_equals_its_dot)
{
	unsigned int nr;

	ASSERT_EQ(fchdir(self->fds[TMPFS_DIRECTORY]), 0);
	for (nr = 0; nr < FLAG_SETS; nr++) {
		unsigned int set = flag_set(nr) | AT_EMPTY_PATH;
		struct result a, b;

		a = call(AT_FDCWD, "", set, HANDLE_MAX);
		b = call(AT_FDCWD, ".", set, HANDLE_MAX);
		EXPECT_TRUE(same_result(&a, &b)) {
			TH_LOG("flags %#x: %d and %d", set, a.ret, b.ret);
		}
		if (!(set & AT_HANDLE_CONNECTABLE))
			EXPECT_EQ(a.ret, 0);
	}
}

TEST_F(name, bad_descriptor_is_ebadf)
{
	const int bad[] = {
		self->closed, -1, -2, -EBADF, AT_FDCWD - 1, AT_FDCWD + 1,
		FD_NSFS_ROOT, INT_MIN, INT_MAX,
	};
	unsigned int nr, i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (nr = 0; nr < FLAG_SETS; nr++) {
			unsigned int set = flag_set(nr) | AT_EMPTY_PATH;
			struct result a, b;

			a = call(bad[i], "", set, HANDLE_MAX);
			b = call(bad[i], "x", set, HANDLE_MAX);
			EXPECT_EQ(a.ret, set & AT_HANDLE_CONNECTABLE ?
					 -EINVAL : -EBADF);
			EXPECT_TRUE(same_result(&a, &b)) {
				TH_LOG("descriptor %d, flags %#x: %d and %d",
				       bad[i], set, a.ret, b.ret);
			}
		}
	}
}

TEST_F(name, empty_name_needs_the_flag)
{
	struct result a;
	int i;

	for (i = 0; i < NR_FDS; i++) {
		a = call(self->fds[i], "", 0, HANDLE_MAX);
		EXPECT_EQ(a.ret, -ENOENT);
	}
	a = call(self->closed, "", 0, HANDLE_MAX);
	EXPECT_EQ(a.ret, -ENOENT);
	a = call(AT_FDCWD, "", 0, HANDLE_MAX);
	EXPECT_EQ(a.ret, -ENOENT);
}

TEST_F(name, other_name_is_looked_up_at_the_descriptor)
{
	/* "\1" differs from the empty name in one bit. */
	static const char *const names[] = { "no-such-name", "\1" };
	struct result a, b;
	unsigned int j;
	int i;

	for (i = 0; i < NR_FDS; i++) {
		struct stat st;

		ASSERT_EQ(fstat(self->fds[i], &st), 0);
		for (j = 0; j < ARRAY_SIZE(names); j++) {
			a = call(self->fds[i], names[j], AT_EMPTY_PATH,
				 HANDLE_MAX);
			EXPECT_EQ(a.ret, S_ISDIR(st.st_mode) ? -ENOENT :
							       -ENOTDIR) {
				TH_LOG("descriptor %d, name %u", i, j);
			}
		}
	}
	a = call(self->fds[ROOT], &TMPFS_DIR[1], AT_EMPTY_PATH, HANDLE_MAX);
	b = call(AT_FDCWD, TMPFS_DIR, 0, HANDLE_MAX);
	EXPECT_EQ(a.ret, 0);
	EXPECT_TRUE(same_result(&a, &b));
}

TEST_F(name, name_that_cannot_be_read_is_efault)
{
	unsigned char *end = page_end();
	const char *const bad[] = { NULL, (char *)end, (char *)-1UL };
	unsigned int i;
	int fd;

	ASSERT_NE(end, NULL);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const int dfds[] = { self->closed, AT_FDCWD, -1 };
		unsigned int j;

		for (fd = 0; fd < NR_FDS; fd++) {
			EXPECT_EQ(call(self->fds[fd], bad[i], AT_EMPTY_PATH,
				       HANDLE_MAX).ret, -EFAULT);
		}
		for (j = 0; j < ARRAY_SIZE(dfds); j++) {
			EXPECT_EQ(call(dfds[j], bad[i], AT_EMPTY_PATH,
				       HANDLE_MAX).ret, -EFAULT);
		}
		/* Flags are checked before the name. */
		EXPECT_EQ(call(self->fds[0], bad[i], AT_EMPTY_PATH | 0x4,
			       HANDLE_MAX).ret, -EINVAL);
		EXPECT_EQ(call(self->fds[0], bad[i], AT_EMPTY_PATH |
			       AT_HANDLE_CONNECTABLE, HANDLE_MAX).ret, -EINVAL);
	}

	/* The last byte before an unmapped page. */
	end[-1] = '\0';
	EXPECT_EQ(call(self->fds[PIDFD], (char *)end - 1, AT_EMPTY_PATH,
		       HANDLE_MAX).ret, 0);
	end[-1] = '.';
	EXPECT_EQ(call(self->fds[TMPFS_DIRECTORY], (char *)end - 1,
		       AT_EMPTY_PATH, HANDLE_MAX).ret, -EFAULT);
}

/* Both ways access the handle and the mount id last, in the same order. */
TEST_F(name, bad_pointers_have_the_same_error)
{
	unsigned char *end = page_end();
	struct handle fh;
	__u64 mnt_id;
	int i;

	ASSERT_NE(end, NULL);
	for (i = 0; i < NR_FDS; i++) {
		void *const handles[] = { NULL, end, end - 4, end - 8, &fh };
		void *const ids[] = { NULL, end, end - 4, &mnt_id };
		unsigned int j, k;
		char name[32];

		snprintf(name, sizeof(name), "/proc/self/fd/%d", self->fds[i]);
		for (j = 0; j < ARRAY_SIZE(handles); j++) {
			for (k = 0; k < ARRAY_SIZE(ids); k++) {
				int a, b;

				memset(end - 8, 0, 8);
				fh.bytes = HANDLE_MAX;
				a = encode_at(self->fds[i], "", handles[j],
					      ids[k], AT_EMPTY_PATH);
				memset(end - 8, 0, 8);
				fh.bytes = HANDLE_MAX;
				b = encode_at(AT_FDCWD, name, handles[j],
					      ids[k], AT_SYMLINK_FOLLOW);
				EXPECT_EQ(a, b) {
					TH_LOG("descriptor %d, handle %u, mount id %u",
					       i, j, k);
				}
			}
		}
	}
	EXPECT_EQ(encode_at(self->closed, "", NULL, NULL, AT_EMPTY_PATH),
		  -EBADF);
}

/* If threads share the table, the call takes a reference to the file. */
TEST_F(name, reference_to_the_file_is_dropped)
{
	int ends[2];
	char byte;

	ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	by_descriptor(ends[1], 0, HANDLE_MAX);
	by_descriptor(ends[1], AT_HANDLE_FID, HANDLE_MAX);
	close(ends[1]);
	EXPECT_EQ(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

/* The kernel allocates a copy of a path of PATH_MAX bytes. */
TEST_F_TIMEOUT(name, memory_of_names_is_freed, SLOW_TIMEOUT)
{
	static char longest[PATH_MAX];
	long before = slab_size();
	int i, j;

	if (before < 0)
		SKIP(return, "needs /proc/meminfo");
	memset(longest, '/', sizeof(longest) - 1);
	for (i = 0; i < SLAB_ROUNDS; i++) {
		before = slab_size();
		for (j = 0; j < 1000; j++)
			call(AT_FDCWD, longest, flag_set(j % 4), HANDLE_MAX);
		/* The names of a round need 4,000 KiB. */
		if (slab_size() - before < 2000)
			break;
	}
	EXPECT_LT(i, SLAB_ROUNDS);
}

TEST_F(name, descriptor_outside_of_the_root)
{
	struct result before[NR_FDS], after;
	int i;

	if (variant->user)
		SKIP(return, "needs root for chroot(2)");
	for (i = 0; i < NR_FDS; i++)
		before[i] = by_descriptor(self->fds[i], 0, HANDLE_MAX);
	ASSERT_EQ(chroot(TMPFS_DIR "/dir"), 0);
	for (i = 0; i < NR_FDS; i++) {
		after = by_descriptor(self->fds[i], 0, HANDLE_MAX);
		EXPECT_TRUE(same_result(&before[i], &after)) {
			TH_LOG("descriptor %d: %d and %d", i, before[i].ret,
			       after.ret);
		}
	}
}

/* A file whose dentry is disconnected. */
FIXTURE(disconnected)
{
	char link[32];
	int kmsg;
	int root;
	int fd;
	struct handle fh;
};

/* Returns true if the kernel has warned since the log was opened or read. */
static bool warned(int kmsg)
{
	static const char *const texts[] = { "WARNING:" };

	return log_contains(kmsg, texts, ARRAY_SIZE(texts));
}

static int connectable(const char *link)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	__u64 mnt_id;

	return encode_at(AT_FDCWD, link, &fh, &mnt_id, AT_SYMLINK_FOLLOW |
			 AT_HANDLE_CONNECTABLE | AT_HANDLE_MNT_ID_UNIQUE);
}

static int mount_overlay(void)
{
	return mount("overlay", "merged", "overlay", 0,
		     "lowerdir=lower,upperdir=upper,workdir=work,index=on,nfs_export=on") ?
	       -errno : 0;
}

/*
 * A file of overlayfs has no dentry after the filesystem has been mounted
 * again. If it is then opened by handle, its dentry is disconnected.
 */
FIXTURE_SETUP(disconnected)
{
	static const char *const dirs[] = { "lower", "upper", "work", "merged" };
	unsigned int i;
	int ret;

	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	if (access("/proc/self/fd", X_OK))
		SKIP(return, NEEDS_PROCFS);
	/* A kernel without the fix must not panic. */
	if (panics_on_warning())
		SKIP(return, "needs kernel.panic_on_warn=0");
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (self->kmsg < 0)
		SKIP(return, "needs /dev/kmsg");
	ASSERT_GE(lseek(self->kmsg, 0, SEEK_END), 0);
	ret = enter_private_tmpfs();
	if (ret == -EPERM)
		SKIP(return, NEEDS_MOUNT);
	ASSERT_GE(ret, 0);
	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		ASSERT_EQ(mkdir(dirs[i], 0755), 0);

	if (mount_overlay())
		SKIP(return, NEEDS_OVERLAY);
	close(make_file(AT_FDCWD, "merged/file", "content"));
	if (encode_path(AT_FDCWD, "merged/file", &self->fh))
		SKIP(return, NEEDS_OVERLAY);
	ASSERT_EQ(umount2("merged", 0), 0);
	ASSERT_EQ(mount_overlay(), 0);
	self->root = open("merged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(self->root, 0);
	self->fd = decode(self->root, &self->fh, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	snprintf(self->link, sizeof(self->link), "/proc/self/fd/%d", self->fd);
}

FIXTURE_TEARDOWN(disconnected)
{
}

TEST_F(disconnected, connectable_handle_is_refused_without_a_warning)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	__u64 mnt_id;

	EXPECT_EQ(connectable(self->link), -EINVAL);
	EXPECT_FALSE(warned(self->kmsg));

	/* Other handles of it can be encoded. */
	EXPECT_EQ(encode_at(AT_FDCWD, self->link, &fh, &mnt_id,
			    AT_SYMLINK_FOLLOW | AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));
	EXPECT_EQ(encode(self->fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));
}

/* An ordinary user who gets the descriptor cannot make the kernel warn. */
TEST_F(disconnected, user_cannot_make_the_kernel_warn)
{
	pid_t pid;

	warned(self->kmsg);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (become_user() || prctl(PR_SET_DUMPABLE, 1))
			_exit(2);
		_exit(connectable(self->link) != -EINVAL);
	}
	EXPECT_EQ(wait_status(pid, -1), 0);
	EXPECT_FALSE(warned(self->kmsg));
}

TEST_HARNESS_MAIN
