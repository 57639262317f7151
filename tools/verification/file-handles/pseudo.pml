// SPDX-License-Identifier: GPL-2.0
/*
 * Pseudo filesystems of modules: rust/kernel/fs/pseudo
 *
 * An object is opened through the device of the module, by its handle, and by a work
 * item of the module, while the module is unloaded. The module is initialised: before, it
 * cannot mount. Proves:
 *
 * - no code of the module runs, and no data of the module are used, after it is freed;
 * - a superblock is used only while it exists, and is shut down without inodes;
 * - an object has at most one inode, and a user of the inode finds the object in it;
 * - each reference to the module, a superblock and the object is dropped exactly once.
 *
 * A dentry is a reference to its inode, because an inode has one alias; stashed-dentry.pml
 * is about aliases. A descriptor of the anchor is a reference to its mount. sb_lock,
 * misc_mtx, i_lock and inode_hash_lock are atomic steps, and memory is sequentially
 * consistent. Superblocks and mounts are not allocated a second time, so a use after
 * they are freed is found.
 *
 * run: handle: -DANCHOR -DDEVICE: decodes race with an open and with the last close
 * run: work: -DWORK -DDEVICE: a work item mounts, which module exit waits for
 *
 * guard: NO_OWNER: assertion gone: file_system_type::owner is not set
 * guard: NO_TRY_MODULE_GET: assertion gone in work: mount() takes no reference to the
 *		module
 * guard: NO_MNTGET: assertion i_state: an open file does not hold the mount
 * guard: NO_SINGLE: assertion inodes: each mount creates a superblock
 * guard: NO_OBJECT_REF: assertion object: i_private is no reference to the object
 * guard: NO_INIT_ORDER: assertion i_private: I_NEW is cleared before i_private is set
 * guard: NO_NEW_CHECK: assertion i_state: ilookup_nowait() returns an inode with I_NEW
 * guard: NO_FREEING_CHECK: assertion i_state: ilookup_nowait() returns an inode that is
 *		being freed
 * guard: NO_FREEING_WAIT: assertion inodes: iget_locked() does not wait for an inode
 *		that is being freed
 * guard: NO_ROOT_PATH: assertion sb_state: a decode does not hold the path of the mount
 * guard: NO_PATH_PUT_ORDER: assertion i_state: the mount is dropped before the dentry
 * guard: NO_PUT_SUPER_ORDER: assertion gone: the type is put before the superblock
 *		leaves fs_supers
 * guard: NO_DEVICE_OWNER: assertion gone: the file of the device does not hold the
 *		module
 */

#define NSB	2
#define NMNT	2
#define NONE	255

/* states of an inode */
#define ABSENT	0
#define NEW	1
#define LIVE	2
#define FREEING	3

/* states of a superblock and a mount */
#define UNUSED	0
#define EXISTS	1
#define FREED	2

typedef superblock {
	byte sb_state;
	byte s_active;
	byte s_passive;
	bool born;
	bool dying;
	bool dead;
	bool s_umount;
	/* the inode of the object */
	byte i_state;
	byte i_count;
	bool i_private;
};

superblock sb[NSB];

/* A mount of each process that mounts */
byte mnt_count[NMNT];
byte mnt_sb[NMNT];

/* the module */
byte refcnt = 1;	/* MODULE_REF_BASE */
bool going, gone;
bool registered = true;
#ifdef WORK
bool work_pending = true;
#else
bool work_pending;
#endif

/* references to the object: the store has one */
byte object = 1;
bool in_store = true;

/* the number of inodes of the object */
byte inodes;

/* the descriptor of the anchor, which processes share */
bool fd_open;
byte fd_count;

/* the number of processes that have not ended */
#ifdef ANCHOR
byte running = 3;
#else
byte running = 2;
#endif

/* Each use of code or data of the module */
#define MODULE	assert(!gone)

/* action: module_put: kernel/module/main.c:module_put: drops a reference to the module */
inline module_put() {
	d_step {
		MODULE;
		assert(refcnt > 0);
		refcnt--;
	}
}

