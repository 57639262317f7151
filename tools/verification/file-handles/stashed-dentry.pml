// SPDX-License-Identifier: GPL-2.0
/*
 * The dentry that a struct pid or a namespace stashes for its file.
 *
 * Two decoders look up one object, whose file is open when they begin. The file
 * is closed, the object dies, and each decoder closes what it has opened.
 *
 * Properties:
 *
 * - A dentry that is returned is alive, has the inode of the object, and stays so
 *   until it is closed.
 * - A dentry that is open is the stashed one. So all dentries of the object that
 *   are open at one time are the same dentry.
 * - Each reference to the object is dropped once: the object is not used after
 *   it is freed, and is freed in the end.
 * - No dentry is used after it is freed.
 *
 * Every load, store and compare-and-exchange of shared memory is one step. A
 * lockref operation is one step: its loop of compare-and-exchange fails while
 * the lock is held, and the slow path takes the lock. A section that holds a
 * spinlock is an RCU read-side critical section. A freed dentry is not
 * allocated again: each access to a freed dentry is an error.
 *
 * run: pidfs: -DPIDFS: The lookup takes a reference under RCU. The object leaves
 *	the table and is put after a grace period.
 * run: nsfs: -DNSFS: The lookup takes a reference unless the count is zero. The
 *	last reference removes the object, which is freed after a grace period.
 * run: stash: -DPIDFS -DSTASH_ONLY -DDECODERS=3 -DENOUGH_MEMORY: Three decoders,
 *	which have found no dentry and hold a reference each.
 *
 * action: decoder: fs/pidfs.c:pidfs_ino_get_dentry, fs/nsfs.c:nsfs_decode_fh,
 *	rust/kernel/fs/pidfs.rs:lookup, fs/nsfs_rust.rs:decode,
 *	fs/libfs.c:dentry_from_stashed: One decode of a handle, and the close.
 * action: stashed_dentry_get: fs/libfs.c:stashed_dentry_get,
 *	lib/lockref.c:lockref_get_not_dead: Reuse the stashed dentry if it is alive.
 * action: prepare_anon_dentry: fs/libfs.c:prepare_anon_dentry,
 *	fs/pidfs.c:pidfs_init_inode, fs/nsfs.c:nsfs_init_inode: Create an inode,
 *	which owns the reference to the object from then on, and its dentry.
 * action: stash_dentry: fs/libfs.c:stash_dentry, fs/libfs.c:dentry_from_data,
 *	fs/pidfs.c:pidfs_stash_dentry: Publish the new dentry, use the one of
 *	another task, or replace a dead one.
 * action: dput: fs/dcache.c:dput, fs/dcache.c:fast_dput, fs/dcache.c:finish_dput,
 *	fs/dcache.c:retain_dentry, lib/lockref.c:lockref_put_return: Anonymous
 *	dentries are unhashed, so they are never retained.
 * action: lock_for_kill: fs/dcache.c:lock_for_kill: Lock the inode of a dentry
 *	whose lock is held.
 * action: dentry_kill: fs/dcache.c:dentry_kill, fs/dcache.c:dentry_unlink_inode,
 *	fs/dcache.c:dentry_free, lib/lockref.c:lockref_mark_dead: Evict a dentry
 *	whose count is zero.
 * action: stashed_dentry_prune: fs/libfs.c:stashed_dentry_prune: Clear the pointer
 *	unless another dentry has replaced this one.
 * action: put_object: kernel/pid.c:put_pid, fs/pidfs.c:pidfs_free_pid,
 *	fs/pidfs.c:pidfs_put_data, fs/nsfs.c:nsfs_put_data,
 *	fs/pidfs.c:pidfs_evict_inode, fs/nsfs.c:nsfs_evict: Drop a reference.
 * action: object_dies: kernel/pid.c:free_pid, kernel/pid.c:delayed_put_pid,
 *	fs/pidfs.c:pidfs_remove_pid: The object drops out of the table, and the
 *	reference of its task is dropped.
 *
 * helper: rcu_lock: rcu_read_lock().
 * helper: rcu_unlock: rcu_read_unlock(). Frees each dentry whose last reader this is.
 * helper: call_rcu_free: call_rcu() of a dentry.
 * helper: free_object: Frees the object, with the readers of its grace period.
 * helper: lock: spin_lock(&dentry->d_lock).
 * helper: unlock: spin_unlock(&dentry->d_lock).
 * helper: end_of_readers: What the end of a read-side critical section allows.
 * helper: is_returned: The caller has the dentry. Checks the properties.
 * helper: is_closed: The caller is about to close it.
 *
 * guard: NO_LOOKUP_RCU: assertion object_freed: The lookup and the reference that
 *	it takes, or the dentry, are in one RCU read-side critical section.
 * guard: NO_REF_IN_RCU: assertion object_freed: The reference to the object is
 *	taken before the end of that section.
 * guard: NO_DELAYED_PUT: assertion object: free_pid() drops the reference after a
 *	grace period.
 * guard: NO_GET_RCU: assertion dentry_freed: stashed_dentry_get() holds the RCU
 *	read lock itself.
 * guard: NO_GET_NOT_DEAD: assertion returned_dead: stashed_dentry_get() takes a
 *	reference only if the dentry is not dead.
 * guard: NO_INIT_ORDER: assertion returned_without_inode: The inode is attached
 *	before the dentry is published.
 * guard: NO_STASH_CMPXCHG: assertion is_stashed: stash_dentry() publishes with a
 *	compare-and-exchange of NULL.
 * guard: NO_STASH_RECHECK: assertion is_stashed: stash_dentry() uses the dentry of
 *	another task if that is alive.
 * guard: NO_TAKEOVER_CMPXCHG: assertion is_stashed in stash: stash_dentry() replaces a dead
 *	dentry with a compare-and-exchange. It never succeeds: a lockref operation
 *	waits for d_lock, and d_prune clears the pointer under d_lock.
 * guard: NO_STASH_RCU: assertion dentry_freed: stash_dentry() looks at the old dentry
 *	under RCU.
 * guard: NO_LOSER_DPUT: assertion object_leaked: dentry_from_data() drops a dentry
 *	that it did not publish.
 * guard: NO_PUT_DATA: assertion object_leaked in nsfs: dentry_from_stashed() drops the
 *	reference to the object if it reuses a dentry.
 * guard: NO_IPUT_ON_ERROR: assertion object_leaked: If there is no memory for the
 *	dentry, iput() drops the reference to the object.
 * guard: NO_LOCKREF_LOCK: assertion returned_dead: A lockref operation waits for d_lock.
 * guard: NO_DPUT_RCU: assertion dentry_freed: fast_dput() holds the RCU read lock
 *	until it has d_lock.
 * guard: NO_COUNT_RECHECK: assertion returned_dead: The count is read again under
 *	d_lock, in fast_dput() and lock_for_kill().
 * guard: NO_RELOCK_RECHECK: assertion returned_dead: lock_for_kill() reads the count again
 *	if it had to release d_lock.
 * guard: NO_RELOCK_RCU: assertion dentry_freed: lock_for_kill() holds the RCU read
 *	lock while it has released d_lock.
 * guard: NO_MARK_DEAD: assertion returned_without_inode: dentry_kill() marks the
 *	dentry dead before it releases d_lock.
 * guard: NO_PRUNE: assertion dentry_freed: dentry_kill() calls d_prune, which clears
 *	the pointer before the dentry is freed.
 * guard: NO_PRUNE_CMPXCHG: assertion is_stashed: stashed_dentry_prune() only clears
 *	a pointer to its own dentry.
 * guard: NO_PRUNE_FIRST: assertion object_freed: d_prune, which writes to the object,
 *	precedes iput(), which may free it.
 * guard: NO_FREE_RCU: assertion dentry_freed: dentry_free() waits for a grace period.
 */

