// SPDX-License-Identifier: GPL-2.0
/*
 * The references of a namespace, from the lookup of a handle to the last put.
 *
 * A member of the namespace decodes its handle, closes the file and exits. Other
 * tasks, with and without permission, decode the handle as well, and close the file.
 * Meanwhile, the tree of namespaces is rebalanced.
 *
 * Properties:
 *
 * - The namespace is not used after it is freed, and is freed in the end.
 * - A decode opens the namespace only if it was active at some time since the decode
 *   began. The namespace is active as long as the file is open.
 * - A decode finds a namespace that is in the tree.
 * - A non-blocking decode does not drop the last reference to a mount namespace, which
 *   takes namespace_sem and waits for a grace period. A caller without permission
 *   never drops the last reference.
 * - The namespace contributes one active reference to its owner while it is active:
 *   none is left in the end, and the count is never negative.
 *
 * The dentry is in stashed-dentry.pml. Here, one step reuses it, publishes it or closes
 * it. The tree consists of the namespace and a permanent one with a smaller id, which
 * are each other's child in turn.
 *
 * run: mnt: -DMNT -DOTHERS=1: A mount namespace.
 * run: uts: -DOTHERS=1: A namespace whose last put does not block.
 * run: tree: -DOTHERS=1 -DROTATE -DENOUGH_MEMORY: The tree is rebalanced twice.
 * run: active: -DOTHERS=2 -DENOUGH_MEMORY -DPRIVILEGED: Two other tasks with permission.
 *
 * action: decode: fs/nsfs.c:nsfs_decode_fh, fs/nsfs_rust.rs:decode,
 *	fs/nsfs_rust.rs:check_permission, rust/kernel/ns_common.rs:RcuNsCommon::get,
 *	include/linux/ns_common.h:ns_get_unless_inactive: The checks under RCU, and the
 *	reference.
 * action: lookup: kernel/nstree.c:ns_tree_lookup_rcu, kernel/nstree.c:__ns_tree_lookup_rcu,
 *	kernel/nstree.c:__ns_unified_tree_lookup_rcu, kernel/nstree.c:ns_find,
 *	rust/kernel/ns_common.rs:NsCommon::lookup: Search the tree without a lock.
 * action: get_dentry: fs/nsfs.c:nsfs_get_dentry, rust/kernel/fs/nsfs.rs:dentry,
 *	fs/nsfs.c:nsfs_init_inode, fs/nsfs.c:nsfs_put_data: Reuse the dentry or create one.
 * action: evict: fs/nsfs.c:nsfs_evict: Drop the references of an inode.
 * action: active_get: kernel/nscommon.c:__ns_ref_active_get: Take an active reference.
 * action: active_put: kernel/nscommon.c:__ns_ref_active_put: Drop an active reference.
 * action: put: fs/namespace.c:put_mnt_ns, fs/namespace.c:free_mnt_ns,
 *	fs/namespace.c:mnt_ns_tree_remove, kernel/utsname.c:free_uts_ns,
 *	rust/kernel/ns_common.rs:NsCommon::dec_ref: Drop a reference. The last one removes
 *	the namespace from the tree.
 * action: tree_remove: kernel/nstree.c:__ns_tree_remove, kernel/nstree.c:ns_tree_node_del:
 *	Erase the node.
 * action: rebalance: kernel/nstree.c:__ns_tree_add_raw, kernel/nstree.c:ns_tree_node_add,
 *	lib/rbtree.c:__rb_insert: The rotations of the insertion of another namespace.
 * action: member: kernel/nsproxy.c:deactivate_nsproxy: The exit of the last member.
 *
 * helper: other: A task that is not a member.
 * helper: open_handle: Decode, use and close.
 * helper: use: Checks the properties, and closes the file.
 * helper: rcu_lock: rcu_read_lock().
 * helper: rcu_unlock: rcu_read_unlock(). Frees the namespace after its grace period.
 * helper: call_rcu_free: kfree_rcu() of the namespace.
 *
 * guard: NO_RCU: assertion freed: The lookup and the reference are in one RCU read-side
 *	critical section.
 * guard: NO_REF_IN_RCU: assertion freed: The reference is taken before the end of that
 *	section.
 * guard: NO_REF_NOT_ZERO: assertion freed: The reference is taken only if the count is
 *	not zero.
 * guard: NO_FREE_RCU: assertion freed: The namespace is freed after a grace period.
 * guard: NO_REMOVE_FIRST: assertion freed: It leaves the tree before this grace period.
 * guard: NO_SEQ_RETRY: assertion missed in tree: A search that finds nothing is repeated
 *	if the tree has changed.
 * guard: NO_ACTIVE_CHECK: assertion dead: An inactive namespace is not opened.
 * guard: NO_ACTIVE_GET: assertion nactive: nsfs_init_inode() takes an active reference.
 * guard: NO_OWNER_GET: assertion owner_active: A namespace that becomes active again
 *	takes an active reference to its owner.
 * guard: NO_OWNER_PUT: assertion owner_active: A namespace that becomes inactive drops its
 *	active reference to its owner.
 * guard: NO_PERMISSION_FIRST: assertion refused_drops_last: The permission is checked
 *	before the reference is taken.
 * guard: NO_NOWAIT_CHECK: assertion blocks in mnt: A non-blocking decode is refused for a
 *	mount namespace that the caller is not in.
 * guard: NO_EVICT_ORDER: assertion freed: nsfs_evict() drops the active reference, which
 *	reads the namespace, before the reference.
 * guard: NO_EXIT_ORDER: assertion freed: So does the exit of a member.
 * guard: NO_PUT_DATA: assertion leaked: A decode that reuses a dentry drops its reference
 *	to the namespace.
 */

