// SPDX-License-Identifier: GPL-2.0
/*
 * Loading, using and unloading the module rust_exportfs: references that
 * must prevent it, allocations that fail, and threads.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "failslab.h"
#include "sample_fixture.h"

#define THREADS		4
#define CHURN_SECONDS	3
#define UNLOADS		30

TEST_F(fs, device_holds_module)
{
	close(self->anchor);
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
}

TEST_F(fs, anchor_holds_module)
{
	close(self->dev);
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
}

TEST_F(fs, file_holds_module)
{
	int fd = make_object(self->dev, "object", 16);

	ASSERT_GE(fd, 0);
	CLOSE_ALL();
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	EXPECT_EQ(write(fd, "hello", 5), 5);
	EXPECT_TRUE(holds(fd, "hello"));
}

TEST_F(fs, removed_file_holds_module)
{
	int fd = make_object(self->dev, "object", 16);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_object(self->dev, "object"), 0);
	CLOSE_ALL();
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	EXPECT_EQ(write(fd, "hello", 5), 5);
}

/* An O_PATH descriptor, without an open file of the module. */
TEST_F(fs, path_holds_module)
{
	char path[64], link[64] = "";
	int object, fd;

	object = make_object(self->dev, "object", 16);
	ASSERT_GE(object, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", object);
	fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	close(object);
	CLOSE_ALL();

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_GT(readlink(path, link, sizeof(link) - 1), 0);
	EXPECT_EQ(strncmp(link, MODULE ":[", strlen(MODULE) + 2), 0);
	ASSERT_EQ(act_as(USER), 0);
	object = open(path, O_RDWR);
	ASSERT_GE(object, 0);
	EXPECT_EQ(write(object, "hello", 5), 5);
}

/* A file in flight, without a descriptor. */
TEST_F(fs, message_holds_module)
{
	char data = 'x', control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { &data, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int socks[2], fd;

	fd = make_object(self->dev, "object", 16);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, socks), 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ASSERT_EQ(sendmsg(socks[0], &msg, 0), 1);
	close(fd);
	CLOSE_ALL();

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	ASSERT_EQ(recvmsg(socks[1], &msg, 0), 1);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	EXPECT_EQ(write(fd, "hello", 5), 5);
}

/* Neither objects nor inotify watches of them hold the module. */
TEST_F(fs, unload_with_objects)
{
	struct inotify_event event;
	char path[64];
	int fd, watch;

	fd = make_object(self->dev, "object", 16);
	ASSERT_GE(fd, 0);
	ASSERT_GE(make_object(self->dev, "large", RUST_EXPORTFS_SIZE_MAX), 0);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	ASSERT_GE(watch, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_GE(inotify_add_watch(watch, path, IN_DELETE_SELF), 0);
	/* Close all but the watch. */
	ASSERT_EQ(dup2(watch, 3), 3);
	ASSERT_EQ(syscall(__NR_close_range, 4, ~0U, 0), 0);

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), 0);
	EXPECT_EQ(read(3, &event, sizeof(event)), (ssize_t)sizeof(event));
	ASSERT_EQ(load_module(), 0);
}

#define FAILURES_MAX	2000

/* Open the device, use an object in all ways, and remove it. */
static int use_everything(void)
{
	int dev, anchor, fd, ret;
	struct handle fh;

	dev = open_device();
	if (dev < 0)
		return dev;
	ret = make_handle(dev, "object", "hello", &fh);
	if (ret)
		goto out;
	anchor = make_anchor(dev);
	ret = anchor;
	if (anchor < 0)
		goto out;
	fd = decode(anchor, &fh, O_RDWR);
	ret = fd;
	if (fd >= 0) {
		ret = holds(fd, "hello") ? 0 : -EIO;
		close(fd);
	}
	close(anchor);
out:
	if (remove_object(dev, "object") && !ret)
		ret = -EIO;
	close(dev);
	return ret;
}

