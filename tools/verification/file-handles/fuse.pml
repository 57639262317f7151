// SPDX-License-Identifier: GPL-2.0
/*
 * The identity of FUSE inodes, and the restart of their server: fs/fuse
 *
 * Two objects are looked up by name and by handle, revalidated, used and forgotten,
 * while the server is replaced by one that gives the same nodeids to other objects.
 * Proves:
 *
 * - a lookup, a decode and a revalidation that succeed find the object of the reply;
 *   a server that keeps to the protocol does not make an inode bad;
 * - a request that contains a nodeid reaches a server that uses it for the object;
 * - a server is never told to forget a lookup that it has not counted;
 * - at the end, each lookup that the present server has counted is forgotten;
 * - after a restart, a name is not used before it is looked up again.
 *
 * The server executes a request and replies in one step: a request that a dead server
 * has executed without a reply is the same as one that it has not read. fi->lock,
 * fc->ids_lock and inode_hash_lock are atomic steps, except where both fields of an ID
 * change. Memory is sequentially consistent. An inode has one former nodeid; the rest
 * are like it. Attributes, types of files, submounts and the root are not modelled.
 *
 * run: users: -DUSERS=2 -DLOOKERS=0 -DRESTARTS=1 -DUNKNOWN: an open file and a name of
 *		one inode, and a handle that is unknown
 * run: reuse: -DUSERS=0 -DLOOKERS=2 -DRESTARTS=0 -DREUSE: the server gives a nodeid that
 *		is in use to another object
 * run: reuse-restart: -DUSERS=1 -DLOOKERS=1 -DRESTARTS=1 -DREUSE: and is restarted
 * run: renumber: -DUSERS=1 -DLOOKERS=1 -DRESTARTS=1 -DRENUMBER: the server changes
 *		nodeids
 * run: lookups: -DUSERS=0 -DLOOKERS=2 -DRESTARTS=1: a lookup by name races with another
 *		lookup, a create or a decode
 * run: restarts: -DUSERS=1 -DLOOKERS=1 -DRESTARTS=2: two restarts
 *
 * guard: NO_READ_GEN: assertion sobj in users: fuse_dev_do_read() does not compare
 *		server_gen
 * guard: NO_TAKE_GEN: assertion sobj in users: the nodeid is not compared with
 *		server_gen when the request is built
 * guard: NO_IDS_LOCK: assertion sobj in users: nodeid and server_gen are copied without
 *		ids_lock
 * guard: NO_FORGET_GEN: assertion scount in users: a forget for a former server is
 *		queued
 * guard: NO_FORGET_DROP: assertion scount in users: a restart keeps queued forgets
 * guard: NO_COUNT_GEN: assertion scount in reuse-restart: a lookup of a former server is
 *		counted
 * guard: NO_COUNT_OLD: assertion scount in reuse: a lookup of a former nodeid is counted
 *		for the present one
 * guard: NO_EVICT_OLD: assertion scount in reuse: an evicted inode does not forget
 *		former nodeids
 * guard: NO_RESET: assertion scount in users: a nodeid of another server keeps its
 *		lookup count
 * guard: NO_NEWER: assertion scount in reuse-restart: a late reply replaces the nodeid
 *		of a newer server
 * guard: NO_EQ_GEN: assertion bad in renumber: inodes are found by nodeid without
 *		server_gen
 * guard: NO_EQ_LOCK: assertion bad in renumber: an inode is compared without fi->lock
 *		when it is looked up by nodeid
 * guard: NO_ID_LOCK: assertion obj in users: nodeid and server_gen are compared without
 *		fi->lock
 * guard: NO_DECODE_CHECK: assertion obj in reuse: the handle in the reply to a decode is
 *		not compared
 * guard: NO_REUSE_CHECK: assertion obj in reuse: the handle of an inode that is found is
 *		not compared
 * guard: NO_HASHED_CHECK: assertion hashed in reuse-restart: an inode that becomes bad is
 *		hashed again
 * guard: NO_DROP_UNHASH: assertion hashed in reuse-restart: an inode whose nodeid is
 *		reused stays hashed
 * guard: NO_NAME_GEN: assertion name in users: a name of a former server is used
 * guard: NO_DEPENDENT: assertion sobj in lookups: a dependent request is not tied to its
 *		server
 */