#ifndef DECODERS
#define DECODERS 2
#endif
/* The dentry of the first file is 1, that of decoder N is N + 2. */
#define DENTRIES (DECODERS + 2)
/* Decoders, the task that closes the first file, the death of the object. */
#define TASKS (DECODERS + 2)
#define DEAD -1

/* The object: a struct pid or a namespace. */
bool in_table = true;
bool object_freed;
byte object_count = 2;		/* of its task and of the inode of dentry 1 */
byte stashed = 1;
bool object_waits;		/* for the readers in object_readers */
byte object_readers;

/* The dentries. */
bool dentry_freed[DENTRIES];
short count[DENTRIES];
bool d_lock[DENTRIES];
bool i_lock[DENTRIES];
bool has_inode[DENTRIES];
bool waits[DENTRIES];		/* for the readers in waits_for[] */
byte waits_for[DENTRIES];

/* RCU. */
byte depth[TASKS];
byte readers;

byte finished;

#define uses_object() assert(!object_freed)
#define uses(d) assert(!dentry_freed[d])

inline end_of_readers()
{
	for (x : 1 .. DENTRIES - 1) {
		waits_for[x] = waits_for[x] & readers;
		if
		:: waits[x] && waits_for[x] == 0 ->
			waits[x] = false;
			dentry_freed[x] = true
		:: else
		fi
	}
	x = 0;
	object_readers = object_readers & readers;
#ifdef NSFS
	if
	:: object_waits && object_readers == 0 ->
		object_waits = false;
		object_freed = true
	:: else
	fi
#endif
}

