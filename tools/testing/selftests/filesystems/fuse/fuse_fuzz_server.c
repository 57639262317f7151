// SPDX-License-Identifier: GPL-2.0
/*
 * The server: it executes requests, sends what the grammar makes of the replies, and
 * is restarted.
 */
#define _GNU_SOURCE
#include <sys/uio.h>

#include "fuse_fuzz.h"

/* Requests that can arrive at any time. Nothing random depends on them. */
static bool is_asynchronous(__u32 opcode)
{
	switch (opcode) {
	case FUSE_INIT:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_NOTIFY_REPLY:
	case FUSE_STATFS:
		return true;
	default:
		return false;
	}
}

/* Returns the size of the arguments of the reply to a request in a compound. */
static size_t largest_reply(__u32 opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP_HANDLE:
		return sizeof(struct fuse_entry2_out) +
		       sizeof(struct fuse_file_handle) + FUSE_MAX_HANDLE_SIZE;
	case FUSE_STATX:
		return sizeof(struct fuse_statx_out);
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		return sizeof(struct fuse_entry_out);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return sizeof(struct fuse_attr_out);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return sizeof(struct fuse_open_out);
	case FUSE_WRITE:
		return sizeof(struct fuse_write_out);
	case FUSE_STATFS:
		return sizeof(struct fuse_statfs_out);
	case FUSE_GETXATTR:
		/* Before a write, only the size of security.capability is requested. */
		return sizeof(struct fuse_getxattr_out);
	default:
		return 0;
	}
}

static size_t largest_compound(const struct request *r)
{
	const unsigned char *p = r->args + sizeof(struct fuse_compound_in);
	size_t size = sizeof(struct fuse_compound_out);
	struct fuse_in_header in;

	while (p < r->args + r->args_len) {
		memcpy(&in, p + sizeof(struct fuse_compound_req_in), sizeof(in));
		size += sizeof(struct fuse_out_header) +
			FUSE_REC_ALIGN(largest_reply(in.opcode));
		p += sizeof(struct fuse_compound_req_in) + FUSE_REC_ALIGN(in.len);
	}
	return size;
}

/* Returns true if write(2) of a reply must fail because of its length. */
static bool is_refused(const struct request *r, int error, size_t len)
{
	struct fuse_read_in read;

	if (error)
		return false;
	switch (r->in.opcode) {
	case FUSE_COMPOUND:
		return len < sizeof(struct fuse_compound_out) ||
		       len > largest_compound(r);
	case FUSE_LOOKUP_HANDLE:
		return len < sizeof(struct fuse_entry2_out) ||
		       len > largest_reply(FUSE_LOOKUP_HANDLE);
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		memcpy(&read, r->args, sizeof(read));
		return len > read.size;
	case FUSE_READLINK:
		return len > 4095;
	default:
		return len != largest_reply(r->in.opcode);
	}
}

/* Writes a reply that the kernel must not accept, and that must not end the request. */
static void write_wrong_reply(struct fuzz *f, const struct request *r,
			      const struct message *m)
{
	__u64 random = fuzz_seed(f->seed, f->nr, f->op, 0x20000 + f->seq);
	struct fuse_out_header header = {
		.len = sizeof(header) + m->len,
		.unique = r->in.unique,
	};
	struct iovec iov[2] = { { &header, sizeof(header) }, { (void *)m->data, m->len } };
	int expected = EINVAL;
	ssize_t ret;

	if (random % 256 >= f->wire_rate)
		return;
	random >>= 8;
	switch (random % 8) {
	case 0:
		header.len += 1 + (random >> 3) % 7;
		break;
	case 1:
		header.error = 1 + (random >> 3) % 1000;
		break;
	case 2:
		header.error = -512 - (int)((random >> 3) % 1000);
		break;
	case 3:
		header.unique ^= 1ULL << (16 + (random >> 3) % 40);
		expected = ENOENT;
		break;
	case 4:
		header.unique ^= FUSE_UNIQUE_RESEND;
		expected = ENOENT;
		break;
	case 5:
		iov[0].iov_len = 1 + (random >> 3) % (sizeof(header) - 1);
		iov[1].iov_len = 0;
		break;
	case 6:
		/* No notification */
		header.unique = 0;
		header.error = -1 - (int)((random >> 3) % 500);
		break;
	default:
		/* The reply to a FUSE_INTERRUPT has no arguments. */
		header.unique |= 1;
		if (!m->len)
			return;
		break;
	}
	f->mutated++;
	f->replies++;
	ret = writev(f->s->fd, iov, 2);
	if (ret >= 0 || errno != expected)
		fail(f, "opcode %u: write of a wrong reply (%llu): %zd, errno %d",
		     r->in.opcode, (unsigned long long)random % 8, ret, errno);
}

