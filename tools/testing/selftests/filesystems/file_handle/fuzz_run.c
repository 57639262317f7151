// SPDX-License-Identifier: GPL-2.0
/* Executes a case by system call or by io_uring, and describes the outcome. */
#define _GNU_SOURCE
#include "fuzz.h"

/* Part of a page that holds an argument. */
#define ARENA		1024
/* A handle of the maximum size, and some bytes after it. */
#define HANDLE_AREA	(HANDLE_HEADER + HANDLE_MAX + 16)

static int arena_init(struct fuzz_arena *a)
{
	size_t size = sysconf(_SC_PAGESIZE);
	int fd = sys_memfd_create("arena", MFD_CLOEXEC);
	unsigned char *rw, *ro;

	if (fd < 0 || ftruncate(fd, size))
		return -errno;
	/* The second page of each mapping is not accessible. */
	rw = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ro = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rw == MAP_FAILED || ro == MAP_FAILED ||
	    mmap(rw, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != rw ||
	    mmap(ro, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != ro)
		return -errno;
	close(fd);
	a->end = rw + size;
	a->read_only = ro + size;
	return 0;
}

int runner_init(struct fuzz_runner *run, struct fuzz_world *w, bool has_ring)
{
	memset(run, 0, sizeof(*run));
	run->world = w;
	run->has_ring = has_ring;
	if (arena_init(&run->fh) || arena_init(&run->id) || arena_init(&run->path))
		return -ENOMEM;
	return has_ring ? ring_init(&run->ring, 0) : 0;
}

/*
 * Returns the address of an argument of @size bytes, and stores how many bytes
 * of it the program can write in @writable.
 */
static void *place(const struct fuzz_arena *a, const struct fuzz_place *p,
		   unsigned int size, unsigned int *writable)
{
	static const __u64 bad[] = {
		1, 0x7ffffffff000ULL, 0x8000000000000000ULL,
		0xffff888000000000ULL, 0xfffffffffffff000ULL, ~0ULL,
	};

	*writable = size;
	switch (p->memory) {
	case MEM_OFFSET:
		return a->end - ARENA + p->arg;
	case MEM_END:
		return a->end - size;
	case MEM_SHORT:
		if (p->arg < size)
			*writable = p->arg;
		return a->end - *writable;
	case MEM_READ_ONLY:
		return a->read_only - ARENA;
	case MEM_NULL:
		*writable = 0;
		return NULL;
	case MEM_BAD:
		*writable = 0;
		return (void *)(uintptr_t)bad[p->arg % ARRAY_SIZE(bad)];
	default:
		return a->end - ARENA;
	}
}

/* Returns where the program can write what @ptr addresses. */
static unsigned char *writable_alias(const struct fuzz_arena *a,
				     const struct fuzz_place *p, void *ptr)
{
	return p->memory == MEM_READ_ONLY ? a->end - ARENA : ptr;
}

static unsigned int min_size(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static __u64 hash_bytes(__u64 hash, const void *data, size_t size)
{
	const unsigned char *byte = data;

	while (size--)
		hash = (hash ^ *byte++) * 0x100000001b3ULL;
	return hash;
}

/*
 * Files
 */

/* Adds the lines of fdinfo that do not depend on the boot. */
static __u64 read_fdinfo(const struct fuzz_world *w, int fd)
{
	/* procfs shows the pids of its own namespace. */
	const bool in_pid_ns = w->who == FUZZ_PID_NS || w->who == FUZZ_CONTAINER;
	char path[40], buf[1024], *line, *save;
	unsigned long value;
	__u64 hash = 0;
	ssize_t len;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	len = info < 0 ? -1 : read(info, buf, sizeof(buf) - 1);
	close_result(info);
	if (len < 0)
		return 1;
	buf[len] = 0;
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "mnt_id: %lu", &value) == 1)
			hash += find_mount(w, value, false);
		else if (sscanf(line, "Pid: %lu", &value) == 1)
			hash += in_pid_ns ? 1 : 3 * find_pid(w, value);
		else if (!strncmp(line, "flags:", 6) || !strncmp(line, "pos:", 4))
			hash = hash_bytes(hash, line, strlen(line));
	}
	return hash;
}

