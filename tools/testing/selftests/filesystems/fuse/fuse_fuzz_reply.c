// SPDX-License-Identifier: GPL-2.0
/*
 * The grammar of the replies: a correct reply is divided into its parts, some of them
 * are changed, and the reply is put together again.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/sysmacros.h>

#include "fuse_fuzz.h"

#define HANDLE_HEAD	sizeof(struct fuse_file_handle)
#define ENTRY2		sizeof(struct fuse_entry2_out)
#define ENTRY		sizeof(struct fuse_entry_out)

/* One reply, alone or in a compound */
struct part {
	__u32 opcode;
	int error;
	__u64 unique;
	long len_bias;			/* added to the length in the header */
	unsigned char padding;
	size_t len;
	unsigned char data[1024];
};

/* The SplitMix64 generator */
__u64 fuzz_random(__u64 *state)
{
	__u64 z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

__u64 fuzz_seed(__u64 seed, __u64 nr, unsigned int op, unsigned int seq)
{
	__u64 state = seed;

	state = fuzz_random(&state) ^ nr;
	state = fuzz_random(&state) ^ op;
	state = fuzz_random(&state) ^ seq;
	return fuzz_random(&state);
}

void digest(struct fuzz *f, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		f->digest = (f->digest ^ *p++) * 0x100000001b3ULL;
}

static __u64 below(struct fuzz *f, __u64 limit)
{
	return fuzz_random(&f->reply_random) % limit;
}

static bool one_in(struct fuzz *f, unsigned int nr)
{
	return below(f, nr) == 0;
}

static void put_u32(unsigned char *p, __u32 value)
{
	memcpy(p, &value, sizeof(value));
}

static void put_u64(unsigned char *p, __u64 value)
{
	memcpy(p, &value, sizeof(value));
}

static __u32 any_size(struct fuzz *f)
{
	static const __u32 sizes[] = {
		0, 1, 2, 4, 7, 8, 15, 16, 17, 23, 24, 25, 100, 101, 104, 123, 124,
		125, 126, 127, 128,
	};

	return one_in(f, 2) ? sizes[below(f, ARRAY_SIZE(sizes))] :
			      below(f, FUSE_MAX_HANDLE_SIZE + 1);
}

static int any_error(struct fuzz *f)
{
	static const int errors[] = {
		EPERM, ENOENT, EINTR, EIO, EAGAIN, ENOMEM, EACCES, EEXIST, ENOTDIR,
		EISDIR, EINVAL, ENOSYS, EOPNOTSUPP, ESTALE, EOVERFLOW, ECANCELED,
		ELOOP, ECHILD, ENODATA, ERANGE, 511,
	};

	return one_in(f, 4) ? -1 - (int)below(f, 511) :
			      -errors[below(f, ARRAY_SIZE(errors))];
}

static unsigned int any_object(struct fuzz *f)
{
	return ROOT + below(f, 14);
}

static __u64 any_nodeid(struct fuzz *f, __u64 right)
{
	struct server *s = f->s;

	switch (below(f, 9)) {
	case 0:
		return 0;
	case 1:
		return FUSE_ROOT_ID;
	case 2:
		return f->nr_told ? f->told[below(f, f->nr_told)].nodeid : right;
	case 3:
		/* Another name of the same object */
		return right | (1 + below(f, 3)) << 24;
	case 4:
		/* As a former server would say */
		return (right & ((1ULL << 40) - 1)) |
			(__u64)(s->generation - 1) << 40;
	case 5:
		return fuzz_random(&f->reply_random);
	default:
		return object_nodeid(s, any_object(f));
	}
}

static __u64 any_timeout(struct fuzz *f)
{
	/* Nothing may depend on the time that a case takes. */
	static const __u64 timeouts[] = { 0, 0, 3600, 1ULL << 40, UINT64_MAX };

	return timeouts[below(f, ARRAY_SIZE(timeouts))];
}

static __u32 any_mode(struct fuzz *f)
{
	static const __u32 types[] = {
		S_IFREG, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR,
		S_IFBLK, 0, 0170000,
	};

	return types[below(f, ARRAY_SIZE(types))] | 0755;
}

static __u64 any_file_size(struct fuzz *f)
{
	static const __u64 sizes[] = {
		0, 1, 4096, INT64_MAX, 1ULL << 63, UINT64_MAX,
	};

	return sizes[below(f, ARRAY_SIZE(sizes))];
}

/* Replaces the struct fuse_file_handle at @at, with which the part ends. */
static void set_handle(struct part *p, size_t at, const unsigned char *bytes,
		       __u32 size)
{
	put_u32(p->data + at, size);
	put_u32(p->data + at + 4, 0);
	memset(p->data + at + HANDLE_HEAD, 0, FUSE_REC_ALIGN(size));
	memcpy(p->data + at + HANDLE_HEAD, bytes, size);
	p->len = at + HANDLE_HEAD + FUSE_REC_ALIGN(size);
}

/* Changes the handle at @at, of which @last is true if the part ends with it. */
static void change_handle(struct fuzz *f, struct part *p, size_t at, bool last)
{
	unsigned char bytes[512] = {};
	__u32 size, i;

	if (p->len < at + HANDLE_HEAD)
		return;
	memcpy(&size, p->data + at, sizeof(size));
	switch (below(f, last ? 10 : 4)) {
	case 0:
		put_u32(p->data + at, one_in(f, 3) ? (__u32)below(f, 1ULL << 32) :
						     size + 1 - 2 * below(f, 2));
		break;
	case 1:
		p->data[at + 4 + below(f, 4)] ^= 1 << below(f, 8);
		break;
	case 2:
		if (size && size <= FUSE_MAX_HANDLE_SIZE)
			p->data[at + HANDLE_HEAD + below(f, size)] ^= 1 << below(f, 8);
		break;
	case 3:
		/* The padding, if there is some */
		if (size <= FUSE_MAX_HANDLE_SIZE && size % 8)
			p->data[at + HANDLE_HEAD + size] = 1 + below(f, 255);
		break;
	case 4:
		/* Forged: that of another object, or of the root */
		object_handle(f->s, any_object(f), bytes, f->s->handle_size);
		set_handle(p, at, bytes, f->s->handle_size);
		break;
	case 5:
		size = any_size(f);
		for (i = 0; i < size; i++)
			bytes[i] = fuzz_random(&f->reply_random);
		set_handle(p, at, bytes, size);
		break;
	case 6:
		set_handle(p, at, bytes, 0);
		break;
	case 7:
		/* Too long by some bytes */
		set_handle(p, at, bytes, FUSE_MAX_HANDLE_SIZE + 1 + below(f, 24));
		break;
	case 8:
		/* The first bytes, as if this were the whole handle */
		size = any_size(f);
		object_handle(f->s, any_object(f), bytes, size);
		set_handle(p, at, bytes, size);
		break;
	case 9:
		set_handle(p, at, bytes, 1 + below(f, 3));
		p->data[at + HANDLE_HEAD + 3 + below(f, 5)] = 1;
		break;
	}
}

static void change_nodeid(struct fuzz *f, struct part *p)
{
	__u64 nodeid;

	memcpy(&nodeid, p->data, sizeof(nodeid));
	put_u64(p->data, any_nodeid(f, nodeid));
}

static void change_entry2(struct fuzz *f, struct part *p)
{
	if (p->len < ENTRY2)
		return;
	switch (below(f, 12)) {
	case 0:
	case 1:
	case 2:
		change_nodeid(f, p);
		break;
	case 3:
		put_u64(p->data + 8, any_timeout(f));
		put_u32(p->data + 16, 0);
		break;
	case 4:
		/* Less than a second would end during the case. */
		put_u64(p->data + 8, 3600);
		put_u32(p->data + 16, below(f, 1ULL << 32));
		break;
	case 5:
		put_u32(p->data + 20, one_in(f, 2) ? below(f, 4) :
						     below(f, 1ULL << 32));
		break;
	case 6:
		p->data[24 + below(f, 8)] ^= 1 << below(f, 8);
		break;
	default:
		change_handle(f, p, ENTRY2, true);
	}
}

/* Changes a struct fuse_attr. */
static void change_attr(struct fuzz *f, unsigned char *attr)
{
	switch (below(f, 5)) {
	case 0:
		put_u32(attr + offsetof(struct fuse_attr, mode), any_mode(f));
		break;
	case 1:
		put_u64(attr + offsetof(struct fuse_attr, size), any_file_size(f));
		break;
	case 2:
		put_u32(attr + offsetof(struct fuse_attr, nlink), below(f, 3));
		break;
	case 3:
		put_u64(attr, fuzz_random(&f->reply_random));
		break;
	case 4:
		attr[below(f, sizeof(struct fuse_attr))] ^= 1 << below(f, 8);
		break;
	}
}

static void change_entry(struct fuzz *f, struct part *p)
{
	if (p->len < ENTRY)
		return;
	switch (below(f, 8)) {
	case 0:
	case 1:
	case 2:
		change_nodeid(f, p);
		break;
	case 3:
		put_u64(p->data + 8, fuzz_random(&f->reply_random));
		break;
	case 4:
		put_u64(p->data + 16, any_timeout(f));
		put_u64(p->data + 24, any_timeout(f));
		break;
	case 5:
		if (p->len > ENTRY + 12)
			put_u32(p->data + ENTRY + 8, below(f, 1 << 9));
		break;
	default:
		change_attr(f, p->data + offsetof(struct fuse_entry_out, attr));
	}
}

static void change_statx(struct fuzz *f, struct part *p)
{
	unsigned char *stat = p->data + offsetof(struct fuse_statx_out, stat);

	if (p->len < sizeof(struct fuse_statx_out))
		return;
	switch (below(f, 7)) {
	case 0:
		put_u32(stat, BASIC_STATS & ~(1U << below(f, 11)));
		break;
	case 1:
		put_u32(stat, fuzz_random(&f->reply_random));
		break;
	case 2: {
		__u16 mode = any_mode(f);

		memcpy(stat + offsetof(struct fuse_statx, mode), &mode, sizeof(mode));
		break;
	}
	case 3:
		put_u64(stat + offsetof(struct fuse_statx, size), any_file_size(f));
		break;
	case 4:
		put_u32(stat + offsetof(struct fuse_statx, nlink), below(f, 3));
		break;
	case 5:
		put_u64(p->data, any_timeout(f));
		break;
	case 6:
		/* Except for the timeout */
		p->data[16 + below(f, p->len - 16)] ^= 1 << below(f, 8);
		break;
	}
}

/* Changes an entry of FUSE_READDIRPLUS. */
static void change_direntplus(struct fuzz *f, struct part *p)
{
	struct fuse_direntplus plus;
	size_t at = 0, len, next;
	__u32 size;

	while (p->len >= at + FUSE_NAME_OFFSET_DIRENTPLUS) {
		memcpy(&plus, p->data + at, FUSE_NAME_OFFSET_DIRENTPLUS);
		len = FUSE_DIRENTPLUS_SIZE(&plus);
		if (p->len < at + len + HANDLE_HEAD)
			return;
		memcpy(&size, p->data + at + len, sizeof(size));
		next = at + len + HANDLE_HEAD + FUSE_REC_ALIGN(size);
		if (size > FUSE_MAX_HANDLE_SIZE || next > p->len)
			return;
		if (one_in(f, 2) || next == p->len)
			break;
		at = next;
	}
	if (p->len < at + FUSE_NAME_OFFSET_DIRENTPLUS)
		return;
	switch (below(f, 10)) {
	case 0:
	case 1:
	case 2:
		put_u64(p->data + at, any_nodeid(f, plus.entry_out.nodeid));
		break;
	case 3:
		change_attr(f, p->data + at + offsetof(struct fuse_entry_out, attr));
		break;
	case 4:
		put_u32(p->data + at + ENTRY + offsetof(struct fuse_dirent, namelen),
			below(f, one_in(f, 2) ? 64 : 1ULL << 32));
		break;
	case 5:
		p->data[at + FUSE_NAME_OFFSET_DIRENTPLUS] = "/.\0n"[below(f, 4)];
		break;
	case 6:
		put_u64(p->data + at + 16, any_timeout(f));
		break;
	default:
		change_handle(f, p, at + len, false);
	}
}

/* Changes the arguments of one reply. */
static void change_arguments(struct fuzz *f, struct part *p)
{
	switch (p->opcode) {
	case FUSE_LOOKUP_HANDLE:
		return change_entry2(f, p);
	case FUSE_STATX:
		return change_statx(f, p);
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_LOOKUP:
		return change_entry(f, p);
	case FUSE_READDIRPLUS:
		return change_direntplus(f, p);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		if (p->len >= sizeof(struct fuse_attr_out))
			change_attr(f, p->data + offsetof(struct fuse_attr_out, attr));
		return;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		if (p->len >= sizeof(struct fuse_open_out))
			put_u32(p->data + 8, below(f, 1 << 9));
		return;
	default:
		if (p->len)
			p->data[below(f, p->len)] ^= 1 << below(f, 8);
	}
}

/* Changes the length of the arguments of one reply. */
static void change_length(struct fuzz *f, struct part *p)
{
	size_t more;

	if (one_in(f, 2)) {
		p->len = p->len ? below(f, p->len) : 0;
		return;
	}
	more = 1 + below(f, one_in(f, 2) ? 8 : 200);
	if (p->len + more > sizeof(p->data))
		return;
	memset(p->data + p->len, one_in(f, 2) ? 0 : 0xa5, more);
	p->len += more;
}

/* Changes one part of a compound, of which there are @nr. */
static void change_part(struct fuzz *f, struct part *p)
{
	switch (below(f, 16)) {
	case 0:
		p->error = any_error(f);
		p->len = one_in(f, 8) ? p->len : 0;
		break;
	case 1:
		p->error = one_in(f, 2) ? (int)below(f, 1000) : -512 - (int)below(f, 9);
		break;
	case 2:
		p->unique = one_in(f, 2) ? p->unique ^ (1ULL << below(f, 64)) :
					   below(f, 4);
		break;
	case 3:
		p->len_bias = one_in(f, 2) ? 1 - 2 * (long)below(f, 2) :
					     (long)below(f, 1 << 12) - (1 << 11);
		break;
	case 4:
		change_length(f, p);
		break;
	case 5:
		p->padding = 1 + below(f, 255);
		break;
	default:
		change_arguments(f, p);
	}
}

/* Divides the reply to a compound into its parts. Returns their number. */
static unsigned int divide(const struct request *r, const struct message *m,
			   struct part *parts)
{
	const unsigned char *in = r->args + sizeof(struct fuse_compound_in);
	const unsigned char *end = r->args + r->args_len;
	size_t at = sizeof(struct fuse_compound_out);
	struct fuse_out_header header;
	struct fuse_in_header request;
	unsigned int nr = 0;

	while (in < end && at + sizeof(header) <= m->len && nr < PARTS_MAX - 1) {
		struct part *p = &parts[nr++];

		memcpy(&request, in + sizeof(struct fuse_compound_req_in),
		       sizeof(request));
		in += sizeof(struct fuse_compound_req_in) +
		      FUSE_REC_ALIGN(request.len);
		memcpy(&header, m->data + at, sizeof(header));
		at += sizeof(header);
		p->opcode = request.opcode;
		p->error = header.error;
		p->unique = header.unique;
		p->len_bias = 0;
		p->padding = 0;
		p->len = header.len - sizeof(header);
		memcpy(p->data, m->data + at, p->len);
		at += FUSE_REC_ALIGN(p->len);
	}
	return nr;
}

static void put_part(struct message *m, const struct part *p)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + p->len + p->len_bias,
		.error = p->error,
		.unique = p->unique,
	};
	unsigned char padding[8];

	memset(padding, p->padding, sizeof(padding));
	put_bytes(m, &header, sizeof(header));
	put_bytes(m, p->data, p->len);
	put_bytes(m, padding, FUSE_REC_ALIGN(p->len) - p->len);
}

