// SPDX-License-Identifier: GPL-2.0
/*
 * File handles of a server with handles in fanotify events.
 */
#define _GNU_SOURCE

#include "fuse_fixture.h"

/*
 * fanotify requests the length before it allocates a buffer. The result must not
 * exceed MAX_HANDLE_SZ.
 */
TEST_F(fuse, event_handles)
{
	static const size_t sizes[] = { 16, 124, 125, 128 };
	struct server *s = self->s;
	struct handle fh, event;
	char path[256];
	unsigned int i;
	int len;

	path_of(s, "file", path, sizeof(path));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		s->handle_size = sizes[i];
		ASSERT_EQ(0, RESTART());
		len = event_handle(path, &event);
		if (len == -ENOSYS || len == -ENODEV)
			SKIP(return, NO_FANOTIFY);
		if (sizes[i] > 124) {
			ASSERT_EQ(0, len);
			continue;
		}
		ASSERT_EQ(0, name_handle(s, "file", &fh, AT_HANDLE_FID));
		ASSERT_EQ(fh.bytes, len);
		ASSERT_EQ(fh.type, event.type);
		ASSERT_EQ(0, memcmp(fh.data, event.data, len));
	}
}

TEST_HARNESS_MAIN
