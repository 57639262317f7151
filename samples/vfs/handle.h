/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File handles as values and as text, and the two system calls on them.
 *
 * The calls do not go through the C library: its name_to_handle_at() takes a
 * pointer to an int, but AT_HANDLE_MNT_ID_UNIQUE stores 64 bits.
 */
#ifndef _SAMPLES_VFS_HANDLE_H
#define _SAMPLES_VFS_HANDLE_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/types.h>

/* <linux/fcntl.h> defines these, but conflicts with <fcntl.h>. */
#ifndef FD_PIDFS_ROOT
#define FD_PIDFS_ROOT			-10002
#endif
#ifndef FD_NSFS_ROOT
#define FD_NSFS_ROOT			-10003
#endif
#ifndef AT_HANDLE_MNT_ID_UNIQUE
#define AT_HANDLE_MNT_ID_UNIQUE		0x001
#endif
#ifndef AT_HANDLE_CONNECTABLE
#define AT_HANDLE_CONNECTABLE		0x002
#endif

/* MAX_HANDLE_SZ of this kernel; a later one may have a larger value. */
#define HANDLE_BYTES_MAX	128

/* Room for the type, a colon, the bytes and the final NUL. */
#define HANDLE_TEXT_SIZE	(8 + 1 + 2 * HANDLE_BYTES_MAX + 1)

/* struct file_handle, with room for the longest handle. */
struct handle {
	__u32 bytes;
	__s32 type;
	unsigned char data[HANDLE_BYTES_MAX];
};

/* name_to_handle_at(2). Stores the 64-bit mount ID. */
static inline int handle_encode(int dirfd, const char *path, int flags,
				struct handle *handle, __u64 *mount_id)
{
	*handle = (struct handle) { .bytes = HANDLE_BYTES_MAX };
	return syscall(SYS_name_to_handle_at, dirfd, path, handle, mount_id,
		       flags | AT_HANDLE_MNT_ID_UNIQUE);
}

/* open_by_handle_at(2) */
static inline int handle_open(int mount_fd, const struct handle *handle, int flags)
{
	return syscall(SYS_open_by_handle_at, mount_fd, handle, flags);
}

static inline bool handle_equal(const struct handle *a, const struct handle *b)
{
	return a->type == b->type && a->bytes == b->bytes &&
	       !memcmp(a->data, b->data, a->bytes);
}

/* Write TYPE:BYTES, both in hexadecimal. */
static inline const char *handle_to_text(const struct handle *handle,
					 char text[HANDLE_TEXT_SIZE])
{
	char *end = text + sprintf(text, "%x:", (unsigned int)handle->type);

	for (__u32 i = 0; i < handle->bytes; i++)
		end += sprintf(end, "%02x", handle->data[i]);
	return text;
}

static inline int hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Parse TYPE:BYTES. Returns false if the text has another form or is too long. */
static inline bool handle_from_text(struct handle *handle, const char *text)
{
	unsigned long type;
	char *end;

	*handle = (struct handle) {};
	if (hex_digit(*text) < 0)
		return false;
	errno = 0;
	type = strtoul(text, &end, 16);
	if (errno || *end != ':' || type > INT32_MAX)
		return false;
	handle->type = type;
	for (text = end + 1; *text; text += 2) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || handle->bytes == HANDLE_BYTES_MAX)
			return false;
		handle->data[handle->bytes++] = high << 4 | low;
	}
	return true;
}

/* Returns the symbolic name of the errors that programs have to tell apart. */
static inline const char *error_name(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
#define ERROR_NAME(name) { name, #name }
		ERROR_NAME(EACCES), ERROR_NAME(EBADF), ERROR_NAME(EFAULT),
		ERROR_NAME(EINTR), ERROR_NAME(EINVAL), ERROR_NAME(EIO),
		ERROR_NAME(EISDIR), ERROR_NAME(ELOOP), ERROR_NAME(EMFILE),
		ERROR_NAME(ENAMETOOLONG), ERROR_NAME(ENFILE), ERROR_NAME(ENODEV),
		ERROR_NAME(ENOENT), ERROR_NAME(ENOMEM), ERROR_NAME(ENOSPC),
		ERROR_NAME(ENOSYS), ERROR_NAME(ENOTDIR), ERROR_NAME(ENXIO),
		ERROR_NAME(EOPNOTSUPP), ERROR_NAME(EOVERFLOW), ERROR_NAME(EPERM),
		ERROR_NAME(EPIPE), ERROR_NAME(ESRCH), ERROR_NAME(ESTALE),
		ERROR_NAME(EXDEV),
#undef ERROR_NAME
		{},
	}, *known;

	for (known = names; known->name; known++)
		if (known->error == error)
			return known->name;
	return "other error";
}

#endif /* _SAMPLES_VFS_HANDLE_H */