inline rcu_lock()
{
	d_step {
		depth[me]++;
		readers = readers | (1 << me)
	}
}

inline rcu_unlock()
{
	d_step {
		depth[me]--;
		if
		:: depth[me] == 0 ->
			readers = readers & ~(1 << me);
			end_of_readers()
		:: else
		fi
	}
}

inline call_rcu_free(d)
{
	d_step {
		waits[d] = true;
#ifdef NO_FREE_RCU
		waits_for[d] = 0;
#else
		waits_for[d] = readers;
#endif
		end_of_readers()
	}
}

/* A spinning task reads the lock. */
inline lock(d)
{
	uses(d);
	atomic {
		!d_lock[d] || dentry_freed[d];
		uses(d);
		d_lock[d] = true;
		rcu_lock()
	}
}

inline unlock(d)
{
	atomic {
		uses(d);
		d_lock[d] = false;
		rcu_unlock()
	}
}

inline free_object()
{
#ifdef PIDFS
	/* VFS_WARN_ON_ONCE(pid->stashed) */
	assert(stashed == 0);
	object_freed = true
#else
	in_table = false;
	object_waits = true;
	object_readers = readers;
	end_of_readers()
#endif
}

inline put_object()
{
	d_step {
		uses_object();
		assert(object_count > 0);
		object_count--;
		if
		:: object_count == 0 -> free_object()
		:: else
		fi
	}
}

inline stashed_dentry_prune(d)
{
	atomic {
		uses_object();
#ifdef NO_PRUNE
		skip
#else
		if
#ifdef NO_PRUNE_CMPXCHG
		:: true -> stashed = 0
#else
		:: stashed == d -> stashed = 0
		:: else
#endif
		fi
#endif
	}
}

/* Sets "killing" if the dentry is to be killed, and unlocks it otherwise. */
inline lock_for_kill(d)
{
	killing = true;
	atomic {
		uses(d);
		if
#ifndef NO_COUNT_RECHECK
		:: count[d] != 0 -> killing = false
#endif
		:: else
		fi
	}
	if
	:: !killing -> unlock(d)
	:: killing && !has_inode[d]
	:: killing && has_inode[d] ->
		if
		:: atomic { !i_lock[d] -> i_lock[d] = true }
		:: true ->
			/* Another task holds the lock. */
#ifndef NO_RELOCK_RCU
			rcu_lock();
#endif
			unlock(d);
			atomic { !i_lock[d] -> i_lock[d] = true }
			lock(d);
#ifndef NO_RELOCK_RCU
			rcu_unlock();
#endif
			if
			:: !has_inode[d] -> i_lock[d] = false
			:: else
			fi;
			if
#ifndef NO_RELOCK_RECHECK
			:: count[d] != 0 ->
				killing = false;
				if
				:: has_inode[d] -> i_lock[d] = false
				:: else
				fi;
				unlock(d)
#endif
			:: else
			fi
		fi
	fi
}

