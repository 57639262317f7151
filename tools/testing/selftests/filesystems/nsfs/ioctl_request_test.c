// SPDX-License-Identifier: GPL-2.0
/* Requests that nsfs refuses, by number, size and type of the namespace. */
#define _GNU_SOURCE
#define NSFS_PROBE nsfs_ids_missing
#include "../file_handle/nsfs_fixture.h"
#include "ioctl.h"

/* All requests. Three of them have a variable size. */
static const struct {
	const char *name;
	unsigned int request;
	unsigned int type;	/* the only type that supports it, or 0 */
} requests[] = {
	{ "NS_GET_USERNS", NS_GET_USERNS, 0 },
	{ "NS_GET_PARENT", NS_GET_PARENT, 0 },
	{ "NS_GET_NSTYPE", NS_GET_NSTYPE, 0 },
	{ "NS_GET_OWNER_UID", NS_GET_OWNER_UID, CLONE_NEWUSER },
	{ "NS_GET_MNTNS_ID", NS_GET_MNTNS_ID, CLONE_NEWNS },
	{ "NS_GET_PID_FROM_PIDNS", NS_GET_PID_FROM_PIDNS, CLONE_NEWPID },
	{ "NS_GET_TGID_FROM_PIDNS", NS_GET_TGID_FROM_PIDNS, CLONE_NEWPID },
	{ "NS_GET_PID_IN_PIDNS", NS_GET_PID_IN_PIDNS, CLONE_NEWPID },
	{ "NS_GET_TGID_IN_PIDNS", NS_GET_TGID_IN_PIDNS, CLONE_NEWPID },
	{ "NS_GET_ID", NS_GET_ID, 0 },
	{ "NS_MNT_GET_INFO", NS_MNT_GET_INFO, CLONE_NEWNS },
	{ "NS_MNT_GET_NEXT", NS_MNT_GET_NEXT, CLONE_NEWNS },
	{ "NS_MNT_GET_PREV", NS_MNT_GET_PREV, CLONE_NEWNS },
};

static bool is_request(unsigned int request)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (request == requests[i].request)
			return true;
	}
	return false;
}

static bool is_extensible(unsigned int request)
{
	return request == NS_MNT_GET_INFO || request == NS_MNT_GET_NEXT ||
	       request == NS_MNT_GET_PREV;
}

/* A mount namespace, which supports the most requests. */
FIXTURE(request)
{
	struct subject ns;
};

FIXTURE_SETUP(request)
{
	const char *reason = nsfs_ids_missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(subject_init(&self->ns, NS_MNT), 0);
}

FIXTURE_TEARDOWN(request)
{
	kill_children();
}

TEST_F(request, id_is_eight_bytes_at_any_alignment)
{
	unsigned char *end = page_end();
	unsigned char space[24];
	unsigned int offset, i;
	__u64 id = ns_id(self->ns.fd);

	for (offset = 0; offset < 8; offset++) {
		memset(space, CANARY, sizeof(space));
		ASSERT_EQ(ask(self->ns.fd, NS_GET_ID, space + offset), 0);
		EXPECT_EQ(memcmp(space + offset, &id, sizeof(id)), 0);
		for (i = 0; i < sizeof(space); i++) {
			if (i < offset || i >= offset + sizeof(id))
				ASSERT_EQ(space[i], CANARY);
		}
	}

	ASSERT_NE(end, NULL);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, end - 8), 0);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, end - i), -EFAULT);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, NULL), -EFAULT);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, (void *)-1UL), -EFAULT);
}

