// SPDX-License-Identifier: GPL-2.0
/* Namespaces of each type that die, and network namespaces that are revived. */
#define _GNU_SOURCE
#include <sys/socket.h>

#include "torture.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS	0x894C
#endif

#define REVIVALS	4	/* of each namespace */

static int replace_namespace(unsigned int kind, pid_t *pid)
{
	struct slot *slot = &torture->targets[FIRST_NS + kind].slot;
	struct handle fh;
	int ret;

	if (*pid) {
		slot_set_state(slot, STATE_DYING);
		ret = kill_and_reap(*pid);
		if (ret)
			return ret;
		hit(HIT_NS + kind);
		*pid = 0;
	}
	*pid = make_namespace(&ns_kinds[kind], &fh);
	if (*pid < 0)
		return *pid;
	slot_set_handle(slot, &fh);
	return 0;
}

void destroy_namespaces(void)
{
	pid_t pids[NS_KINDS] = {};
	unsigned int seed = 13, i = 0;

	while (!stopped()) {
		if (!check(ADVERSARY_NS, "replace a namespace",
			   replace_namespace(i, &pids[i])))
			break;
		i = (i + 1) % NS_KINDS;
		pause_up_to(&seed, 1);
		change_processor(&seed);
	}
	for (i = 0; i < NS_KINDS; i++)
		slot_set_state(&torture->targets[FIRST_NS + i].slot, STATE_DYING);
}

/* Creates a network namespace without tasks. Returns a socket that refers to it. */
static int abandoned_namespace(struct handle *fh)
{
	int own = ns_own(&ns_kinds[NS_NET]), new = -1, sock = -1, ret;

	if (own < 0)
		return own;
	ret = unshare(CLONE_NEWNET) ? -errno : 0;
	if (!ret) {
		new = ns_own(&ns_kinds[NS_NET]);
		sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ret = sock < 0 ? -errno : new < 0 ? new : encode(new, fh);
		if (setns(own, CLONE_NEWNET) && !ret)
			ret = -errno;
		close(new);
	}
	close(own);
	if (ret)
		close(sock);
	return ret ?: sock;
}

/*
 * The namespace is stale while only the socket refers to it. The descriptor that
 * SIOCGSKNS returns revives it.
 */
static int revive_some_times(unsigned int *seed)
{
	struct slot *slot = &torture->targets[FIRST_REVIVAL].slot;
	unsigned int i;
	struct handle fh;
	int sock, fd, ret = 0;

	sock = abandoned_namespace(&fh);
	if (sock < 0)
		return sock;
	for (i = 0; i < REVIVALS && !ret && !stopped(); i++) {
		ret = wait_until_stale(&fh);
		if (ret != -ESTALE) {
			ret = ret ?: -EEXIST;
			break;
		}
		fd = ioctl(sock, SIOCGSKNS);
		ret = fd < 0 ? -errno : is_named_by(fd, &fh) ? 0 : -EBADMSG;
		if (!ret) {
			slot_set_handle(slot, &fh);
			hit(HIT_REVIVAL);
		}
		pause_up_to(seed, 5);
		slot_set_state(slot, STATE_DYING);
		close_result(fd);
	}
	close(sock);
	return ret;
}

void revive_namespace(void)
{
	unsigned int seed = 14;

	while (!stopped()) {
		if (!check(ADVERSARY_REVIVAL, "revive a namespace",
			   revive_some_times(&seed)))
			break;
		change_processor(&seed);
	}
}
