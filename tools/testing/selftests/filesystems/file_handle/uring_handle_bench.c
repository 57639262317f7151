// SPDX-License-Identifier: GPL-2.0
/*
 * Measure N calls on file handles as N system calls, and as N requests of one
 * io_uring_enter(2), in nanoseconds of CLOCK_MONOTONIC. See handle_bench.c.
 *
 *   uring_handle_bench [-d DIRECTORY]		processor time
 *   uring_handle_bench -c DISK [-d DIRECTORY]	waiting for a disk
 *
 * The time of requests starts before the first entry of the submission queue
 * is written, and ends when the last completion has been read. Without -c,
 * DIRECTORY must be on a tmpfs. With -c, it is the mount point of the ext4
 * filesystem on DISK, which is mounted again before each measurement and
 * should have one inode per block. Both forms need root. The output is one
 * JSON object per line: the minimum and the median time for each N. If the
 * kernel does not support the requests, only system calls are measured.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <getopt.h>
#include <sys/mount.h>

#include "bench.h"
#include "../../../../include/io_uring/mini_liburing.h"

#define FILES		256
/* Entries for the longest chain: open, read and close each file. */
#define ENTRIES		1024
#define CHAIN		3

#define ROUNDS		21
#define COLD_ROUNDS	3

/* Number of candidates, and how often each is tried. */
#define CANDIDATES	(2 * FILES)
#define PROCESSES	16
#define TRIES		5

/* A file or a process, and the time to look it up and open it. */
struct candidate {
	unsigned int nr;
	struct handle handle;
	__u64 cost;
};

static struct handle pidfs_handle, encoded[FILES], handles[FILES];
static int mnt_ids[FILES], fds[FILES], directory;
static char names[FILES][8], buffers[FILES][64];
static const char *path = "/tmp", *disk;

/* Task work of the second ring runs while it waits for completions. */
static struct io_uring plain_ring, deferred_ring, *ring = &deferred_ring;

/* One way to do something with the first N files. */
struct way {
	const char *curve;
	const char *how;
	void (*run)(unsigned int nr);
	void (*undo)(unsigned int nr);
	struct io_uring *ring;
};

static void must(const char *what, int ret)
{
	if (ret < 0)
		errx(1, "%s: %s", what, strerror(-ret));
}

static int must_open(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void close_all(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		must("close", close(fds[i]) ? -errno : 0);
}

static void nothing(unsigned int nr __maybe_unused)
{
}

/* System calls. */

static void name_calls(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		encoded[i].bytes = HANDLE_MAX;
		must("name_to_handle_at",
		     encode_at(directory, names[i], &encoded[i], &mnt_ids[i], 0));
	}
}

static void pidfs_calls(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fds[i] = decode(FD_PIDFS_ROOT, &pidfs_handle, O_CLOEXEC);
		must("open_by_handle_at", fds[i]);
	}
}

static void file_calls(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fds[i] = decode(directory, &handles[i], O_RDONLY | O_CLOEXEC);
		must("open_by_handle_at", fds[i]);
	}
}

static void read_calls(unsigned int nr, unsigned int flags)
{
	unsigned int i;
	int fd;

	for (i = 0; i < nr; i++) {
		fd = decode(directory, &handles[i], flags);
		must("open_by_handle_at", fd);
		if (read(fd, buffers[i], sizeof(buffers[i])) < 0)
			err(1, "read");
		close(fd);
	}
}

static void chain_calls(unsigned int nr)
{
	read_calls(nr, O_RDONLY);
}

static void nonblock_calls(unsigned int nr)
{
	read_calls(nr, O_RDONLY | O_NONBLOCK);
}

/* The same as requests. */

static struct io_uring_sqe *new_request(int opcode, unsigned int flags,
					unsigned int nr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		errx(1, "the submission queue is too short");
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->flags = flags;
	sqe->user_data = nr;
	return sqe;
}

static void request_name(unsigned int nr, unsigned int flags)
{
	struct io_uring_sqe *sqe;

	sqe = new_request(IORING_OP_NAME_TO_HANDLE_AT, flags, nr);
	encoded[nr].bytes = HANDLE_MAX;
	sqe->fd = directory;
	sqe->addr = ptr_to_u64(names[nr]);
	sqe->addr2 = ptr_to_u64(&encoded[nr]);
	sqe->addr3 = ptr_to_u64(&mnt_ids[nr]);
}

static struct io_uring_sqe *request_open(unsigned int nr, unsigned int flags,
					 int root, const struct handle *fh)
{
	struct io_uring_sqe *sqe;

	sqe = new_request(IORING_OP_OPEN_BY_HANDLE_AT, flags, nr);
	sqe->fd = root;
	sqe->addr = ptr_to_u64(fh);
	sqe->open_flags = O_RDONLY | O_CLOEXEC;
	return sqe;
}

