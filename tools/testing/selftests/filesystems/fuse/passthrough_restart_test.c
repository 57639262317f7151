// SPDX-License-Identifier: GPL-2.0
/*
 * A load on the sample server passthrough_handle, whose supervisor replaces it when
 * it is killed at random moments. No process may see an error or a wrong file, and
 * the last server must not have a lookup that was not forgotten.
 *
 * RESTARTS and FILES in the environment are the number of restarts and of cached
 * inodes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/mount.h>

#include "fuse_client.h"
#include "kselftest_harness.h"

#define LOWER		"/tmp/lower"
#define MNT		"/tmp/mnt"

#define FILES_DEFAULT	1000
#define FILES_MAX	10000
#define RESTARTS_DEFAULT 20

#define READERS		4
#define WRITERS		4
#define FDS		25	/* each of them, 200 in all: half read, half write */
#define STORMS		2
#define COPIERS		1
#define STATTERS	1
#define COPY_FILES	50

#define WORKERS_MAX	16

/* Counters, shared by all processes */
struct shared {
	bool stop;
	unsigned long operations;
	unsigned long wrong;		/* files or contents */
	unsigned long errors;
	int first_error;
	char first_what[64];
	ino_t inodes[FILES_MAX];
};

FIXTURE(stress)
{
	struct shared *shared;
	pid_t supervisor;
	pid_t workers[WORKERS_MAX];
	unsigned int nr_workers;
	unsigned int files;
};

static unsigned int number(const char *name, unsigned int value)
{
	const char *text = getenv(name);

	return text && atoi(text) > 0 ? atoi(text) : value;
}

static void file_path(char *path, size_t size, unsigned int nr)
{
	snprintf(path, size, MNT "/d%u/f%u", nr / 100, nr);
}

static void report(struct shared *sh, const char *what, int err)
{
	if (!__atomic_fetch_add(&sh->errors, 1, __ATOMIC_SEQ_CST)) {
		sh->first_error = err;
		snprintf(sh->first_what, sizeof(sh->first_what), "%s", what);
	}
}

/* Counts an operation, and an error if it failed. Returns true on success. */
static bool check(struct shared *sh, const char *what, long ret)
{
	__atomic_add_fetch(&sh->operations, 1, __ATOMIC_RELAXED);
	if (ret >= 0)
		return true;
	report(sh, what, errno);
	return false;
}

static void count_wrong(struct shared *sh, const char *what)
{
	if (!__atomic_fetch_add(&sh->wrong, 1, __ATOMIC_SEQ_CST))
		fprintf(stderr, "# a wrong object: %s\n", what);
}

static bool stopped(struct shared *sh)
{
	return __atomic_load_n(&sh->stop, __ATOMIC_RELAXED);
}

/*
 * Workers
 */

static unsigned int content_number(const char *buf, ssize_t len)
{
	unsigned int nr = ~0U;

	if (len > 0)
		sscanf(buf, "file %u", &nr);
	return nr;
}

