// SPDX-License-Identifier: GPL-2.0
/* Requests that change objects. */
#define _GNU_SOURCE
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "fuse_changes.h"
#include "fuse_requests.h"

static int remove_name(struct server *s, const struct request *r)
{
	unsigned int id = child(s, nodeid_object(s, r->in.nodeid),
				(const char *)r->args), other;

	if (!id)
		return -ENOENT;
	for (other = ROOT + 1; other < s->nr_objects; other++) {
		if (s->objects[other].exists && s->objects[other].parent == id)
			return -ENOTEMPTY;
	}
	s->objects[id].exists = false;
	return 0;
}

static void set_name(struct server *s, unsigned int id, unsigned int parent,
		     const char *name)
{
	s->objects[id].parent = parent;
	snprintf(s->objects[id].name, sizeof(s->objects[id].name), "%s", name);
}

static int rename_object(struct server *s, const struct request *r)
{
	unsigned int parent = nodeid_object(s, r->in.nodeid), id, replaced, target;
	size_t size = sizeof(struct fuse_rename_in);
	struct fuse_rename2_in in = {};
	const char *from, *to;

	if (r->in.opcode == FUSE_RENAME2)
		size = sizeof(in);
	memcpy(&in, r->args, size);
	from = (const char *)r->args + size;
	to = from + strlen(from) + 1;
	target = second_object(s, r, in.newdir);
	id = child(s, parent, from);
	replaced = child(s, target, to);
	if (!id || (in.flags & RENAME_EXCHANGE && !replaced))
		return -ENOENT;
	if (in.flags & RENAME_NOREPLACE && replaced)
		return -EEXIST;
	if (in.flags & RENAME_EXCHANGE)
		set_name(s, replaced, parent, from);
	else if (replaced)
		s->objects[replaced].exists = false;
	set_name(s, id, target, to);
	return 0;
}

static int set_attribute(struct changes *c, const struct request *r)
{
	const char *name = (const char *)r->args + FUSE_COMPAT_SETXATTR_IN_SIZE;
	struct fuse_setxattr_in in = {};

	memcpy(&in, r->args, FUSE_COMPAT_SETXATTR_IN_SIZE);
	if (strcmp(name, ATTRIBUTE) || !in.size || in.size > sizeof(c->value))
		return -EOPNOTSUPP;
	if (in.flags & XATTR_CREATE && c->value_len)
		return -EEXIST;
	if (in.flags & XATTR_REPLACE && !c->value_len)
		return -ENODATA;
	memcpy(c->value, name + sizeof(ATTRIBUTE), in.size);
	c->value_len = in.size;
	return 0;
}

static int remove_attribute(struct changes *c, const struct request *r)
{
	if (strcmp((const char *)r->args, ATTRIBUTE) || !c->value_len)
		return -ENODATA;
	c->value_len = 0;
	return 0;
}

static int get_attribute(struct changes *c, const struct request *r,
			 struct message *m)
{
	struct fuse_getxattr_out out = { .size = c->value_len };
	struct fuse_getxattr_in in;

	memcpy(&in, r->args, sizeof(in));
	if (strcmp((const char *)r->args + sizeof(in), ATTRIBUTE) || !c->value_len)
		return -ENODATA;
	if (in.size && in.size < c->value_len)
		return -ERANGE;
	if (in.size)
		put_bytes(m, c->value, c->value_len);
	else
		put_bytes(m, &out, sizeof(out));
	return 0;
}

/* The locks of a former server are lost. A lock of another owner is not waited for. */
static int set_lock(struct server *s, struct changes *c, const struct request *r)
{
	struct fuse_lk_in in;

	memcpy(&in, r->args, sizeof(in));
	if (c->lock_server != s->generation)
		c->lock_owner = 0;
	if (c->lock_owner && c->lock_owner != in.owner)
		return in.lk.type == F_UNLCK ? 0 : -EAGAIN;
	c->lock_owner = in.lk.type == F_UNLCK ? 0 : in.owner;
	c->lock_server = s->generation;
	return 0;
}

static void unlock(struct changes *c, __u64 owner)
{
	if (c->lock_owner == owner)
		c->lock_owner = 0;
}