static void look_at_file(const struct fuzz_case *c, const struct fuzz_world *w,
			 int fd, struct fuzz_outcome *o)
{
	struct statx stx;

	o->ret = 0;
	o->status = fcntl(fd, F_GETFL);
	o->cloexec = fcntl(fd, F_GETFD);
	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		      STATX_BASIC_STATS | STATX_MNT_ID, &stx)) {
		o->ret = -EPROTO;
		return;
	}
	o->object = find_object(w, statx_dev(&stx), stx.stx_ino);
	o->mount = find_mount(w, stx.stx_mnt_id, false);
	o->mode = stx.stx_mode;
	if (c->fdinfo)
		o->more = read_fdinfo(w, fd);
	close(fd);
}

/*
 * open_by_handle_at()
 */

static int open_handle(struct fuzz_runner *run, const struct fuzz_case *c,
		       const void *fh, enum fuzz_ring way)
{
	if (way == RING_NONE)
		return decode(c->dfd, fh, c->flags);
	return ring_open(&run->ring, c->dfd, fh, c->flags,
			 way == RING_ASYNC ? IOSQE_ASYNC : 0);
}

static void run_open(struct fuzz_runner *run, const struct fuzz_case *c,
		     enum fuzz_ring way, struct fuzz_outcome *o)
{
	unsigned int size = HANDLE_HEADER + min_size(c->fh.bytes, HANDLE_MAX);
	unsigned int writable;
	void *ptr = place(&run->fh, &c->fh_place, size, &writable);
	int fd;

	if (writable)
		memcpy(writable_alias(&run->fh, &c->fh_place, ptr), &c->fh, writable);
	fd = open_handle(run, c, ptr, way);
	if (fd >= 0)
		look_at_file(c, run->world, fd, o);
	else
		o->ret = fd;
}

/*
 * name_to_handle_at()
 */

static int name_file(struct fuzz_runner *run, const struct fuzz_case *c,
		     const char *path, void *fh, void *id, enum fuzz_ring way)
{
	struct io_uring_sqe *sqe;

	if (way == RING_NONE)
		return encode_at(c->dfd, path, fh, id, c->flags);
	sqe = ring_sqe(&run->ring);
	sqe_name(sqe, c->dfd, path, fh, id, c->flags);
	if (way == RING_ASYNC)
		sqe->flags = IOSQE_ASYNC;
	return ring_run(&run->ring);
}

static const char *place_path(struct fuzz_runner *run, const struct fuzz_case *c)
{
	static char long_path[8192];
	unsigned int size = strlen(c->path) + 1, writable;
	void *ptr;

	if (c->long_path) {
		memset(long_path, 'x', c->long_path);
		long_path[c->long_path] = 0;
		return long_path;
	}
	ptr = place(&run->path, &c->path_place, size, &writable);
	if (writable)
		memcpy(writable_alias(&run->path, &c->path_place, ptr), c->path,
		       writable);
	return ptr;
}

/* Returns how many of the bytes are no canaries. */
static unsigned int count_changed(const unsigned char *data, unsigned int from,
				  unsigned int to)
{
	unsigned int nr = 0;

	for (; from < to; from++)
		nr += data[from] != CANARY;
	return nr;
}

/* Describes the buffer of the handle after the call. */
static void look_at_buffer(const struct fuzz_world *w, const unsigned char *data,
			   unsigned int size, struct fuzz_outcome *o)
{
	unsigned int used = HANDLE_HEADER;
	struct handle fh;

	if (size < HANDLE_HEADER)
		return;
	memcpy(o->header, data, sizeof(o->header));
	if (!o->ret && o->header[0] <= HANDLE_MAX &&
	    used + o->header[0] <= size) {
		memset(&fh, 0, sizeof(fh));
		used += o->header[0];
		memcpy(&fh, data, used);
		o->object = find_handle(w, &fh);
	}
	o->changed = count_changed(data, used, size);
}

