// SPDX-License-Identifier: GPL-2.0
/* Who can decode handles of which namespaces. */
#define _GNU_SOURCE
#include <linux/capability.h>

#include "nsfs_handle_fixture.h"

TEST_F(one, decode_at_pidfs_is_stale)
{
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->ns.fh, 0), -ESTALE);
	EXPECT_EQ(decode(self->ns.pidfd, &self->ns.fh, 0), -ESTALE);
}

/* Encodes the namespace of the caller, closes it and opens it by handle. */
static int decode_own(void *arg)
{
	const struct ns_kind *kind = arg;
	struct nsfs_file_handle ns;
	struct handle fh;
	int fd, ret;

	fd = ns_own(kind);
	if (fd < 0)
		return fd;
	ret = encode(fd, &fh);
	if (ret)
		return ret;
	if (!is_named_by(fd, &fh))
		return -EBADMSG;
	ret = try_decode(fd, &fh);
	if (ret)
		return ret;
	close(fd);
	ret = try_decode(FD_NSFS_ROOT, &fh);
	if (ret)
		return ret;
	ns = handle_ns(&fh);
	handle_set_ns(&fh, ns.ns_id, 0, 0);
	return try_decode(FD_NSFS_ROOT, &fh);
}

TEST_F(nsfs, own_namespace_decodes_for_all_users)
{
	void *kind = (void *)self->ns.kind;

	EXPECT_EQ(decode_own(kind), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_own, kind), 0);
}

TEST_F(nsfs, own_new_namespace_decodes_for_all_users)
{
	void *kind = (void *)self->ns.kind;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_SAME, self->ns.kind->type, decode_own, kind), 0);
	EXPECT_EQ(run_as(WHO_USER, self->ns.kind->type, decode_own, kind), 0);
	EXPECT_EQ(run_as(WHO_NS_ROOT, self->ns.kind->type | CLONE_NEWUSER,
			 decode_own, kind), 0);
	EXPECT_EQ(run_as(WHO_NS_ROOT,
			 self->ns.kind->type | CLONE_NEWUSER | CLONE_NEWPID,
			 decode_own, kind), 0);
}

TEST_F(nsfs, namespace_of_others_is_stale_to_a_user)
{
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(decode_as(WHO_SAME, 0, FD_NSFS_ROOT, &self->ns.fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	/* A descriptor of the namespace is not enough. */
	EXPECT_EQ(decode_as(WHO_USER, 0, self->ns.fd, &self->ns.fh), -ESTALE);

	handle_set_ns(&self->ns.fh, self->ns.id, 0, 0);
	EXPECT_EQ(decode_as(WHO_SAME, 0, FD_NSFS_ROOT, &self->ns.fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

TEST_F(nsfs, namespace_of_others_is_stale_to_nested_root)
{
	const __u64 namespaces[] = {
		CLONE_NEWUSER,
		CLONE_NEWUSER | CLONE_NEWPID,
		CLONE_NEWUSER | CLONE_NEWPID | self->ns.kind->type,
	};
	unsigned int i;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
		EXPECT_EQ(decode_as(WHO_NS_ROOT, namespaces[i], FD_NSFS_ROOT,
				    &self->ns.fh), -ESTALE) {
			TH_LOG("namespaces %#llx", namespaces[i]);
		}
		EXPECT_EQ(decode_as(WHO_NS_ROOT, namespaces[i], self->ns.fd,
				    &self->ns.fh), -ESTALE) {
			TH_LOG("namespaces %#llx", namespaces[i]);
		}
	}
	/* The pid namespace must be the initial one as well. */
	EXPECT_EQ(decode_as(WHO_SAME, CLONE_NEWPID, FD_NSFS_ROOT, &self->ns.fh),
		  -ESTALE);
	/* Other types of namespaces do not matter. */
	EXPECT_EQ(decode_as(WHO_SAME, CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC,
			    FD_NSFS_ROOT, &self->ns.fh), 0);
}

/* A child in a nested namespace is no longer in the outer one. */
TEST_F(nsfs, left_namespace_is_stale_to_nested_root)
{
	const __u64 nested = CLONE_NEWUSER | self->ns.kind->type;
	int own = ns_own(self->ns.kind);
	struct handle fh;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_GE(own, 0);
	ASSERT_EQ(encode(own, &fh), 0);
	EXPECT_EQ(decode_as(WHO_NS_ROOT, nested, FD_NSFS_ROOT, &fh), -ESTALE);
	if (self->ns.kind->type != CLONE_NEWUSER) {
		EXPECT_EQ(decode_as(WHO_NS_ROOT, CLONE_NEWUSER, FD_NSFS_ROOT,
				    &fh), 0);
	}
}

/* Drops all capabilities that are not in @mask. */
static int keep_capabilities(__u64 mask)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	unsigned int i;

	if (syscall(__NR_capget, &header, data))
		return -errno;
	for (i = 0; i < ARRAY_SIZE(data); i++) {
		data[i].permitted &= mask >> 32 * i;
		data[i].effective = data[i].permitted;
	}
	return syscall(__NR_capset, &header, data) ? -errno : 0;
}

static int decode_without_capability(void *arg)
{
	return keep_capabilities(~(1ULL << CAP_SYS_ADMIN)) ? :
	       decode_in_child(arg);
}

static int decode_with_capability(void *arg)
{
	if (prctl(PR_SET_KEEPCAPS, 1) || setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return keep_capabilities(1ULL << CAP_SYS_ADMIN) ? :
	       decode_in_child(arg);
}

/* CAP_SYS_ADMIN decides, not the user id. */
TEST_F(nsfs, namespace_of_others_requires_cap_sys_admin)
{
	struct decode_args args = { .dfd = FD_NSFS_ROOT, .fh = &self->ns.fh };

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_without_capability, &args),
		  -ESTALE);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_with_capability, &args), 0);
}

