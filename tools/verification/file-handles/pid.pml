// SPDX-License-Identifier: GPL-2.0
/*
 * The number of a struct pid from fork to reaping, and the handles that contain it.
 *
 * A task is created, runs and is reaped. One task opens a pidfd of it by process id
 * and encodes a handle. Another one decodes that handle, or made-up bytes.
 *
 * Properties:
 *
 * - A handle contains the number of the pid: not zero, and not half of it. The same
 *   is true of the inode number.
 * - A decoded handle opens the pid with that number, or none. It does not open a
 *   reaped task, or a pid that does not have a task yet.
 * - Whoever has a pidfd and sees that the task is gone gets complete exit information.
 * - No struct pid is used after it is freed, and each is freed in the end.
 *
 * The number has two halves, which are stored and loaded separately, as on a 32-bit
 * machine. Stores and loads without a barrier between them take place in the wrong
 * order if the guard is off. The dentry of the pidfd is in stashed-dentry.pml; here
 * it is a reference to the pid.
 *
 * run: one: -DONE: One task, one that opens a pidfd of it, one that decodes.
 * run: reuse: -DREUSE: A second task, which has the process id of the first.
 * run: fork: -DFORK: Two tasks are created at the same time.
 *
 * action: life: kernel/fork.c:copy_process, kernel/exit.c:release_task,
 *	kernel/exit.c:__unhash_process: A task, from fork to reaping.
 * action: prepare: kernel/pid.c:alloc_pid, fs/pidfs.c:pidfs_prepare_pid: Initialise
 *	a struct pid, whose memory has contained another one.
 * action: add_pid: kernel/pid.c:alloc_pid, fs/pidfs.c:pidfs_add_pid,
 *	fs/pidfs.c:pidfs_alloc_ino: Allocate and store the number, and insert the pid
 *	into the hash table.
 * action: attach: kernel/pid.c:attach_pid: Publish the task of the pid.
 * action: pidfs_exit: fs/pidfs.c:pidfs_exit: Store the exit information, or prevent
 *	that anyone registers the pid.
 * action: free_pid: kernel/pid.c:free_pid, fs/pidfs.c:pidfs_remove_pid,
 *	kernel/pid.c:delayed_put_pid: Remove the pid from all tables, and drop a
 *	reference after a grace period.
 * action: register_pid: fs/pidfs.c:pidfs_register_pid_gfp,
 *	fs/pidfs.c:pidfs_stash_dentry: Allocate the attributes of the first pidfd.
 * action: opener: kernel/pid.c:find_get_pid, kernel/pid.c:pidfd_create,
 *	kernel/fork.c:pidfd_prepare, fs/pidfs.c:pidfs_alloc_file,
 *	fs/pidfs.c:pidfs_init_inode: pidfd_open(2), then name_to_handle_at(2).
 * action: encode: fs/pidfs.c:pidfs_encode_fh, fs/pidfs_rust.rs:encode_fh,
 *	rust/kernel/pid.rs:StructPid::ino: Read the number of an open pidfd.
 * action: decoder: fs/pidfs.c:pidfs_fh_to_dentry, fs/pidfs_rust.rs:fh_to_dentry,
 *	rust/kernel/fs/pidfs.rs:lookup, fs/pidfs.c:pidfs_ino_get_dentry: Look up a
 *	pid under RCU, take a reference and open it.
 * action: find_pid: fs/pidfs.c:pidfs_find_pid: The checks of a lookup.
 * action: info: fs/pidfs.c:pidfd_info: PIDFD_GET_INFO with PIDFD_INFO_EXIT.
 * action: put_pid: kernel/pid.c:put_pid, fs/pidfs.c:pidfs_free_pid: Drop a reference.
 *
 * helper: rcu_lock: rcu_read_lock().
 * helper: rcu_unlock: rcu_read_unlock(). The end of a grace period runs its callback.
 * helper: end_of_readers: The callback of each pid without a reader.
 * helper: lock: spin_lock(&pid->wait_pidfd.lock).
 * helper: unlock: spin_unlock(&pid->wait_pidfd.lock).
 * helper: store_ino: The stores of both halves.
 *
 * guard: NO_PREPARE_FIRST: assertion: A struct pid is initialised before
 *	idr_replace() publishes it.
 * guard: NO_UNIQUE_INO: assertion other_pid in reuse: The number is that of a counter, and not
 *	the process id.
 * guard: NO_INO_LOCK: assertion other_pid in fork: pidfs_ino_lock protects the counter.
 * guard: NO_INO_BEFORE_HASH: assertion not_found: The number is stored before the pid
 *	is inserted into the hash table.
 * guard: NO_INO_BEFORE_TASK: assertion wrong_ino: The number is stored before
 *	attach_pid(), which is a release.
 * guard: NO_TASK_CHECK: assertion wrong_ino: pidfd_prepare() requires a task: until
 *	then, find_get_pid() can return a pid whose number is zero.
 * guard: NO_READ_ORDER: assertion wrong_ino: The number is read after the task:
 *	pidfd_prepare() reads the task under wait_pidfd.lock, and then locks the
 *	table of files.
 * guard: NO_REF_IN_RCU: assertion freed: The reference to the pid is taken in the RCU
 *	read-side critical section of the lookup.
 * guard: NO_LOOKUP_RCU: assertion freed: The lookup is in such a section.
 * guard: NO_HASH_REMOVE: assertion freed: free_pid() removes the pid from the hash
 *	table before the grace period.
 * guard: NO_IDR_REMOVE: assertion freed: free_pid() removes the pid from the IDR
 *	before the grace period.
 * guard: NO_DELAYED_PUT: assertion freed: free_pid() drops the reference after a grace
 *	period.
 * guard: NO_ATTR_CHECK: assertion no_attr: A lookup requires that the pid is registered.
 * guard: NO_EXIT_CHECK: assertion opened_reaped: A lookup requires that the task has
 *	not been reaped.
 * guard: NO_DECODE_TASK_CHECK: assertion opened_early: A lookup requires that the pid
 *	has a task. clone(2) with CLONE_PIDFD registers it earlier.
 * guard: NO_REGISTER_LOCK: assertion attr_lost: pidfs_register_pid() holds
 *	wait_pidfd.lock.
 * guard: NO_REGISTER_RECHECK: assertion no_exit_info: pidfs_register_pid() reads the
 *	attributes again with the lock held.
 * guard: NO_EXIT_LOCK: assertion: pidfs_exit() holds wait_pidfd.lock.
 * guard: NO_EXIT_WMB: assertion half_exit_info: smp_wmb() in pidfs_exit() orders the exit
 *	information before its bit.
 * guard: NO_EXIT_MB: assertion no_exit_info: pidfs_exit() precedes the removal of the
 *	task, with smp_mb__after_atomic().
 * guard: NO_INFO_RMB: assertion no_exit_info: pidfd_info() reads the task before the bit.
 * guard: NO_EXIT_RMB: assertion half_exit_info: pidfd_info() reads the bit before the
 *	exit information.
 */