/* Drops, repeats or exchanges parts. Returns their number. */
static unsigned int reorder(struct fuzz *f, struct part *parts, unsigned int nr)
{
	static struct part spare;
	unsigned int i;

	if (!nr)
		return nr;
	i = below(f, nr);
	switch (below(f, 3)) {
	case 0:
		memmove(&parts[i], &parts[i + 1], (nr - i - 1) * sizeof(*parts));
		return nr - 1;
	case 1:
		memmove(&parts[i + 1], &parts[i], (nr - i) * sizeof(*parts));
		return nr + 1;
	default:
		spare = parts[0];
		parts[0] = parts[i];
		parts[i] = spare;
		return nr;
	}
}

/* Returns true if a timeout is at @at in the arguments of a reply. */
static bool is_timeout(__u32 opcode, size_t at)
{
	switch (opcode) {
	case FUSE_LOOKUP_HANDLE:
		return at >= 8 && at < 20;
	case FUSE_STATX:
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return at < 12;
	case FUSE_READDIRPLUS:
		return true;
	default:
		return at >= 16 && at < 40;
	}
}

/* The same for any reply. Nothing may depend on the time that a case takes. */
static bool is_time(const struct request *r, const struct message *m, size_t at)
{
	static struct part parts[PARTS_MAX];
	size_t start = sizeof(struct fuse_compound_out);
	unsigned int nr, i;

	if (r->in.opcode != FUSE_COMPOUND)
		return is_timeout(r->in.opcode, at);
	nr = divide(r, m, parts);
	for (i = 0; i < nr; i++) {
		start += sizeof(struct fuse_out_header);
		if (at >= start && at < start + parts[i].len)
			return is_timeout(parts[i].opcode, at - start);
		start += FUSE_REC_ALIGN(parts[i].len);
	}
	return false;
}

