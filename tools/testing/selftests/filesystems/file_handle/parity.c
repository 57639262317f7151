// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <stdarg.h>

#include "parity.h"
#include "parity_expected.h"

struct output named;

static const char *const way_names[] = {
	"system call", "inline request", "IOSQE_ASYNC",
};

/* A file that has been opened. There is no padding. */
struct opened {
	__s64 ret;		/* 0 or a negative errno */
	__u64 dev;
	__u64 ino;
	__u64 mode;
	__u64 status;		/* F_GETFL */
	__u64 cloexec;
};

static const char *find_expected(const char *name)
{
	unsigned int i;

	/* The numbers of the open flags depend on the architecture. */
	if (O_DIRECTORY != 0200000 || O_NOFOLLOW != 0400000)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(parity_expected); i++) {
		if (!strcmp(name, parity_expected[i].name))
			return parity_expected[i].results;
	}
	return NULL;
}

int parity_init(struct parity *p, const char *name, bool has_ring,
		unsigned int setup_flags)
{
	memset(p, 0, sizeof(*p));
	p->has_ring = has_ring;
	p->ring.fd = -1;
	p->expected = find_expected(name);
	return has_ring ? ring_init(&p->ring, setup_flags) : 0;
}

static __printf(2, 3) const char *mismatch(struct parity *p, const char *fmt,
					   ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->mismatch, sizeof(p->mismatch), fmt, args);
	va_end(args);
	return p->mismatch;
}

/* Appends the last result, and how often it has occurred. */
static void record_last(struct parity *p)
{
	size_t used = strlen(p->record);

	if (p->nr_last > 1)
		snprintf(p->record + used, sizeof(p->record) - used, "%sx%u ",
			 p->last, p->nr_last);
	else if (p->nr_last)
		snprintf(p->record + used, sizeof(p->record) - used, "%s ",
			 p->last);
	p->nr_last = 0;
}

static void record(struct parity *p, const char *result)
{
	if (p->nr_last && strcmp(result, p->last))
		record_last(p);
	snprintf(p->last, sizeof(p->last), "%s", result);
	p->nr_last++;
}

/* Compares @result with the next expected one: "RESULT " or "RESULTxNUMBER ". */
static const char *next_expected(struct parity *p, const char *what,
				 const char *result)
{
	unsigned int nr = 1;
	char want[32] = "";

	record(p, result);
	if (!p->expected)
		return "";
	if (sscanf(p->expected, "%31[^x ]x%u", want, &nr) < 1)
		return mismatch(p, "%s: more results than in C", what);
	if (strcmp(result, want))
		return mismatch(p, "%s: result %s, and %s in C", what, result,
				want);
	if (++p->repeated < nr)
		return "";
	p->repeated = 0;
	p->expected = strchr(p->expected, ' ') + 1;
	return "";
}

const char *parity_exit(struct parity *p, const char *name)
{
	record_last(p);
	if (getenv("PARITY_RECORD"))
		printf("# expected %s: %s\n", name, p->record);
	if (p->has_ring)
		ring_exit(&p->ring);
	if (p->expected && *p->expected)
		return mismatch(p, "missing results: %s", p->expected);
	return "";
}

static struct opened look_at(int fd)
{
	struct opened seen;
	struct stat st;

	memset(&seen, 0, sizeof(seen));
	if (fd < 0 || fstat(fd, &st)) {
		seen.ret = fd < 0 ? fd : -errno;
		return seen;
	}
	seen.dev = st.st_dev;
	seen.ino = st.st_ino;
	seen.mode = st.st_mode;
	seen.status = fcntl(fd, F_GETFL);
	seen.cloexec = fcntl(fd, F_GETFD);
	close(fd);
	return seen;
}

static void describe_opened(const struct opened *seen, char *text, size_t size)
{
	if (seen->ret)
		snprintf(text, size, "E%d", (int)-seen->ret);
	else
		snprintf(text, size, "%o%s",
			 (unsigned int)seen->status & ~KERNEL_O_LARGEFILE,
			 seen->cloexec ? "c" : "");
}

static unsigned int sqe_flags_of(enum way way)
{
	return way == ASYNC ? IOSQE_ASYNC : 0;
}