#define PIDS 3		/* 1 and 2 */

/* Contents of an entry of the IDR that are no pid. */
#define FREE 0
#define RESERVED 3

/* pid->attr */
#define NONE 0
#define REAPED 1
#define SET 2

/* The memory of a struct pid has contained another one. */
bool freed[PIDS];
byte count[PIDS];
byte lo[PIDS] = 1;
byte hi[PIDS] = 1;
byte attr[PIDS] = SET;
bool has_task[PIDS] = true;
bool exit_bit[PIDS];
bool exit_info[PIDS];
bool wait_lock[PIDS];

/* What the pid is, for the assertions. */
byte number[PIDS];
bool had_task[PIDS];
bool was_reaped[PIDS];

byte idr[PIDS];
bool hashed[PIDS];
byte bucket_lo[PIDS], bucket_hi[PIDS];

/* The upper half of each number is 1. */
byte next_ino = 1;
bool ino_lock;

bool waits[PIDS];
byte waits_for[PIDS];
byte readers;

/* An encoded handle, and the pid that was encoded. */
byte handle_lo, handle_hi, handle_pid;

byte finished;

bool wrong_ino, other_pid, not_found, no_attr, attr_lost, opened_reaped, opened_early;
bool no_exit_info, half_exit_info;

#define uses(p) assert(!freed[p])