/* Changes the bytes of a whole reply. */
static void change_bytes(struct fuzz *f, const struct request *r, struct message *m)
{
	unsigned int nr = 1 + below(f, 4), i;
	size_t at[4];

	switch (below(f, 3)) {
	case 0:
		m->len = m->len ? below(f, m->len) : 0;
		break;
	case 1:
		nr = 1 + below(f, one_in(f, 2) ? 8 : 300);
		if (m->len + nr > sizeof(m->data))
			break;
		memset(m->data + m->len, one_in(f, 2) ? 0 : 0xa5, nr);
		m->len += nr;
		break;
	default:
		for (i = 0; i < nr && m->len; i++) {
			at[i] = below(f, m->len);
			if (is_time(r, m, at[i]))
				at[i] = m->len - 1;
		}
		for (i = 0; i < nr && m->len; i++)
			m->data[at[i]] ^= 1 << below(f, 8);
	}
}

static void mutate_compound(struct fuzz *f, const struct request *r,
			    struct message *m)
{
	static struct part parts[PARTS_MAX];
	unsigned int nr = divide(r, m, parts), i, changes = 1 + one_in(f, 4);

	while (changes-- && nr)
		change_part(f, &parts[below(f, nr)]);
	if (one_in(f, 16))
		nr = reorder(f, parts, nr);
	m->len = sizeof(struct fuse_compound_out);
	if (one_in(f, 32))
		m->data[below(f, m->len)] ^= 1 << below(f, 8);
	for (i = 0; i < nr; i++)
		put_part(m, &parts[i]);
}

