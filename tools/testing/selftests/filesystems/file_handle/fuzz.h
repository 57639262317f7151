/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fuzzer of name_to_handle_at(2), open_by_handle_at(2), the ioctls of nsfs and
 * the operations of io_uring for file handles.
 *
 * A case is a function of the seed, its number and the objects, which are the
 * same on each kernel. Its outcome contains no number that depends on the boot.
 * Two kernels therefore behave the same if their outcomes are the same.
 */
#ifndef __SELFTEST_FILE_HANDLE_FUZZ_H
#define __SELFTEST_FILE_HANDLE_FUZZ_H

#include "nsfs.h"
#include "ring.h"

/* Events are undone after each block of cases, so a block can be run alone. */
#define FUZZ_BLOCK		1000

#define OBJECTS_MAX		192
#define MOUNTS_MAX		32
#define SLOTS			3

/* Values of fields of an outcome that are not indices. */
#define NO_INDEX		-1
#define UNKNOWN_INDEX		-2

/*
 * Random numbers
 */

struct fuzz_random {
	__u64 state;
};

/* Starts the sequence of a case. */
struct fuzz_random random_of(__u64 seed, __u64 nr);
__u64 draw(struct fuzz_random *rnd);

/* Returns a number less than @nr. */
unsigned int below(struct fuzz_random *rnd, unsigned int nr);

/* Returns true in @percent of all calls. */
bool chance(struct fuzz_random *rnd, unsigned int percent);

/*
 * Objects
 */

/* Who executes a case. Each one is a process. */
enum fuzz_who {
	FUZZ_ROOT,		/* root of the initial namespaces */
	FUZZ_USER,		/* an ordinary user */
	FUZZ_PID_NS,		/* root, in a new pid namespace */
	FUZZ_CONTAINER,		/* root of a new user namespace, all others new */
	FUZZ_USER_NS,		/* the same in the initial pid namespace */
	FUZZ_WHO,
};

extern const char *const who_names[FUZZ_WHO];

/* Who executes a case. Does not need its other parts. */
enum fuzz_who who_of(__u64 seed, __u64 nr);

enum fuzz_fs {
	FS_PIDFS, FS_NSFS, FS_TMPFS, FS_CGROUP, FS_SAMPLE, FS_OTHER,
};

enum fuzz_variant {
	VARIANT_PLAIN, VARIANT_FID, VARIANT_CONNECTABLE, VARIANTS,
};

/*
 * An object has the same index on each kernel, also if it cannot be created.
 */
struct fuzz_object {
	char name[32];
	enum fuzz_fs fs;
	bool own;		/* created by the process, after the fork */
	int fd;			/* -1 if it is gone */
	__u64 dev;		/* 0 if it was never found */
	__u64 ino;
	unsigned int mode;
	pid_t pid;		/* in the pid namespace of the process, or 0 */
	struct handle fh[VARIANTS];	/* empty if it has none */
};

/* Processes that an event kills or reaps. */
enum slot_state {
	SLOT_ALIVE, SLOT_ZOMBIE, SLOT_REAPED,
};

struct fuzz_slot {
	unsigned int object;
	unsigned int ns;	/* its uts namespace */
	enum slot_state state;
	pid_t pid;
};

struct fuzz_world {
	enum fuzz_who who;
	unsigned int nr;
	struct fuzz_object objects[OBJECTS_MAX];
	unsigned int nr_mounts;
	struct fuzz_mount {
		__u64 id;
		__u64 unique_id;
	} mounts[MOUNTS_MAX];
	unsigned int first_own_ns;	/* the first of NS_KINDS */
	struct fuzz_slot slots[SLOTS];
	bool renamed;		/* "dir" is "other" */
	bool removed;		/* "volatile" does not exist */
};

/* Creates the objects that all processes share, before the fork. */
int make_shared_objects(struct fuzz_world *w);

/* Creates those of a process, in a mount namespace of its own. */
int make_own_objects(struct fuzz_world *w);

/* Finds the pids of all processes as the caller sees them. */
void look_at_pids(struct fuzz_world *w);

/* These return an index, or UNKNOWN_INDEX. */
int find_object(const struct fuzz_world *w, __u64 dev, __u64 ino);
int find_handle(const struct fuzz_world *w, const struct handle *fh);
int find_pid(const struct fuzz_world *w, pid_t pid);
int find_mount(const struct fuzz_world *w, __u64 id, bool unique);

