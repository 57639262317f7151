// SPDX-License-Identifier: GPL-2.0
/*
 * Errors of open_by_handle_at(2) when the filesystem fails to decode a handle.
 *
 * The filesystem is a FUSE server. Decoding the handle of an inode that is not
 * cached sends FUSE_LOOKUP to the server, and each case chooses the reply.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "file_handle.h"
#include "kselftest_harness.h"

#define NEEDS_FUSE	"needs FUSE"

#define FILEID_INO64_GEN	0x81

/* The node id of the file. No path leads to it. */
#define FILE_NODEID	2

#define BUFFER_WORDS	((FUSE_MIN_READ_BUFFER + 4096) / sizeof(__u64))

struct server {
	int dev;
	pthread_t thread;
	pthread_t client;
	/* The error of the lookup of the file, or 0. */
	int error;
	/* Send SIGUSR1 to the client, and reply after FUSE_INTERRUPT. */
	bool interrupt;
	__u64 interrupted;	/* FUSE_LOOKUP that waits for FUSE_INTERRUPT */
};

static void reply(struct server *server, __u64 unique, int error,
		  const void *data, size_t size)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (error ? 0 : size),
		.error = error,
		.unique = unique,
	};
	struct iovec iov[] = {
		{ &header, sizeof(header) },
		{ (void *)data, size },
	};

	/* Fails if the request was aborted. */
	if (writev(server->dev, iov, error ? 1 : 2) < 0)
		return;
}

static void reply_attr(struct fuse_attr *attr, __u64 nodeid)
{
	attr->ino = nodeid;
	attr->mode = nodeid == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
	attr->nlink = 1;
	attr->blksize = 4096;
}

static void lookup(struct server *server, const struct fuse_in_header *in)
{
	struct fuse_entry_out out = { .nodeid = FILE_NODEID };

	if (in->nodeid != FILE_NODEID) {
		reply(server, in->unique, -ENOENT, NULL, 0);
		return;
	}
	if (server->interrupt) {
		server->interrupted = in->unique;
		pthread_kill(server->client, SIGUSR1);
		return;
	}
	reply_attr(&out.attr, FILE_NODEID);
	reply(server, in->unique, -server->error, &out, sizeof(out));
}

static void serve(struct server *server, const struct fuse_in_header *in)
{
	const void *arg = in + 1;

	switch (in->opcode) {
	case FUSE_INIT: {
		const struct fuse_init_in *init = arg;
		struct fuse_init_out out = {
			.major = FUSE_KERNEL_VERSION,
			.minor = FUSE_KERNEL_MINOR_VERSION,
			.max_readahead = init->max_readahead,
			.max_write = 4096,
			.flags = FUSE_EXPORT_SUPPORT,
		};

		reply(server, in->unique, 0, &out, sizeof(out));
		return;
	}
	case FUSE_INTERRUPT: {
		const struct fuse_interrupt_in *interrupt = arg;

		if (interrupt->unique == server->interrupted)
			reply(server, server->interrupted, -server->error, NULL, 0);
		return;
	}
	case FUSE_LOOKUP:
		lookup(server, in);
		return;
	case FUSE_GETATTR: {
		struct fuse_attr_out out = {};

		reply_attr(&out.attr, in->nodeid);
		reply(server, in->unique, 0, &out, sizeof(out));
		return;
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		struct fuse_open_out out = {};

		reply(server, in->unique, 0, &out, sizeof(out));
		return;
	}
	case FUSE_FLUSH:
		reply(server, in->unique, 0, NULL, 0);
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return;
	default:
		reply(server, in->unique, -EOPNOTSUPP, NULL, 0);
	}
}

/* Serves requests until the filesystem is unmounted. */
static void *run(void *arg)
{
	static __u64 buffer[BUFFER_WORDS];
	struct server *server = arg;

	for (;;) {
		ssize_t len = read(server->dev, buffer, sizeof(buffer));

		if (len < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			return NULL;
		if (len >= (ssize_t)sizeof(struct fuse_in_header))
			serve(server, (void *)buffer);
	}
}

static unsigned int signals;

static void count_signal(int sig)
{
	signals++;
}

FIXTURE(decode_error)
{
	struct server server;
	struct handle fh;
	int root;
	int mount;
};

FIXTURE_SETUP(decode_error)
{
	struct sigaction action = { .sa_handler = count_signal };
	char options[64];

	self->root = -1;
	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	self->server.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (self->server.dev < 0)
		SKIP(return, NEEDS_FUSE);
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));

	self->root = enter_private_tmpfs();
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(0, mkdir("fuse", 0755));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", self->server.dev);
	ASSERT_EQ(0, mount("decode_error", "fuse", "fuse",
			   MS_NOSUID | MS_NODEV, options));
	self->server.client = pthread_self();
	ASSERT_EQ(0, pthread_create(&self->server.thread, NULL, run, &self->server));

	self->mount = open("fuse", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(self->mount, 0);
	self->fh = (struct handle){ .bytes = 12, .type = FILEID_INO64_GEN };
	((__u32 *)self->fh.data)[1] = FILE_NODEID;
}

FIXTURE_TEARDOWN(decode_error)
{
	if (self->root < 0)
		return;
	close(self->mount);
	ASSERT_EQ(0, umount2("fuse", MNT_DETACH));
	ASSERT_EQ(0, pthread_join(self->server.thread, NULL));
	close(self->server.dev);
	ASSERT_EQ(0, leave_private_tmpfs(self->root));
}

/* The server answers a lookup after FUSE_INTERRUPT. The handle remains valid. */
TEST_F(decode_error, interrupted_decode_is_not_stale)
{
	self->server.interrupt = true;
	self->server.error = EINTR;
	EXPECT_EQ(-EINTR, decode(self->mount, &self->fh, O_RDONLY));
	EXPECT_EQ(1, signals);

	self->server.interrupt = false;
	self->server.error = 0;
	EXPECT_LE(0, close_result(decode(self->mount, &self->fh, O_RDONLY)));
}

TEST_F(decode_error, memory_is_not_stale)
{
	self->server.error = ENOMEM;
	EXPECT_EQ(-ENOMEM, decode(self->mount, &self->fh, O_RDONLY));
}

TEST_F(decode_error, other_errors_are_stale)
{
	static const int errors[] = {
		EPERM, ENOENT, EIO, EAGAIN, EACCES, ENODEV, EINVAL, EOVERFLOW,
		EOPNOTSUPP, ETIMEDOUT, ESTALE, 511,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		self->server.error = errors[i];
		EXPECT_EQ(-ESTALE, decode(self->mount, &self->fh, O_RDONLY)) {
			TH_LOG("error %d", errors[i]);
		}
	}
}

TEST_HARNESS_MAIN