static void log_reply(struct fuzz *f, const struct request *r, int error,
		      const struct message *m)
{
	size_t i, len = error ? 0 : m->len;
	char line[2 * 640 + 1] = "";

	if (!f->print)
		return;
	for (i = 0; i < len && i < 640; i++)
		sprintf(line + 2 * i, "%02x", m->data[i]);
	note(f, "  opcode %u nodeid %llx: error %d, %zu bytes %s", r->in.opcode,
	     (unsigned long long)r->in.nodeid, error, len, line);
	note(f, "  verdict: opcode %u %s error %d nodeid %llx size %u",
	     f->last.opcode, f->last.decided ? "decided" : "undecided", f->last.error,
	     (unsigned long long)f->last.nodeid, f->last.handle.size);
}

bool send_reply(struct server *s, const struct request *r, int error,
		const struct message *m)
{
	struct fuzz *f = s->others_data;
	bool refused = is_refused(r, error, m->len);
	bool is_async = is_asynchronous(r->in.opcode), accepted;

	if (!is_async) {
		write_wrong_reply(f, r, m);
		judge(f, r, error, m, refused);
		digest(f, &r->in.opcode, sizeof(r->in.opcode));
		digest(f, &error, sizeof(error));
		digest(f, m->data, error ? 0 : m->len);
		log_reply(f, r, error, m);
	}
	accepted = fuse_reply(s->fd, r->in.unique, error, m->data, m->len);
	/* Without FUSE_INIT, the kernel expects replies of the first protocol. */
	if (!is_async && f->init <= INIT_LATE && accepted == refused)
		fail(f, "opcode %u: a reply of %zu bytes was %s", r->in.opcode,
		     error ? 0 : m->len, accepted ? "accepted" : "refused");
	/* The request has ended. */
	if (!accepted && fuse_reply(s->fd, r->in.unique, -EIO, NULL, 0))
		fail(f, "opcode %u: a request goes on after a refused reply",
		     r->in.opcode);
	return accepted;
}

/* Removes a name. The object that gets its number next has another handle. */
static int remove_name(struct server *s, const struct request *r)
{
	unsigned int id = child(s, nodeid_object(s, r->in.nodeid),
				(const char *)r->args);

	if (!id)
		return s->resent ? 0 : -ENOENT;
	s->objects[id].exists = false;
	s->objects[id].version++;
	return 0;
}

static int rename_object(struct server *s, const struct request *r)
{
	size_t size = r->in.opcode == FUSE_RENAME2 ? sizeof(struct fuse_rename2_in) :
						     sizeof(struct fuse_rename_in);
	const char *old = (const char *)r->args + size;
	const char *new = old + strlen(old) + 1;
	unsigned int parent, id, target;
	__u64 nodeid;

	memcpy(&nodeid, r->args, sizeof(nodeid));
	parent = second_object(s, r, nodeid);
	id = child(s, nodeid_object(s, r->in.nodeid), old);
	if (!id || !parent)
		return s->resent ? 0 : -ENOENT;
	target = child(s, parent, new);
	if (target && target != id) {
		s->objects[target].exists = false;
		s->objects[target].version++;
	}
	s->objects[id].parent = parent;
	snprintf(s->objects[id].name, sizeof(s->objects[id].name), "%s", new);
	return 0;
}

/* The content is the object that the nodeid identifies, if this is known. */
static int read_content(struct fuzz *f, const struct request *r, struct message *m)
{
	struct told *told = find_told(f, r->in.nodeid);
	struct fuse_read_in in;
	char buf[32];
	size_t len;

	memcpy(&in, r->args, sizeof(in));
	len = snprintf(buf, sizeof(buf), "is %08x\n", told && !told->ambiguous ?
		       fingerprint(&told->bound) : 0);
	if (in.offset < len)
		put_bytes(m, buf + in.offset,
			  len - in.offset < in.size ? len - in.offset : in.size);
	return 0;
}

