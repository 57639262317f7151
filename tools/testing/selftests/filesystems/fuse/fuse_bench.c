// SPDX-License-Identifier: GPL-2.0
/*
 * Measures calls on a FUSE server, from the system call to the reply. The server
 * runs on the same processor, so the times include what the server does.
 */
#define _GNU_SOURCE
#include "../file_handle/bench.h"
#include "fuse_client.h"

#define ROUNDS	101

struct call {
	const char *name;
	int (*call)(struct server *s, int mount_fd, const struct handle *fh);
	int expected;
};

/* The entry has no timeout, so the name is revalidated. */
static int revalidate(struct server *s, int mount_fd __maybe_unused,
		      const struct handle *fh __maybe_unused)
{
	return try_stat(s, "file");
}

/* An absent name is not cached, so it is looked up. */
static int lookup(struct server *s, int mount_fd __maybe_unused,
		  const struct handle *fh __maybe_unused)
{
	return try_stat(s, "missing");
}

static int make_node(struct server *s, int mount_fd __maybe_unused,
		     const struct handle *fh __maybe_unused)
{
	char path[256];
	int id, ret;

	path_of(s, "made", path, sizeof(path));
	ret = mkfifo(path, 0644) ? -errno : 0;
	id = child(s, ROOT, "made");
	if (id)
		s->objects[id].name[0] = 'x';
	return ret;
}

static int open_handle(struct server *s __maybe_unused, int mount_fd,
		       const struct handle *fh)
{
	int fd = decode(mount_fd, fh, O_PATH);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static const struct call calls[] = {
	{ "stat, name revalidated", revalidate, 0 },
	{ "stat, name looked up", lookup, -ENOENT },
	{ "mknod", make_node, 0 },
	{ "open handle", open_handle, 0 },
};

static void measure(struct server *s, int mount_fd, const struct handle *fh,
		    const struct call *call, const char *filesystem)
{
	__u64 samples[ROUNDS];
	unsigned int i;
	int ret;

	for (i = 0; i < ROUNDS; i++) {
		__u64 start = now();

		ret = call->call(s, mount_fd, fh);
		samples[i] = since(start);
		if (ret != call->expected)
			errx(1, "%s on %s: %d instead of %d", call->name,
			     filesystem, ret, call->expected);
	}
	printf("{\"call\": \"%s\", \"filesystem\": \"%s\", ", call->name,
	       filesystem);
	printf("\"processes\": 16, \"namespaces\": 16, \"errno\": %d, ",
	       call->expected < 0 ? -call->expected : 0);
	/* In a few rounds, the server has not yet slept after its last reply. */
	sort_samples(samples, ROUNDS);
	print_times(samples + ROUNDS / 10, ROUNDS - ROUNDS / 5);
}

/* Measures a server with or without handles. */
static void measure_server(__u64 without, const char *filesystem)
{
	struct server *s = new_server();
	struct handle fh;
	unsigned int i;
	int fd;

	if (!s)
		errx(1, "no server");
	s->init_flags &= ~without;
	s->entry_valid = 0;
	if (start_server(s))
		errx(1, "%s: the server does not start", filesystem);
	fd = mount_fd(s);
	if (fd < 0 || try_stat(s, ".") || name_handle(s, "file", &fh, 0))
		errx(1, "%s: the server does not work", filesystem);
	if (without || s->init_offer & FUSE_HAS_LOOKUP_HANDLE) {
		for (i = 0; i < ARRAY_SIZE(calls); i++)
			measure(s, fd, &fh, &calls[i], filesystem);
	}
	close(fd);
	free_server(s);
}

int main(void)
{
	const char *reason = fuse_missing();

	if (reason) {
		printf("fuse_bench: not measured: %s\n", reason);
		return 0;
	}
	if (stay_on_one_processor() || private_mounts())
		errx(1, "cannot prepare");
	calibrate();
	measure_server(FUSE_HAS_LOOKUP_HANDLE, "fuse");
	measure_server(0, "fuse, handles");
	return 0;
}