/*
 * action: get_filesystem: fs/filesystems.c:get_filesystem,
 *		rust/kernel/fs/pseudo/fs_type.rs:FileSystemType::new: a reference to
 *		owner
 */
inline get_filesystem() {
	d_step {
		MODULE;
#ifndef NO_OWNER
		refcnt++;
#endif
	}
}

/* action: put_filesystem: fs/filesystems.c:put_filesystem: owner is read, then put */
inline put_filesystem() {
	d_step {
		MODULE;
#ifndef NO_OWNER
		assert(refcnt > 0);
		refcnt--;
#endif
	}
}

/* action: try_module_get: kernel/module/main.c:try_module_get: two loads in C */
inline try_module_get(ok) {
	MODULE;
	if
	:: going -> ok = false
	:: else ->
		atomic {
			if
			:: refcnt > 0 -> refcnt++; ok = true
			:: else -> ok = false
			fi
		}
	fi
}

/* action: put_super: fs/super.c:put_super: the type contains the list of superblocks */
inline put_super(s) {
	atomic {
		assert(sb[s].sb_state == EXISTS && sb[s].s_passive > 0);
		sb[s].s_passive--;
		last = sb[s].s_passive == 0;
	}
	if
	:: last ->
#ifdef NO_PUT_SUPER_ORDER
		put_filesystem();
		d_step { MODULE; sb[s].sb_state = FREED }
#else
		d_step { MODULE; sb[s].sb_state = FREED }
		put_filesystem()
#endif
	:: else
	fi
}

/*
 * action: mount: rust/kernel/fs/pseudo/fs_type.rs:FileSystemType::mount,
 *		rust/kernel/fs/pseudo/fs_type.rs:FileSystemType::init_fs_context,
 *		fs/namespace.c:vfs_kern_mount, fs/fs_context.c:alloc_fs_context,
 *		fs/fs_context.c:put_fs_context: the reference of the context to the
 *		superblock moves to the mount
 */
inline mount(m, ok) {
	MODULE;
	ok = true;
#if !defined(NO_TRY_MODULE_GET) && !defined(NO_OWNER)
	try_module_get(ok);
#endif
	if
	:: ok ->
		get_filesystem();
		MODULE;	/* init_fs_context() */
		sget_fc(m);
		put_filesystem();
#if !defined(NO_TRY_MODULE_GET) && !defined(NO_OWNER)
		module_put();
#endif
		MODULE
	:: else
	fi
}

/*
 * action: sget_fc: fs/super.c:sget_fc, fs/super.c:vfs_get_super,
 *		fs/libfs.c:pseudo_fs_get_tree, fs/super.c:vfs_get_tree: finds the
 *		superblock of the type or creates it
 * action: grab_super: fs/super.c:grab_super: waits for a superblock that is shut down
 */
inline sget_fc(m) {
	s = NONE;
	do
	:: s == NONE ->
		atomic {
			MODULE;
#ifndef NO_SINGLE
			if
			:: sb[0].sb_state == EXISTS && !sb[0].dead -> s = 0
			:: sb[1].sb_state == EXISTS && !sb[1].dead -> s = 1
			:: else
			fi;
#endif
			if
			:: s == NONE ->
				created = true;
				s = (sb[0].sb_state == UNUSED -> 0 : 1);
				assert(sb[s].sb_state == UNUSED);
				sb[s].sb_state = EXISTS;
				sb[s].s_umount = true;
				sb[s].s_active = 1;
				sb[s].s_passive = 1
			:: else ->
				created = false;
				sb[s].s_passive++
			fi
		}
		if
		:: created ->
			get_filesystem();
			sb[s].born = true
		:: else ->
grab_super:
			atomic {
				!sb[s].s_umount && (sb[s].born || sb[s].dying) ->
				sb[s].s_umount = true
			}
			if
			:: !sb[s].dying ->
				assert(sb[s].s_active > 0);
				sb[s].s_active++;
				put_super(s)
			:: else ->
				sb[s].s_umount = false;
				sb[s].dead;
				put_super(s);
				s = NONE
			fi
		fi
	:: else -> break
	od;
	atomic {
		mnt_sb[m] = s;
		mnt_count[m] = 1;
		sb[s].s_umount = false;
		s = NONE
	}
}