#define NI	3		/* inodes */
#ifdef RENUMBER
#define NN	3		/* nodeids */
#else
#define NN	2
#endif
#define A	1		/* objects, and their handles */
#define B	2
#define NONE	255
#define TASKS	USERS + LOOKERS

/* what a task does */
#define RENEW	1
#define NAME	2
#define LOOKUP	3
#define CREATE	4
#define DECODE	5
#define UNUSED(n)	(inode[n].used && inode[n].count == 0)
#define VOID	99		/* FUSE_SERVER_GEN_VOID */

typedef fuse_inode {
	bool used;
	byte count;		/* 0: being evicted */
	byte nodeid;
	byte server_gen;
	byte fhandle;		/* 0: unknown */
	byte nlookup;
	byte old_nodeid;
	byte old_nlookup;
	bool bad;
	bool hashed;
	bool other_chain;	/* of the hash, not that of its nodeid */
	bool indexed;
	bool lock;
	byte obj;		/* the object that users of the inode have seen */
};

fuse_inode inode[NI];
bool nodeid_mutex;

/* the connection */
byte server_gen;
byte forgets[NN + 1];

/* the server */
byte sobj[NN + 1];
byte scount[NN + 1];

byte name_obj = A;
byte running;
bool ready;
bool unknown;		/* the server does not know the handle of B */

/* helper: pick: a nodeid that refers to no object */
inline pick(n) {
	if
	:: scount[1] == 0 -> n = 1
	:: scount[2] == 0 -> n = 2
#if NN > 2
	:: scount[3] == 0 -> n = 3
#endif
	fi
}

/*
 * action: serve: fs/fuse/lookup_handle.c:fuse_lookup_handle,
 *		fs/fuse/lookup_handle.c:lookup_result, fs/fuse/dev.c:fuse_req_restart:
 *		the server looks an object up, and counts it
 */
inline serve(o) {
	atomic {
		r_gen = server_gen;
		r_obj = o;
		r_fh = o;
		if
		:: o == B && unknown -> r_fh = 0
		:: else
		fi;
		r_node = 0;
		if
#ifdef REUSE
		:: sobj[1] != o -> r_node = 1
		:: sobj[2] != o -> r_node = 2
#endif
#ifdef RENUMBER
		:: pick(r_node)
#endif
		:: sobj[1] == o -> r_node = 1
		:: sobj[2] == o -> r_node = 2
#if NN > 2
		:: sobj[3] == o -> r_node = 3
#endif
#if !defined(REUSE) && !defined(RENUMBER)
		:: else -> pick(r_node)
#endif
		fi;
		sobj[r_node] = o;
		scount[r_node]++
	}
}

/*
 * action: queue_forget: fs/fuse/dev.c:fuse_chan_queue_forget,
 *		fs/fuse/dev.c:fuse_dev_queue_forget: unless the server that has counted
 *		the lookups is gone
 */
inline queue_forget() {
	d_step {
		if
#ifdef NO_FORGET_GEN
		:: true -> forgets[f_node] = forgets[f_node] + f_nr
#else
		:: f_gen == server_gen -> forgets[f_node] = forgets[f_node] + f_nr
		:: else
#endif
		fi;
		f_node = 0;
		f_nr = 0;
		f_gen = 0
	}
}

/* helper: forget_reply: fuse_chan_queue_forget() for the lookup of a reply that is not used */
inline forget_reply() {
	atomic { f_node = r_node; f_nr = 1; f_gen = r_gen; queue_forget() }
}

/* action: iput: fs/inode.c:iput: the last reference evicts the inode */
inline iput(i) {
	d_step { assert(inode[i].count > 0); inode[i].count--; i = NONE }
}

/* helper: find: an inode that meets a condition, or NONE */
inline find(i, cond) {
	i = NONE;
	k = 0;
	do
	:: k < NI && (cond) -> i = k; break
	:: k < NI && !(cond) -> k++
	:: k == NI -> break
	od;
	k = 0
}

