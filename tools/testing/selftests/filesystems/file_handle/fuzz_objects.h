/* SPDX-License-Identifier: GPL-2.0 */
/* How the objects of the fuzzer are made. */
#ifndef __SELFTEST_FILE_HANDLE_FUZZ_OBJECTS_H
#define __SELFTEST_FILE_HANDLE_FUZZ_OBJECTS_H

#include "fuzz.h"

#define FUZZ_CGROUP	"/sys/fs/cgroup/handle_fuzz"

/* Replaces the file of an object. Takes over @fd, which may be an error. */
void set_object(struct fuzz_world *w, unsigned int index, int fd);
unsigned int add_object(struct fuzz_world *w, const char *name, enum fuzz_fs fs,
			int fd);
unsigned int add_path(struct fuzz_world *w, const char *name, enum fuzz_fs fs,
		      const char *path, int flags);

/* Closes the file of an object, which may be gone then. */
void close_object(struct fuzz_world *w, unsigned int index);
void make_zombie(pid_t pid);

#endif /* __SELFTEST_FILE_HANDLE_FUZZ_OBJECTS_H */