/*
 * action: deactivate_super: fs/super.c:deactivate_super,
 *		fs/super.c:deactivate_locked_super, fs/super.c:generic_shutdown_super,
 *		fs/super.c:kill_super_notify: shuts the superblock down with its last
 *		active reference
 */
inline deactivate_super(s) {
	assert(sb[s].sb_state == EXISTS);
	atomic {
		last = sb[s].s_active == 1;
		if
		:: last
		:: else -> assert(sb[s].s_active > 0); sb[s].s_active--
		fi
	}
	if
	:: last ->
		atomic { !sb[s].s_umount -> sb[s].s_umount = true }
		d_step {
			sb[s].s_active--;
			last = sb[s].s_active == 0;
			sb[s].s_umount = last
		}
		if
		:: last ->
			MODULE;	/* kill_sb */
			assert(sb[s].i_state == ABSENT);
			d_step { sb[s].dying = true; sb[s].s_umount = false }
			sb[s].dead = true;
			put_super(s)
		:: else
		fi
	:: else
	fi
}

/*
 * action: mntput: rust/kernel/fs/pseudo/mount.rs:Mount::drop,
 *		fs/namespace.c:cleanup_mnt: drops a reference to a mount
 */
inline mntput(m) {
	d_step {
		assert(mnt_count[m] > 0);
		mnt_count[m]--;
		last = mnt_count[m] == 0
	}
	if
	:: last -> deactivate_super(mnt_sb[m])
	:: else
	fi
}

/* action: mntget: fs/namespace.c:mntget: a new reference for the path of a file */
inline mntget(m) {
#ifdef NO_MNTGET
	skip
#else
	d_step { assert(mnt_count[m] > 0); mnt_count[m]++ }
#endif
}

/* helper: object_put: drops an Arc, which runs code of the module */
inline object_put() {
	d_step { MODULE; assert(object > 0); object-- }
}

/*
 * action: iput: fs/inode.c:iput, fs/inode.c:iput_final, fs/inode.c:evict,
 *		rust/kernel/fs/pseudo/inode.rs:evict: evicts the inode with the last
 *		reference
 */
inline iput(s) {
	d_step {
		assert(sb[s].sb_state == EXISTS && sb[s].i_count > 0);
		sb[s].i_count--;
		last = sb[s].i_count == 0;
		if
		:: last -> sb[s].i_state = FREEING
		:: else
		fi
	}
	if
	:: last ->
		MODULE;	/* evict_inode */
#ifndef NO_OBJECT_REF
		if
		:: sb[s].i_private -> object_put()
		:: else
		fi;
#endif
		d_step { sb[s].i_private = false }
		d_step { sb[s].i_state = ABSENT; inodes-- }
	:: else
	fi
}

/*
 * action: dentry: rust/kernel/fs/pseudo/inode.rs:dentry, fs/inode.c:iget_locked,
 *		fs/inode.c:find_inode_fast, fs/dcache.c:__d_obtain_alias: the inode of
 *		the object, whose reference moves to a new inode or is dropped
 * action: init_inode: rust/kernel/fs/pseudo/inode.rs:init, fs/inode.c:unlock_new_inode:
 *		initialises a new inode
 */
