// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_NAME_TO_HANDLE_AT has the results of name_to_handle_at(2): the same
 * error, and the same bytes in memory.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "parity_fixture.h"

#define KNOWN_FLAGS \
	(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | \
	 AT_HANDLE_MNT_ID_UNIQUE | AT_HANDLE_CONNECTABLE)

TEST_F(parity, names)
{
	static const struct {
		const char *path;
		unsigned int flags;
		int want;
	} names[] = {
		{ "file",	0,			0 },
		{ "./dir/../file", 0,			0 },
		{ "file",	AT_SYMLINK_FOLLOW,	0 },
		{ "file",	AT_EMPTY_PATH,		0 },
		{ "dir",	0,			0 },
		{ "dir/",	0,			0 },
		{ ".",		0,			0 },
		{ "..",		0,			ANY_RESULT },
		{ "/",		0,			ANY_RESULT },
		{ TMPFS_DIR "/file", 0,			0 },
		{ "link",	0,			0 },
		{ "link",	AT_SYMLINK_FOLLOW,	0 },
		{ "dangling",	0,			0 },
		{ "dangling",	AT_SYMLINK_FOLLOW,	-ENOENT },
		{ "loop",	0,			0 },
		{ "loop",	AT_SYMLINK_FOLLOW,	-ELOOP },
		{ "loop/file",	0,			-ELOOP },
		{ "",		0,			-ENOENT },
		{ "",		AT_EMPTY_PATH,		0 },
		{ "nowhere",	0,			-ENOENT },
		{ "nowhere/file", 0,			-ENOENT },
		{ "dir/nowhere", 0,			-ENOENT },
		{ "file/",	0,			-ENOTDIR },
		{ "file/file",	0,			-ENOTDIR },
		/* procfs supports only handles with AT_HANDLE_FID. */
		{ "/proc",	0,			-EOPNOTSUPP },
		{ "/proc",	AT_HANDLE_FID,		AS_IN_C },
		{ "/proc/self/ns/uts", AT_SYMLINK_FOLLOW, 0 },
		{ NULL,		0,			-EFAULT },
		{ NULL,		AT_EMPTY_PATH,		AS_IN_C },
	};
	const int dfds[] = { self->root, AT_FDCWD };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		for (j = 0; j < ARRAY_SIZE(dfds); j++)
			check_name(dfds[j], names[i].path, names[i].flags,
				   names[i].want);
	}
}

TEST_F(parity, long_names)
{
	char component[NAME_MAX + 2];
	char path[PATH_MAX + 1];

	memset(component, 'x', sizeof(component));
	component[NAME_MAX] = '\0';
	check_name(self->root, component, 0, -ENOENT);
	component[NAME_MAX] = 'x';
	component[NAME_MAX + 1] = '\0';
	check_name(self->root, component, 0, -ENAMETOOLONG);

	memset(path, '/', sizeof(path));
	memcpy(path, TMPFS_DIR, strlen(TMPFS_DIR));
	path[PATH_MAX - 1] = '\0';
	check_name(self->root, path, 0, 0);
	path[PATH_MAX - 1] = '/';
	path[PATH_MAX] = '\0';
	check_name(self->root, path, 0, -ENAMETOOLONG);
}

/* With AT_EMPTY_PATH, only a name without a byte means the directory itself. */
TEST_F(parity, name_of_one_byte)
{
	struct handle fh;

	check_name(self->root, "\1", AT_EMPTY_PATH, -ENOENT);
	ASSERT_EQ(mknodat(self->root, "\1", S_IFREG | 0600, 0), 0);
	ASSERT_EQ(encode_path(self->root, "\1", &fh), 0);
	check_name(self->root, "\1", AT_EMPTY_PATH, 0);
	EXPECT_TRUE(same_handle(&named.fh, &fh));
}

TEST_F(parity, names_in_bad_memory)
{
	struct name_args args = name_args(self->root, NULL, 0);
	char *end = (char *)page_end();

	ASSERT_NE(end, NULL);
	args.path = end;
	check_args("unmapped", &args, -EFAULT);
	args.path = (char *)-4096L;
	check_args("the kernel's", &args, -EFAULT);
	args.path = memcpy(end - 4, "file", 4);
	check_args("without a NUL", &args, -EFAULT);
	args.path = memcpy(end - 5, "file", 5);
	check_args("at the end of a page", &args, 0);
}