/* Returns true if the object is a namespace that the process is in. */
bool is_own_namespace(const struct fuzz_world *w, const struct fuzz_object *o);

/* Returns the device number that find_object() takes. */
__u64 statx_dev(const struct statx *stx);

/* Events change the objects of the process. undo_events() restores them. */
#define EVENTS			6
extern const char *const event_names[EVENTS];
int make_event(struct fuzz_world *w, unsigned int event, unsigned int slot);
void undo_events(struct fuzz_world *w);

/*
 * Cases
 */

/* Where the memory of an argument is. */
enum fuzz_memory {
	MEM_PLAIN,
	MEM_OFFSET,		/* misaligned by @arg bytes */
	MEM_END,		/* at the end of the last accessible page */
	MEM_SHORT,		/* only @arg bytes are accessible */
	MEM_READ_ONLY,
	MEM_NULL,
	MEM_BAD,		/* bad address number @arg */
	MEMORIES,
};

struct fuzz_place {
	enum fuzz_memory memory;
	unsigned int arg;
};

/* Places an argument of @size bytes. */
void pick_place(struct fuzz_random *rnd, struct fuzz_place *place,
		unsigned int size);

enum fuzz_op {
	FUZZ_NAME, FUZZ_OPEN, FUZZ_IOCTL, FUZZ_EVENT,
};

enum fuzz_ring {
	RING_NONE, RING_INLINE, RING_ASYNC,
};

struct fuzz_case {
	__u64 nr;
	enum fuzz_op op;
	enum fuzz_ring ring;
	bool fdinfo;		/* reads fdinfo of what has been opened */

	int dfd;
	int dfd_object;		/* whose descriptor it is, or NO_INDEX */
	char path[32];
	unsigned int long_path;	/* its length if it is not @path */
	struct fuzz_place path_place;
	unsigned int flags;	/* of open or name_to_handle_at() */

	int object;		/* whose handle it is, or NO_INDEX */
	enum fuzz_variant variant;
	bool mutated;
	int number_of;		/* the object with its number, or NO_INDEX */
	struct handle fh;	/* to decode, or the header of the buffer */
	struct fuzz_place fh_place;
	struct fuzz_place id_place;

	unsigned int request;	/* of ioctl(2) or of an event */
	unsigned long arg;
	unsigned int slot;
};

void make_case(struct fuzz_case *c, const struct fuzz_world *w, __u64 seed,
	       __u64 nr);
void print_case(FILE *out, const struct fuzz_case *c,
		const struct fuzz_world *w);

/*
 * Execution
 */

/* There is no padding. */
struct fuzz_outcome {
	__s64 ret;		/* 0, a negative errno, or a value of an ioctl */
	__s32 object;		/* that was opened, or whose handle it is */
	__s32 mount;
	__u32 mode;
	__u32 status;		/* F_GETFL */
	__u32 cloexec;
	__u32 header[2];	/* size and type of the handle */
	__u32 changed;		/* bytes that do not belong to the result */
	__u64 more;		/* other values */
};

/* Memory for the arguments of cases. */
struct fuzz_arena {
	unsigned char *end;		/* of accessible memory */
	unsigned char *read_only;	/* another mapping of the same page */
};

struct fuzz_runner {
	struct fuzz_world *world;
	struct fuzz_arena fh;
	struct fuzz_arena id;
	struct fuzz_arena path;
	struct ring ring;
	bool has_ring;
};

int runner_init(struct fuzz_runner *run, struct fuzz_world *w, bool has_ring);

/* Returns true for an ioctl whose result depends on all mount namespaces. */
bool finds_neighbour(unsigned int request);

void run_case(struct fuzz_runner *run, const struct fuzz_case *c,
	      enum fuzz_ring way, struct fuzz_outcome *out);
void print_outcome(FILE *out, const struct fuzz_outcome *o,
		   const struct fuzz_world *w);

/* Returns what is wrong with an outcome on any kernel, or NULL. */
const char *judge(const struct fuzz_case *c, const struct fuzz_world *w,
		  const struct fuzz_outcome *o);

#endif /* __SELFTEST_FILE_HANDLE_FUZZ_H */