inline dentry(s, ok) {
	MODULE;
	atomic {
#ifndef NO_FREEING_WAIT
		sb[s].i_state != FREEING ->
#endif
		assert(sb[s].sb_state == EXISTS && sb[s].s_active > 0);
		created = sb[s].i_state == ABSENT || sb[s].i_state == FREEING;
		if
		:: created ->
			inodes++;
			assert(inodes == 1);
			sb[s].i_state = NEW;
			sb[s].i_count = 1
		:: else -> sb[s].i_count++
		fi
	}
	if
	:: created ->
init_inode:
#ifdef NO_INIT_ORDER
		sb[s].i_state = LIVE;
		sb[s].i_private = true
#else
		sb[s].i_private = true;
		sb[s].i_state = LIVE
#endif
#ifdef NO_OBJECT_REF
		; object_put()
#endif
	:: else ->
		sb[s].i_state != NEW;
		object_put()
	fi;
	if
	:: ok = true
	:: iput(s); ok = false
	fi;
	MODULE
}

/*
 * action: dentry_nowait: rust/kernel/fs/pseudo/inode.rs:dentry_nowait,
 *		fs/inode.c:ilookup_nowait, fs/inode.c:igrab_nowait: the inode of the
 *		object, if it is cached
 */
inline dentry_nowait(s, ok) {
	MODULE;
	assert(sb[s].sb_state == EXISTS && sb[s].s_active > 0);
	ok = sb[s].i_state != ABSENT;
#ifndef NO_NEW_CHECK
	ok = ok && sb[s].i_state != NEW;
#endif
	atomic {
		ok = ok && sb[s].i_state != ABSENT;
#ifndef NO_NEW_CHECK
		ok = ok && sb[s].i_state != NEW;
#endif
#ifndef NO_FREEING_CHECK
		ok = ok && sb[s].i_state != FREEING;
#endif
		if
		:: ok -> sb[s].i_count++
		:: else
		fi
	}
	object_put();
	MODULE
}

/*
 * action: private: rust/kernel/fs/inode.rs:Inode::private,
 *		rust/kernel/fs/pseudo/file.rs:FileOperations::read_iter: uses an open
 *		file
 */
inline private(s) {
	MODULE;
	assert(sb[s].sb_state == EXISTS && sb[s].s_active > 0);
	assert(sb[s].i_state == LIVE);
	assert(sb[s].i_private);
	assert(object > 0)
}

/* action: close: fs/file_table.c:__fput, fs/namei.c:path_put: the last close of a file */
inline close(m, s) {
#ifdef NO_PATH_PUT_ORDER
	mntput(m);
	iput(s)
#else
	iput(s);
	mntput(m)
#endif
}

/* helper: store_get: the store of rust_exportfs is a lock and a tree of Arcs */
inline store_get(ok) {
	d_step {
		MODULE;
		ok = in_store;
		if
		:: ok -> object++
		:: else
		fi
	}
}

/* helper: store_remove: removes the object from the store */
inline store_remove() {
	d_step {
		MODULE;
		if
		:: in_store -> object--; in_store = false
		:: else
		fi
	}
}

/* action: device_open: drivers/char/misc.c:misc_open: fops_get() under misc_mtx */
inline device_open(ok) {
	d_step {
		ok = registered;
#ifndef NO_DEVICE_OWNER
		ok = ok && !going && refcnt > 0;
		if
		:: ok -> refcnt++
		:: else
		fi
#endif
	}
}

/* helper: device_close: releases the file of the device, whose data have a mount */
inline device_close(m, mounted) {
	MODULE;
	if
	:: mounted -> mntput(m)
	:: else
	fi;
	MODULE;
#ifndef NO_DEVICE_OWNER
	module_put()
#endif
}

/*
 * action: open: rust/kernel/fs/pseudo/mount.rs:Mount::open, fs/open.c:dentry_open: a
 *		file of the object
 */
inline open(m, s, ok) {
	s = mnt_sb[m];
	store_get(ok);
	if
	:: ok -> dentry(s, ok)
	:: else
	fi;
	if
	:: ok -> mntget(m)
	:: else
	fi
}

/* helper: fput: drops a reference to the descriptor of the anchor */
inline fput() {
	d_step {
		fd_count--;
		last = fd_count == 0
	}
	if
	:: last -> mntput(0)
	:: else
	fi
}