static void reader(struct shared *sh, unsigned int files, unsigned int seed)
{
	unsigned int nrs[FDS], i;
	char path[64], buf[32];
	int fds[FDS];
	ssize_t len;

	for (i = 0; i < FDS; i++) {
		nrs[i] = rand_r(&seed) % files;
		file_path(path, sizeof(path), nrs[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		check(sh, "open for reading", fds[i]);
	}
	while (!stopped(sh)) {
		i = rand_r(&seed) % FDS;
		memset(buf, 0, sizeof(buf));
		/* Otherwise, the page cache answers. */
		posix_fadvise(fds[i], 0, 0, POSIX_FADV_DONTNEED);
		len = pread(fds[i], buf, sizeof(buf) - 1, 0);
		if (check(sh, "read", len) &&
		    content_number(buf, len) != nrs[i])
			count_wrong(sh, "content of an open file");
	}
	for (i = 0; i < FDS; i++)
		check(sh, "close", close(fds[i]));
}

/* Each file contains its number and how often it was written. */
static void writer(struct shared *sh, unsigned int id, unsigned int seed)
{
	unsigned int rounds[FDS] = {}, i, from, nr, round;
	char path[64], buf[64];
	int fds[FDS], len;

	for (i = 0; i < FDS; i++) {
		snprintf(path, sizeof(path), MNT "/w%u.%u", id, i);
		fds[i] = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		check(sh, "create", fds[i]);
	}
	while (!stopped(sh)) {
		i = rand_r(&seed) % FDS;
		len = snprintf(buf, sizeof(buf), "%8u %8u %8u\n", id, i,
			       ++rounds[i]);
		if (!check(sh, "write", pwrite(fds[i], buf, len, 0)))
			continue;
		posix_fadvise(fds[i], 0, 0, POSIX_FADV_DONTNEED);
		memset(buf, 0, sizeof(buf));
		if (!check(sh, "read back", pread(fds[i], buf, len, 0)))
			continue;
		if (sscanf(buf, "%u %u %u", &from, &nr, &round) != 3 ||
		    from != id || nr != i || round != rounds[i])
			count_wrong(sh, "content after a write");
		if (rounds[i] % 16 == 0)
			check(sh, "fsync", fsync(fds[i]));
	}
	for (i = 0; i < FDS; i++)
		check(sh, "close", close(fds[i]));
}

/* What a compiler does: it creates, renames and removes files in a directory. */
static void storm(struct shared *sh, unsigned int id)
{
	char dir[32], a[64], b[64], c[64], target[64];
	unsigned int round;
	struct stat st, st2;
	int fd;

	snprintf(dir, sizeof(dir), MNT "/s%u", id);
	check(sh, "mkdir", mkdir(dir, 0755));
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	snprintf(c, sizeof(c), "%s/c", dir);
	for (round = 0; !stopped(sh); round++) {
		fd = open(a, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (!check(sh, "create exclusively", fd))
			return;
		check(sh, "write", write(fd, "data", 4));
		check(sh, "fstat", fstat(fd, &st));
		check(sh, "close", close(fd));
		check(sh, "rename", rename(a, b));
		if (check(sh, "stat", stat(b, &st2)) && st.st_ino != st2.st_ino)
			count_wrong(sh, "inode after rename");
		if (stat(a, &st2) != -1 || errno != ENOENT)
			count_wrong(sh, "old name after rename");
		check(sh, "link", link(b, a));
		if (check(sh, "stat", stat(a, &st2)) &&
		    (st.st_ino != st2.st_ino || st2.st_nlink != 2))
			count_wrong(sh, "hard link");
		check(sh, "unlink", unlink(a));
		check(sh, "symlink", symlink("b", a));
		memset(target, 0, sizeof(target));
		if (check(sh, "readlink", readlink(a, target, sizeof(target) - 1)) &&
		    strcmp(target, "b"))
			count_wrong(sh, "symbolic link");
		check(sh, "unlink", unlink(a));
		check(sh, "mkdir", mkdir(c, 0700));
		check(sh, "rmdir", rmdir(c));
		check(sh, "truncate", truncate(b, 2));
		if (check(sh, "stat", stat(b, &st2)) && st2.st_size != 2)
			count_wrong(sh, "size after truncate");
		check(sh, "chmod", chmod(b, 0640));
		check(sh, "unlink", unlink(b));
	}
	check(sh, "rmdir", rmdir(dir));
}

static bool copy_file(struct shared *sh, const char *from, const char *to)
{
	int in, out;
	char buf[64];
	ssize_t len;

	in = open(from, O_RDONLY | O_CLOEXEC);
	if (!check(sh, "open to copy", in))
		return false;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (check(sh, "create copy", out)) {
		while ((len = read(in, buf, sizeof(buf))) > 0)
			check(sh, "write copy", write(out, buf, len));
		check(sh, "read to copy", len);
		check(sh, "close", close(out));
	}
	check(sh, "close", close(in));
	return out >= 0;
}

/* Copies directories, and compares and removes the copies. */
static void copier(struct shared *sh, unsigned int id, unsigned int files,
		   unsigned int seed)
{
	char from[64], dir[64], to[384], buf[64];
	unsigned int i, first, entries;
	struct dirent *entry;
	ssize_t len;
	DIR *d;
	int fd;

	snprintf(dir, sizeof(dir), MNT "/copy%u", id);
	while (!stopped(sh)) {
		check(sh, "mkdir", mkdir(dir, 0755));
		first = rand_r(&seed) % (files - COPY_FILES);
		for (i = first; i < first + COPY_FILES && !stopped(sh); i++) {
			file_path(from, sizeof(from), i);
			snprintf(to, sizeof(to), "%s/%u", dir, i);
			if (!copy_file(sh, from, to))
				return;
		}
		d = opendir(dir);
		if (!d) {
			report(sh, "opendir", errno);
			return;
		}
		for (entries = 0; (errno = 0, entry = readdir(d));) {
			if (entry->d_name[0] == '.')
				continue;
			entries++;
			snprintf(to, sizeof(to), "%s/%s", dir, entry->d_name);
			fd = open(to, O_RDONLY | O_CLOEXEC);
			if (!check(sh, "open copy", fd))
				continue;
			memset(buf, 0, sizeof(buf));
			len = read(fd, buf, sizeof(buf) - 1);
			if (check(sh, "read copy", len) &&
			    content_number(buf, len) !=
			    (unsigned int)atoi(entry->d_name))
				count_wrong(sh, "content of a copy");
			check(sh, "close", close(fd));
		}
		if (errno)
			report(sh, "readdir", errno);
		closedir(d);
		if (entries != i - first)
			count_wrong(sh, "number of copies");
		while (i-- > first) {
			snprintf(to, sizeof(to), "%s/%u", dir, i);
			check(sh, "unlink copy", unlink(to));
		}
		check(sh, "rmdir", rmdir(dir));
	}
}

/* A path always leads to the same inode. */
static void statter(struct shared *sh, unsigned int files, unsigned int seed)
{
	unsigned int nr;
	struct stat st;
	char path[64];

	while (!stopped(sh)) {
		nr = rand_r(&seed) % files;
		file_path(path, sizeof(path), nr);
		if (check(sh, "stat", stat(path, &st)) &&
		    st.st_ino != sh->inodes[nr])
			count_wrong(sh, "inode of a path");
	}
}

static pid_t start_worker(struct shared *sh, unsigned int nr, unsigned int files)
{
	unsigned int seed = nr * 7919 + 1;
	pid_t pid = fork();

	if (pid)
		return pid;
	die_with_parent();
	if (nr < READERS)
		reader(sh, files, seed);
	else if (nr < READERS + WRITERS)
		writer(sh, nr, seed);
	else if (nr < READERS + WRITERS + STORMS)
		storm(sh, nr);
	else if (nr < READERS + WRITERS + STORMS + COPIERS)
		copier(sh, nr, files, seed);
	else
		statter(sh, files, seed);
	_exit(0);
}

/*
 * The server
 */

/* Returns the child of a process, or 0. */
static pid_t child_of(pid_t parent)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc && !found && (entry = readdir(proc))) {
		char path[300], state;
		int ppid, pid = atoi(entry->d_name);
		FILE *f;

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%*d (%*[^)]) %c %d", &state, &ppid) == 2 &&
		    ppid == parent && state != 'Z')
			found = pid;
		fclose(f);
	}
	if (proc)
		closedir(proc);
	return found;
}