inline dentry_kill(d)
{
	lock_for_kill(d);
	if
	:: killing ->
#ifndef NO_MARK_DEAD
		count[d] = DEAD;
#endif
#ifndef NO_PRUNE_FIRST
		stashed_dentry_prune(d);
#endif
		has_inode[d] = false;
		unlock(d);
		i_lock[d] = false;
		put_object();
#ifdef NO_PRUNE_FIRST
		stashed_dentry_prune(d);
#endif
		lock(d);
		unlock(d);
		call_rcu_free(d)
	:: else
	fi
}

inline dput(d)
{
#ifndef NO_DPUT_RCU
	rcu_lock();
#endif
	atomic {
		uses(d);
		if
		:: !d_lock[d] && count[d] > 0 ->
			count[d]--;
			left = count[d]
		:: else -> left = -1
		fi
	}
	if
	:: left > 0
	:: left == 0 -> lock(d)
	:: left < 0 ->
		lock(d);
		assert(count[d] > 0);	/* WARN_ON_ONCE(lockref_is_dead_or_zero()) */
		count[d]--
	fi;
#ifndef NO_DPUT_RCU
	rcu_unlock();
#endif
	if
	:: left > 0
	:: else -> dentry_kill(d)
	fi
}

inline stashed_dentry_get()
{
#ifndef NO_GET_RCU
	rcu_lock();
#endif
	atomic { uses_object(); found = stashed }
	if
	:: found == 0
	:: else ->
		atomic {
#ifndef NO_LOCKREF_LOCK
			!d_lock[found] || dentry_freed[found];
#endif
			uses(found);
			if
#ifndef NO_GET_NOT_DEAD
			:: count[found] < 0 -> found = 0
#endif
			:: else -> count[found]++
			fi
		}
	fi;
#ifndef NO_GET_RCU
	rcu_unlock()
#endif
}

/* Sets "own" to the new dentry, or to 0. */
inline prepare_anon_dentry()
{
	own = 0;
	if
#ifndef ENOUGH_MEMORY
	:: put_object()			/* no inode */
	::
#ifndef NO_IPUT_ON_ERROR
		put_object()		/* no dentry: iput() evicts the inode */
#else
		skip
#endif
#endif
	:: atomic {
		own = me + 2;
		count[own] = 1;
#ifndef NO_INIT_ORDER
		has_inode[own] = true
#endif
	   }
	fi
}

/* Sets "found" to the dentry that is returned, or to 0. */
inline stash_dentry()
{
#ifndef NO_STASH_RCU
	rcu_lock();
#endif
	found = 0;
	do
	:: found == 0 ->
#ifdef NO_STASH_CMPXCHG
		atomic { uses_object(); old = stashed };
		if
		:: old == 0 -> stashed = own; found = own
		:: else
		fi;
#else
		atomic {
			uses_object();
			old = stashed;
			if
			:: old == 0 -> stashed = own; found = own
			:: else
			fi
		};
#endif
#ifndef NO_STASH_RECHECK
		if
		:: found == 0 ->
			atomic {
#ifndef NO_LOCKREF_LOCK
				!d_lock[old] || dentry_freed[old];
#endif
				uses(old);
				if
				:: count[old] >= 0 -> count[old]++; found = old
				:: else
				fi
			}
		:: else
		fi;
#endif
		if
		:: found == 0 ->
			atomic {
				if
#ifdef NO_TAKEOVER_CMPXCHG
				:: true -> stashed = own; found = own
#else
				:: stashed == old -> stashed = own; found = own	/* unreached: see the guard */
				:: else
#endif
				fi
			}
		:: else
		fi
	:: else -> break
	od;
	old = 0;
#ifdef NO_INIT_ORDER
	has_inode[own] = true;
#endif
#ifndef NO_STASH_RCU
	rcu_unlock()
#endif
}