#define STORED	"--decode-stored"

/* Runs after execve(): opens the own namespaces by the handles in the file. */
static int decode_stored(int fd)
{
	struct handle fh;
	unsigned int i;
	int own;

	for (i = 0; i < NS_KINDS; i++) {
		own = ns_own(&ns_kinds[i]);
		if (own == -EOPNOTSUPP)
			continue;
		if (own < 0)
			return own;
		if (pread(fd, &fh, sizeof(fh), i * sizeof(fh)) != sizeof(fh))
			return -EIO;
		if (!is_named_by(own, &fh))
			return -EBADMSG;
		close(own);
		own = try_decode(FD_NSFS_ROOT, &fh);
		if (own)
			return own;
	}
	return 0;
}

static int store_and_exec(void *arg __maybe_unused)
{
	int fd = sys_memfd_create("handles", 0);
	struct handle fh;
	char number[12];
	unsigned int i;
	int own;

	for (i = 0; i < NS_KINDS; i++) {
		own = ns_own(&ns_kinds[i]);
		if (own == -EOPNOTSUPP)
			continue;
		if (own < 0)
			return own;
		if (encode(own, &fh))
			return -EPROTO;
		close(own);
		if (pwrite(fd, &fh, sizeof(fh), i * sizeof(fh)) != sizeof(fh))
			return -EIO;
	}
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", "nsfs_access_test", STORED, number, NULL);
	return -ENOEXEC;
}

TEST(handles_survive_in_a_file_across_exec)
{
	const __u64 nested = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP |
			     CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID |
			     CLONE_NEWUTS | CLONE_NEWTIME;
	const char *reason = nsfs_missing();
	int ret;

	if (reason)
		SKIP(return, "%s", reason);
	if (access("/proc/self/exe", X_OK))
		SKIP(return, NEEDS_PROCFS);
	EXPECT_EQ(run_as(WHO_SAME, 0, store_and_exec, NULL), 0);
	ret = run_as(WHO_NS_ROOT, nested, store_and_exec, NULL);
	if (ret == NO_CHILD)
		SKIP(return, NEEDS_USER_NS);
	EXPECT_EQ(ret, 0);
}

static int decode_initial(void *arg __maybe_unused)
{
	struct handle fh = {};
	unsigned int i;
	int fd, ret;

	for (i = 0; i < NS_KINDS; i++) {
		const struct ns_kind *kind = &ns_kinds[i];

		/* The test can run in others than the initial ones. */
		fd = ns_own(kind);
		if (ns_ino(fd) != kind->init_ino)
			continue;
		close(fd);
		handle_set_ns(&fh, kind->init_id, 0, 0);
		ret = try_decode(FD_NSFS_ROOT, &fh);
		if (ret)
			return ret;
		handle_set_ns(&fh, kind->init_id, kind->type, kind->init_ino);
		ret = try_decode(FD_NSFS_ROOT, &fh);
		if (ret)
			return ret;
		/* The id of another namespace does not match the rest. */
		handle_set_ns(&fh, kind->init_id % NS_KINDS + 1, kind->type,
			      kind->init_ino);
		ret = try_decode(FD_NSFS_ROOT, &fh);
		if (ret != -ESTALE)
			return ret ? : -EBADMSG;
	}
	return 0;
}

TEST(initial_namespaces_decode_by_fixed_ids)
{
	const char *reason = nsfs_missing();

	if (reason)
		SKIP(return, "%s", reason);
	EXPECT_EQ(decode_initial(NULL), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_initial, NULL), 0);
}

/*
 * A process that creates a pid or time namespace for its children is not in
 * it, and cannot decode its handle as an ordinary user.
 */
static int decode_for_children(void *arg)
{
	const struct ns_kind *kind = arg;
	struct handle fh;
	int pidfd, fd;

	if (unshare(kind->type))
		return -errno;
	pidfd = sys_pidfd_open(getpid(), 0);
	fd = open_for_children(pidfd, kind->type);
	if (fd < 0)
		return -errno;
	if (encode(fd, &fh))
		return -EPROTO;
	if (try_decode(FD_NSFS_ROOT, &fh))
		return -EACCES;
	if (become_user())
		return -EPERM;
	if (try_decode(FD_NSFS_ROOT, &fh) != -ESTALE ||
	    try_decode(fd, &fh) != -ESTALE)
		return -EBADMSG;
	return run_as(WHO_SAME, 0, decode_own, arg);
}

TEST(namespaces_for_children_decode_only_for_children)
{
	const char *reason = nsfs_missing();

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_for_children,
			 (void *)&ns_kinds[NS_PID]), 0);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_for_children,
			 (void *)&ns_kinds[NS_TIME]), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], STORED))
		return -decode_stored(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
