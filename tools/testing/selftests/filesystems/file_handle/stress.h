/* SPDX-License-Identifier: GPL-2.0 */
/* Handles of objects that are created and destroyed while others decode. */
#ifndef __SELFTEST_FILE_HANDLE_STRESS_H
#define __SELFTEST_FILE_HANDLE_STRESS_H

#include <pthread.h>

#include "file_handle.h"

enum state {
	STATE_NONE,		/* there has been no handle */
	STATE_ALIVE,
	STATE_DYING,		/* may be gone */
	STATE_REAPED,		/* is gone */
};

struct snapshot {
	enum state state;
	unsigned int turn;	/* counts the objects of the slot */
	struct handle fh;
};

struct slot {
	pthread_mutex_t lock;
	struct snapshot now;	/* protected by @lock */
};

/* With @shared, the slot is in memory that processes share. */
void slot_init(struct slot *slot, bool shared);
struct snapshot slot_read(struct slot *slot);
void slot_set_state(struct slot *slot, enum state state);

/* A new object is alive. */
void slot_set_handle(struct slot *slot, const struct handle *fh);

/* Returns true if the object was alive from @before to @after. */
bool was_alive(const struct snapshot *before, const struct snapshot *after);

unsigned int random_number(unsigned int *seed);
void random_bytes(unsigned int *seed, void *buf, size_t size);

/* Returns the value of NSFS_STRESS_SECONDS, or the default. */
unsigned int stress_seconds(void);

#endif /* __SELFTEST_FILE_HANDLE_STRESS_H */