/* Open into a slot, read from there, and close the slot. */
static void request_chain(unsigned int nr, unsigned int open_flags,
			  unsigned int link)
{
	struct io_uring_sqe *sqe;

	sqe = request_open(nr, link, directory, &handles[nr]);
	sqe->open_flags = open_flags;
	sqe->file_index = nr + 1;
	sqe = new_request(IORING_OP_READ, link | IOSQE_FIXED_FILE, nr);
	sqe->fd = nr;
	sqe->addr = ptr_to_u64(buffers[nr]);
	sqe->len = sizeof(buffers[nr]);
	sqe = new_request(IORING_OP_CLOSE, 0, nr);
	sqe->file_index = nr + 1;
}

static void submit(unsigned int nr, unsigned int wait, unsigned int flags)
{
	unsigned int tail = *ring->sq.ktail;
	int ret;

	__atomic_store_n(ring->sq.ktail, tail + nr, __ATOMIC_RELEASE);
	ring->sq.sqe_head += nr;
	ret = io_uring_enter(ring->ring_fd, nr, wait, flags, NULL);
	if (ret != (int)nr)
		err(1, "io_uring_enter: %d of %u", ret, nr);
}

/* Submits the prepared requests, waits for all, and stores the results. */
static void enter(unsigned int nr)
{
	struct io_uring_cqe *cqe;

	submit(nr, nr, IORING_ENTER_GETEVENTS);
	while (nr--) {
		must("completions", io_uring_wait_cqe(ring, &cqe));
		must("request", cqe->res);
		fds[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(ring);
	}
}

static void name_requests(unsigned int nr, unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		request_name(i, flags);
	enter(nr);
}

static void name_ring(unsigned int nr)
{
	name_requests(nr, 0);
}

static void name_async(unsigned int nr)
{
	name_requests(nr, IOSQE_ASYNC);
}

static void pidfs_requests(unsigned int nr, unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		request_open(i, flags, FD_PIDFS_ROOT, &pidfs_handle);
	enter(nr);
}

static void pidfs_ring(unsigned int nr)
{
	pidfs_requests(nr, 0);
}

static void pidfs_async(unsigned int nr)
{
	pidfs_requests(nr, IOSQE_ASYNC);
}

static void file_requests(unsigned int nr, unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		request_open(i, flags, directory, &handles[i]);
	enter(nr);
}

static void file_ring(unsigned int nr)
{
	file_requests(nr, 0);
}

static void file_async(unsigned int nr)
{
	file_requests(nr, IOSQE_ASYNC);
}

static void chain_requests(unsigned int nr, unsigned int open_flags,
			   unsigned int link)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		request_chain(i, open_flags, link);
	enter(CHAIN * nr);
}

static void chain_ring(unsigned int nr)
{
	chain_requests(nr, O_RDONLY, IOSQE_IO_LINK);
}

static void nonblock_ring(unsigned int nr)
{
	chain_requests(nr, O_RDONLY | O_NONBLOCK, IOSQE_IO_LINK);
}

/*
 * The requests of a submission are issued in order. A request does not need a
 * link if all those before it complete inline.
 */
static void unlinked_ring(unsigned int nr)
{
	chain_requests(nr, O_RDONLY | O_NONBLOCK, 0);
}

#define CALLS	"system calls"
#define RING	"one enter"
#define PLAIN	"without DEFER_TASKRUN"
#define NO_LINKS "without links"
#define ASYNC	"one enter, IOSQE_ASYNC"
#define WORKERS	"one enter, a worker each"

#define NAME	"name_to_handle_at, tmpfs"
#define PIDFS	"open_by_handle_at, pidfs"
#define TMPFS	"open_by_handle_at, tmpfs"
#define CHAINED	"open, read, close, tmpfs"
#define NONBLOCK "the same with O_NONBLOCK"
#define COLD	"open_by_handle_at, cold disk"

static const struct way calls[] = {
	{ NAME, CALLS, name_calls, nothing },
	{ PIDFS, CALLS, pidfs_calls, close_all },
	{ TMPFS, CALLS, file_calls, close_all },
	{ CHAINED, CALLS, chain_calls, nothing },
	{ NONBLOCK, CALLS, nonblock_calls, nothing },
};

static const struct way requests[] = {
	{ NAME, RING, name_ring, nothing },
	{ NAME, ASYNC, name_async, nothing },
	{ PIDFS, RING, pidfs_ring, close_all },
	{ PIDFS, ASYNC, pidfs_async, close_all },
	{ TMPFS, RING, file_ring, close_all },
	{ TMPFS, ASYNC, file_async, close_all },
	{ CHAINED, RING, chain_ring, nothing },
	{ CHAINED, PLAIN, chain_ring, nothing, &plain_ring },
	/* tmpfs does not set FMODE_NOWAIT: io_uring needs O_NONBLOCK to read inline. */
	{ NONBLOCK, RING, nonblock_ring, nothing },
	{ NONBLOCK, PLAIN, nonblock_ring, nothing, &plain_ring },
};