#ifdef ANCHOR
/* helper: anchor: a process that opens the anchor, and closes it */
active proctype anchor() {
	byte s;
	bool ok, last, created;

	device_open(ok);
	if
	:: ok ->
		mount(0, ok);
		if
		:: ok ->
			mntget(0);
			d_step { fd_count = 1; fd_open = true }
		:: true	/* no memory */
		fi;
		device_close(0, ok)
	:: else
	fi;
	if
	:: fd_open ->
		fd_open = false;
		fput()
	:: else
	fi;
	d_step { s = 0; ok = false; last = false; created = false; running-- }
}

/*
 * action: decoder: rust/kernel/fs/fhandle/decode.rs:Decoder::new,
 *		rust/kernel/fs/fhandle/decode.rs:Decoder::try_decode,
 *		fs/fhandle.c:get_path_anchor, fs/fhandle.c:fhandle_get_decode_ctx: opens
 *		the object by its handle
 */
active proctype decoder() {
	byte s;
	bool ok, last, created;

	d_step {
		ok = fd_open;
		if
		:: ok -> fd_count++
		:: else
		fi
	}
	if
	:: ok ->
		s = mnt_sb[0];
#ifndef NO_ROOT_PATH
		d_step { assert(mnt_count[0] > 0); mnt_count[0]++ }
#endif
		fput();
		assert(sb[s].sb_state == EXISTS && sb[s].s_active > 0);
		store_get(ok);
		if
		:: ok ->
			if
			:: dentry(s, ok)
			:: dentry_nowait(s, ok)
			fi
		:: else
		fi;
		if
		:: ok -> d_step { assert(mnt_count[0] > 0); mnt_count[0]++ }
		:: else
		fi;
#ifndef NO_ROOT_PATH
		mntput(0);
#endif
		if
		:: ok ->
			private(s);
			close(0, s)
		:: else
		fi
	:: else
	fi;
	d_step { s = 0; ok = false; last = false; created = false; running-- }
}
#endif

#ifdef DEVICE
/* helper: device: a process that opens the object through the device, and may remove it */
active proctype device() {
	byte s;
	bool ok, last, created, opened;

	device_open(ok);
	if
	:: ok ->
		mount(1, ok);
		if
		:: ok -> open(1, s, opened)
		:: else
		fi;
		if
		:: store_remove()
		:: true
		fi;
		device_close(1, ok)
	:: else
	fi;
	if
	:: opened ->
		private(s);
		close(1, s)
	:: else
	fi;
	d_step { s = 0; ok = false; last = false; created = false; opened = false; running-- }
}
#endif

#ifdef WORK
/* helper: work: a work item of the module, which gives the file to a process */
active proctype work() {
	byte s;
	bool ok, last, created, opened;

	mount(0, ok);
	if
	:: ok ->
		open(0, s, opened);
		mntput(0)
	:: else
	fi;
	d_step { MODULE; work_pending = false }
	if
	:: opened ->
		private(s);
		close(0, s)
	:: else
	fi;
	d_step { s = 0; ok = false; last = false; created = false; opened = false; running-- }
}
#endif

/*
 * action: unload: kernel/module/main.c:try_stop_module,
 *		kernel/module/main.c:try_release_module_ref,
 *		drivers/char/misc.c:misc_deregister: unloads the module when it is not
 *		used
 */
active proctype unload() {
	bool idle, stopped;

	do
	:: !stopped ->
		idle = running == 0;
		d_step { refcnt--; stopped = refcnt == 0 }
		if
		:: !stopped ->
			d_step {
				stopped = refcnt == 0;
				if
				:: !stopped -> refcnt++
				:: else
				fi
			}
		:: else
		fi;
		assert(stopped || !idle)
	:: else -> break
	od;
	going = true;
	registered = false;
	!work_pending;
	store_remove();
	gone = true;
	running == 0;
	assert(refcnt == 0 && object == 0 && inodes == 0);
	assert(sb[0].sb_state != EXISTS && sb[1].sb_state != EXISTS);
	assert(mnt_count[0] == 0 && mnt_count[1] == 0)
}
