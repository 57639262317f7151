// SPDX-License-Identifier: GPL-2.0
/* Prints cases and outcomes, and finds outcomes that are wrong on any kernel. */
#define _GNU_SOURCE
#include "fuzz.h"

static const char *const memory_names[MEMORIES] = {
	"plain", "offset", "end", "short", "read-only", "null", "bad",
};

static const char *const variant_names[VARIANTS] = { "plain", "fid", "connectable" };

static const char *const ring_names[] = { "", " inline", " async" };

static const char *object_name(const struct fuzz_world *w, int object)
{
	if (object == UNKNOWN_INDEX)
		return "unknown";
	return object < 0 ? "none" : w->objects[object].name;
}

static void print_place(FILE *out, const char *what, const struct fuzz_place *p)
{
	if (p->memory != MEM_PLAIN)
		fprintf(out, " %s=%s:%u", what, memory_names[p->memory], p->arg);
}

static void print_dfd(FILE *out, const struct fuzz_case *c,
		      const struct fuzz_world *w)
{
	if (c->dfd_object >= 0)
		fprintf(out, " fd=%s", w->objects[c->dfd_object].name);
	else
		fprintf(out, " fd=%d", c->dfd);
}

static void print_handle(FILE *out, const struct fuzz_case *c,
			 const struct fuzz_world *w)
{
	unsigned int i, size = c->fh.bytes < HANDLE_MAX ? c->fh.bytes : HANDLE_MAX;

	fprintf(out, " handle=%s/%s%s bytes=%u type=%#x data=",
		object_name(w, c->object), variant_names[c->variant],
		c->mutated ? "/mutated" : "", c->fh.bytes, c->fh.type);
	while (size && !c->fh.data[size - 1])
		size--;
	for (i = 0; i < size; i++)
		fprintf(out, "%02x", c->fh.data[i]);
}

static void print_name(FILE *out, const struct fuzz_case *c,
		       const struct fuzz_world *w)
{
	fputs("name", out);
	print_dfd(out, c, w);
	if (c->long_path)
		fprintf(out, " path=x*%u", c->long_path);
	else if (c->object >= 0)
		fprintf(out, " path=/proc/self/fd/<%s>", object_name(w, c->object));
	else
		fprintf(out, " path=\"%s\"", c->path);
	fprintf(out, " flags=%#x bytes=%u", c->flags, c->fh.bytes);
	print_place(out, "path", &c->path_place);
	print_place(out, "handle", &c->fh_place);
	print_place(out, "id", &c->id_place);
}

void print_case(FILE *out, const struct fuzz_case *c,
		const struct fuzz_world *w)
{
	fprintf(out, "case %llu %s%s ", (unsigned long long)c->nr, who_names[w->who],
		ring_names[c->ring]);
	switch (c->op) {
	case FUZZ_NAME:
		print_name(out, c, w);
		break;
	case FUZZ_OPEN:
		fputs("open", out);
		print_dfd(out, c, w);
		print_handle(out, c, w);
		fprintf(out, " flags=%#x", c->flags);
		print_place(out, "handle", &c->fh_place);
		break;
	case FUZZ_IOCTL:
		fputs("ioctl", out);
		print_dfd(out, c, w);
		fprintf(out, " request=%#x", c->request);
		if (c->object >= 0)
			fprintf(out, " pid=%s", object_name(w, c->object));
		else
			fprintf(out, " arg=%#lx", c->arg);
		print_place(out, "arg", &c->fh_place);
		break;
	case FUZZ_EVENT:
		fprintf(out, "event %s %u", event_names[c->request], c->slot);
		break;
	}
}

void print_outcome(FILE *out, const struct fuzz_outcome *o,
		   const struct fuzz_world *w)
{
	fprintf(out, "%lld object=%s", (long long)o->ret, object_name(w, o->object));
	fprintf(out, " mount=%d mode=%o status=%o cloexec=%u header=%u,%#x",
		o->mount, o->mode, o->status, o->cloexec, o->header[0], o->header[1]);
	fprintf(out, " changed=%#x more=%llx", o->changed, (unsigned long long)o->more);
}

/* Returns true if the bytes of the handle are those of the object. */
static bool is_handle_of(const struct handle *fh, const struct fuzz_object *o)
{
	switch (o->fs) {
	case FS_PIDFS:
	case FS_NSFS:
	case FS_CGROUP:
		return !memcmp(fh->data, o->fh[VARIANT_PLAIN].data, 8);
	case FS_TMPFS:
		return !memcmp(fh->data, o->fh[VARIANT_PLAIN].data, HANDLE_TMPFS);
	default:
		return true;
	}
}

static bool may_open(const struct fuzz_case *c, const struct fuzz_world *w,
		     const struct fuzz_object *o, unsigned int mode)
{
	switch (o->fs) {
	case FS_PIDFS:
		return o->pid;
	case FS_NSFS:
		return w->who == FUZZ_ROOT || is_own_namespace(w, o);
	case FS_SAMPLE:
		return true;
	default:
		break;
	}
	/* CAP_DAC_READ_SEARCH in the initial user namespace. */
	if (w->who == FUZZ_ROOT || w->who == FUZZ_PID_NS)
		return true;
	/* Capabilities over the filesystem, which the process has mounted. */
	return w->who != FUZZ_USER && c->flags & O_DIRECTORY && S_ISDIR(mode) &&
	       o->own;
}

static const char *judge_open(const struct fuzz_case *c,
			      const struct fuzz_world *w,
			      const struct fuzz_outcome *o)
{
	const struct fuzz_object *opened;

	/* O_TMPFILE creates a file. */
	if (o->object < 0 && c->flags & O_TMPFILE & ~O_DIRECTORY)
		return w->who == FUZZ_USER ? "a file was created without permission" : NULL;
	if (o->object < 0)
		return "an unknown object was opened";
	opened = &w->objects[o->object];
	if (!is_handle_of(&c->fh, opened))
		return "another object than that of the handle was opened";
	if (!may_open(c, w, opened, o->mode))
		return "an object was opened without permission";
	return NULL;
}

static const char *judge_name(const struct fuzz_case *c,
			      const struct fuzz_world *w,
			      const struct fuzz_outcome *o)
{
	const struct fuzz_object *named, *found;

	/* A fault may occur after a part has been copied. */
	if (o->changed && o->ret != -EFAULT)
		return "memory was changed that is not part of the result";
	if (o->ret || o->object < 0 || c->dfd_object < 0 || c->path[0])
		return NULL;
	named = &w->objects[c->dfd_object];
	found = &w->objects[o->object];
	/* A handle of AT_HANDLE_FID is only unique within its filesystem. */
	if (named->ino != found->ino)
		return "a handle of another object was encoded";
	return NULL;
}

const char *judge(const struct fuzz_case *c, const struct fuzz_world *w,
		  const struct fuzz_outcome *o)
{
	if (c->op == FUZZ_OPEN && !o->ret)
		return judge_open(c, w, o);
	if (c->op == FUZZ_NAME)
		return judge_name(c, w, o);
	return NULL;
}