static const struct way unlinked = { NONBLOCK, NO_LINKS, unlinked_ring, nothing };

static const struct way cold_calls = { COLD, CALLS, file_calls, close_all };
static const struct way cold_ring = { COLD, RING, file_ring, close_all };
static const struct way cold_workers = { COLD, WORKERS, file_ring, close_all };

static void enter_directory(void)
{
	directory = must_open(path, O_RDONLY | O_DIRECTORY);
	if (fchdir(directory))
		err(1, "%s", path);
}

static void leave_directory(void)
{
	close(directory);
	if (chdir("/"))
		err(1, "/");
}

/* Disables readahead of inodes, so that each one needs a read. */
static void mount_disk(void)
{
	if (mount(disk, path, "ext4", 0, "inode_readahead_blks=0"))
		err(1, "mount %s", disk);
	enter_directory();
}

static void umount_disk(void)
{
	leave_directory();
	if (umount(path))
		err(1, "umount %s", path);
}

/* After a mount, no inode and no dentry is cached. */
static void make_cold(void)
{
	umount_disk();
	mount_disk();
}

static void print_point(const struct way *way, unsigned int nr, __u64 *samples,
			unsigned int rounds)
{
	printf("{\"curve\": \"%s\", \"how\": \"%s\", \"n\": %u, ", way->curve,
	       way->how, nr);
	print_times(samples, rounds);
}

static void measure(const struct way *way, unsigned int nr)
{
	unsigned int rounds = disk ? COLD_ROUNDS : ROUNDS, i;
	__u64 samples[ROUNDS], start;

	ring = way->ring ?: &deferred_ring;
	/* Once more, because the first use allocates memory. */
	if (!disk) {
		way->run(nr);
		way->undo(nr);
	}
	for (i = 0; i < rounds; i++) {
		if (disk)
			make_cold();
		start = now();
		way->run(nr);
		samples[i] = since(start);
		way->undo(nr);
	}
	print_point(way, nr, samples, rounds);
}

static void measure_curve(const struct way *way)
{
	unsigned int nr;

	for (nr = 1; nr <= FILES; nr *= 2)
		measure(way, nr);
}

static bool supported(const struct io_uring_probe *probe, unsigned int opcode)
{
	return opcode <= probe->last_op &&
	       probe->ops[opcode].flags & IO_URING_OP_SUPPORTED;
}

static int ring_register(unsigned int opcode, void *arg, unsigned int nr)
{
	if (syscall(__NR_io_uring_register, ring->ring_fd, opcode, arg, nr) < 0)
		return -errno;
	return 0;
}

static bool have_requests(void)
{
	struct {
		struct io_uring_probe probe;
		struct io_uring_probe_op ops[256];
	} all = {};

	must("IORING_REGISTER_PROBE",
	     ring_register(IORING_REGISTER_PROBE, &all, ARRAY_SIZE(all.ops)));
	return supported(&all.probe, IORING_OP_NAME_TO_HANDLE_AT) &&
	       supported(&all.probe, IORING_OP_OPEN_BY_HANDLE_AT);
}

/* Registers slots for direct descriptors. */
static void make_slots(void)
{
	struct io_uring_rsrc_register slots = {
		.nr = FILES, .flags = IORING_RSRC_REGISTER_SPARSE,
	};

	must("IORING_REGISTER_FILES2",
	     ring_register(IORING_REGISTER_FILES2, &slots, sizeof(slots)));
}

/* Sets the number of workers. The default is four for each processor. */
static void allow_workers(unsigned int nr)
{
	unsigned int limits[2] = { nr, nr };

	must("IORING_REGISTER_IOWQ_MAX_WORKERS",
	     ring_register(IORING_REGISTER_IOWQ_MAX_WORKERS, limits, 2));
}

static void make_ring(struct io_uring *new, unsigned int flags)
{
	must("io_uring_setup",
	     io_uring_queue_init(ENTRIES, new, IORING_SETUP_NO_SQARRAY | flags));
	ring = new;
	make_slots();
}

/*
 * Returns true if a file is opened inline. Completions of workers are not posted
 * during the submission, because the ring has IORING_SETUP_DEFER_TASKRUN.
 */
static bool opens_inline(void)
{
	struct io_uring_cqe *cqe;
	bool ret;

	ring = &deferred_ring;
	request_open(0, 0, directory, &handles[0]);
	submit(1, 0, 0);
	ret = *ring->cq.khead != *ring->cq.ktail;
	must("completions", io_uring_wait_cqe(ring, &cqe));
	must("request", cqe->res);
	close(cqe->res);
	io_uring_cqe_seen(ring);
	return ret;
}