TEST_F(parity, directory_of_a_name)
{
	const struct parity_subject *s;
	int path;

	path = open("file", O_PATH | O_CLOEXEC);
	ASSERT_GE(path, 0);
	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		check_name(s->fd, "", AT_EMPTY_PATH, 0);
		check_name(s->fd, "", AT_EMPTY_PATH | AT_HANDLE_FID, 0);
		check_name(s->fd, "", 0, -ENOENT);
		check_name(s->fd, TMPFS_DIR "/file", 0, 0);
		check_name(s->fd, "nowhere", 0, AS_IN_C);
	}
	check_name(path, "", AT_EMPTY_PATH, 0);
	check_name(path, "file", 0, -ENOTDIR);
	check_name(self->subjects[SUBJECT_FILE].fd, "file", 0, -ENOTDIR);
	check_name(self->subjects[SUBJECT_PIDFD].fd, "file", 0, -ENOTDIR);
	check_name(AT_FDCWD, "", AT_EMPTY_PATH, 0);
	check_name(BAD_FD, "file", 0, -EBADF);
	check_name(BAD_FD, "", AT_EMPTY_PATH, -EBADF);
	check_name(BAD_FD, TMPFS_DIR "/file", 0, 0);
	check_name(-1, "file", 0, -EBADF);
	check_name(FD_PIDFS_ROOT, "", AT_EMPTY_PATH, AS_IN_C);
	check_name(FD_NSFS_ROOT, "", AT_EMPTY_PATH, AS_IN_C);
	close(path);
}

TEST_F(parity, handle_of_a_name_is_that_of_the_file)
{
	const struct parity_subject *file = &self->subjects[SUBJECT_FILE];
	struct name_args args;

	args = name_args(self->root, "link", AT_SYMLINK_FOLLOW);
	ASSERT_EQ(parity_name(self->parity, &args, INLINE), 0);
	EXPECT_TRUE(same_handle(&named.fh, &file->fh));
	args.flags = 0;
	ASSERT_EQ(parity_name(self->parity, &args, INLINE), 0);
	EXPECT_FALSE(same_handle(&named.fh, &file->fh));
	args = name_args(file->fd, "", AT_EMPTY_PATH);
	ASSERT_EQ(parity_name(self->parity, &args, ASYNC), 0);
	EXPECT_TRUE(same_handle(&named.fh, &file->fh));
}

/* All combinations of known flags, and each unknown flag. */
TEST_F(parity, name_flags)
{
	static const unsigned int flags[] = {
		AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_HANDLE_FID,
		AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_CONNECTABLE,
	};
	unsigned int mask, set, i;

	for (mask = 0; mask < 1U << ARRAY_SIZE(flags); mask++) {
		for (set = 0, i = 0; i < ARRAY_SIZE(flags); i++)
			set |= mask & 1U << i ? flags[i] : 0;
		check_name(self->root, "file", set, AS_IN_C);
		check_name(self->root, "dir", set, AS_IN_C);
		check_name(self->root, "link", set, AS_IN_C);
		for (i = 0; i < SUBJECTS; i++)
			check_name(self->subjects[i].fd, "", set, AS_IN_C);
	}
	for (i = 0; i < 32; i++) {
		if (1U << i & KNOWN_FLAGS)
			continue;
		check_name(self->root, "file", 1U << i, -EINVAL);
		check_name(self->root, "nowhere", 1U << i, -EINVAL);
		check_name(self->root, NULL, 1U << i | AT_EMPTY_PATH, -EINVAL);
	}
	/* tmpfs does not support connectable handles. */
	check_name(self->root, "file", AT_HANDLE_CONNECTABLE, -EOPNOTSUPP);
	check_name(self->root, "file", AT_HANDLE_CONNECTABLE | AT_HANDLE_FID,
		   -EINVAL);
	check_name(self->root, "", AT_HANDLE_CONNECTABLE | AT_EMPTY_PATH,
		   -EINVAL);
}

/* The comparison includes the bytes behind the mount id. */
TEST_F(parity, width_of_the_mount_id)
{
	struct name_args args = name_args(self->root, "file", 0);
	struct statx stx;
	int legacy;
	__u64 unique;

	check_args("int", &args, 0);
	memcpy(&legacy, named.mnt_id, sizeof(legacy));
	ASSERT_EQ(sys_statx(self->root, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx),
		  0);
	EXPECT_EQ((__u64)legacy, stx.stx_mnt_id);
	EXPECT_EQ(named.mnt_id[sizeof(legacy)], CANARY);

	args.flags = AT_HANDLE_MNT_ID_UNIQUE;
	check_args("64 bits", &args, 0);
	memcpy(&unique, named.mnt_id, sizeof(unique));
	ASSERT_EQ(sys_statx(self->root, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE,
			    &stx), 0);
	EXPECT_EQ(unique, stx.stx_mnt_id);
	EXPECT_EQ(named.mnt_id[sizeof(unique)], CANARY);

	args.mnt_id = named.mnt_id + 3;
	check_args("unaligned", &args, 0);
	args.flags = 0;
	check_args("unaligned", &args, 0);
}

