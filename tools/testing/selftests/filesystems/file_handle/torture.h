/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that destroy what handles identify, and processes that encode and
 * decode these handles meanwhile.
 */
#ifndef __SELFTEST_FILE_HANDLE_TORTURE_H
#define __SELFTEST_FILE_HANDLE_TORTURE_H

#include "nsfs.h"
#include "ring.h"
#include "stress.h"

/* Mount points on the private tmpfs of the test */
#define TORTURE_TMPFS	TMPFS_DIR "/mount"
#define TORTURE_FUSE	TMPFS_DIR "/fuse"

/* argv[0] of a program that executes itself again and again */
#define EXEC_AGAIN	"exec_again"

#define PROCESSORS_MAX	8
#define WORKERS_MAX	(2 * PROCESSORS_MAX)

/* What a handle identifies. */
enum target_kind {
	TARGET_PROCESS, TARGET_THREAD, TARGET_NS, TARGET_TMPFS, TARGET_SAMPLE,
	TARGET_FUSE,
	TARGET_KINDS,
};

/* An object that an adversary replaces by the next one. */
struct target {
	enum target_kind kind;
	struct slot slot;
	unsigned int id;	/* of a FUSE object */
};

/* The targets of each adversary */
enum {
	TARGETS_EXIT	= 4,
	TARGETS_NS	= NS_KINDS,
	TARGETS_FUSE	= 2,
	FIRST_EXIT	= 0,
	FIRST_EXEC	= FIRST_EXIT + TARGETS_EXIT,
	FIRST_THREAD	= FIRST_EXEC + 1,
	FIRST_NS	= FIRST_THREAD + 1,
	FIRST_REVIVAL	= FIRST_NS + TARGETS_NS,
	FIRST_TMPFS	= FIRST_REVIVAL + 1,
	FIRST_SAMPLE	= FIRST_TMPFS + 1,
	FIRST_FUSE	= FIRST_SAMPLE + 1,
	TARGETS		= FIRST_FUSE + TARGETS_FUSE,
};

/* What happened to the targets and the requests. Each must happen. */
enum hit {
	HIT_EXIT, HIT_REAP, HIT_EXEC,
	HIT_NS,			/* one for each type */
	HIT_REVIVAL = HIT_NS + NS_KINDS,
	HIT_UNMOUNT, HIT_UNLOAD, HIT_SERVER_DEATH, HIT_TAKEOVER,
	HIT_CANCEL, HIT_RING_CLOSE, HIT_PROCESS_EXIT,
	HITS,
};

/* Who executes an open. */
enum open_way {
	WAY_CALL,		/* the system call */
	WAY_INLINE,		/* the submitter, if that need not wait */
	WAY_WORKER,		/* a worker of the ring */
	WAY_CANCEL,		/* a worker, unless it is cancelled before */
	WAYS,
};

/* What must not happen. */
enum fault {
	FAULT_WRONG,		/* another object than that of the handle */
	FAULT_LOST,		/* an error although the object was alive */
	FAULT_UNDEAD,		/* opened although the object was gone */
	FAULT_UNEXPECTED,	/* an error that no state of the object explains */
	FAULTS,
};

struct worker {
	unsigned int seed;
	unsigned int opened[TARGET_KINDS][WAYS];
	unsigned int stale[TARGET_KINDS][WAYS];
	unsigned int on_cpu[PROCESSORS_MAX];	/* opens on each processor */
	unsigned int inlined;	/* requests that the submitter executed */
	unsigned int slept;	/* of these, the ones that slept */
	unsigned int waited;	/* system calls on FUSE that slept */
	struct {
		unsigned int nr;
		int error;	/* of the last one */
		enum target_kind kind;
		enum open_way way;
	} faults[FAULTS];
	int leaked;		/* descriptors, or an error of the worker itself */
};

enum adversary_index {
	ADVERSARY_PROCESS, ADVERSARY_EXEC, ADVERSARY_NS, ADVERSARY_REVIVAL,
	ADVERSARY_MOUNT, ADVERSARY_MODULE, ADVERSARY_FUSE,
	ADVERSARIES,
};

struct adversary {
	const char *missing;	/* the reason why it does not run */
	const char *failed;	/* what it could not do */
	int error;
};

/* Memory that all processes share */
struct torture {
	bool stop;
	bool has_ring;
	unsigned int nr_cpus;
	int cpus[PROCESSORS_MAX];
	unsigned int hits[HITS];
	struct target targets[TARGETS];
	struct adversary adversaries[ADVERSARIES];
	struct worker workers[WORKERS_MAX];
};

extern struct torture *torture;

bool stopped(void);
void hit(enum hit what);
unsigned int nr_hits(enum hit what);

/* Moves the caller to any processor. */
void change_processor(unsigned int *seed);

/* Waits for up to @ms milliseconds. */
void pause_up_to(unsigned int *seed, unsigned int ms);

/* Stores a failure. Returns false if @ret is one. */
bool check(enum adversary_index index, const char *what, int ret);

/* Bodies of processes, which return when they are to stop */
void exit_and_reap(void);
void exec_by_threads(void);
void destroy_namespaces(void);
void revive_namespace(void);
void unmount_tmpfs(void);
void unload_module_again(void);
void kill_server(void);
void work(struct worker *worker);

/* Runs in the new program. */
__noreturn void exec_again(int argc, char **argv);

#endif /* __SELFTEST_FILE_HANDLE_TORTURE_H */