static void create_file(const char *name)
{
	int fd = must_open(name, O_WRONLY | O_CREAT | O_TRUNC);

	/* The size of a read: a short read would break the chain. */
	if (write(fd, buffers[0], sizeof(buffers[0])) != sizeof(buffers[0]))
		err(1, "%s", name);
	close(fd);
}

static void name_file(char *name, unsigned int nr)
{
	/* All names have the same length, and so the same cost. */
	snprintf(name, sizeof(names[0]), "%04u", nr);
}

static int compare_candidates(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->cost != b->cost)
		return a->cost > b->cost ? 1 : -1;
	return a->nr > b->nr ? 1 : -1;
}

/* Returns the minimum time to open the handle, and to look @name up if given. */
static __u64 cost_of(int root, const struct handle *fh, const char *name)
{
	__u64 samples[TRIES];
	struct handle scratch;
	unsigned int i;
	int mnt_id;

	for (i = 0; i < TRIES; i++) {
		__u64 start = now();

		close(decode(root, fh, O_CLOEXEC));
		scratch.bytes = HANDLE_MAX;
		if (name)
			encode_at(root, name, &scratch, &mnt_id, 0);
		samples[i] = since(start);
	}
	sort_samples(samples, TRIES);
	return samples[0];
}

static void make_candidate(struct candidate *file, unsigned int nr)
{
	char name[sizeof(names[0])];
	int fd;

	name_file(name, nr);
	create_file(name);
	fd = must_open(name, O_RDONLY);
	must_encode(fd, &file->handle);
	close(fd);
	file->nr = nr;
}

/*
 * The seeds of a boot decide which objects share a hash chain. Choose the
 * fastest half of the candidates, which are the first in their chains.
 */
static void make_files(void)
{
	static struct candidate files[CANDIDATES];
	char name[sizeof(names[0])];
	unsigned int i;

	for (i = 0; i < CANDIDATES; i++)
		make_candidate(&files[i], i);
	settle();
	for (i = 0; i < CANDIDATES; i++) {
		name_file(name, i);
		files[i].cost = cost_of(directory, &files[i].handle, name);
	}
	qsort(files, CANDIDATES, sizeof(*files), compare_candidates);
	for (i = 0; i < FILES; i++) {
		name_file(names[i], files[i].nr);
		handles[i] = files[i].handle;
	}
	for (; i < CANDIDATES; i++) {
		name_file(name, files[i].nr);
		unlink(name);
	}
}

static void choose_process(void)
{
	struct candidate processes[PROCESSES];
	unsigned int i;
	pid_t pid;
	int fd;

	for (i = 0; i < PROCESSES; i++) {
		pid = paused_child(0, &fd);
		if (pid < 0)
			errx(1, "clone3: %s", strerror(-pid));
		must_encode(fd, &processes[i].handle);
		processes[i].nr = i;
	}
	settle();
	for (i = 0; i < PROCESSES; i++)
		processes[i].cost = cost_of(FD_PIDFS_ROOT, &processes[i].handle,
					    NULL);
	qsort(processes, PROCESSES, sizeof(*processes), compare_candidates);
	pidfs_handle = processes[0].handle;
}

static void remove_files(void)
{
	unsigned int i;

	for (i = 0; i < FILES; i++)
		unlink(names[i]);
}

static void bench_warm(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		measure_curve(&calls[i]);
	if (!have_requests())
		return;
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		measure_curve(&requests[i]);
	if (opens_inline())
		measure_curve(&unlinked);
	else
		warnx("files on tmpfs are opened in workers: links are needed");
}

static void bench_cold(void)
{
	measure_curve(&cold_calls);
	if (!have_requests())
		return;
	measure_curve(&cold_ring);
	allow_workers(FILES);
	measure_curve(&cold_workers);
}

static void __noreturn explain(void)
{
	errx(2, "try: uring_handle_bench [-c DISK] [-d DIRECTORY]");
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:d:")) != -1) {
		if (option == 'c')
			disk = optarg;
		else if (option == 'd')
			path = optarg;
		else
			explain();
	}
	if (optind != argc)
		explain();
}

static void start(void)
{
	raise_file_limit();
	calibrate();
	make_ring(&plain_ring, 0);
	make_ring(&deferred_ring,
		  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (!have_requests())
		warnx("io_uring has no requests for file handles: system calls alone");
	if (disk) {
		mount_disk();
	} else {
		need_tmpfs(path);
		choose_process();
		enter_directory();
	}
	make_files();
}

static void finish(void)
{
	remove_files();
	kill_children();
	if (disk)
		umount_disk();
	else
		leave_directory();
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	start();
	if (disk)
		bench_cold();
	else
		bench_warm();
	finish();
	return 0;
}
