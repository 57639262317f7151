// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "stress.h"

#define DEFAULT_SECONDS	4

void slot_init(struct slot *slot, bool shared)
{
	pthread_mutexattr_t attr;

	memset(&slot->now, 0, sizeof(slot->now));
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, shared ? PTHREAD_PROCESS_SHARED :
						     PTHREAD_PROCESS_PRIVATE);
	pthread_mutex_init(&slot->lock, &attr);
}

struct snapshot slot_read(struct slot *slot)
{
	struct snapshot snap;

	pthread_mutex_lock(&slot->lock);
	snap = slot->now;
	pthread_mutex_unlock(&slot->lock);
	return snap;
}

void slot_set_state(struct slot *slot, enum state state)
{
	pthread_mutex_lock(&slot->lock);
	slot->now.state = state;
	pthread_mutex_unlock(&slot->lock);
}

void slot_set_handle(struct slot *slot, const struct handle *fh)
{
	pthread_mutex_lock(&slot->lock);
	slot->now.state = STATE_ALIVE;
	slot->now.turn++;
	slot->now.fh = *fh;
	pthread_mutex_unlock(&slot->lock);
}

bool was_alive(const struct snapshot *before, const struct snapshot *after)
{
	return before->state == STATE_ALIVE && after->state == STATE_ALIVE &&
	       after->turn == before->turn;
}

unsigned int random_number(unsigned int *seed)
{
	return rand_r(seed) >> 4;
}

void random_bytes(unsigned int *seed, void *buf, size_t size)
{
	unsigned char *bytes = buf;

	while (size--)
		*bytes++ = random_number(seed);
}

unsigned int stress_seconds(void)
{
	const char *value = getenv("NSFS_STRESS_SECONDS");
	int seconds = value ? atoi(value) : 0;

	return seconds > 0 ? seconds : DEFAULT_SECONDS;
}