/* Let each allocation fail once, in turn. */
TEST_F_TIMEOUT(fs, allocation_failures, SLOW_TIMEOUT)
{
	struct failslab fail = {};
	bool has_failed = true;
	int nth, ret = 0, i;
	char name[16];

	ASSERT_EQ(act_as(0), 0);
	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	CLOSE_ALL();

	/* No ASSERT before failslab_end(), which restores the settings. */
	EXPECT_EQ(failslab_start(&fail), 0);
	for (nth = 1; nth < FAILURES_MAX; nth++) {
		EXPECT_EQ(failslab_arm(&fail, nth), 0);
		ret = use_everything();
		has_failed = failslab_has_failed(&fail);
		EXPECT_EQ(failslab_arm(&fail, 0), 0);
		/* All allocations have failed once. */
		if (!has_failed)
			break;
		EXPECT_TRUE(!ret || ret == -ENOMEM) {
			TH_LOG("allocation %d: %d", nth, ret);
		}
	}
	failslab_end(&fail);
	EXPECT_FALSE(has_failed);
	EXPECT_EQ(ret, 0);
	EXPECT_GT(nth, 10);
	EXPECT_LT(nth, FAILURES_MAX);
	TH_LOG("%d allocations have failed", nth - 1);

	/* No charge is left. */
	self->dev = open_device();
	ASSERT_GE(self->dev, 0);
	for (i = 0; i < RUST_EXPORTFS_USER_OBJECTS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_GE(make_object(self->dev, name, 1), 0);
	}
}

struct worker {
	pthread_t id;
	unsigned int nr;
	unsigned int rounds;
	unsigned int found;	/* objects of other workers */
	int bad;		/* line of the first failure */
	int why;		/* errno of the first failure */
};

static struct worker workers[THREADS];
static atomic_bool stop;

/* The last handle of each worker. Its object may have been removed. */
static struct handle shared[THREADS];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

static void check(struct worker *worker, int line, bool right)
{
	if (right || worker->bad)
		return;
	worker->bad = line;
	worker->why = errno;
}

#define CHECK(worker, right) check(worker, __LINE__, right)

static void look_for_others(struct worker *worker, int anchor)
{
	struct handle fh;
	char buf[16];
	int fd;

	pthread_mutex_lock(&shared_lock);
	fh = shared[(worker->nr + 1) % THREADS];
	pthread_mutex_unlock(&shared_lock);
	if (!fh.bytes)
		return;
	fd = decode(anchor, &fh, O_RDWR);
	if (fd == -ESTALE)
		return;
	CHECK(worker, fd >= 0);
	CHECK(worker, pread(fd, buf, sizeof(buf), 0) == sizeof(buf));
	worker->found++;
	close(fd);
}

/* Nothing stays open between rounds, so the superblock comes and goes. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	char name[16], content[16] = {};
	int dev, anchor, fd;
	struct handle fh;

	snprintf(name, sizeof(name), "worker %u", worker->nr);
	memcpy(content, name, sizeof(content));
	while (!atomic_load(&stop) && !worker->bad) {
		dev = open_device();
		CHECK(worker, dev >= 0);
		fd = make_object(dev, name, sizeof(content));
		CHECK(worker, fd >= 0);
		CHECK(worker, write(fd, content, sizeof(content)) == sizeof(content));
		CHECK(worker, !encode(fd, &fh));
		close(fd);
		pthread_mutex_lock(&shared_lock);
		shared[worker->nr] = fh;
		pthread_mutex_unlock(&shared_lock);

		anchor = make_anchor(dev);
		CHECK(worker, anchor >= 0);
		fd = decode(anchor, &fh, O_RDWR);
		CHECK(worker, fd >= 0);
		look_for_others(worker, anchor);
		CHECK(worker, !remove_object(dev, name));
		CHECK(worker, write(fd, content, sizeof(content)) == sizeof(content));
		close(fd);
		fd = decode(anchor, &fh, O_RDWR);
		CHECK(worker, fd == -ESTALE);
		close(anchor);
		close(dev);
		worker->rounds++;
	}
	return NULL;
}

/* Returns true if each worker has worked, or has failed. */
static bool each_has_worked(void)
{
	unsigned int i, found = 0;
	bool failed = false;

	for (i = 0; i < THREADS; i++) {
		const struct worker *worker = &workers[i];

		if (__atomic_load_n(&worker->bad, __ATOMIC_SEQ_CST))
			failed = true;
		else if (!__atomic_load_n(&worker->rounds, __ATOMIC_SEQ_CST))
			return false;
		found += __atomic_load_n(&worker->found, __ATOMIC_SEQ_CST);
	}
	return failed || found;
}

