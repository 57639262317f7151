// SPDX-License-Identifier: GPL-2.0
/* Processes that use a mount of passthrough_handle. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/file.h>

#include "../file_handle/file_handle.h"
#include "passthrough_load.h"
#include "passthrough_mount.h"

#define READERS		4
#define WRITERS		4
#define FDS		25	/* each of them, 200 in all: half read, half write */
#define STORMS		2
#define COMPILERS	2
#define COPIERS		1
#define STATTERS	1
#define LOCKERS		3
#define LISTERS		1
#define MAPPERS		2

#define COPY_DIRS	5	/* each in the one before it */
#define COPY_FILES	10	/* in each directory */
#define UNITS		8	/* that a compiler compiles */
#define PAGES		16	/* of a mapping */

static void file_path(char *path, size_t size, unsigned int nr)
{
	snprintf(path, size, MNT "/d%u/f%u", nr / FILES_IN_DIR, nr);
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
		snprintf(sh->first_wrong, sizeof(sh->first_wrong), "%s", what);
}

static bool stopped(struct shared *sh)
{
	return __atomic_load_n(&sh->stop, __ATOMIC_RELAXED);
}

static unsigned int content_number(const char *buf, ssize_t len)
{
	unsigned int nr = ~0U;

	if (len > 0)
		sscanf(buf, "file %u", &nr);
	return nr;
}

static void reader(struct shared *sh, unsigned int id __maybe_unused,
		   unsigned int files, unsigned int seed)
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
static void writer(struct shared *sh, unsigned int id,
		   unsigned int files __maybe_unused, unsigned int seed)
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