static void look_at_id(const struct fuzz_case *c, const struct fuzz_world *w,
		       const unsigned char *data, unsigned int size,
		       struct fuzz_outcome *o)
{
	const bool unique = c->flags & AT_HANDLE_MNT_ID_UNIQUE;
	unsigned int used = unique ? sizeof(__u64) : sizeof(int);
	__u64 id = 0;

	o->mount = NO_INDEX;
	if (size < used || !count_changed(data, 0, used)) {
		used = 0;
	} else {
		int old;

		memcpy(&id, data, used);
		memcpy(&old, data, sizeof(old));
		o->mount = find_mount(w, unique ? id : (__u64)old, unique);
	}
	o->changed += count_changed(data, used, size) << 16;
}

/* The memory that name_to_handle_at() writes. */
struct name_memory {
	unsigned char *fh, *id;			/* arguments */
	unsigned char *fh_data, *id_data;	/* where the program writes them */
	unsigned int fh_size, id_size;		/* what of them is accessible */
};

static void place_name(struct fuzz_runner *run, const struct fuzz_case *c,
		       struct name_memory *m)
{
	const unsigned int used = min_size(c->fh.bytes, HANDLE_MAX);
	/* At the end of a page, there is no memory after the buffer. */
	const bool tight = c->fh_place.memory == MEM_END ||
			   c->fh_place.memory == MEM_SHORT;
	const bool is_int = !(c->flags & AT_HANDLE_MNT_ID_UNIQUE);

	m->fh = place(&run->fh, &c->fh_place,
		      tight ? HANDLE_HEADER + used : HANDLE_AREA, &m->fh_size);
	m->id = place(&run->id, &c->id_place,
		      c->id_place.memory == MEM_END && is_int ? 4 : 8, &m->id_size);
	m->fh_data = writable_alias(&run->fh, &c->fh_place, m->fh);
	m->id_data = writable_alias(&run->id, &c->id_place, m->id);
}

static int name_with_canary(struct fuzz_runner *run, const struct fuzz_case *c,
			    const struct name_memory *m, int canary,
			    enum fuzz_ring way)
{
	const char *path = place_path(run, c);

	if (m->fh_size) {
		memset(m->fh_data, canary, m->fh_size);
		memcpy(m->fh_data, &c->fh, min_size(m->fh_size, HANDLE_HEADER));
	}
	if (m->id_size)
		memset(m->id_data, canary, m->id_size);
	return name_file(run, c, path, m->fh, m->id, way);
}

/*
 * Counts the bytes of a handle that were copied before a fault. A byte may have
 * the value of one canary, but not of two.
 */
static unsigned int count_copied(struct fuzz_runner *run, const struct fuzz_case *c,
				 const struct name_memory *m, enum fuzz_ring way)
{
	unsigned char before[HANDLE_AREA];
	unsigned int i, nr = 0;

	memcpy(before, m->fh_data, m->fh_size);
	name_with_canary(run, c, m, (unsigned char)~CANARY, way);
	for (i = HANDLE_HEADER; i < m->fh_size; i++)
		nr += before[i] != CANARY || m->fh_data[i] != (unsigned char)~CANARY;
	return nr;
}

static void run_name(struct fuzz_runner *run, const struct fuzz_case *c,
		     enum fuzz_ring way, struct fuzz_outcome *o)
{
	struct name_memory m;

	place_name(run, c, &m);
	o->ret = name_with_canary(run, c, &m, CANARY, way);
	look_at_buffer(run->world, m.fh_data, m.fh_size, o);
	look_at_id(c, run->world, m.id_data, m.id_size, o);
	if (o->ret == -EFAULT && m.fh_size > HANDLE_HEADER)
		o->changed = (o->changed & ~0xffff) | count_copied(run, c, &m, way);
}

/*
 * ioctl()
 */

static bool takes_pid(unsigned int request)
{
	return request == NS_GET_PID_FROM_PIDNS ||
	       request == NS_GET_TGID_FROM_PIDNS ||
	       request == NS_GET_PID_IN_PIDNS || request == NS_GET_TGID_IN_PIDNS;
}