/* The namespace, and the permanent one with a smaller id. */
#define NIL 0
#define NS 1
#define SMALLER 2

bool freed;
byte count = 1;
byte nactive = 1;		/* active references */
short owner_active = 1;
bool in_tree = true;
bool waits;
byte waits_for;

/* Open files, which share a dentry. */
byte files;

byte root = SMALLER;
byte left_of[3], right_of[3];
bool tree_lock;
byte sequence;

byte readers;
byte finished;

/* Bit N is set if the namespace was active since the decode of task N began. */
byte was_active;

bool missed, dead, inactive, blocks, refused_drops_last, leaked;

#define uses() assert(!freed)

inline rcu_lock()
{
	d_step { readers = readers | (1 << me) }
}

inline rcu_unlock()
{
	d_step {
		readers = readers & ~(1 << me);
		waits_for = waits_for & readers;
		if
		:: waits && waits_for == 0 -> waits = false; freed = true
		:: else
		fi
	}
}

inline call_rcu_free()
{
	d_step {
#ifdef NO_FREE_RCU
		waits_for = 0;
#else
		waits_for = readers;
#endif
		if
		:: waits_for == 0 -> freed = true
		:: else -> waits = true
		fi
	}
}

inline active_get()
{
	atomic {
		uses();
		previous = nactive;
		nactive++;
		if
		:: previous == 0 ->
			dead = !(was_active & (1 << me));
			assert(!dead);
			was_active = 255
		:: else
		fi
	}
#ifndef NO_OWNER_GET
	if
	:: previous == 0 -> atomic { uses(); owner_active++ }
	:: else
	fi;
#endif
	previous = 0
}

inline active_put()
{
	atomic {
		uses();
		assert(nactive > 0);
		nactive--;
		was_last = nactive == 0
	}
#ifndef NO_OWNER_PUT
	if
	:: was_last ->
		atomic {
			uses();
			owner_active--;
			assert(owner_active >= 0)
		}
	:: else
	fi;
#endif
	was_last = false
}

/* The steps of the rotations are those of __rb_insert(). */
inline tree_remove()
{
	atomic { !tree_lock -> tree_lock = true }
	sequence++;
	if
	:: root == NS -> root = SMALLER
	:: else -> right_of[SMALLER] = NIL
	fi;
	atomic { in_tree = false; sequence++; tree_lock = false }
}

inline put()
{
	atomic {
		uses();
		assert(count > 0);
		count--;
		was_last = count == 0;
		if
		:: was_last ->
			refused_drops_last = refused;
			assert(!refused_drops_last);
#ifdef MNT
			/* namespace_sem, synchronize_rcu_expedited() */
			blocks = nowait;
			assert(!blocks)
#endif
		:: else
		fi
	}
	if
	:: was_last ->
		was_last = false;
#ifdef NO_REMOVE_FIRST
		call_rcu_free();
		tree_remove()
#else
		tree_remove();
		call_rcu_free()
#endif
	:: else
	fi
}

inline evict()
{
#ifdef NO_EVICT_ORDER
	put();
	active_put()
#else
	active_put();
	put()
#endif
}