inline is_returned(d)
{
	atomic {
		assert(!dentry_freed[d]);
		returned_dead = count[d] <= 0;
		assert(!returned_dead);
		returned_without_inode = !has_inode[d];
		assert(!returned_without_inode);
	}
}

inline is_closed(d)
{
	atomic {
		held_dead = dentry_freed[d] || count[d] <= 0 || !has_inode[d];
		assert(!held_dead);
		is_stashed = stashed == d;
		assert(is_stashed)
	}
}
bool returned_dead, returned_without_inode, held_dead, is_stashed, object_leaked;

proctype decoder(byte me)
{
	byte found, own, old, closing, x;
	short left;
	bool killing;

	if
	:: me == DECODERS -> found = 1; goto close
	:: else
	fi;
#ifndef STASH_ONLY
#ifndef NO_LOOKUP_RCU
	rcu_lock();
#endif
	if
	:: !in_table ->
#ifndef NO_LOOKUP_RCU
		rcu_unlock();
#endif
		goto stale
	:: in_table
	fi;
#ifdef NO_REF_IN_RCU
	rcu_unlock();
#endif
#ifdef PIDFS
	stashed_dentry_get();
	if
	:: found -> skip
	:: else -> atomic { uses_object(); object_count++ }
	fi;
#else
	atomic {
		uses_object();
		if
		:: object_count == 0 -> old = 1
		:: else -> object_count++
		fi
	};
#endif
#if !defined(NO_LOOKUP_RCU) && !defined(NO_REF_IN_RCU)
	rcu_unlock();
#endif
#ifdef NSFS
	if
	:: old == 1 -> old = 0; goto stale
	:: else
	fi;
#endif
	if
	:: found -> goto returned
	:: else
	fi;
	stashed_dentry_get();
	if
	:: found ->
#ifndef NO_PUT_DATA
		put_object();
#endif
		goto returned
	:: else
	fi;
#endif /* STASH_ONLY */
	prepare_anon_dentry();
	if
	:: own == 0 -> goto stale
	:: else
	fi;
	if
	:: stash_dentry()
#if defined(PIDFS) && !defined(ENOUGH_MEMORY)
	:: true		/* pidfs_register_pid() fails */
#endif
	fi;
	if
#ifndef NO_LOSER_DPUT
	:: found != own -> closing = own; goto put
#endif
	:: else
	fi;
returned:
	if
	:: found == 0 -> goto stale
	:: else
	fi;
	is_returned(found);
close:
	is_closed(found);
	closing = found;
	found = 0;
put:
	dput(closing);
	if
	:: found -> goto returned
	:: else
	fi;
stale:
	atomic { finished++; own = 0; closing = 0; left = 0; killing = false }
}

proctype object_dies(byte me)
{
	byte x;

#ifdef PIDFS
	atomic {
		in_table = false;
		object_readers = readers
	}
#ifndef NO_DELAYED_PUT
	object_readers == 0;
#endif
#endif
	put_object();
	finished++
}

init
{
	byte i;

	atomic {
#ifdef STASH_ONLY
		stashed = 0;
		object_count = DECODERS;
		finished = TASKS - DECODERS;
#else
		count[1] = 1;
		has_inode[1] = true;
		run decoder(DECODERS);	/* has it open */
		run object_dies(DECODERS + 1);
#endif
		for (i : 0 .. DECODERS - 1) {
			run decoder(i)
		}
	}
	atomic {
		finished == TASKS;
		object_leaked = !object_freed;
		assert(!object_leaked)
	}
}