static void mutate_single(struct fuzz *f, const struct request *r,
			  struct message *m)
{
	static struct part part;

	if (m->len > sizeof(part.data))
		return change_bytes(f, r, m);
	part.opcode = r->in.opcode;
	part.len = m->len;
	memcpy(part.data, m->data, m->len);
	/* The content shows which object the server has read. */
	if (r->in.opcode == FUSE_READ || one_in(f, 6))
		change_length(f, &part);
	else
		change_arguments(f, &part);
	m->len = 0;
	put_bytes(m, part.data, part.len);
}

/* These can arrive at any time, or only mark the end of an operation. */
static bool is_never_mutated(__u32 opcode)
{
	switch (opcode) {
	case FUSE_INIT:
	case FUSE_STATFS:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_NOTIFY_REPLY:
		return true;
	default:
		return false;
	}
}

int mutate(struct server *s, const struct request *r, int error, struct message *m)
{
	struct fuzz *f = s->others_data;

	if (is_never_mutated(r->in.opcode))
		return error;
	f->reply_random = fuzz_seed(f->seed, f->nr, f->op, ++f->seq);
	f->replies++;
	if (below(f, 256) >= f->rate)
		return error;
	f->mutated++;
	if (one_in(f, 16))
		return one_in(f, 4) ? 0 : any_error(f);
	if (error)
		return error;
	if (one_in(f, 12) && r->in.opcode != FUSE_READ)
		change_bytes(f, r, m);
	else if (r->in.opcode == FUSE_COMPOUND)
		mutate_compound(f, r, m);
	else
		mutate_single(f, r, m);
	return 0;
}

void note(struct fuzz *f, const char *format, ...)
{
	va_list args;

	if (!f->print)
		return;
	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void fail(struct fuzz *f, const char *format, ...)
{
	va_list args;
	int len;

	if (f->failure[0])
		return;
	len = snprintf(f->failure, sizeof(f->failure), "operation %u: ", f->op);
	va_start(args, format);
	vsnprintf(f->failure + len, sizeof(f->failure) - len, format, args);
	va_end(args);
	note(f, "FAILURE: %s", f->failure);
}
