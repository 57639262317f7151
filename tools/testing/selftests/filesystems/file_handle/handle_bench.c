// SPDX-License-Identifier: GPL-2.0
/*
 * Measure the calls on file handles in nanoseconds of CLOCK_MONOTONIC. If the
 * clock of a guest counts instructions, as with QEMU's
 * "-icount shift=0,sleep=off", the figures are instructions.
 *
 *   handle_bench [-p PROCESSES] [-n NAMESPACES] [-d DIRECTORY]
 *
 * Creates PROCESSES children, and NAMESPACES children in a UTS namespace each,
 * and uses their handles in turn. The default is 16 of each, as for the objects
 * of the other filesystems: with 16 or more, the minimum does not depend on
 * other entries of a hash chain. DIRECTORY must be on a tmpfs. The filesystem
 * of the module rust_exportfs is measured if its device exists.
 *
 * Each call is timed separately. The output is one JSON object per line: the
 * minimum and the median of all times, and the error of the call. Interrupts
 * hit only a few of the calls, so they affect neither.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <getopt.h>

#include "bench.h"
#include "nsfs.h"
#include "sample.h"

#define OBJECTS_MAX	1024
#define SAMPLES		1024

/* Number of files, of objects of rust_exportfs, and of stale handles. */
#define OBJECTS		16

/* A handle type that none of the filesystems uses. */
#define FILEID_UNUSED	0x55

/* Expected result of a call that returns a descriptor. */
#define OPENED		1

struct target {
	const char *filesystem;
	int root;		/* the anchor of the handles */
	unsigned int nr;	/* of fds and handles */
	int *fds;
	struct handle *handles;
	struct handle stale[OBJECTS];
	int wrong_type;		/* result for a handle of the wrong type */
};

typedef int call_t(const struct target *target, unsigned int nr);

static unsigned int processes = OBJECTS, namespaces = OBJECTS;
static char names[OBJECTS][16];
static struct handle scratch;
static __u64 samples[SAMPLES];

static int call_nothing(const struct target *target __maybe_unused,
			unsigned int nr __maybe_unused)
{
	return syscall(__NR_getppid) < 0 ? -errno : 0;
}

static int call_encode(const struct target *target, unsigned int nr)
{
	int mnt_id;

	scratch.bytes = HANDLE_MAX;
	return encode_at(target->fds[nr], "", &scratch, &mnt_id, AT_EMPTY_PATH);
}