/* Whether a lookup by nodeid compares an inode, for which it takes fi->lock */
#define HASHED(i)	(inode[i].used && inode[i].hashed && !inode[i].other_chain)
#ifdef NO_EQ_LOCK
#define COMPARABLE	skip
#else
#define COMPARABLE	!(inode[0].lock || inode[1].lock || inode[2].lock)
#endif

/*
 * action: make_bad: fs/fuse/fhandle_index.c:fuse_make_stale, fs/fuse/fuse_i.h:fuse_make_bad,
 *		fs/fuse/fhandle_index.c:fuse_index_remove,
 *		fs/inode.c:__remove_inode_hash: no lookup finds the inode any more
 */
inline make_bad(i) {
	d_step {
		inode[i].bad = true;
#ifndef REUSE
		assert(!inode[i].bad)
#endif
	}
	inode[i].indexed = false;
	inode[i].hashed = false
}

/*
 * action: has_id: fs/fuse/fhandle_index.c:fuse_inode_has_id: compares two fields, which
 *		can change at the same time
 */
inline has_id(i, ok) {
#ifdef NO_ID_LOCK
	ok = inode[i].nodeid == r_node;
	ok = ok && inode[i].server_gen == r_gen
#else
	atomic {
		!inode[i].lock ->
		ok = inode[i].nodeid == r_node && inode[i].server_gen == r_gen
	}
#endif
}

/*
 * action: count_lookup: fs/fuse/fhandle_index.c:fuse_count_lookups: under fi->lock
 */
inline count_lookup(i) {
	atomic {
		!inode[i].lock ->
		if
#ifndef NO_COUNT_GEN
		:: inode[i].server_gen != r_gen
#endif
#ifndef NO_COUNT_OLD
#ifdef NO_COUNT_GEN
		:: inode[i].nodeid != r_node && inode[i].old_nodeid == r_node ->
#else
		:: inode[i].server_gen == r_gen && inode[i].nodeid != r_node &&
		   inode[i].old_nodeid == r_node ->
#endif
			inode[i].old_nlookup++
#endif
		:: else -> inode[i].nlookup++
		fi
	}
}

/*
 * action: adopt: fs/fuse/lookup_handle.c:fuse_inode_adopt_fhandle,
 *		fs/fuse/fhandle_index.c:fuse_index_add,
 *		fs/fuse/fhandle.rs:fuse_fhandle_adopt: ok = false if the handles differ
 */
inline adopt(i, ok) {
	d_step {
		ok = true;
		if
		:: r_fh != 0 && inode[i].fhandle == 0 -> inode[i].fhandle = r_fh
		:: r_fh != 0 && inode[i].fhandle != 0 -> ok = inode[i].fhandle == r_fh
		:: else
		fi
	}
	if
	:: ok && r_fh != 0 -> index_add(i)
	:: else
	fi
}

/*
 * helper: index_add: fuse_index_add(): the first inode of a handle is found by it. One
 *		step, because the function tests again whether the inode is bad after it
 *		has marked it as indexed
 */
inline index_add(i) {
	d_step {
		find(j, inode[k].used && inode[k].indexed &&
			inode[k].fhandle == inode[i].fhandle);
		if
		:: j == NONE && inode[i].fhandle != 0 && !inode[i].bad ->
			inode[i].indexed = true
		:: else
		fi;
		j = NONE
	}
}

/*
 * action: index_find: fs/fuse/fhandle_index.c:fuse_index_find: a reference, unless the
 *		inode is evicted or bad
 */
inline index_find(i, fh) {
	d_step {
		find(i, inode[k].used && inode[k].indexed && inode[k].fhandle == (fh));
		if
		:: i != NONE && inode[i].count == 0 -> inode[i].indexed = false; i = NONE
		:: i != NONE && inode[i].count > 0 && inode[i].bad -> i = NONE
		:: i != NONE && !(inode[i].count == 0 || inode[i].bad) -> inode[i].count++
		:: else
		fi
	}
}

/*
 * action: change_nodeid: fs/fuse/fhandle_index.c:fuse_change_nodeid: ok = false if the
 *		nodeid of the reply cannot be that of the inode
 * action: rehash: fs/inode.c:rehash_inode: an inode that is hashed changes its chain
 * action: make_nodeid_free: fs/fuse/fhandle_index.c:make_nodeid_free: an inode that has
 *		the nodeid is bad, unless it is of the same object
 */
