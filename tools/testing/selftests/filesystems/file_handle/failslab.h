/* SPDX-License-Identifier: GPL-2.0 */
/* Fault injection into allocations of the calling task. */
#ifndef __SELFTEST_FILE_HANDLE_FAILSLAB_H
#define __SELFTEST_FILE_HANDLE_FAILSLAB_H

#include "file_handle.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define NEEDS_FAILSLAB	"needs CONFIG_FAILSLAB and debugfs"

/* More allocations than any of the calls makes. */
#define ALLOCATIONS_MAX	200

#define FAILSLAB_SETTINGS	7

struct failslab {
	char before[FAILSLAB_SETTINGS][32];
	unsigned int nr_settings;	/* to restore */
	int fail_nth;
};

bool failslab_is_there(void);

/*
 * Changes the settings so that allocations fail only in tasks that ask for it.
 * failslab_end() restores them.
 */
int failslab_start(struct failslab *fail);
void failslab_end(struct failslab *fail);

/* Makes the @nth allocation of this task fail, counted from 1. 0 stops it. */
int failslab_arm(const struct failslab *fail, unsigned int nth);

/* Returns false if there were fewer allocations than that. */
bool failslab_has_failed(const struct failslab *fail);

#endif /* __SELFTEST_FILE_HANDLE_FAILSLAB_H */
