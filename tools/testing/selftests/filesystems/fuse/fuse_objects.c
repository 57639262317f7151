// SPDX-License-Identifier: GPL-2.0
/* The objects of the server: identity, handles, names and content. */
#define _GNU_SOURCE
#include "fuse_server.h"

static unsigned int swapped(struct server *s, unsigned int id)
{
	if (!s->swap || (id != s->swap && id != s->swap + 1))
		return id;
	return 2 * s->swap + 1 - id;
}

unsigned int nodeid_object(struct server *s, __u64 nodeid)
{
	unsigned int id = nodeid & 0xffffff;

	/* Object 0 does not exist. */
	return id < OBJECTS_MAX ? swapped(s, id) : 0;
}

__u64 object_nodeid(struct server *s, unsigned int id)
{
	if (id == ROOT)
		return FUSE_ROOT_ID;
	return (__u64)s->generation << 40 |
	       (__u64)s->objects[id].shift << 24 | swapped(s, id);
}

/*
 * The hash FNV-1a of the prefix is 0. It remains 0 after zeros, and after each block.
 * A block stands for a bit of the number.
 */
static const unsigned char zero_hash[4] = { 0xcc, 0x24, 0x31, 0xc4 };
static const unsigned char block[5] = { 0x01, 0x1d, 0xcf, 0x57, 0xd8 };

#define BITS	24
#define EQUAL_HASH_SIZE	(sizeof(zero_hash) + BITS * sizeof(block))

static bool has_equal_hash(struct server *s, size_t size)
{
	return s->equal_hashes && size == EQUAL_HASH_SIZE;
}

static void equal_hash_handle(unsigned int id, unsigned char *handle)
{
	unsigned int bit;

	memset(handle, 0, EQUAL_HASH_SIZE);
	memcpy(handle, zero_hash, sizeof(zero_hash));
	for (bit = 0; bit < BITS; bit++) {
		if (id >> bit & 1)
			memcpy(handle + sizeof(zero_hash) + bit * sizeof(block),
			       block, sizeof(block));
	}
}

static unsigned int equal_hash_object(const unsigned char *handle)
{
	unsigned int bit, id = 0;

	for (bit = 0; bit < BITS; bit++)
		id |= !!handle[sizeof(zero_hash) + bit * sizeof(block)] << bit;
	return id;
}

/* The first bytes are the number and the version, if they fit. */
void object_handle(struct server *s, unsigned int id, unsigned char *handle,
		   size_t size)
{
	unsigned char bytes[4] = { id, id >> 8, id >> 16,
				   s->objects[id].version };
	size_t i;

	if (has_equal_hash(s, size)) {
		equal_hash_handle(id, handle);
		return;
	}
	for (i = 0; i < size; i++)
		handle[i] = i < sizeof(bytes) ? bytes[i] : i * 37 + id;
}

unsigned int handle_object(struct server *s, const void *handle, size_t size)
{
	unsigned char bytes[FUSE_MAX_HANDLE_SIZE];
	unsigned int id;

	if (size != s->handle_size || !size || size > sizeof(bytes))
		return 0;
	memcpy(bytes, handle, size);
	id = size < 3 ? ROOT : bytes[0] | bytes[1] << 8 | bytes[2] << 16;
	if (has_equal_hash(s, size))
		id = equal_hash_object(bytes);
	for (; id < s->nr_objects; id++) {
		object_handle(s, id, bytes, size);
		if (s->objects[id].exists && !memcmp(bytes, handle, size))
			return id;
		if (size >= 3)
			break;
	}
	return 0;
}

unsigned int child(struct server *s, unsigned int parent, const char *name)
{
	unsigned int id;

	if (!strcmp(name, "."))
		return parent;
	if (!strcmp(name, ".."))
		return s->objects[parent].parent;
	if (parent == ROOT && sscanf(name, "f%5u", &id) == 1 && id < BULK_NR)
		return s->objects[BULK + id].exists ? BULK + id : 0;
	for (id = ROOT + 1; id < BULK; id++) {
		struct object *object = &s->objects[id];

		if (object->exists && object->parent == parent &&
		    !strcmp(object->name, name))
			return id;
	}
	return 0;
}

unsigned int add_object(struct server *s, unsigned int parent,
			const char *name, unsigned int mode)
{
	unsigned int id = ROOT;

	while (s->objects[id].exists)
		id++;
	s->objects[id].exists = true;
	s->objects[id].parent = parent;
	s->objects[id].mode = mode;
	s->objects[id].nlink = 1;
	snprintf(s->objects[id].name, sizeof(s->objects[id].name), "%s", name);
	if (id >= s->nr_objects)
		s->nr_objects = id + 1;
	return id;
}

void add_bulk(struct server *s, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct object *object = &s->objects[BULK + i];

		object->exists = true;
		object->parent = ROOT;
		object->mode = S_IFREG | 0644;
		object->nlink = 1;
		snprintf(object->name, sizeof(object->name), "f%05u", i);
	}
	s->nr_objects = BULK + nr;
	s->lists_bulk = true;
}

int object_content(struct server *s, unsigned int id, char *buf, size_t size)
{
	return snprintf(buf, size, "object %u version %u\n", id,
			s->objects[id].version);
}

__u64 object_size(struct server *s, unsigned int id)
{
	char buf[64];

	return object_content(s, id, buf, sizeof(buf));
}