inline change_nodeid(i, ok) {
	present = inode[i].server_gen == r_gen;
	atomic { !nodeid_mutex -> nodeid_mutex = true }
	ok = inode[i].nodeid == r_node && inode[i].server_gen == r_gen;
#ifndef NO_NEWER
	ok = ok || inode[i].server_gen > r_gen;
#endif
	if
	:: !ok ->
		/* ilookup5() waits for an inode that is being evicted */
		atomic {
			COMPARABLE;
			find(o, HASHED(k) && inode[k].nodeid == r_node &&
			     inode[k].server_gen == r_gen);
			if
			:: o != NONE && inode[o].count == 0 -> !inode[o].used; o = NONE
			:: o != NONE && inode[o].count > 0 -> inode[o].count++
			:: else
			fi
		}
		if
		:: o == NONE -> ok = true
		:: o != NONE && inode[o].fhandle == inode[i].fhandle
		:: else ->
make_nodeid_free:
			make_bad(o);
			ok = true
		fi;
		if
		:: ok -> set_nodeid(i, ok)
		:: else
		fi
	:: else
	fi;
	nodeid_mutex = false;
	if
	:: o != NONE -> iput(o)
	:: else
	fi
}

/* helper: set_nodeid: the second part of fuse_change_nodeid() */
inline set_nodeid(i, ok) {
	inode[i].lock = true;
	/* Two nodeids can have the same chain. */
	if
	:: inode[i].other_chain = true
	:: true
	fi;
	if
	:: inode[i].server_gen != r_gen ->
		inode[i].nodeid = r_node;
		inode[i].server_gen = r_gen;
		d_step {
#ifndef NO_RESET
			inode[i].nlookup = 0;
#endif
			inode[i].old_nodeid = 0;
			inode[i].old_nlookup = 0
		}
	:: else ->
		d_step {
			if
			:: inode[i].old_nodeid == r_node ->
				/* exchange the two */
				inode[i].old_nodeid = inode[i].nodeid;
				nr = inode[i].old_nlookup;
				inode[i].old_nlookup = inode[i].nlookup;
				inode[i].nodeid = r_node;
				inode[i].nlookup = nr;
				nr = 0
			:: inode[i].old_nodeid == 0 && present ->
				inode[i].old_nodeid = inode[i].nodeid;
				inode[i].old_nlookup = inode[i].nlookup;
				inode[i].nodeid = r_node;
				inode[i].nlookup = 0
			:: else -> ok = false
			fi
		}
	fi;
	inode[i].lock = false;
rehash:
	d_step {
#ifdef NO_HASHED_CHECK
		inode[i].hashed = true;
#endif
		inode[i].other_chain = false
	}
}

/*
 * action: iget: fs/fuse/inode.c:__fuse_iget, fs/fuse/inode.c:fuse_reused_inode,
 *		fs/fuse/inode.c:fuse_inode_eq, fs/inode.c:iget5_locked: finds the inode
 *		of a reply by its nodeid, or creates it. The inode can become bad between
 *		the two steps: the function then looks for another one, the model may
 *		use it
 */
inline iget(i) {
	do
	:: done -> break
	:: !done ->
		atomic {
			/* inode_hash_lock; waits for an inode that is being evicted */
			COMPARABLE;
			find(i, HASHED(k) && inode[k].nodeid == r_node
#ifndef NO_EQ_GEN
			     && inode[k].server_gen == r_gen
#endif
			);
			isnew = i == NONE;
			if
			:: i != NONE && inode[i].count == 0 -> !inode[i].used; i = NONE
			:: i != NONE && inode[i].count > 0 -> inode[i].count++
			:: else ->
				find(i, !inode[k].used);
				done = true;
				if
				:: i != NONE ->
					inode[i].used = true;
					inode[i].count = 1;
					inode[i].hashed = true;
					inode[i].nodeid = r_node;
					inode[i].server_gen = r_gen;
					inode[i].fhandle = r_fh;
					inode[i].obj = r_obj
				:: else
				:: kind == CREATE -> i = NONE	/* no memory */
				fi
			fi
		}
		if
		:: i != NONE && isnew -> index_add(i)
		:: i != NONE && !isnew ->
#ifdef NO_REUSE_CHECK
			ok = true;
#else
			if
			:: kind == DECODE -> ok = inode[i].fhandle == r_fh
			:: else -> adopt(i, ok)
			fi;
#endif
			if
			:: ok -> done = true
			:: !ok && kind == DECODE -> iput(i); done = true
			:: !ok && kind != DECODE -> make_bad(i); iput(i)
			fi
		:: else
		fi
	od;
	atomic { done = false; isnew = false }
}