inline put_pid(p)
{
	d_step {
		uses(p);
		assert(count[p] > 0);
		count[p]--;
		freed[p] = count[p] == 0
	}
}

inline end_of_readers()
{
	for (x : 1 .. PIDS - 1) {
		waits_for[x] = waits_for[x] & readers;
		if
		:: waits[x] && waits_for[x] == 0 ->
			waits[x] = false;
			assert(count[x] > 0);
			count[x]--;
			freed[x] = count[x] == 0
		:: else
		fi
	}
	x = 0
}

inline rcu_lock()
{
	d_step { readers = readers | (1 << me) }
}

inline rcu_unlock()
{
	d_step {
		readers = readers & ~(1 << me);
		end_of_readers()
	}
}

inline lock(p)
{
	atomic { uses(p); !wait_lock[p] -> wait_lock[p] = true }
}

inline unlock(p)
{
	atomic { uses(p); wait_lock[p] = false }
}

/* Sets "failed". */
inline register_pid(p)
{
	failed = false;
	atomic { uses(p); seen = attr[p] }
	if
	:: seen == REAPED -> failed = true
	:: seen == SET
	:: seen == NONE ->
#ifndef NO_REGISTER_LOCK
		lock(p);
#endif
#ifndef NO_REGISTER_RECHECK
		atomic { uses(p); seen = attr[p] }
#endif
		if
		:: seen == REAPED -> failed = true
		:: seen == SET
		:: seen == NONE ->
			atomic {
				uses(p);
				attr_lost = attr[p] == SET;
				assert(!attr_lost);
				attr[p] = SET
			}
		fi;
#ifndef NO_REGISTER_LOCK
		unlock(p)
#endif
	fi;
	seen = 0
}

/* smp_rmb() orders each pair of loads. */
inline info(p)
{
#ifdef NO_INFO_RMB
	atomic { uses(p); bit_seen = exit_bit[p] }
	atomic { uses(p); task_seen = has_task[p] }
#else
	atomic { uses(p); task_seen = has_task[p] }
#ifdef NO_EXIT_RMB
	atomic { uses(p); info_seen = exit_info[p] }
#endif
	atomic { uses(p); bit_seen = exit_bit[p] }
#endif
#ifndef NO_EXIT_RMB
	atomic { uses(p); info_seen = exit_info[p] }
#endif
	atomic {
		no_exit_info = !task_seen && !bit_seen;
		assert(!no_exit_info);
		half_exit_info = bit_seen && !info_seen;
		assert(!half_exit_info);
		task_seen = false;
		bit_seen = false;
		info_seen = false
	}
}

inline prepare(p)
{
	lo[p] = 0;
	hi[p] = 0;
	attr[p] = NONE;
	has_task[p] = false
}

inline store_ino(p)
{
	if
	:: lo[p] = number[p]; hi[p] = 1
	:: hi[p] = 1; lo[p] = number[p]
	fi
}

inline add_pid(p)
{
#ifdef NO_UNIQUE_INO
	number[p] = nr;
#else
#ifdef NO_INO_LOCK
	number[p] = next_ino;
	next_ino = number[p] + 1;
#else
	atomic { !ino_lock -> ino_lock = true }
	number[p] = next_ino;
	next_ino = number[p] + 1;
	ino_lock = false;
#endif
#endif
#ifndef NO_INO_BEFORE_HASH
	store_ino(p);
#endif
	/* A release: the unlock of the bucket. */
	if
	:: atomic {
		bucket_lo[p] = lo[p];
		bucket_hi[p] = hi[p];
		hashed[p] = true
	   }
#ifndef REUSE
	:: failed = true;	/* no memory */
		lo[p] = 0;
		hi[p] = 0
#endif
	fi;
#ifdef NO_INO_BEFORE_HASH
	store_ino(p)
#endif
}

