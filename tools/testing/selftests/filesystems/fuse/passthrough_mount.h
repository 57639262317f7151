/* SPDX-License-Identifier: GPL-2.0 */
/* A mount of the sample server passthrough_handle, on a private tmpfs. */
#ifndef __SELFTEST_PASSTHROUGH_MOUNT_H
#define __SELFTEST_PASSTHROUGH_MOUNT_H

#include <sys/types.h>

#define LOWER	"/tmp/lower"
#define MNT	"/tmp/mnt"

/* Returns the reason to skip a test, or NULL. */
const char *passthrough_missing(void);

/* Creates both directories. Returns 0 or a negative errno. */
int passthrough_directories(void);

/* Runs the server with arguments, which end with NULL. Returns its process. */
pid_t passthrough_run(char * const arguments[]);

/*
 * Runs the server with an option, which may be NULL, and waits until it is mounted.
 * Returns its process, or a negative errno.
 */
pid_t passthrough_mount(const char *option);

/* Returns the exit status of a process, or -1. */
int exit_status(pid_t pid);

#endif /* __SELFTEST_PASSTHROUGH_MOUNT_H */