/*
 * action: match: fs/fuse/inode.c:fuse_iget_indexed, fs/fuse/dir.c:fuse_other_nodeid,
 *		fs/fuse/restart.c:look_up_again: whether the reply is about the inode,
 *		which then has the nodeid of the reply
 */
inline match(i, ok) {
	ok = false;
	if
	:: kind == NAME -> has_id(i, ok)
	:: else ->
		atomic {
			!inode[i].lock ->
			ok = kind != RENEW && inode[i].nodeid == r_node &&
				inode[i].server_gen == r_gen;
			other = inode[i].server_gen != r_gen
		}
	fi;
	if
	:: !ok && r_fh != 0 && inode[i].fhandle == r_fh && (kind != DECODE || other) ->
		tried = true;
		change_nodeid(i, ok)
	:: else
	fi;
	other = false
}

/*
 * action: request: fs/fuse/restart.c:fuse_args_take_ids, fs/fuse/restart.c:take_object,
 *		fs/fuse/dev.c:fuse_dev_do_read, fs/fuse/dev.c:fuse_req_restart: a
 *		request on an inode, by nodeid or by handle
 */
inline request(i) {
	r_node = inode[i].nodeid;
	r_gen = server_gen;
	if
	:: r_gen != 0 ->
#ifdef NO_IDS_LOCK
		r_node = inode[i].nodeid;
		if
		:: inode[i].server_gen != r_gen -> r_gen = VOID
		:: else
		fi
#else
		atomic {
			!inode[i].lock ->
			r_node = inode[i].nodeid;
			if
#ifndef NO_TAKE_GEN
			:: inode[i].server_gen != r_gen -> r_gen = VOID
#endif
			:: else
			fi
		}
#endif
	:: else
	fi;
	d_step {
		if
#ifdef NO_READ_GEN
		:: true ->
#else
		:: r_gen == server_gen ->
#endif
			/* executed by nodeid */
#ifndef REUSE
			assert(sobj[r_node] == inode[i].obj)
#endif
		:: else
		fi
	}
}

/*
 * action: drop_reused: fs/fuse/fhandle_index.c:fuse_drop_reused: a reply that is not used,
 *		such as that to a revalidation, has another handle for a nodeid
 */
inline drop_reused() {
	if
	:: r_fh != 0 ->
		atomic {
			COMPARABLE;
			find(o, HASHED(k) && inode[k].nodeid == r_node &&
			     inode[k].server_gen == r_gen);
			if
			:: o != NONE && inode[o].count == 0 -> !inode[o].used; o = NONE
			:: o != NONE && inode[o].count > 0 -> inode[o].count++
			:: else
			fi
		}
		if
		:: o != NONE && inode[o].fhandle != 0 && inode[o].fhandle != r_fh ->
#ifdef NO_DROP_UNHASH
			inode[o].bad = true;
			inode[o].indexed = false
#else
			make_bad(o)
#endif
		:: else
		fi;
		if
		:: o != NONE -> iput(o)
		:: else
		fi
	:: else
	fi
}

#define LOCALS								\
	byte i = NONE, j = NONE, k, o = NONE, nr;			\
	byte r_node, r_gen, r_obj, r_fh;				\
	byte f_node, f_nr, f_gen;					\
	bool ok, last, present, done, again, isnew

#define END								\
	atomic {							\
		i = NONE;						\
		r_node = 0; r_gen = 0; r_obj = 0; r_fh = 0;		\
		ok = false; last = false; present = false;		\
		running--						\
	}

