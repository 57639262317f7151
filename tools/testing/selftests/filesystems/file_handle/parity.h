/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Compares each call in three ways: the system call, a request that io_uring
 * executes inline, and a request with IOSQE_ASYNC. The result of the system call
 * must also be the one in parity_expected.h, which is that of the C
 * implementation.
 */
#ifndef __SELFTEST_FILE_HANDLE_PARITY_H
#define __SELFTEST_FILE_HANDLE_PARITY_H

#include "nsfs.h"
#include "ring.h"

/* In place of 0 or a negative errno: only parity_expected.h has the result. */
#define AS_IN_C		1

/* The result depends on the machine, and is not in parity_expected.h. */
#define ANY_RESULT	2

#define MISMATCH_MAX	256
#define RECORD_MAX	32768

enum way { SYSCALL, INLINE, ASYNC, WAYS };

struct parity {
	bool has_ring;		/* otherwise only system calls are made */
	struct ring ring;
	const char *expected;	/* the rest of the expected results, or NULL */
	unsigned int repeated;	/* how often the first of them has occurred */
	char mismatch[MISMATCH_MAX];

	/* Results so far in the format of parity_expected.h. */
	char record[RECORD_MAX];
	char last[32];
	unsigned int nr_last;
};

/* @name is that of the case. */
int parity_init(struct parity *p, const char *name, bool has_ring,
		unsigned int setup_flags);

/*
 * Returns an empty string, or what is wrong if not all expected results have
 * occurred. With PARITY_RECORD in the environment, prints all results.
 */
const char *parity_exit(struct parity *p, const char *name);

/*
 * Executes open_by_handle_at(2) and closes the file. Returns an empty string,
 * or a description of the first difference. @want is the result, AS_IN_C or
 * ANY_RESULT.
 */
const char *compare_open(struct parity *p, const char *what, int dfd,
			 const void *fh, unsigned int flags, int want);

/* The memory that name_to_handle_at(2) writes, and the bytes behind it. */
struct output {
	struct handle fh;
	unsigned char behind_fh[8];
	unsigned char mnt_id[16];
};

extern struct output named;

struct name_args {
	int dfd;
	const char *path;
	unsigned int flags;
	__u32 bytes;		/* announced size of the handle */
	void *fh;
	void *mnt_id;
	size_t fh_size;		/* size of @fh if that is not named.fh */
};

/* Arguments that store the result in @named. */
struct name_args name_args(int dfd, const char *path, unsigned int flags);

/* Executes name_to_handle_at(2). See compare_open(). */
const char *compare_args(struct parity *p, const char *what,
			 const struct name_args *args, int want);
const char *compare_name(struct parity *p, int dfd, const char *path,
			 unsigned int flags, int want);

/* A single call: a request, or a system call without a ring. */
int parity_open(struct parity *p, int dfd, const void *fh, unsigned int flags);
int parity_name(struct parity *p, const struct name_args *args, enum way way);

#define check_open(...) \
	EXPECT_STREQ("", compare_open(self->parity, __VA_ARGS__))
#define check_args(...) \
	EXPECT_STREQ("", compare_args(self->parity, __VA_ARGS__))
#define check_name(...) \
	EXPECT_STREQ("", compare_name(self->parity, __VA_ARGS__))

#endif /* __SELFTEST_FILE_HANDLE_PARITY_H */