static int call_encode_unique(const struct target *target, unsigned int nr)
{
	__u64 mnt_id;

	scratch.bytes = HANDLE_MAX;
	return encode_at(target->fds[nr], "", &scratch, &mnt_id,
			 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
}

static int call_encode_path(const struct target *target __maybe_unused,
			    unsigned int nr)
{
	int mnt_id;

	scratch.bytes = HANDLE_MAX;
	return encode_at(AT_FDCWD, names[nr], &scratch, &mnt_id, 0);
}

static int call_open(const struct target *target, unsigned int nr)
{
	return decode(target->root, &target->handles[nr], O_RDONLY | O_CLOEXEC);
}

static int call_open_close(const struct target *target, unsigned int nr)
{
	int fd = call_open(target, nr);

	if (fd < 0)
		return fd;
	return close(fd) ? -errno : 0;
}

static int call_open_flags(const struct target *target, unsigned int nr)
{
	return decode(target->root, &target->handles[nr], O_RDONLY | O_TRUNC);
}

static int call_stale(const struct target *target, unsigned int nr)
{
	return decode(target->root, &target->stale[nr], O_RDONLY | O_CLOEXEC);
}

static int call_scratch(const struct target *target,
			unsigned int nr __maybe_unused)
{
	return decode(target->root, &scratch, O_RDONLY | O_CLOEXEC);
}

static void sample(const char *call, const struct target *target, call_t *fn,
		   unsigned int nr, __u64 *time, int expected)
{
	__u64 start = now();
	int ret = fn(target, nr);

	*time = since(start);
	if (ret >= 0 && expected == OPENED) {
		close(ret);
		ret = OPENED;
	}
	if (ret != expected)
		errx(1, "%s on %s: %d instead of %d", call, target->filesystem,
		     ret, expected);
}

static void measure_each(const char *call, const struct target *target,
			 call_t *fn, unsigned int nr, int expected)
{
	unsigned int i;

	/* The first use of each handle allocates memory. */
	for (i = 0; i < nr; i++)
		sample(call, target, fn, i, &samples[0], expected);
	for (i = 0; i < SAMPLES; i++)
		sample(call, target, fn, i % nr, &samples[i], expected);
	printf("{\"call\": \"%s\", \"filesystem\": \"%s\", ", call,
	       target->filesystem);
	printf("\"processes\": %u, \"namespaces\": %u, ", processes, namespaces);
	printf("\"errno\": %d, ", expected < 0 ? -expected : 0);
	print_times(samples, SAMPLES);
}

static void measure(const char *call, const struct target *target, call_t *fn,
		    int expected)
{
	measure_each(call, target, fn, target->nr, expected);
}

static void measure_while_open(const struct target *target)
{
	measure("encode", target, call_encode, 0);
	measure("encode, unique mount id", target, call_encode_unique, 0);
	measure("open", target, call_open, OPENED);
	measure("open + close", target, call_open_close, 0);
}

static void measure_errors(const struct target *target)
{
	measure_each("stale", target, call_stale, OBJECTS, -ESTALE);
	scratch = target->handles[0];
	scratch.type = FILEID_UNUSED;
	measure("wrong type", target, call_scratch, target->wrong_type);
}

/* The objects exist but are not open, so that they have no inodes. */
static void measure_while_closed(const struct target *target)
{
	unsigned int i;

	for (i = 0; i < target->nr; i++)
		close(target->fds[i]);
	measure("open + close, not open elsewhere", target, call_open_close, 0);
}

static void measure_as_user(const struct target *target, int expected)
{
	if (seteuid(NOBODY))
		err(1, "seteuid");
	measure("denied", target, call_open, expected);
	if (seteuid(0))
		err(1, "seteuid");
}

static void prepare(struct target *target, unsigned int nr)
{
	target->nr = nr;
	target->fds = calloc(nr, sizeof(*target->fds));
	target->handles = calloc(nr, sizeof(*target->handles));
	if (!target->fds || !target->handles)
		err(1, "calloc");
}

static void done_with(struct target *target)
{
	free(target->fds);
	free(target->handles);
}

static int new_child(__u64 flags, pid_t *pid)
{
	int pidfd;
	struct __clone_args args = {
		.flags		= flags | CLONE_PIDFD,
		.pidfd		= ptr_to_u64(&pidfd),
		.exit_signal	= SIGCHLD,
	};

	*pid = sys_clone3(&args, sizeof(args));
	if (*pid < 0)
		err(1, "clone3");
	if (!*pid) {
		die_with_parent();
		/* The child must not keep the descriptors of its parent open. */
		syscall(__NR_close_range, 3, ~0U, 0);
		pause_forever();
	}
	return pidfd;
}

/* Returns a pidfd, or with CLONE_NEWUTS the UTS namespace of the child. */
static int new_object(__u64 flags, pid_t *pid)
{
	int pidfd = new_child(flags, pid), fd;

	if (!flags)
		return pidfd;
	fd = ns_of_pidfd(pidfd, &ns_kinds[NS_UTS]);
	if (fd < 0)
		errx(1, "namespace of a pidfd: %s", strerror(-fd));
	close(pidfd);
	return fd;
}

/* Namespaces are freed after a grace period. */
static void make_stale(const struct target *target, __u64 flags,
		       struct handle *fh)
{
	int fd, ret, tries = RETRIES;
	pid_t pid;

	fd = new_object(flags, &pid);
	must_encode(fd, fh);
	close(fd);
	ret = kill_and_reap(pid);
	if (ret)
		errx(1, "a child: %s", strerror(-ret));
	while ((fd = decode(target->root, fh, 0)) >= 0 && tries--) {
		close(fd);
		usleep(1000);
	}
	if (fd != -ESTALE)
		errx(1, "a handle on %s does not become stale: %d",
		     target->filesystem, fd);
}

static void fill(struct target *target, __u64 flags, unsigned int nr)
{
	unsigned int i;
	pid_t pid;

	prepare(target, nr);
	for (i = 0; i < nr; i++) {
		target->fds[i] = new_object(flags, &pid);
		must_encode(target->fds[i], &target->handles[i]);
	}
	for (i = 0; i < OBJECTS; i++)
		make_stale(target, flags, &target->stale[i]);
}

static void bench_pidfs(struct target *target)
{
	measure_while_open(target);
	measure_errors(target);
	measure("refused flag", target, call_open_flags, -EINVAL);
	measure_while_closed(target);
}

static void bench_nsfs(struct target *target)
{
	measure_while_open(target);
	measure_errors(target);
	measure_as_user(target, -ESTALE);
	measure_while_closed(target);
}

static int new_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void bench_tmpfs(void)
{
	/* tmpfs does not look at the type of a handle. */
	struct target target = {
		.filesystem = "tmpfs", .wrong_type = OPENED,
	};
	unsigned int i;
	int fd;

	target.root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target.root < 0)
		err(1, "the directory");
	prepare(&target, OBJECTS);
	for (i = 0; i < OBJECTS; i++) {
		fd = new_file("removed");
		must_encode(fd, &target.stale[i]);
		close(fd);
		unlink("removed");
		target.fds[i] = new_file(names[i]);
		must_encode(target.fds[i], &target.handles[i]);
	}

	measure_while_open(&target);
	measure("encode a path", &target, call_encode_path, 0);
	measure_errors(&target);
	measure_as_user(&target, -EPERM);
	measure_while_closed(&target);
	for (i = 0; i < OBJECTS; i++)
		unlink(names[i]);
	close(target.root);
	done_with(&target);
}