/*
 * action: task: fs/fuse/inode.c:fuse_ilookup_sb: a user has a reference to the inode
 *		that the first server knows: an open file, or a dentry. Others look up
 *		an object
 * action: renew: fs/fuse/restart.c:fuse_renew_inode, fs/fuse/restart.c:look_up_again:
 *		before a request
 * action: revalidate: fs/fuse/dir.c:fuse_dentry_revalidate,
 *		fs/fuse/dir.c:fuse_other_fhandle, fs/fuse/dir.c:fuse_dentry_void: a name
 *		that was looked up before the restart
 * action: lookup: fs/fuse/dir.c:fuse_lookup_name, fs/fuse/dir.c:fuse_lookup_entry: by
 *		name
 * action: create: fs/fuse/lookup_handle.c:fuse_create_handle,
 *		fs/fuse/compound.c:send_single, fs/fuse/dir.c:fuse_iget_new:
 *		FUSE_CREATE, and FUSE_LOOKUP_HANDLE of the new nodeid
 * action: decode: fs/fuse/fhandle_export.c:cached_inode,
 *		fs/fuse/fhandle_export.c:lookup_alias,
 *		fs/fuse/lookup_handle.c:lookup_result: by handle
 */
active [TASKS] proctype task() {
	byte i, j = NONE, k, o = NONE, nr, kind;
	byte r_node, r_gen, r_obj, r_fh;
	byte f_node, f_nr, f_gen;
	bool ok, present, done, isnew, twice, reply, other, tried;

	ready;
	if
	:: _pid < USERS ->
renew:
		kind = RENEW;
		if
		:: inode[i].server_gen != server_gen -> r_obj = inode[i].obj
		:: else -> r_obj = 0
		fi
	:: _pid < USERS ->
revalidate:
		atomic {
			kind = NAME;
			r_obj = name_obj;
			if
#ifdef NO_NAME_GEN
			:: true ->
#else
			:: server_gen == 0 ->
#endif
				assert(inode[i].obj == name_obj);
				r_obj = 0
			:: server_gen != 0
			fi
		}
	:: _pid >= USERS ->
lookup:
		i = NONE;
		kind = LOOKUP;
		if
		:: r_obj = A
		:: r_obj = B
		fi
#ifndef REUSE
	:: _pid == USERS ->
		i = NONE;
		kind = CREATE;
		r_obj = B
#endif
	:: _pid == USERS ->
decode:
		kind = DECODE;
		index_find(i, A);
		if
		:: i != NONE -> r_obj = 0
		:: i == NONE -> r_obj = A
		:: i == NONE -> r_obj = B	/* the server does not check the handle */
		fi
	fi;
	if
	:: r_obj != 0 -> serve(r_obj); reply = true
	:: else
	fi;
	if
	:: kind == CREATE ->
create:
		d_step {
#ifdef NO_DEPENDENT
			twice = true;
#else
			twice = r_gen == server_gen;
#endif
			if
			:: twice ->
				assert(sobj[r_node] == r_obj);
				scount[r_node]++
			:: else -> r_fh = 0
			fi
		}
	:: else
	fi;
	if
#ifndef NO_DECODE_CHECK
	:: kind == DECODE && reply && r_fh != A -> forget_reply(); reply = false
	:: !(kind == DECODE && reply && r_fh != A) && reply ->
#else
	:: reply ->
#endif
		if
		:: i == NONE && r_fh != 0 -> index_find(i, r_fh)
		:: else
		fi;
		if
		:: i != NONE -> match(i, ok)
		:: else
		fi;
		if
		:: kind == NAME && ok -> adopt(i, ok)
		:: kind >= LOOKUP && ok
		:: kind >= LOOKUP && !ok ->
			if
			:: i != NONE -> iput(i); done = kind == DECODE && !tried; tried = false
			:: else
			fi;
			iget(i);
			ok = i != NONE
		:: else
		fi;
		if
		:: ok ->
			count_lookup(i);
			if
			:: twice -> count_lookup(i)
			:: else
			fi;
			assert(inode[i].obj == r_obj);
			assert(kind != DECODE || inode[i].obj == A)
		:: else ->
			if
			:: kind == NAME -> drop_reused()
			:: else
			fi;
			forget_reply();
			if
			:: twice -> forget_reply()
			:: else
			fi
		fi
	:: else
	fi;
	if
	:: i != NONE -> request(i); iput(i)
	:: else
	fi;
	atomic {
		r_node = 0; r_gen = 0; r_obj = 0; r_fh = 0; kind = 0;
		ok = false; present = false; twice = false; reply = false; tried = false;
		running--
	}
}