/* Creates, renames, links and removes files in a directory. */
static void storm(struct shared *sh, unsigned int id,
		  unsigned int files __maybe_unused, unsigned int seed __maybe_unused)
{
	char dir[32], a[64], b[64], c[64], target[64];
	struct stat st, st2;
	int fd;

	snprintf(dir, sizeof(dir), MNT "/s%u", id);
	check(sh, "mkdir", mkdir(dir, 0755));
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	snprintf(c, sizeof(c), "%s/c", dir);
	while (!stopped(sh)) {
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

/* Returns true if the name does not exist. */
static void check_missing(struct shared *sh, const char *path)
{
	struct stat st;

	__atomic_add_fetch(&sh->operations, 1, __ATOMIC_RELAXED);
	if (!stat(path, &st))
		count_wrong(sh, "a name that does not exist");
	else if (errno != ENOENT)
		report(sh, "stat of a name that does not exist", errno);
}

/* Writes a temporary file. Returns its inode number, or 0. */
static ino_t write_object(struct shared *sh, const char *path, const char *text)
{
	struct stat st = {};
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (!check(sh, "create an object file", fd))
		return 0;
	check(sh, "write an object file", write(fd, text, strlen(text)));
	check(sh, "fstat an object file", fstat(fd, &st));
	check(sh, "close an object file", close(fd));
	return st.st_ino;
}

static void check_object(struct shared *sh, const char *path, const char *text,
			 ino_t inode)
{
	char buf[64] = "";
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!check(sh, "open an object file", fd))
		return;
	if (check(sh, "read an object file", read(fd, buf, sizeof(buf) - 1)) &&
	    strcmp(buf, text))
		count_wrong(sh, "content of an object file");
	if (check(sh, "fstat an object file", fstat(fd, &st)) && st.st_ino != inode)
		count_wrong(sh, "inode of an object file");
	check(sh, "close an object file", close(fd));
}

/*
 * What a compiler does: it looks for a header in several directories, reads it, writes
 * to a temporary file, and renames that over the object file.
 */
static void compiler(struct shared *sh, unsigned int id, unsigned int files,
		     unsigned int seed)
{
	char dir[32], path[64], temporary[64], text[64], buf[32];
	unsigned int unit, round, include, header;
	struct stat st;
	ino_t inode;
	int fd;

	snprintf(dir, sizeof(dir), MNT "/cc%u", id);
	check(sh, "mkdir", mkdir(dir, 0755));
	snprintf(path, sizeof(path), "%s/include", dir);
	check(sh, "mkdir", mkdir(path, 0755));
	for (round = 0; !stopped(sh); round++) {
		unit = rand_r(&seed) % UNITS;
		header = rand_r(&seed) % files;
		for (include = 0; include < 3; include++) {
			snprintf(path, sizeof(path), "%s/include%s/f%u", dir,
				 include == 1 ? "/missing" : "", header + include);
			check_missing(sh, path);
		}
		file_path(path, sizeof(path), header);
		if (check(sh, "stat a header", stat(path, &st)) &&
		    st.st_ino != sh->inodes[header])
			count_wrong(sh, "inode of a header");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (!check(sh, "open a header", fd))
			continue;
		memset(buf, 0, sizeof(buf));
		if (check(sh, "read a header", read(fd, buf, sizeof(buf) - 1)) &&
		    content_number(buf, sizeof(buf)) != header)
			count_wrong(sh, "content of a header");
		check(sh, "close a header", close(fd));

		snprintf(temporary, sizeof(temporary), "%s/unit%u.tmp", dir, unit);
		snprintf(path, sizeof(path), "%s/unit%u.o", dir, unit);
		snprintf(text, sizeof(text), "object %u.%u round %u\n", id,
			 unit, round);
		inode = write_object(sh, temporary, text);
		if (!inode)
			return;
		check(sh, "rename over an object file", rename(temporary, path));
		check_missing(sh, temporary);
		check_object(sh, path, text, inode);
		if (round % 16 == 15) {
			check(sh, "unlink an object file", unlink(path));
			check_missing(sh, path);
		}
	}
	for (unit = 0; unit < UNITS; unit++) {
		snprintf(path, sizeof(path), "%s/unit%u.o", dir, unit);
		if (unlink(path) && errno != ENOENT)
			report(sh, "unlink an object file", errno);
	}
	snprintf(path, sizeof(path), "%s/include", dir);
	check(sh, "rmdir", rmdir(path));
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

/* Stores the path of directory number @depth of a copy. */
static void copy_path(char *path, size_t size, unsigned int id, unsigned int depth)
{
	size_t used = snprintf(path, size, MNT "/copy%u", id);

	for (; depth; depth--)
		used += snprintf(path + used, size - used, "/sub");
}

/*
 * Checks the files in a directory of a copy, and removes them. Returns the number of
 * entries.
 */
static unsigned int remove_copies(struct shared *sh, const char *dir)
{
	unsigned int entries = 0;
	struct dirent *entry;
	char buf[32];
	ssize_t len;
	DIR *d;
	int fd;

	d = opendir(dir);
	if (!d) {
		report(sh, "opendir", errno);
		return 0;
	}
	for (; (errno = 0, entry = readdir(d));) {
		if (entry->d_name[0] == '.')
			continue;
		entries++;
		fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (!check(sh, "open copy", fd))
			continue;
		memset(buf, 0, sizeof(buf));
		len = read(fd, buf, sizeof(buf) - 1);
		if (check(sh, "read copy", len) &&
		    content_number(buf, len) != (unsigned int)atoi(entry->d_name))
			count_wrong(sh, "content of a copy");
		check(sh, "close", close(fd));
	}
	if (errno)
		report(sh, "readdir", errno);
	closedir(d);
	return entries;
}

/* Copies files to a tree, and compares and removes the copies. */
static void copier(struct shared *sh, unsigned int id, unsigned int files,
		   unsigned int seed)
{
	unsigned int first, depth, i, nr;
	char from[64], dir[128], to[160];

	while (!stopped(sh)) {
		first = rand_r(&seed) % (files - COPY_DIRS * COPY_FILES);
		for (depth = 0; depth < COPY_DIRS; depth++) {
			copy_path(dir, sizeof(dir), id, depth);
			if (!check(sh, "mkdir", mkdir(dir, 0755)))
				return;
			for (i = 0; i < COPY_FILES; i++) {
				nr = first + depth * COPY_FILES + i;
				file_path(from, sizeof(from), nr);
				snprintf(to, sizeof(to), "%s/%u", dir, nr);
				if (!copy_file(sh, from, to))
					return;
			}
		}
		while (depth--) {
			copy_path(dir, sizeof(dir), id, depth);
			if (remove_copies(sh, dir) != COPY_FILES)
				count_wrong(sh, "number of copies");
			for (i = 0; i < COPY_FILES; i++) {
				nr = first + depth * COPY_FILES + i;
				snprintf(to, sizeof(to), "%s/%u", dir, nr);
				check(sh, "unlink copy", unlink(to));
			}
			check(sh, "rmdir", rmdir(dir));
		}
	}
}

/* A path always leads to the same inode. */
static void statter(struct shared *sh, unsigned int id __maybe_unused,
		    unsigned int files, unsigned int seed)
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

static const char * const counters[LOCKS] = {
	[LOCK_FLOCK] = "flock",
	[LOCK_POSIX] = "posix",
};

static long read_counter(int fd)
{
	long value = 0;
	char buf[32];
	ssize_t len;

	/* Otherwise, the page cache answers. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	len = pread(fd, buf, sizeof(buf) - 1, 0);
	if (len < 0)
		return -errno;
	buf[len] = '\0';
	if (len && sscanf(buf, "counter %ld", &value) != 1)
		return -EBADMSG;
	return value;
}

long locked_counter(enum lock lock)
{
	char path[64];
	long value;
	int fd;

	snprintf(path, sizeof(path), MNT "/%s", counters[lock]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	value = read_counter(fd);
	close(fd);
	return value;
}

static int take_lock(int fd, enum lock lock, bool on)
{
	struct flock whole = {
		.l_type = on ? F_WRLCK : F_UNLCK,
		.l_whence = SEEK_SET,
	};

	if (lock == LOCK_FLOCK)
		return flock(fd, on ? LOCK_EX : LOCK_UN);
	return fcntl(fd, F_SETLKW, &whole);
}

/*
 * The locks of this server are those of the kernel, which remain: no increment of a
 * counter is lost.
 */
static void locker(struct shared *sh, unsigned int id __maybe_unused,
		   unsigned int files __maybe_unused, unsigned int seed)
{
	char path[64], buf[32];
	int fds[LOCKS], len;
	enum lock lock;
	long value;

	for (lock = 0; lock < LOCKS; lock++) {
		snprintf(path, sizeof(path), MNT "/%s", counters[lock]);
		fds[lock] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		check(sh, "open a counter", fds[lock]);
	}
	while (!stopped(sh)) {
		lock = rand_r(&seed) % LOCKS;
		if (!check(sh, "lock", take_lock(fds[lock], lock, true)))
			continue;
		value = read_counter(fds[lock]);
		if (value < 0)
			report(sh, "read a counter", -value);
		len = snprintf(buf, sizeof(buf), "counter %10ld\n", value + 1);
		/* Under the lock, which all processes take */
		if (check(sh, "write a counter", pwrite(fds[lock], buf, len, 0)))
			sh->increments[lock]++;
		check(sh, "unlock", take_lock(fds[lock], lock, false));
	}
	for (lock = 0; lock < LOCKS; lock++)
		check(sh, "close", close(fds[lock]));
}

struct linux_dirent64 {
	__u64 ino;
	__s64 offset;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/*
 * Lists a directory a few entries at a time through a handle that stays open. Each file
 * must appear once.
 */
static void list_slowly(struct shared *sh, int fd, unsigned int first,
			unsigned int nr)
{
	bool seen[FILES_IN_DIR] = {};
	struct linux_dirent64 *entry;
	char buf[256];
	unsigned int file, found = 0;
	long len, at;

	if (!check(sh, "rewind a directory", lseek(fd, 0, SEEK_SET)))
		return;
	while ((len = syscall(__NR_getdents64, fd, buf, sizeof(buf))) > 0) {
		check(sh, "getdents", len);
		for (at = 0; at < len; at += entry->reclen) {
			entry = (struct linux_dirent64 *)(buf + at);
			if (sscanf(entry->name, "f%u", &file) != 1)
				continue;
			if (file < first || file >= first + nr || seen[file - first] ||
			    entry->ino != sh->inodes[file]) {
				count_wrong(sh, "entry of a directory");
				continue;
			}
			seen[file - first] = true;
			found++;
		}
		/* The server is replaced between two calls more often than in one. */
		usleep(1000);
	}
	if (check(sh, "getdents", len) && found != nr)
		count_wrong(sh, "number of entries of a directory");
}

static void lister(struct shared *sh, unsigned int id __maybe_unused,
		   unsigned int files, unsigned int seed)
{
	unsigned int dir, first, rounds;
	char path[64];
	int fd;

	while (!stopped(sh)) {
		dir = rand_r(&seed) % (files / FILES_IN_DIR);
		first = dir * FILES_IN_DIR;
		snprintf(path, sizeof(path), MNT "/d%u", dir);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (!check(sh, "open a directory", fd))
			continue;
		for (rounds = 0; rounds < 5 && !stopped(sh); rounds++)
			list_slowly(sh, fd, first, FILES_IN_DIR);
		check(sh, "close a directory", close(fd));
	}
}

static void page_text(char *text, size_t size, unsigned int id, unsigned int page,
		      unsigned int round)
{
	snprintf(text, size, "map %u page %u round %u\n", id, page, round);
}

/* Maps a file that does not change, and checks its content. */
static void map_file(struct shared *sh, unsigned int nr)
{
	char path[64];
	void *map;
	int fd;

	file_path(path, sizeof(path), nr);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!check(sh, "open to map", fd))
		return;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	check(sh, "close", close(fd));
	if (!check(sh, "mmap", map == MAP_FAILED ? -1 : 0))
		return;
	/* The rest of the page is zero. */
	if (content_number(map, 32) != nr)
		count_wrong(sh, "content of a mapping");
	munmap(map, 4096);
}

/* Checks a page of a file in the directory of the server. */
static void check_lower(struct shared *sh, unsigned int id, unsigned int page,
			unsigned int round)
{
	char path[64], text[64], buf[64] = "";
	int fd;

	snprintf(path, sizeof(path), LOWER "/m%u", id);
	page_text(text, sizeof(text), id, page, round);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!check(sh, "open what was mapped", fd))
		return;
	if (check(sh, "read what was mapped",
		  pread(fd, buf, strlen(text), page * 4096)) && strcmp(buf, text))
		count_wrong(sh, "content after msync");
	close(fd);
}

/* Writes to a mapping, and checks it and the file that the server has written. */
static void mapper(struct shared *sh, unsigned int id, unsigned int files,
		   unsigned int seed)
{
	unsigned int rounds[PAGES] = {}, page;
	char path[64], text[64], *map;
	int fd;

	snprintf(path, sizeof(path), MNT "/m%u", id);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (!check(sh, "create to map", fd) ||
	    !check(sh, "ftruncate", ftruncate(fd, PAGES * 4096)))
		return;
	map = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!check(sh, "mmap", map == MAP_FAILED ? -1 : 0))
		return;
	while (!stopped(sh)) {
		map_file(sh, rand_r(&seed) % files);
		page = rand_r(&seed) % PAGES;
		page_text(text, sizeof(text), id, page, rounds[page]);
		if (rounds[page] && strncmp(map + page * 4096, text, strlen(text)))
			count_wrong(sh, "content of a shared mapping");
		page_text(text, sizeof(text), id, page, ++rounds[page]);
		memcpy(map + page * 4096, text, strlen(text) + 1);
		if (rand_r(&seed) % 4)
			continue;
		check(sh, "msync", msync(map, PAGES * 4096, MS_SYNC));
		check_lower(sh, id, page, rounds[page]);
		/* The next access reads from the server. */
		madvise(map, PAGES * 4096, MADV_DONTNEED);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	check(sh, "msync", msync(map, PAGES * 4096, MS_SYNC));
	for (page = 0; page < PAGES; page++)
		if (rounds[page])
			check_lower(sh, id, page, rounds[page]);
	munmap(map, PAGES * 4096);
	check(sh, "close", close(fd));
}

static const struct {
	void (*run)(struct shared *sh, unsigned int id, unsigned int files,
		    unsigned int seed);
	unsigned int nr;
} kinds[] = {
	{ reader, READERS },
	{ writer, WRITERS },
	{ storm, STORMS },
	{ compiler, COMPILERS },
	{ copier, COPIERS },
	{ statter, STATTERS },
	{ locker, LOCKERS },
	{ lister, LISTERS },
	{ mapper, MAPPERS },
};

int start_workers(struct shared *sh, unsigned int files, pid_t pids[WORKERS_MAX])
{
	unsigned int kind, i, nr = 0;

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		for (i = 0; i < kinds[kind].nr; i++, nr++) {
			pids[nr] = fork();
			if (pids[nr] < 0)
				return -errno;
			if (pids[nr])
				continue;
			die_with_parent();
			kinds[kind].run(sh, nr, files, nr * 7919 + 1);
			_exit(0);
		}
	}
	return nr;
}

int create_files(struct shared *sh, unsigned int files)
{
	char path[64], buf[32];
	struct stat st;
	unsigned int i;
	int fd, len;

	for (i = 0; i < files; i++) {
		if (i % FILES_IN_DIR == 0) {
			snprintf(path, sizeof(path), MNT "/d%u", i / FILES_IN_DIR);
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