TEST_F(nsfs, request_of_another_type_is_invalid)
{
	unsigned char buf[64];
	unsigned int i, j;
	int refused;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!requests[i].type ||
		    requests[i].type == self->ns.kind->type)
			continue;
		refused = -EINVAL;
		/* Permission is checked first. */
		if (!may_see_all() && is_extensible(requests[i].request) &&
		    requests[i].request != NS_MNT_GET_INFO)
			refused = -EPERM;
		memset(buf, CANARY, sizeof(buf));
		EXPECT_EQ(ask(self->ns.fd, requests[i].request, buf), refused) {
			TH_LOG("%s", requests[i].name);
		}
		EXPECT_EQ(ask(self->ns.fd, requests[i].request, NULL),
			  refused) {
			TH_LOG("%s with NULL", requests[i].name);
		}
		for (j = 0; j < sizeof(buf); j++)
			ASSERT_EQ(buf[j], CANARY);
	}
}

TEST_F(request, unknown_request)
{
	unsigned int nr, dir, request;

	for (nr = 0; nr < 256; nr++) {
		for (dir = 0; dir < 4; dir++) {
			request = _IOC(dir, NSIO, nr, 0);
			if (is_request(request))
				continue;
			EXPECT_EQ(ask(self->ns.fd, request, NULL), -ENOTTY) {
				TH_LOG("request %#x", request);
			}
		}
	}
	EXPECT_EQ(ask(self->ns.fd, PIDFD_GET_NET_NAMESPACE, NULL), -ENOTTY);
}

TEST_F(request, request_with_wrong_letter_or_direction)
{
	static const unsigned int letters[] = { NSIO - 1, NSIO + 1, 0xff };
	unsigned int i, j, request;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		const unsigned int right = requests[i].request;

		for (j = 0; j < ARRAY_SIZE(letters); j++) {
			request = _IOC(_IOC_DIR(right), letters[j],
				       _IOC_NR(right), _IOC_SIZE(right));
			EXPECT_EQ(ask(self->ns.fd, request, NULL), -ENOTTY) {
				TH_LOG("%s as %#x", requests[i].name, request);
			}
		}
		for (j = 0; j < 4; j++) {
			request = _IOC(j, NSIO, _IOC_NR(right),
				       _IOC_SIZE(right));
			if (request == right)
				continue;
			EXPECT_EQ(ask(self->ns.fd, request, NULL), -ENOTTY) {
				TH_LOG("%s as %#x", requests[i].name, request);
			}
		}
	}
}

TEST_F(request, request_with_wrong_size)
{
	unsigned int i, size;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		const unsigned int right = requests[i].request;
		unsigned int end = 1 << _IOC_SIZEBITS;

		/* These accept larger sizes, but not smaller ones. */
		if (is_extensible(right))
			end = MNT_NS_INFO_SIZE_VER0;
		for (size = 0; size < end; size += size < 64 ? 1 : 63) {
			if (size == _IOC_SIZE(right))
				continue;
			ASSERT_EQ(ask(self->ns.fd, with_size(right, size),
				      NULL), -ENOTTY) {
				TH_LOG("%s with %u bytes", requests[i].name,
				       size);
			}
		}
	}
}

/* A word is not written if only a part of its memory is accessible. */
TEST_F(nsfs, word_is_written_as_a_whole)
{
	static const struct {
		unsigned int request, type, size;
	} words[] = {
		{ NS_GET_ID, 0, sizeof(__u64) },
		{ NS_GET_MNTNS_ID, CLONE_NEWNS, sizeof(__u64) },
		{ NS_GET_OWNER_UID, CLONE_NEWUSER, sizeof(uid_t) },
	};
	unsigned char *end = page_end();
	unsigned int i, size, at;

#ifndef __x86_64__
	SKIP(return, "needs x86_64, which stores all of a word or nothing");
#endif
	ASSERT_NE(end, NULL);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i].type && words[i].type != self->ns.kind->type)
			continue;
		for (size = 1; size < words[i].size; size++) {
			memset(end - size, CANARY, size);
			EXPECT_EQ(ask(self->ns.fd, words[i].request, end - size),
				  -EFAULT);
			for (at = 1; at <= size; at++)
				EXPECT_EQ(end[-(int)at], CANARY);
		}
	}
}

TEST_HARNESS_MAIN
