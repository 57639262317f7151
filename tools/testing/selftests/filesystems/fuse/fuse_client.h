/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls on the mount of the server. Functions that return int return a
 * negative errno on failure.
 */
#ifndef __SELFTEST_FUSE_CLIENT_H
#define __SELFTEST_FUSE_CLIENT_H

#include "fuse_server.h"

/* Reasons to skip a test */
#define NO_FUSE_HANDLES	"needs CONFIG_FUSE_HANDLE"
#define NO_FANOTIFY	"needs CONFIG_FANOTIFY"

/* A path of depth 8 */
#define PATH_OF_8	"d1/d2/d3/d4/d5/d6/d7/d8"

int mount_fd(struct server *s);
void path_of(struct server *s, const char *name, char *path, size_t size);

/* Stores the path of an open file, or an empty string. */
void path_of_fd(int fd, char *path, size_t size);

int try_stat(struct server *s, const char *name);
int try_open(struct server *s, const char *name, int flags);
int name_handle(struct server *s, const char *name, struct handle *fh,
		unsigned int flags);

/* Returns the object that an open file contains. @version may be NULL. */
int read_object(int fd, unsigned int *version);

/* Returns the object and closes the file, or returns @fd if it is an error. */
int read_and_close(int fd);

/* Opens a handle, and returns the object that the file contains. */
int decode_object(int mount_fd, const struct handle *fh);

/*
 * Lists a directory, with stat(2) of each name if @stats, as "ls -l" does. Returns the
 * number of names.
 */
int list_names(struct server *s, const char *name, bool stats);

/*
 * Returns a number that grows with each warning and oops of the kernel, and when another
 * bit of its taint is set, as by KASAN.
 */
long kernel_reports(void);

/* Lets the kernel warn again where it has warned once. This needs debugfs. */
void reset_warnings(void);

/* Waits until a counter has a value, for requests without a reply. */
bool wait_for(unsigned long *counter, unsigned long value);

/*
 * Makes the inode of an open file bad, which is that of the object 2: the server replies
 * with attributes of another type. Returns the error of statx(2), which is EIO.
 */
int make_bad(struct server *s, int fd);

/* Closes the mount, and stops the server. */
void unmount_server(struct server *s, int *fd);

/* Restarts the server, and opens the mount again. */
int restart(struct server *s, int *fd);

/*
 * Stores the handle of an fanotify event for opening @path. Returns its size, or
 * 0 if the event has none.
 */
int event_handle(const char *path, struct handle *fh);

#endif /* __SELFTEST_FUSE_CLIENT_H */