TEST_F_TIMEOUT(fs, threads, SLOW_TIMEOUT)
{
	unsigned int i, found = 0;

	CLOSE_ALL();
	for (i = 0; i < THREADS; i++) {
		workers[i].nr = i;
		ASSERT_EQ(pthread_create(&workers[i].id, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < 20; i++) {
		sleep(CHURN_SECONDS);
		if (each_has_worked())
			break;
	}
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].id, NULL);
		found += workers[i].found;
		EXPECT_EQ(workers[i].bad, 0) {
			TH_LOG("line %d: %d", workers[i].bad, workers[i].why);
		}
		EXPECT_GT(workers[i].rounds, 0U);
		TH_LOG("%u rounds, opened %u objects of another", workers[i].rounds,
		       workers[i].found);
	}
	EXPECT_GT(found, 0U);
}

/* Unload and load the module again and again. It may be busy. */
static void *try_to_unload(void *arg)
{
	atomic_uint *unloaded = arg;
	int ret;

	while (!atomic_load(&stop)) {
		/* Vary the point of a round of use at which this happens. */
		usleep(atomic_load(unloaded) % 16 * 500);
		ret = unload_module();
		if (!ret) {
			atomic_fetch_add(unloaded, 1);
			ret = load_module();
		}
		if (ret && ret != -EWOULDBLOCK)
			return (void *)(intptr_t)ret;
	}
	return NULL;
}

TEST_F_TIMEOUT(fs, unload_while_in_use, SLOW_TIMEOUT)
{
	atomic_uint unloaded = 0;
	unsigned int used = 0;
	struct handle fh;
	pthread_t id;
	void *ret;
	int dev, anchor, fd;
	time_t end;

	CLOSE_ALL();
	ASSERT_EQ(act_as(0), 0);
	ASSERT_EQ(pthread_create(&id, NULL, try_to_unload, &unloaded), 0);
	for (end = time(NULL) + SLOW_TIMEOUT / 2; time(NULL) < end;) {
		if (atomic_load(&unloaded) >= UNLOADS && used >= UNLOADS)
			break;
		dev = open_device();
		if (dev < 0) {
			/* The module is not loaded, or is being loaded or unloaded. */
			ASSERT_TRUE(dev == -ENOENT || dev == -ENODEV || dev == -ENXIO ||
				    dev == -EBUSY) {
				TH_LOG("open: %d", dev);
			}
			usleep(100);
			continue;
		}
		anchor = make_anchor(dev);
		EXPECT_GE(anchor, 0);
		EXPECT_EQ(make_handle(dev, "object", "hello", &fh), 0);
		close(dev);
		fd = decode(anchor, &fh, O_RDWR);
		EXPECT_GE(fd, 0);
		close(anchor);
		EXPECT_TRUE(holds(fd, "hello"));
		close(fd);
		dev = open_device();
		if (dev >= 0) {
			/* Fails if the module was unloaded since. */
			remove_object(dev, "object");
			close(dev);
		}
		used++;
	}
	atomic_store(&stop, true);
	pthread_join(id, &ret);
	EXPECT_EQ(ret, NULL);
	TH_LOG("unloaded %u times, used %u times", atomic_load(&unloaded), used);
	/* UNLOADS, unless the machine is slow. */
	EXPECT_GE(atomic_load(&unloaded), 3U);
	EXPECT_GE(used, 3U);
}

TEST_HARNESS_MAIN