const char *compare_open(struct parity *p, const char *what, int dfd,
			 const void *fh, unsigned int flags, int want)
{
	const char *wrong = "";
	struct opened seen[WAYS];
	char text[32];
	enum way way;

	seen[SYSCALL] = look_at(decode(dfd, fh, flags));
	if (want <= 0 && seen[SYSCALL].ret != want)
		return mismatch(p, "%s, flags %#o: %d instead of %d", what,
				flags, (int)seen[SYSCALL].ret, want);
	if (want != ANY_RESULT) {
		describe_opened(&seen[SYSCALL], text, sizeof(text));
		wrong = next_expected(p, what, text);
	}
	for (way = INLINE; p->has_ring && way < WAYS; way++) {
		seen[way] = look_at(ring_open(&p->ring, dfd, fh, flags,
					      sqe_flags_of(way)));
		if (memcmp(&seen[way], &seen[SYSCALL], sizeof(*seen)))
			wrong = mismatch(p, "%s, flags %#o, %s: %d, %#o and %d, %#o",
					 what, flags, way_names[way],
					 (int)seen[way].ret,
					 (unsigned int)seen[way].status,
					 (int)seen[SYSCALL].ret,
					 (unsigned int)seen[SYSCALL].status);
	}
	return wrong;
}

struct name_args name_args(int dfd, const char *path, unsigned int flags)
{
	return (struct name_args) {
		.dfd = dfd, .path = path, .flags = flags, .bytes = HANDLE_MAX,
		.fh = &named.fh, .mnt_id = named.mnt_id,
	};
}

/* Fills the output with canaries. Another handle starts with the same bytes. */
static void reset_output(const struct name_args *args)
{
	memset(&named, CANARY, sizeof(named));
	named.fh.bytes = args->bytes;
	memcpy(args->fh_size ? args->fh : &named.fh, &named.fh, args->fh_size);
}

int parity_name(struct parity *p, const struct name_args *args, enum way way)
{
	struct io_uring_sqe *sqe;

	reset_output(args);
	if (way == SYSCALL || !p->has_ring)
		return encode_at(args->dfd, args->path, args->fh, args->mnt_id,
				 args->flags);
	sqe = ring_sqe(&p->ring);
	sqe_name(sqe, args->dfd, args->path, args->fh, args->mnt_id,
		 args->flags);
	sqe->flags = sqe_flags_of(way);
	return ring_run(&p->ring);
}

int parity_open(struct parity *p, int dfd, const void *fh, unsigned int flags)
{
	if (!p->has_ring)
		return decode(dfd, fh, flags);
	return ring_open(&p->ring, dfd, fh, flags, 0);
}

/* An errno, or the size and the type of the handle. */
static void describe_named(const struct name_args *args, int ret, char *text,
			   size_t size)
{
	if (ret)
		snprintf(text, size, "E%d", -ret);
	else if (args->fh == &named.fh)
		snprintf(text, size, "%u/%d", named.fh.bytes, named.fh.type);
	else
		snprintf(text, size, "0");
}

const char *compare_args(struct parity *p, const char *what,
			 const struct name_args *args, int want)
{
	unsigned char elsewhere[sizeof(struct handle)];
	struct output by_syscall;
	const char *wrong = "";
	int expect, ret;
	char text[32];
	enum way way;

	expect = parity_name(p, args, SYSCALL);
	if (want <= 0 && expect != want)
		return mismatch(p, "%s, flags %#x: %d instead of %d", what,
				args->flags, expect, want);
	if (want != ANY_RESULT) {
		describe_named(args, expect, text, sizeof(text));
		wrong = next_expected(p, what, text);
	}
	by_syscall = named;
	memcpy(elsewhere, args->fh_size ? args->fh : elsewhere, args->fh_size);

	for (way = INLINE; p->has_ring && way < WAYS; way++) {
		ret = parity_name(p, args, way);
		if (ret != expect ||
		    memcmp(&named, &by_syscall, sizeof(named)))
			wrong = mismatch(p, "%s, flags %#x, %s: %d and %d",
					 what, args->flags, way_names[way], ret,
					 expect);
		/* A copy that faults can write any number of bytes. */
		if (args->fh_size && expect != -EFAULT &&
		    memcmp(args->fh, elsewhere, args->fh_size))
			wrong = mismatch(p, "%s, %s: another handle", what,
					 way_names[way]);
	}
	return wrong;
}

const char *compare_name(struct parity *p, int dfd, const char *path,
			 unsigned int flags, int want)
{
	const struct name_args args = name_args(dfd, path, flags);

	return compare_args(p, path ?: "NULL", &args, want);
}
