// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <sys/resource.h>

#include "requests.h"

struct request requests[MANY + 1];
int results[MANY + 1];

int make_things(struct things *t)
{
	int ret;

	t->root = enter_private_tmpfs();
	if (t->root < 0)
		return t->root;
	ret = keep(make_file(t->root, "file", "content"), &t->file, &t->fh) ?:
	      keep(sys_pidfd_open(getpid(), 0), &t->pidfd, &t->pid_fh) ?:
	      keep(ns_own(&ns_kinds[NS_UTS]), &t->ns, &t->ns_fh);
	t->stale_fh = t->fh;
	memset(t->stale_fh.data, 0x7f, t->stale_fh.bytes);
	return ret;
}

int put_things(const struct things *t)
{
	close(t->file);
	close(t->pidfd);
	close(t->ns);
	return leave_private_tmpfs(t->root);
}

static void sqe_open_copy(struct io_uring_sqe *sqe, struct request *req,
			  int dfd, const struct handle *fh)
{
	req->fh = *fh;
	sqe_open(sqe, dfd, &req->fh, O_RDONLY | O_CLOEXEC);
}

static void sqe_name_copy(struct io_uring_sqe *sqe, struct request *req,
			  int dfd, const char *path)
{
	req->fh.bytes = HANDLE_MAX;
	snprintf(req->path, sizeof(req->path), "%s", path);
	sqe_name(sqe, dfd, req->path, &req->fh, &req->mnt_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
}

void sqe_of_kind(struct io_uring_sqe *sqe, struct request *req,
		 const struct things *t, enum request_kind kind)
{
	switch (kind) {
	case KIND_PIDFD:
		sqe_open_copy(sqe, req, FD_PIDFS_ROOT, &t->pid_fh);
		break;
	case KIND_TMPFS:
		sqe_open_copy(sqe, req, t->root, &t->fh);
		break;
	case KIND_NS:
		sqe_open_copy(sqe, req, FD_NSFS_ROOT, &t->ns_fh);
		break;
	case KIND_STALE:
		sqe_open_copy(sqe, req, t->root, &t->stale_fh);
		break;
	case KIND_NAME:
		sqe_name_copy(sqe, req, t->root, "file");
		break;
	default:
		sqe_name_copy(sqe, req, t->root, "nowhere");
	}
}

bool is_right(const struct request *req, const struct things *t, enum request_kind kind,
	      int result)
{
	const int fds[] = {
		[KIND_PIDFD] = t->pidfd, [KIND_TMPFS] = t->file,
		[KIND_NS] = t->ns,
	};
	bool ret;

	if (kind == KIND_STALE)
		return result == -ESTALE;
	if (kind == KIND_NOWHERE)
		return result == -ENOENT;
	if (kind == KIND_NAME)
		return result == 0 && same_handle(&req->fh, &t->fh);
	ret = result >= 0 && same_file(result, fds[kind]);
	if (result >= 0)
		close(result);
	return ret;
}

void sqe_all_kinds(struct ring *ring, struct request *reqs,
		   const struct things *t, unsigned int first, unsigned int nr,
		   unsigned int flags)
{
	struct io_uring_sqe *sqe;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		sqe = ring_sqe(ring);
		sqe_of_kind(sqe, &reqs[i], t, i % KINDS);
		sqe->flags = flags;
		sqe->user_data = first + i;
	}
}

int allow_many_fds(void)
{
	const struct rlimit limit = { 2 * MANY, 2 * MANY };

	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

unsigned int nr_wrong(const struct things *t, unsigned int nr)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr; i++) {
		if (!is_right(&requests[i], t, i % KINDS, results[i + 1]))
			wrong++;
	}
	return wrong;
}
