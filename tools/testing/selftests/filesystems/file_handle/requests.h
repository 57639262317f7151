/* SPDX-License-Identifier: GPL-2.0 */
/* Many requests of all kinds, with known results. */
#ifndef __SELFTEST_FILE_HANDLE_REQUESTS_H
#define __SELFTEST_FILE_HANDLE_REQUESTS_H

#include "nsfs.h"
#include "ring.h"

#define GATE		"gate"
#define MANY		1000

/* The kinds of requests, which are submitted in turn. */
enum request_kind {
	KIND_PIDFD, KIND_TMPFS, KIND_NS, KIND_NAME, KIND_STALE, KIND_NOWHERE,
	KINDS,
};

/* Files and their handles. */
struct things {
	int root;
	int file;
	int pidfd;
	int ns;
	struct handle fh;
	struct handle pid_fh;
	struct handle ns_fh;
	struct handle stale_fh;
};

int make_things(struct things *t);

/* Fails if a file of the tmpfs is still in use. */
int put_things(const struct things *t);

/* The memory of one request. */
struct request {
	char path[16];
	struct handle fh;
	__u64 mnt_id;
};

extern struct request requests[MANY + 1];
extern int results[MANY + 1];

void sqe_of_kind(struct io_uring_sqe *sqe, struct request *req,
		 const struct things *t, enum request_kind kind);

/* Returns true if @result is right for the request. Closes a descriptor. */
bool is_right(const struct request *req, const struct things *t, enum request_kind kind,
	      int result);

/* Prepares @nr requests of all kinds, with user data from @first on. */
void sqe_all_kinds(struct ring *ring, struct request *reqs,
		   const struct things *t, unsigned int first, unsigned int nr,
		   unsigned int flags);

int allow_many_fds(void);

/* Returns how many of @nr results, from results[1] on, are wrong. */
unsigned int nr_wrong(const struct things *t, unsigned int nr);

#endif /* __SELFTEST_FILE_HANDLE_REQUESTS_H */