inline attach(p)
{
	atomic { has_task[p] = true; had_task[p] = true }
}

inline pidfs_exit(p)
{
#ifndef NO_EXIT_LOCK
	lock(p);
#endif
	seen = attr[p];
	if
	:: seen == NONE ->
		atomic {
			attr_lost = attr[p] == SET;
			assert(!attr_lost);
			attr[p] = REAPED
		}
	:: else
	fi;
#ifndef NO_EXIT_LOCK
	unlock(p);
#endif
	if
	:: seen == SET ->
#ifdef NO_EXIT_WMB
		exit_bit[p] = true;
		exit_info[p] = true;
#else
		exit_info[p] = true;
		exit_bit[p] = true;
#endif
	:: else
	fi;
	seen = 0;
	was_reaped[p] = true
}

inline free_pid(p)
{
#ifndef NO_IDR_REMOVE
	idr[nr] = FREE;
#endif
#ifndef NO_HASH_REMOVE
	hashed[p] = false;
#endif
	d_step {
		waits[p] = true;
#ifdef NO_DELAYED_PUT
		waits_for[p] = 0;
#else
		waits_for[p] = readers;
#endif
		if
		:: waits_for[p] == 0 ->
			waits[p] = false;
			assert(count[p] > 0);
			count[p]--;
			freed[p] = count[p] == 0
		:: else
		fi
	}
}

proctype life(byte me; byte p; byte last)
{
	byte nr, seen, x;
	bool failed;

next:
	atomic {
		count[p] = 1;
#ifndef NO_PREPARE_FIRST
		prepare(p);
#endif
		if
		:: idr[1] == FREE -> nr = 1
		:: else -> nr = 2
		fi;
		idr[nr] = RESERVED
	}
	idr[nr] = p;
#ifdef NO_PREPARE_FIRST
	prepare(p);
#endif
#ifdef NO_INO_BEFORE_TASK
	attach(p);
#endif
	add_pid(p);
	if
	:: failed -> goto free
	:: else
	fi;
	if
	/* CLONE_PIDFD. The pidfd is closed when the parent has it. */
#ifdef REUSE
	:: p == 2 ->
#else
	:: true ->
#endif
		atomic { uses(p); count[p]++ }
		register_pid(p);
#ifndef REUSE
		if
		:: true -> put_pid(p); goto free	/* a later step of fork fails */
		:: true
		fi;
#endif
#ifndef NO_INO_BEFORE_TASK
		attach(p);
#endif
		put_pid(p)
	:: true ->
#ifndef NO_INO_BEFORE_TASK
		attach(p)
#endif
	fi;
#ifdef NO_EXIT_MB
	has_task[p] = false;
#endif
	pidfs_exit(p);
	has_task[p] = false;
free:
	free_pid(p);
	atomic {
		nr = 0;
		failed = false;
		if
		:: p < last -> p++; goto next
		:: else -> finished++
		fi
	}
}

inline encode(p)
{
	atomic { uses(p); seen_lo = lo[p] }
	atomic { uses(p); seen_hi = hi[p] }
	atomic {
		wrong_ino = seen_lo != number[p] || seen_hi != 1;
		assert(!wrong_ino);
		handle_lo = seen_lo;
		handle_hi = seen_hi;
		handle_pid = p;
		seen_lo = 0;
		seen_hi = 0
	}
}

proctype opener(byte me)
{
	byte p, seen, seen_lo, seen_hi, x;
	bool failed, task_seen, bit_seen, info_seen;

	rcu_lock();
	p = idr[1];
	if
	:: p == FREE || p == RESERVED -> rcu_unlock(); goto none
	:: else
	fi;
	atomic { uses(p); count[p]++ }
	rcu_unlock();
#ifdef NO_READ_ORDER
	atomic { uses(p); seen_lo = lo[p] }
	atomic { uses(p); seen_hi = hi[p] }
#endif
	lock(p);
	task_seen = has_task[p];
	unlock(p);
#ifdef NO_TASK_CHECK
	task_seen = true;
#endif
	if
	:: !task_seen -> goto put
	:: else
	fi;
	task_seen = false;
#ifndef NO_READ_ORDER
	atomic { uses(p); seen_lo = lo[p] }
	atomic { uses(p); seen_hi = hi[p] }
#endif
	/* The inode number. */
	atomic {
		wrong_ino = seen_lo != number[p] || seen_hi != 1;
		assert(!wrong_ino);
		seen_lo = 0;
		seen_hi = 0
	}
	register_pid(p);
	if
	:: failed -> goto put
	:: else
	fi;
	encode(p);
	info(p);
put:
	put_pid(p);
none:
	atomic { finished++; p = 0; failed = false }
}