TEST_F(parity, announced_size)
{
	static const __u32 refused[] = {
		HANDLE_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	unsigned int i, j;

	for (i = 0; i < SUBJECTS; i++) {
		const struct parity_subject *s = &self->subjects[i];
		struct name_args args = name_args(s->fd, "", AT_EMPTY_PATH);

		for (j = 0; j < ARRAY_SIZE(refused); j++) {
			args.bytes = refused[j];
			check_args(s->what, &args, -EINVAL);
		}
		for (args.bytes = 0; args.bytes <= HANDLE_MAX; args.bytes++)
			check_args(s->what, &args, args.bytes < s->fh.bytes ?
				   -EOVERFLOW : 0);
		args.flags |= AT_HANDLE_MNT_ID_UNIQUE;
		args.bytes = 0;
		check_args(s->what, &args, -EOVERFLOW);
		EXPECT_EQ(named.fh.bytes, s->fh.bytes);
	}
}

TEST_F(parity, pointer_to_a_handle_to_write)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct name_args args = name_args(self->root, "file", 0);
	unsigned int size = HANDLE_HEADER + HANDLE_TMPFS;
	unsigned char *read_only, *end;
	unsigned int n;

	read_only = mmap(NULL, page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(read_only, MAP_FAILED);
	((struct handle *)read_only)->bytes = HANDLE_MAX;
	ASSERT_EQ(mprotect(read_only, page, PROT_READ), 0);
	args.fh = read_only;
	check_args("read-only", &args, -EFAULT);
	args.fh = NULL;
	check_args("NULL", &args, -EFAULT);
	args.fh = (void *)-4096L;
	check_args("the kernel's", &args, -EFAULT);

	/* The buffer may be shorter than its announced size. */
	end = page_end();
	ASSERT_NE(end, NULL);
	for (n = 0; n <= size; n++) {
		args.fh = end - n;
		args.fh_size = n;
		check_args("at the end of a page", &args,
			   n < size ? -EFAULT : 0);
	}
	args.fh = end - HANDLE_HEADER;
	args.fh_size = HANDLE_HEADER;
	args.bytes = 0;
	check_args("header", &args, -EOVERFLOW);
}

TEST_F(parity, pointer_to_the_mount_id)
{
	static const unsigned int flags[] = { 0, AT_HANDLE_MNT_ID_UNIQUE };
	const size_t page = sysconf(_SC_PAGESIZE);
	struct name_args args = name_args(self->root, "file", 0);
	unsigned char *read_only, *end;
	unsigned int i, n, width;

	read_only = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(read_only, MAP_FAILED);
	end = page_end();
	ASSERT_NE(end, NULL);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		args.flags = flags[i];
		args.mnt_id = read_only;
		check_args("read-only", &args, -EFAULT);
		args.mnt_id = NULL;
		check_args("NULL", &args, -EFAULT);
		width = flags[i] ? sizeof(__u64) : sizeof(int);
		for (n = 0; n <= sizeof(__u64); n++) {
			args.mnt_id = end - n;
			check_args("at the end of a page", &args,
				   n < width ? -EFAULT : 0);
		}
	}
	args.mnt_id = NULL;
	args.bytes = 0;
	check_args("no room either", &args, -EFAULT);
}

TEST_F(parity, order_of_the_checks_of_name)
{
	static char long_name[PATH_MAX + 1];
	struct name_args args = name_args(BAD_FD, NULL, 0x80000000);

	args.fh = NULL;
	args.mnt_id = NULL;
	check_args("flags, path, handle", &args, -EINVAL);
	args.flags = AT_HANDLE_CONNECTABLE | AT_HANDLE_FID;
	check_args("flags, path, handle", &args, -EINVAL);
	args.flags = 0;
	check_args("path, directory, handle", &args, -EFAULT);
	memset(long_name, 'x', PATH_MAX);
	args.path = long_name;
	check_args("path, directory, handle", &args, -ENAMETOOLONG);
	args.path = "";
	check_args("path, directory, handle", &args, -ENOENT);
	args.path = "file";
	check_args("directory, handle", &args, -EBADF);
	args.dfd = self->root;
	args.path = "nowhere";
	check_args("lookup, handle", &args, -ENOENT);
	args.path = "file/file";
	check_args("lookup, handle", &args, -ENOTDIR);
	args.path = "/proc";
	check_args("filesystem, handle", &args, -EOPNOTSUPP);
	args.path = "file";
	args.flags = AT_HANDLE_CONNECTABLE;
	check_args("filesystem, handle", &args, -EOPNOTSUPP);
	args.flags = 0;
	check_args("handle", &args, -EFAULT);

	args = name_args(self->root, "nowhere", 0);
	args.bytes = HANDLE_MAX + 1;
	check_args("lookup, size", &args, -ENOENT);
	args.path = "/proc";
	check_args("filesystem, size", &args, -EOPNOTSUPP);
	args.path = "file";
	args.mnt_id = NULL;
	check_args("size, mount id", &args, -EINVAL);
}

TEST_HARNESS_MAIN