bool finds_neighbour(unsigned int request)
{
	return _IOC_NR(request) == _IOC_NR(NS_MNT_GET_NEXT) ||
	       _IOC_NR(request) == _IOC_NR(NS_MNT_GET_PREV);
}

static bool returns_fd(unsigned int request)
{
	return request == NS_GET_USERNS || request == NS_GET_PARENT ||
	       finds_neighbour(request);
}

/*
 * Returns the namespace with an id, or UNKNOWN_INDEX. A part of an id may be the id of
 * another namespace.
 */
static int find_ns(const struct fuzz_world *w, __u64 id, bool whole)
{
	unsigned int i;

	for (i = 0; whole && i < w->nr; i++) {
		if (w->objects[i].fs == FS_NSFS && w->objects[i].fh[0].bytes &&
		    handle_number(&w->objects[i].fh[0]) == id)
			return i;
	}
	return UNKNOWN_INDEX;
}

/* Describes what an ioctl has stored. Ids become indices. */
static void look_at_argument(const struct fuzz_case *c, const struct fuzz_world *w,
			     const unsigned char *data, unsigned int size,
			     struct fuzz_outcome *o)
{
	unsigned int used = 0;
	struct mnt_ns_info info = { };
	__u64 id = 0;

	if (!count_changed(data, 0, size))
		return;
	if (c->request == NS_GET_ID || c->request == NS_GET_MNTNS_ID) {
		used = min_size(sizeof(id), size);
		memcpy(&id, data, used);
		o->more = find_ns(w, id, used == sizeof(id));
	} else if (_IOC_NR(c->request) >= _IOC_NR(NS_MNT_GET_INFO)) {
		used = min_size(sizeof(info), size);
		memcpy(&info, data, used);
		o->header[0] = info.size;
		o->header[1] = find_ns(w, info.mnt_ns_id, used == sizeof(info));
		/* That of another test changes. */
		o->more = (int)o->header[1] < 0 ? 0 : info.nr_mounts;
	}
	o->changed = count_changed(data, used, size);
	if (o->changed && !used)
		o->more = hash_bytes(0, data, size);
}

static __s64 pid_result(const struct fuzz_case *c, const struct fuzz_world *w,
			pid_t pid)
{
	const bool foreign = (c->request == NS_GET_PID_IN_PIDNS ||
			      c->request == NS_GET_TGID_IN_PIDNS) &&
			     !is_own_namespace(w, &w->objects[c->dfd_object]);

	/* A pid of another namespace. Those of the initial one are large. */
	if (foreign)
		return pid <= 2 ? pid : 100;
	return 1000 + find_pid(w, pid);
}

static void run_ioctl(struct fuzz_runner *run, const struct fuzz_case *c,
		      struct fuzz_outcome *o)
{
	unsigned int size = 24, writable = 0;
	unsigned char *data = NULL;
	void *arg = (void *)c->arg;
	int ret;

	if (!takes_pid(c->request)) {
		arg = place(&run->fh, &c->fh_place, size, &writable);
		data = writable_alias(&run->fh, &c->fh_place, arg);
	}
	if (writable)
		memset(data, CANARY, writable);
	ret = ioctl(c->dfd, c->request, arg);
	o->ret = ret < 0 ? -errno : ret;
	if (ret >= 0 && returns_fd(c->request))
		look_at_file(c, run->world, ret, o);
	else if (ret > 0 && takes_pid(c->request))
		o->ret = pid_result(c, run->world, ret);
	if (writable)
		look_at_argument(c, run->world, data, writable, o);
}

void run_case(struct fuzz_runner *run, const struct fuzz_case *c,
	      enum fuzz_ring way, struct fuzz_outcome *o)
{
	memset(o, 0, sizeof(*o));
	o->object = NO_INDEX;
	o->mount = NO_INDEX;
	switch (c->op) {
	case FUZZ_NAME:
		run_name(run, c, way, o);
		break;
	case FUZZ_OPEN:
		run_open(run, c, way, o);
		break;
	case FUZZ_IOCTL:
		run_ioctl(run, c, o);
		break;
	case FUZZ_EVENT:
		o->ret = make_event(run->world, c->request, c->slot);
		break;
	}
}
