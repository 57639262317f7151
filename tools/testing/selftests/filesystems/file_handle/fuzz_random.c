// SPDX-License-Identifier: GPL-2.0
/* Random numbers that are the same on each machine. */
#define _GNU_SOURCE
#include "fuzz.h"

#define SPLITMIX	0x9e3779b97f4a7c15ULL

/* splitmix64 */
static __u64 mix(__u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

struct fuzz_random random_of(__u64 seed, __u64 nr)
{
	return (struct fuzz_random) { .state = mix(mix(seed) + nr) };
}

__u64 draw(struct fuzz_random *rnd)
{
	rnd->state += SPLITMIX;
	return mix(rnd->state);
}

unsigned int below(struct fuzz_random *rnd, unsigned int nr)
{
	return (draw(rnd) >> 32) * nr >> 32;
}

bool chance(struct fuzz_random *rnd, unsigned int percent)
{
	return below(rnd, 100) < percent;
}

enum fuzz_who who_of(__u64 seed, __u64 nr)
{
	static const enum fuzz_who weights[] = {
		FUZZ_ROOT, FUZZ_ROOT, FUZZ_ROOT, FUZZ_USER, FUZZ_USER,
		FUZZ_PID_NS, FUZZ_CONTAINER, FUZZ_CONTAINER, FUZZ_USER_NS,
	};
	struct fuzz_random rnd = random_of(seed, nr);

	return weights[below(&rnd, ARRAY_SIZE(weights))];
}

void pick_place(struct fuzz_random *rnd, struct fuzz_place *place,
		unsigned int size)
{
	place->memory = chance(rnd, 80) ? MEM_PLAIN : below(rnd, MEMORIES);
	place->arg = below(rnd, size + 1);
	if (place->memory == MEM_OFFSET)
		place->arg = 1 + place->arg % 7;
}
