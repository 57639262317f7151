/* SPDX-License-Identifier: GPL-2.0 */
/* Loop devices */
#ifndef __SELFTEST_FILE_HANDLE_LOOP_H
#define __SELFTEST_FILE_HANDLE_LOOP_H

#include <stddef.h>

/*
 * Attaches an image to a new device, which is detached after its last user. Stores the
 * path of the device. Returns a descriptor of it or a negative errno.
 */
int loop_attach(int image, char *path, size_t size);

#endif /* __SELFTEST_FILE_HANDLE_LOOP_H */