static int copy_range(struct server *s, struct changes *c, const struct request *r,
		      struct message *m)
{
	struct fuse_copy_file_range_out out64 = {};
	struct fuse_copy_file_range_in in;
	struct fuse_write_out out = {};

	memcpy(&in, r->args, sizeof(in));
	c->copied_from = nodeid_object(s, r->in.nodeid);
	c->copied_to = second_object(s, r, in.nodeid_out);
	out.size = in.len;
	out64.bytes_copied = in.len;
	if (r->in.opcode == FUSE_COPY_FILE_RANGE)
		put_bytes(m, &out, sizeof(out));
	else
		put_bytes(m, &out64, sizeof(out64));
	return 0;
}

static int allocate(struct changes *c, const struct request *r)
{
	struct fuse_fallocate_in in;

	memcpy(&in, r->args, sizeof(in));
	c->allocated = in.offset + in.length;
	return 0;
}

static int find_hole(const struct request *r, struct message *m)
{
	struct fuse_lseek_out out;
	struct fuse_lseek_in in;

	memcpy(&in, r->args, sizeof(in));
	out.offset = in.offset + HOLE_AFTER;
	put_bytes(m, &out, sizeof(out));
	return 0;
}

/* @done: the counter has the value of this request. */
static int do_ioctl(struct changes *c, const struct request *r, bool done,
		    struct message *m)
{
	struct fuse_ioctl_out out = {};
	struct fuse_ioctl_in in;
	__u32 value = 0;

	memcpy(&in, r->args, sizeof(in));
	if (in.cmd != COUNTER_GET && in.cmd != COUNTER_ADD)
		return -ENOTTY;
	if (in.cmd == COUNTER_ADD && !done) {
		memcpy(&value, r->args + sizeof(in), sizeof(value));
		c->counter += value;
	}
	put_bytes(m, &out, sizeof(out));
	put_bytes(m, &c->counter, sizeof(c->counter));
	return 0;
}

/* Executes a request, also if it is repeated. */
static int execute(struct server *s, struct changes *c, const struct request *r,
		   struct message *m)
{
	switch (r->in.opcode) {
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		return remove_name(s, r);
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return rename_object(s, r);
	case FUSE_SETXATTR:
		return set_attribute(c, r);
	case FUSE_REMOVEXATTR:
		return remove_attribute(c, r);
	case FUSE_GETXATTR:
		return get_attribute(c, r, m);
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return set_lock(s, c, r);
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return copy_range(s, c, r, m);
	case FUSE_FALLOCATE:
		return allocate(c, r);
	case FUSE_FSYNC:
		return 0;
	case FUSE_LSEEK:
		return find_hole(r, m);
	case FUSE_IOCTL:
		return do_ioctl(c, r, false, m);
	default:
		return -ENOSYS;
	}
}

/* Returns true if a request must not be executed again. */
static bool only_once(const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_IOCTL:
		return true;
	default:
		return false;
	}
}

static int answer_changes(struct server *s, const struct request *r,
			  struct message *m)
{
	__u64 unique = r->in.unique & ~FUSE_UNIQUE_RESEND;
	struct changes *c = s->others_data;
	struct fuse_release_in release;
	struct fuse_flush_in flush;
	int err;

	if (r->in.opcode == FUSE_FLUSH) {
		memcpy(&flush, r->args, sizeof(flush));
		unlock(c, flush.lock_owner);
		return 0;
	}
	if (r->in.opcode == FUSE_RELEASE) {
		memcpy(&release, r->args, sizeof(release));
		if (release.release_flags & FUSE_RELEASE_FLOCK_UNLOCK)
			unlock(c, release.lock_owner);
		return -ENOSYS;
	}
	if (only_once(r) && s->resent && !s->naive && c->last == unique)
		return r->in.opcode == FUSE_IOCTL ? do_ioctl(c, r, true, m) : 0;
	err = execute(s, c, r, m);
	if (err != -ENOSYS) {
		c->executed[r->in.opcode]++;
		c->last = unique;
	}
	return err;
}

void execute_changes(struct server *s, struct changes *c)
{
	s->others_data = c;
	s->others = answer_changes;
}