int answer_others(struct server *s, const struct request *r, struct message *m)
{
	switch (r->in.opcode) {
	case FUSE_READ:
		return read_content(s->others_data, r, m);
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		return remove_name(s, r);
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return rename_object(s, r);
	case FUSE_READLINK:
		put_bytes(m, "nowhere", 7);
		return 0;
	default:
		return -ENOSYS;
	}
}

/* Returns true if the server does not reply to the request, which is repeated. */
static bool restart_instead(struct fuzz *f, const struct request *r)
{
	struct server *s = f->s;
	__u64 random;
	int code, err;

	/* Without FUSE_INIT, the kernel refuses these notifications. */
	if (is_asynchronous(r->in.opcode) || !f->restart_rate || f->init > INIT_LATE)
		return false;
	random = fuzz_seed(f->seed, f->nr, f->op, 0x10000 + ++f->seq);
	code = random % 4 ? FUSE_NOTIFY_RESTART : FUSE_NOTIFY_RESEND;
	random >>= 8;
	if (random % 1024 >= f->restart_rate)
		return false;
	if (code == FUSE_NOTIFY_RESTART) {
		forget_all(s);
		f->nr_told = 0;
		f->restarted = true;
		f->is_pending = false;
	}
	err = notify(s, code, NULL, 0);
	note(f, "  notification %d: %d", code, err);
	if (err)
		fail(f, "notification %d: %d", code, err);
	return !err;
}

/* Waits until the caller waits for the reply to FUSE_INIT. */
static void wait_for_caller(struct fuzz *f)
{
	char name[64], stat[128] = "", state = 'R';
	int fd, i;

	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", f->caller);
	for (i = 0; i < 10000 && (state == 'R' || !f->is_calling); i++) {
		sched_yield();
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		if (read(fd, stat, sizeof(stat) - 1) > 0 && strrchr(stat, ')'))
			state = strrchr(stat, ')')[2];
		close(fd);
	}
}

/* Returns false if the server exits. */
static bool answer_init(struct fuzz *f, struct request *r)
{
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION - 1 };

	if (f->init != INIT_AT_ONCE)
		wait_for_caller(f);
	switch (f->init) {
	case INIT_NEVER:
		return false;
	case INIT_ERROR:
		fuse_reply(f->s->fd, r->in.unique, -EPROTO, NULL, 0);
		return true;
	case INIT_VERSION:
		fuse_reply(f->s->fd, r->in.unique, 0, &out, sizeof(out));
		return true;
	case INIT_FLAGS:
		f->s->init_flags |= FUSE_ALLOW_IDMAP;
		handle_request(f->s, r);
		return true;
	default:
		handle_request(f->s, r);
		return true;
	}
}

void serve(struct server *s)
{
	struct fuzz *f = s->others_data;
	unsigned int violations;
	struct request r;
	int ret;

	/* The thread ends when the filesystem is unmounted. */
	for (;;) {
		ret = receive_request(s, -1, &r);
		if (ret < 0)
			break;
		if (!ret)
			continue;
		if (r.in.opcode == FUSE_INIT) {
			if (!answer_init(f, &r))
				break;
			continue;
		}
		if (restart_instead(f, &r))
			continue;
		violations = s->violations;
		f->in_compound = r.in.opcode == FUSE_COMPOUND;
		if (f->init > INIT_LATE && (r.in.opcode == FUSE_COMPOUND ||
					    r.in.opcode == FUSE_LOOKUP_HANDLE))
			fail(f, "opcode %u after FUSE_INIT was refused", r.in.opcode);
		if (r.in.opcode == FUSE_NOTIFY_REPLY)
			check_request(s, &r);
		else
			handle_request(s, &r);
		if (s->violations != violations)
			fail(f, "opcode %u nodeid %llx: violation of the protocol",
			     r.in.opcode, (unsigned long long)r.in.nodeid);
	}
	close(s->fd);
}
