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
#include "passthrough_load.h"
#include "passthrough_mount.h"

#define FILES_DEFAULT		1000
#define RESTARTS_DEFAULT	20

FIXTURE(stress)
{
	struct shared *shared;
	pid_t supervisor;
	pid_t workers[WORKERS_MAX];
	unsigned int files;
};

static unsigned int number(const char *name, unsigned int value)
{
	const char *text = getenv(name);

	return text && atoi(text) > 0 ? atoi(text) : value;
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

FIXTURE_SETUP(stress)
{
	const char *reason = passthrough_missing();

	if (reason)
		SKIP(return, "%s", reason);
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	ASSERT_EQ(0, passthrough_directories());
	self->supervisor = passthrough_mount("--supervise");
	ASSERT_GT(self->supervisor, 0);
	self->files = number("FILES", FILES_DEFAULT);
	ASSERT_LE(self->files, FILES_MAX);
	ASSERT_GE(self->files, FILES_MIN);
}

FIXTURE_TEARDOWN(stress)
{
	if (self->supervisor <= 0)
		return;
	EXPECT_EQ(0, kill(self->supervisor, SIGTERM));
	EXPECT_EQ(0, exit_status(self->supervisor));
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

/* The supervisor exits with 0 if the filesystem is unmounted while no server runs. */
TEST_F(stress, unmounted_without_server)
{
	pid_t server = next_server(self->supervisor, 0);
	int i;

	/* It does not start the next server until it continues. */
	ASSERT_EQ(0, kill(self->supervisor, SIGSTOP));
	EXPECT_EQ(0, kill(server, SIGKILL));
	for (i = 0; i < RETRIES && child_of(self->supervisor); i++)
		usleep(1000);
	EXPECT_EQ(0, child_of(self->supervisor));
	EXPECT_EQ(0, umount2(MNT, 0));
	ASSERT_EQ(0, kill(self->supervisor, SIGCONT));
	EXPECT_EQ(0, exit_status(self->supervisor));
	self->supervisor = 0;
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
	unsigned int restarts = number("RESTARTS", RESTARTS_DEFAULT);
	struct shared *sh = self->shared;
	int status, baseline, workers, i, fds = -1;
	enum lock lock;
	long longest;

	if (!handles_supported())
		SKIP(return, NO_FUSE_HANDLES);
	baseline = nr_fds(next_server(self->supervisor, 0));
	ASSERT_EQ(0, create_files(sh, self->files));
	workers = start_workers(sh, self->files, self->workers);
	ASSERT_GT(workers, 0);
	longest = kill_servers(_metadata, self, restarts);
	__atomic_store_n(&sh->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < workers; i++) {
		ASSERT_EQ(self->workers[i], waitpid(self->workers[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	TH_LOG("%u restarts, %u files, %lu operations, longest wait %ld ms",
	       restarts, self->files, sh->operations, longest);
	EXPECT_EQ(0, sh->wrong) {
		TH_LOG("first: %s", sh->first_wrong);
	}
	for (lock = 0; lock < LOCKS; lock++) {
		EXPECT_LT(0, locked_counter(lock));
		EXPECT_EQ(sh->increments[lock], locked_counter(lock));
	}
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