/* Sets "found". */
inline lookup()
{
	found = false;
	do
	:: true ->
		atomic { sequence % 2 == 0 -> began = sequence }
		node = root;
		do
		:: node == NS -> found = true; break
		:: node == NIL -> break
		:: node == SMALLER -> node = right_of[SMALLER]
		od;
		node = NIL;
		if
		:: found -> uses(); break
		:: else
		fi;
#ifdef NO_SEQ_RETRY
		break
#else
		if
		:: sequence == began -> break
		:: else
		fi
#endif
	od;
	began = 0;
	atomic {
		missed = !found && in_tree;
		assert(!missed)
	}
}

/* Sets "found" if it has a reference. */
inline decode()
{
	atomic {
		if
		:: nactive -> was_active = was_active | (1 << me)
		:: else -> was_active = was_active & ~(1 << me)
		fi
	}
#ifndef NO_RCU
	rcu_lock();
#endif
	lookup();
#ifndef NO_PERMISSION_FIRST
	if
	:: found && refused -> found = false
	:: else
	fi;
#endif
#if defined(MNT) && !defined(NO_NOWAIT_CHECK)
	if
	:: found && nowait && me != 0 -> found = false
	:: else
	fi;
#endif
#ifdef NO_REF_IN_RCU
	rcu_unlock();
#endif
#ifndef NO_ACTIVE_CHECK
	if
	:: found -> atomic { uses(); found = nactive > 0 }
	:: else
	fi;
#endif
	if
	:: found ->
		atomic {
			uses();
			if
#ifndef NO_REF_NOT_ZERO
			:: count == 0 -> found = false
#endif
			:: else -> count++
			fi
		}
	:: else
	fi;
#if !defined(NO_RCU) && !defined(NO_REF_IN_RCU)
	rcu_unlock();
#endif
#ifdef NO_PERMISSION_FIRST
	if
	:: found && refused -> put(); found = false
	:: else
	fi;
#endif
	skip
}

/* Consumes the reference. Sets "found" if a file is open. */
inline get_dentry()
{
	atomic {
		found = files > 0;
		if
		:: found -> files++
		:: else
		fi
	}
	if
	:: found ->
#ifndef NO_PUT_DATA
		put()
#endif
	:: else ->
		if
#ifndef ENOUGH_MEMORY
		:: put()		/* no inode */
#endif
		:: true ->
#ifndef NO_ACTIVE_GET
			active_get();
#endif
			if
#ifndef ENOUGH_MEMORY
			:: skip		/* no dentry */
#endif
			:: atomic {
				found = true;
				published = files == 0;
				files++
			   }
			fi;
			if
			:: published -> published = false
			:: else -> evict()
			fi
		fi
	fi
}

inline use()
{
	atomic {
		uses();
		inactive = nactive == 0 || count == 0;
		assert(!inactive)
	}
	nowait = false;
	atomic {
		uses();
		inactive = nactive == 0 || count == 0;
		assert(!inactive);
		files--;
		was_last = files == 0
	}
	if
	:: was_last -> was_last = false; evict()
	:: else
	fi
}

inline open_handle()
{
	decode();
	if
	:: found -> get_dentry()
	:: else
	fi;
	if
	:: found -> found = false; use()
	:: else
	fi;
	nowait = false
}

proctype member(byte me)
{
	byte node, began, previous;
	bool found, was_last, published, nowait, refused;

	if
	:: nowait = true
	:: true
	fi;
	open_handle();
#ifdef NO_EXIT_ORDER
	put();
	active_put();
#else
	active_put();
	put();
#endif
	finished++
}

proctype other(byte me)
{
	byte node, began, previous;
	bool found, was_last, published, nowait, refused;

	if
	:: nowait = true
	:: true
#ifndef PRIVILEGED
	:: refused = true
#endif
	fi;
	open_handle();
	finished++
}

#ifdef ROTATE
proctype rebalance()
{
	byte times;

	do
	:: times < 2 ->
		times++;
		atomic { !tree_lock -> tree_lock = true }
		sequence++;
		if
		:: !in_tree
		:: in_tree && root == SMALLER ->
			right_of[SMALLER] = NIL;
			left_of[NS] = SMALLER;
			root = NS
		:: in_tree && root == NS ->
			left_of[NS] = NIL;
			right_of[SMALLER] = NS;
			root = SMALLER
		fi;
		atomic { sequence++; tree_lock = false }
	:: else -> break
	od
}
#endif

init
{
	byte i;

	atomic {
		right_of[SMALLER] = NS;
		run member(0);
#ifdef ROTATE
		run rebalance();
#endif
		for (i : 1 .. OTHERS) {
			run other(i)
		}
	}
	atomic {
		finished == OTHERS + 1;
		leaked = !freed;
		assert(!leaked);
		assert(nactive == 0 && owner_active == 0)
	}
}