/* Waits for a server other than @old. */
static pid_t next_server(pid_t supervisor, pid_t old)
{
	pid_t pid;
	int i;

	for (i = 0; i < RETRIES; i++) {
		pid = child_of(supervisor);
		if (pid && pid != old)
			return pid;
		usleep(1000);
	}
	return 0;
}

/* Returns the number of open descriptors of a process. */
static int nr_fds(pid_t pid)
{
	char path[64];
	int nr = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d)
		return -1;
	while (readdir(d))
		nr++;
	closedir(d);
	return nr;
}

static pid_t start_supervisor(void)
{
	struct stat lower, mounted;
	pid_t pid;
	int i;

	if (stat(MNT, &lower))
		return -errno;
	pid = fork();
	if (!pid) {
		die_with_parent();
		execl("./passthrough_handle", "passthrough_handle", "--supervise",
		      LOWER, MNT, NULL);
		_exit(127);
	}
	for (i = 0; pid > 0 && i < RETRIES; i++) {
		if (!stat(MNT, &mounted) && mounted.st_dev != lower.st_dev)
			return pid;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

static int create_files(struct shared *sh, unsigned int files)
{
	char path[64], buf[32];
	struct stat st;
	unsigned int i;
	int fd, len;

	for (i = 0; i < files; i++) {
		if (i % 100 == 0) {
			snprintf(path, sizeof(path), MNT "/d%u", i / 100);
			if (mkdir(path, 0755))
				return -errno;
		}
		file_path(path, sizeof(path), i);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
		len = snprintf(buf, sizeof(buf), "file %u\n", i);
		if (write(fd, buf, len) != len || fstat(fd, &st))
			return -EIO;
		sh->inodes[i] = st.st_ino;
		close(fd);
	}
	return 0;
}

FIXTURE_SETUP(stress)
{
	const char *reason = fuse_missing();

	if (reason)
		SKIP(return, "%s", reason);
	if (access("./passthrough_handle", X_OK))
		SKIP(return, "needs passthrough_handle in the current directory");
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	ASSERT_EQ(0, private_mounts());
	ASSERT_EQ(0, mount("passthrough", "/tmp", "tmpfs", 0, NULL));
	ASSERT_EQ(0, mkdir(LOWER, 0755));
	ASSERT_EQ(0, mkdir(MNT, 0755));
	self->supervisor = start_supervisor();
	ASSERT_GT(self->supervisor, 0);
	self->files = number("FILES", FILES_DEFAULT);
	ASSERT_LE(self->files, FILES_MAX);
	ASSERT_GT(self->files, 2 * COPY_FILES);
}

FIXTURE_TEARDOWN(stress)
{
	int status;

	if (self->supervisor <= 0)
		return;
	EXPECT_EQ(0, kill(self->supervisor, SIGTERM));
	EXPECT_EQ(self->supervisor, waitpid(self->supervisor, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && !WEXITSTATUS(status));
}

static bool handles_supported(void)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	__u64 mnt_id;

	return !encode_at(AT_FDCWD, MNT, &fh, &mnt_id, AT_HANDLE_MNT_ID_UNIQUE) &&
	       fh.type == FILEID_FUSE_HANDLE;
}

static long elapsed_ms(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 +
	       (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* Kills servers. Returns the longest time in ms that a stat(2) took after that. */
static long kill_servers(struct __test_metadata *const _metadata,
			 FIXTURE_DATA(stress) * self, unsigned int restarts)
{
	pid_t server = next_server(self->supervisor, 0), next;
	unsigned int i, seed = 1;
	struct timespec start;
	long ms, longest = 0;
	struct stat st;

	for (i = 0; i < restarts; i++) {
		usleep(rand_r(&seed) % 100000);
		/* A server only dies if it is killed. */
		ASSERT_EQ(server, child_of(self->supervisor));
		clock_gettime(CLOCK_MONOTONIC, &start);
		ASSERT_EQ(0, kill(server, SIGKILL));
		next = next_server(self->supervisor, server);
		ASSERT_GT(next, 0);
		server = next;
		ASSERT_EQ(0, stat(MNT "/d0/f0", &st));
		ms = elapsed_ms(&start);
		if (ms > longest)
			longest = ms;
	}
	ASSERT_EQ(server, child_of(self->supervisor));
	return longest;
}

/* However a server ends, the next one takes over from it. */
TEST_F(stress, ways_to_end)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGHUP };
	pid_t server = next_server(self->supervisor, 0);
	unsigned int i;
	char c[8];
	int fd;

	if (!handles_supported())
		SKIP(return, NO_FUSE_HANDLES);
	fd = open(MNT "/file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, chdir(MNT));
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		ASSERT_EQ(0, kill(server, signals[i]));
		server = next_server(self->supervisor, server);
		ASSERT_GT(server, 0);
		ASSERT_EQ(1, pwrite(fd, "x", 1, i));
		ASSERT_EQ(i + 1, pread(fd, c, sizeof(c), 0));
		ASSERT_EQ(0, access("file", R_OK));
	}
	ASSERT_EQ(0, chdir("/"));
	ASSERT_EQ(0, close(fd));
}

TEST_F_TIMEOUT(stress, killed_at_random, 600)
{
	unsigned int restarts = number("RESTARTS", RESTARTS_DEFAULT), i;
	struct shared *sh = self->shared;
	int status, baseline, fds = -1;
	long longest;

	if (!handles_supported())
		SKIP(return, NO_FUSE_HANDLES);
	baseline = nr_fds(next_server(self->supervisor, 0));
	ASSERT_EQ(0, create_files(sh, self->files));
	self->nr_workers = READERS + WRITERS + STORMS + COPIERS + STATTERS;
	for (i = 0; i < self->nr_workers; i++) {
		self->workers[i] = start_worker(sh, i, self->files);
		ASSERT_GT(self->workers[i], 0);
	}
	longest = kill_servers(_metadata, self, restarts);
	__atomic_store_n(&sh->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < self->nr_workers; i++) {
		ASSERT_EQ(self->workers[i], waitpid(self->workers[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	TH_LOG("%u restarts, %u files, %lu operations, longest wait %ld ms",
	       restarts, self->files, sh->operations, longest);
	EXPECT_EQ(0, sh->wrong);
	EXPECT_EQ(0, sh->errors) {
		TH_LOG("first: %s: %s", sh->first_what, strerror(sh->first_error));
	}

	/* A server has a descriptor for each inode that is not forgotten. */
	for (i = 0; i < RETRIES / 10 && fds != baseline; i++) {
		ASSERT_EQ(0, mount(NULL, MNT, NULL,
				   MS_REMOUNT | MS_NODEV | MS_NOSUID, NULL));
		fds = nr_fds(child_of(self->supervisor));
		usleep(10000);
	}
	EXPECT_EQ(baseline, fds);
}

TEST_HARNESS_MAIN