static int new_sample_object(int dev, const char *name)
{
	int fd = make_object(dev, name, 64);

	if (fd < 0)
		errx(1, "an object of rust_exportfs: %s", strerror(-fd));
	return fd;
}

static void remove_sample_object(int dev, const char *name)
{
	int ret = remove_object(dev, name);

	if (ret)
		errx(1, "removing an object of rust_exportfs: %s",
		     strerror(-ret));
}

static void bench_sample(void)
{
	struct target target = {
		.filesystem = "rust_exportfs", .wrong_type = -ESTALE,
	};
	int dev = open_device(), fd;
	unsigned int i;

	if (dev < 0) {
		warnx("skips rust_exportfs: %s: %s", DEVICE, strerror(-dev));
		return;
	}
	target.root = make_anchor(dev);
	if (target.root < 0)
		errx(1, "the anchor of rust_exportfs: %s",
		     strerror(-target.root));
	prepare(&target, OBJECTS);
	for (i = 0; i < OBJECTS; i++) {
		fd = new_sample_object(dev, "removed");
		must_encode(fd, &target.stale[i]);
		close(fd);
		remove_sample_object(dev, "removed");
		target.fds[i] = new_sample_object(dev, names[i]);
		must_encode(target.fds[i], &target.handles[i]);
	}

	measure_while_open(&target);
	measure_errors(&target);
	measure_as_user(&target, -ESTALE);
	measure_while_closed(&target);
	for (i = 0; i < OBJECTS; i++)
		remove_sample_object(dev, names[i]);
	close(target.root);
	close(dev);
	done_with(&target);
}

static void name_objects(void)
{
	unsigned int i;

	for (i = 0; i < OBJECTS; i++)
		snprintf(names[i], sizeof(names[i]), "bench%u", i);
}

static void explain(void)
{
	errx(2, "usage: handle_bench [-p PROCESSES] [-n NAMESPACES] [-d DIRECTORY]");
}

static const char *parse(int argc, char **argv)
{
	const char *directory = "/tmp";
	int option;

	while ((option = getopt(argc, argv, "p:n:d:")) != -1) {
		if (option == 'p')
			processes = number("-p", optarg, OBJECTS_MAX);
		else if (option == 'n')
			namespaces = number("-n", optarg, OBJECTS_MAX);
		else if (option == 'd')
			directory = optarg;
		else
			explain();
	}
	if (optind != argc)
		explain();
	return directory;
}

int main(int argc, char **argv)
{
	struct target pidfs = {
		.filesystem = "pidfs", .root = FD_PIDFS_ROOT,
		.wrong_type = -ESTALE,
	};
	struct target nsfs = {
		.filesystem = "nsfs", .root = FD_NSFS_ROOT,
		.wrong_type = -ESTALE,
	};
	const struct target none = { .filesystem = "", .nr = 1 };
	const char *directory = parse(argc, argv);

	need_tmpfs(directory);
	if (chdir(directory))
		err(1, "%s", directory);
	raise_file_limit();
	name_objects();
	calibrate();
	/* Create all objects before the first measurement. */
	fill(&pidfs, 0, processes);
	fill(&nsfs, CLONE_NEWUTS, namespaces);
	settle();

	measure("empty system call", &none, call_nothing, 0);
	bench_pidfs(&pidfs);
	bench_nsfs(&nsfs);
	bench_tmpfs();
	bench_sample();
	done_with(&pidfs);
	done_with(&nsfs);
	return 0;
}