/*
 * action: evict: fs/fuse/inode.c:fuse_evict_inode,
 *		fs/fuse/fhandle_index.c:fuse_index_remove,
 *		fs/fuse/fhandle_index.c:fuse_forget_old_nodeids: forgets the nodeids of
 *		an inode. The task that drops the last reference goes on at the same
 *		time
 */
active proctype evict() {
	byte i = NONE, k;
	byte f_node, f_nr, f_gen;

	ready;
	do
	:: running == 0 && !(UNUSED(0) || UNUSED(1) || UNUSED(2)) -> break
	:: atomic { UNUSED(0) || UNUSED(1) || UNUSED(2) -> find(i, UNUSED(k)) }
		assert(!(inode[i].bad && inode[i].hashed));
		inode[i].indexed = false;
#ifndef NO_EVICT_OLD
		atomic {
			f_node = inode[i].old_nodeid;
			f_nr = inode[i].old_nlookup;
			f_gen = inode[i].server_gen;
			queue_forget()
		}
#endif
		atomic {
			f_node = inode[i].nodeid;
			f_nr = inode[i].nlookup;
			f_gen = inode[i].server_gen;
			queue_forget()
		}
		d_step {
			inode[i].hashed = false;
			inode[i].bad = false;
			inode[i].nlookup = 0;
			inode[i].old_nlookup = 0;
			inode[i].old_nodeid = 0;
			inode[i].nodeid = 0;
			inode[i].server_gen = 0;
			inode[i].fhandle = 0;
			inode[i].obj = 0;
			inode[i].used = false;
			i = NONE
		}
	od
}

/*
 * action: restart: fs/fuse/dev.c:fuse_chan_restart,
 *		fs/fuse/notify.c:fuse_notify_restart: another server, which knows
 *		nothing
 */
active [RESTARTS] proctype restart() {
	ready;
	atomic {
		server_gen++;
		sobj[1] = 0;
		sobj[2] = 0;
		sobj[NN] = 0;
		scount[1] = 0;
		scount[2] = 0;
		scount[NN] = 0;
#ifndef NO_FORGET_DROP
		forgets[1] = 0;
		forgets[2] = 0;
		forgets[NN] = 0;
#endif
		if
		:: name_obj = B	/* in the meantime, the name was replaced */
		:: true
		fi;
		running--
	}
}

/*
 * action: forget: fs/fuse/dev.c:fuse_read_single_forget: the server reads FUSE_FORGET
 */
inline forget(n) {
	atomic {
		forgets[n] > 0 ->
		assert(scount[n] >= forgets[n]);
		scount[n] = scount[n] - forgets[n];
		forgets[n] = 0;
		if
		:: scount[n] == 0 -> sobj[n] = 0
		:: else
		fi
	}
}

/* helper: server: reads FUSE_FORGET until the filesystem is not used */
active proctype server() {
	ready;
	do
	:: forget(1)
	:: forget(2)
#if NN > 2
	:: forget(3)
#endif
	:: running == 0 && !inode[0].used && !inode[1].used && !inode[2].used &&
	   forgets[1] == 0 && forgets[2] == 0 && forgets[NN] == 0 -> break
	od;
	assert(scount[1] == 0 && scount[2] == 0 && scount[NN] == 0)
}

init {
	atomic {
#if USERS
		inode[0].used = true;
		inode[0].nodeid = 1;
		inode[0].fhandle = A;
		inode[0].nlookup = 1;
		inode[0].hashed = true;
		inode[0].indexed = true;
		inode[0].obj = A;
		inode[0].count = USERS;
		sobj[1] = A;
		scount[1] = 1;
#endif
		running = USERS + LOOKERS + RESTARTS;
#ifdef UNKNOWN
		if
		:: unknown = true
		:: true
		fi;
#endif
		ready = true
	}
}