/* Sets "pid" to the pid with the number of the handle, or to 0. */
inline find_pid()
{
	atomic {
		for (x : 1 .. PIDS - 1) {
			if
			:: hashed[x] && bucket_lo[x] == want_lo && bucket_hi[x] == want_hi &&
			   lo[x] == want_lo && hi[x] == want_hi -> p = x
			:: else
			fi
		}
		x = 0;
		not_found = want_pid && hashed[want_pid] && p == 0;
		assert(!not_found)
	}
	if
	:: p ->
		atomic { uses(p); seen = attr[p] }
#ifndef NO_ATTR_CHECK
		if
		:: seen != SET -> p = 0
		:: else
		fi
#endif
	:: else
	fi;
	if
	:: p ->
		atomic {
			uses(p);
			no_attr = seen != SET;
			assert(!no_attr);
			if
#ifndef NO_EXIT_CHECK
			:: exit_bit[p] -> p = 0
#endif
			:: else
			fi
		}
	:: else
	fi;
	seen = 0;
#ifndef NO_DECODE_TASK_CHECK
	if
	:: p ->
		atomic {
			uses(p);
			if
			:: !has_task[p] -> p = 0
			:: else
			fi
		}
	:: else
	fi
#endif
}

proctype decoder(byte me)
{
	byte p, seen, want_lo, want_hi, want_pid, reaped, x;
	bool task_seen, bit_seen, info_seen;

	atomic {
		if
		:: handle_pid -> want_lo = handle_lo; want_hi = handle_hi; want_pid = handle_pid
		:: want_lo = 1; want_hi = 1
		:: want_lo = 2; want_hi = 1
		:: want_lo = 1
		:: want_hi = 1
		:: true
		fi;
		for (x : 1 .. PIDS - 1) {
			reaped = reaped | (was_reaped[x] << x)
		}
		x = 0
	}
#ifndef NO_LOOKUP_RCU
	rcu_lock();
#endif
	find_pid();
#ifdef NO_REF_IN_RCU
	rcu_unlock();
#endif
	if
	:: p -> atomic { uses(p); count[p]++ }
	:: else
	fi;
#if !defined(NO_LOOKUP_RCU) && !defined(NO_REF_IN_RCU)
	rcu_unlock();
#endif
	if
	:: !p -> goto none
	:: else
	fi;
	/* pidfs_register_pid() finds that the pid is registered. */
	atomic {
		uses(p);
		no_attr = attr[p] != SET;
		assert(!no_attr);
		other_pid = number[p] != want_lo || want_hi != 1 || (want_pid && p != want_pid);
		assert(!other_pid);
		opened_reaped = (reaped >> p) & 1;
		assert(!opened_reaped);
		opened_early = !had_task[p];
		assert(!opened_early)
	}
	info(p);
	put_pid(p);
none:
	atomic { finished++; p = 0; want_lo = 0; want_hi = 0; want_pid = 0; reaped = 0 }
}

init
{
	atomic {
#ifdef FORK
		run life(0, 1, 1);
		run life(1, 2, 2)
	}
	atomic {
		finished == 2;
		other_pid = number[1] == number[2];
		assert(!other_pid);
#else
#ifdef REUSE
		run life(0, 1, 2);
#else
		run life(0, 1, 1);
#endif
		run opener(2);
		run decoder(3)
	}
	atomic {
		finished == 3;
#endif
		assert(freed[1]);
#if defined(FORK) || defined(REUSE)
		assert(freed[2])
#endif
	}
}
