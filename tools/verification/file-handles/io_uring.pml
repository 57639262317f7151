// SPDX-License-Identifier: GPL-2.0
/*
 * A request of io_uring for a file handle: rust/kernel/io_uring, io_uring/fhandle_rust
 *
 * IORING_OP_OPEN_BY_HANDLE_AT is prepared, issued inline, issued again by workers, passed
 * from a worker to its submitter, and canceled, while the submitter exits and the ring
 * is closed. Proves:
 *
 * - one thread at a time uses the operation in the request, and only while it exists;
 * - the operation, its path, the reserved descriptor, the opened file and the slot of the
 *   mount are released exactly once, and before the ring is freed;
 * - the file is installed if and only if the result is success, and otherwise put;
 * - exactly one completion is posted, and its result is that of the operation;
 * - a worker decodes a handle of nsfs only after the submitter could not;
 * - the request ends: it is not passed from one thread to the other for ever.
 *
 * IORING_OP_NAME_TO_HANDLE_AT is modelled for the file in a slot, whose attempts need the
 * slot again. With a path, it has the states of the other operation, without a file.
 * There is one request, with two workers, because a second one can take it while the
 * first one returns. The memory of the request is refs > 0. Links and linked timeouts are
 * not modelled. Memory is sequentially consistent. The queues of task work and of workers
 * have room for one request, which is in at most one of them.
 *
 * run: name: -DTARGET=2 -DWORKERS=2: encodes the handle of a fixed file
 * run: task: -DTARGET=0 -DWORKERS=2: installs a descriptor of the task
 * run: ring: -DTARGET=1 -DWORKERS=2: installs a direct descriptor, and the mount is a
 *		fixed file
 * run: progress: -DTARGET=0 -DWORKERS=1 acceptance: no request is passed on for ever
 *
 * guard: NO_TAKE_FLAG: assertion op: issue() does not clear REQ_F_NEED_CLEANUP
 * guard: NO_PUT_FLAG: assertion op: a retry does not set REQ_F_NEED_CLEANUP
 * guard: NO_PUT_ORDER: assertion op in task: the request is passed on before the
 *		operation is stored
 * guard: NO_FLAGS_ORDER: assertion exclusive in task: the request is passed on before
 *		REQ_F_FORCE_ASYNC is cleared
 * guard: NO_CLEAR_FORCE_ASYNC: cycle in progress: the submitter gives the request back
 *		to a worker
 * guard: NO_BY_ANY: cycle in progress: a worker does not know that the submitter has
 *		tried
 * guard: NO_NONBLOCK: assertion res: a worker retries, without the token NonBlock
 * guard: NO_WORKER: cycle in progress: an inline attempt passes the request on, without
 *		the token Worker
 * guard: NO_NSFS: assertion any in task: a worker decodes a handle of nsfs
 * guard: NO_CANCEL: assertion res in task: an exiting submitter fails the request with
 *		EFAULT
 * guard: NO_CLEANUP: assertion op: struct io_cold_def has no cleanup
 * guard: NO_FILE_CHECK: assertion slot_refs: each attempt gets the file of the slot
 * guard: NO_UNLOCKED: assertion uring_lock: a worker uses the file table without the
 *		lock
 * guard: NO_LOCKED: end state: an inline attempt takes uring_lock again
 * guard: NO_INTO_RAW: assertion file in ring: install() drops the file that io_uring
 *		consumes
 * guard: NO_FD_DROP: assertion fds in task: a failed open keeps the reserved descriptor
 * guard: NO_WORKER_REF: assertion refs: the worker has no reference to the request
 * guard: NO_RING_REF: assertion refs: the request does not hold the ring
 */

/* What the request contains */
#define NONE		0
#define START		1	/* Progress::Start: the handle */
#define PERMITTED	2	/* Progress::Permitted: the handle and the path of the mount */
#define DECODED		3	/* Progress::Decoded: the path of the file */
#define SLOT		4	/* Subject::Slot */

/* io_task_work.func */
#define SUBMIT		1	/* io_issue_submit() */
#define CANCEL		2	/* io_req_task_cancel() */
#define COMPLETE	3	/* io_req_task_complete() */
#define ISSUE		4	/* the first attempt */

/* Results, as far as they differ */
#define SUCCESS		1
#define FAILURE		2
#define ECANCELED	3
#define EFAULT		4
#define EAGAIN		5

/* What ->issue() returns */
#define IOU_COMPLETE	1
#define IOU_RETRY	2
#define IOU_SKIP	3
#define IOU_QUEUE	4	/* io_queue_iowq() */

/* the request */
byte refs;
bool refcounted;	/* REQ_F_REFCOUNT */
bool cleanup;		/* REQ_F_NEED_CLEANUP */
bool force_async;	/* REQ_F_FORCE_ASYNC */
bool cqe_skip;		/* REQ_F_CQE_SKIP */
bool work_cancel;	/* IO_WQ_WORK_CANCEL */
bool has_file;		/* req->file */
bool completing;	/* on compl_reqs */
byte op, res, func;
bool by_any;

/* The thread that uses the operation, or 0 */
byte exclusive;

/* the resources of the operation */
byte handles, roots, paths, fds, file, installed, slot_refs;

/* the ring, its submitter and its io-wq */
bool ring = true;
byte ring_refs = 1;
byte uring_lock;
bool dying;
bool exiting, work_exited;
bool wq = true;
bool workers = true;
bool tctx_lock;
bool submitted;
bool wq_exit;
bool pending;
byte busy;
byte cqes;

/* Chosen once */
bool nsfs;
bool lockless;		/* IORING_SETUP_DEFER_TASKRUN */

#define ME		(_pid + 1)
#define LIVE		assert(refs > 0)
#define LOCKED		assert(uring_lock == ME)

/* helper: lock: uring_lock */
inline lock() {
	atomic {
		uring_lock == 0 ->
		assert(ring);
		uring_lock = ME
	}
}

/* helper: unlock: uring_lock */
inline unlock() {
	d_step { LOCKED; uring_lock = 0 }
}

/*
 * action: task_work_add: io_uring/tw.c:io_req_normal_work_add,
 *		io_uring/tw.c:io_req_local_work_add: the submitter runs the function
 */
inline task_work_add(f) {
	d_step {
		LIVE;
		assert(func == 0 && !pending && !completing);
		assert(lockless || !work_exited);
		func = f
	}
}

/*
 * action: drop: rust/kernel/io_uring/opcode.rs:Opcode::issue: drops the operation, once
 */
inline drop(state) {
	if
	:: state == START -> assert(handles == 1); handles--
	:: state == PERMITTED ->
		assert(handles == 1 && roots == 1);
		handles--;
		roots--
	:: state == DECODED -> assert(paths == 1); paths--
	:: state == SLOT
	fi
}

/*
 * action: clean_op: io_uring/io_uring.c:io_clean_op,
 *		io_uring/io_uring.c:io_free_batch_list,
 *		rust/kernel/io_uring/handlers.rs:cleanup: frees the request
 */
inline clean_op() {
	d_step {
		LOCKED;
		if
		:: cleanup ->
			assert(exclusive == 0);
			cleanup = false;
#ifndef NO_CLEANUP
			assert(op != NONE);
			drop(op);
			op = NONE
#endif
		:: else
		fi;
		if
		:: has_file -> slot_refs--; has_file = false
		:: else
		fi;
		assert(op == NONE);
		refs = 0;
#ifndef NO_RING_REF
		ring_refs--
#endif
	}
}

/*
 * action: flush: io_uring/io_uring.c:__io_submit_flush_completions: posts the
 *		completion, and frees the request with the last reference
 */
inline flush() {
	d_step {
		LOCKED;
		last = false;
		if
		:: completing ->
			completing = false;
			LIVE;
			if
			:: !cqe_skip -> cqes++; assert(cqes == 1)
			:: else
			fi;
			refs--;
			last = !refcounted || refs == 0;
			if
			:: last -> refs = 1
			:: else
			fi
		:: else
		fi
	}
	if
	:: last -> clean_op()
	:: else
	fi
}

/*
 * action: complete_defer: io_uring/io_uring.h:io_req_complete_defer: with uring_lock
 *		held
 */
inline complete_defer() {
	d_step { LOCKED; LIVE; assert(!completing); completing = true }
}

/*
 * action: fail: io_uring/io_uring.c:io_req_defer_failed,
 *		io_uring/io_uring.c:io_submit_fail_init: completes the request with an
 *		error
 */
inline fail(r) {
	d_step { LOCKED; LIVE; assert(!completing); res = r; completing = true }
}

/*
 * action: submit_canceled: io_uring/io_uring.c:io_wq_submit_work,
 *		io_uring/io-wq.c:io_run_cancel,
 *		io_uring/io_uring.c:io_req_task_queue_fail: io-wq does not execute the
 *		request
 */
inline submit_canceled() {
	d_step {
		LIVE;
		work_cancel = true;
		if
		:: refcounted -> refs++
		:: else -> refcounted = true; refs = 2
		fi;
		res = ECANCELED
	}
	task_work_add(CANCEL);
	put_work()
}

/*
 * action: put_work: io_uring/io_uring.c:io_wq_put_work,
 *		io_uring/io_uring.c:io_wq_free_work, io_uring/io_uring.c:io_free_req:
 *		the last reference frees the request
 */
inline put_work() {
	d_step {
		LIVE;
		refs--;
		last = refs == 0;
		if
		:: last -> refs = 1; refcounted = false; cqe_skip = true
		:: else
		fi
	}
	if
	:: last -> task_work_add(COMPLETE)
	:: else
	fi
}

/*
 * action: queue_iowq: io_uring/io_uring.c:io_queue_iowq,
 *		io_uring/io_uring.c:io_prep_async_work,
 *		io_uring/io_uring.c:io_queue_async, io_uring/io-wq.c:io_wq_enqueue:
 *		gives the request to a worker
 */
inline queue_iowq() {
	LOCKED;
	if
	:: wq_exit -> submit_canceled()
	:: else -> d_step { LIVE; assert(!pending); work_cancel = false; pending = true }
	fi
}

/*
 * action: prep: rust/kernel/io_uring/handlers.rs:prep,
 *		io_uring/fhandle_rust/open_by_handle.rs:OpenByHandle::prep,
 *		io_uring/io_uring.c:io_init_req: a new request
 */
inline prep() {
	d_step {
		LOCKED;
		refs = 1;
#ifndef NO_RING_REF
		ring_refs++;
#endif
#if TARGET == 2
		op = SLOT;
#else
		op = START;
		handles = 1;
#endif
		cleanup = true
	}
}

/* helper: have: the thread has the request for itself */
inline have() {
	assert(exclusive == 0 || exclusive == ME);
	exclusive = ME
}

/*
 * action: take: rust/kernel/io_uring/handlers.rs:take: moves the operation out of the
 *		request
 */
inline take() {
	atomic {
		LIVE;
		have();
		assert(op != NONE);
		st = op;
		any = by_any;
		op = NONE;
#ifndef NO_TAKE_FLAG
		cleanup = false
#endif
	}
}

/*
 * action: put: rust/kernel/io_uring/handlers.rs:put: moves the operation into the
 *		request
 */
inline put() {
	atomic {
		LIVE;
		have();
		assert(op == NONE);
		op = st;
		by_any = any;
#ifndef NO_PUT_FLAG
		cleanup = true
#endif
	}
}

/*
 * action: issue_lock: io_uring/io_uring.h:io_ring_submit_lock: only if
 *		IO_URING_F_UNLOCKED is set
 */
inline issue_lock(worker) {
#ifdef NO_LOCKED
	lock()
#else
#ifdef NO_UNLOCKED
	skip
#else
	if
	:: worker -> lock()
	:: else
	fi
#endif
#endif
}

/* helper: issue_unlock: io_ring_submit_unlock() */
inline issue_unlock(worker) {
	LOCKED;
	if
	:: worker -> unlock()
	:: else
	fi
}

/*
 * action: fixed_file: rust/kernel/io_uring/issue.rs:Issue::fixed_file,
 *		rust/helpers/io_uring.c:rust_helper_io_req_fixed_file,
 *		io_uring/io_uring.c:io_file_get_fixed: the mount is a file in a slot
 */
inline fixed_file(worker) {
	LIVE;
#ifdef NO_FILE_CHECK
	if
	:: true ->
#else
	if
	:: !has_file ->
#endif
		issue_lock(worker);
		d_step { LOCKED; slot_refs++; has_file = true }
		issue_unlock(worker)
	:: else
	fi
}

#if TARGET == 2
/*
 * action: encode_slot: io_uring/fhandle_rust/name_to_handle.rs:Subject::encode_inline,
 *		io_uring/fhandle_rust/name_to_handle.rs:Subject::encode_in_worker,
 *		io_uring/fhandle_rust/name_to_handle.rs:encode_slot: encodes the file in
 *		a slot
 */
inline encode_slot(worker, to) {
	fixed_file(worker);
	to = IOU_COMPLETE;
	if
	:: r = SUCCESS
	:: r = FAILURE
#ifdef NO_NONBLOCK
	:: to = IOU_RETRY
#else
	:: !worker -> to = IOU_RETRY
#endif
	fi;
	if
	:: to == IOU_COMPLETE -> st = NONE
	:: else
	fi
}
#else
/*
 * action: decode: io_uring/fhandle_rust/open_by_handle.rs:Arguments::decode,
 *		io_uring/fhandle_rust/open_by_handle.rs:Progress::permitted,
 *		rust/kernel/fs/fhandle/decode.rs:Decoder::try_decode: to = NONE if it
 *		fails
 * action: permission: rust/kernel/fs/fhandle/decode.rs:Decoder::new: holds the path of
 *		the mount
 */
inline decode(worker, to) {
	if
	:: st == START ->
#if TARGET == 1
		fixed_file(worker);
#endif
permission:
		if
		:: d_step { roots++; st = PERMITTED; any = false }
		:: true
		fi
	:: else
	fi;
	to = IOU_COMPLETE;
	if
	:: st == START ->
		d_step { drop(st); st = NONE; r = FAILURE }
#ifndef NO_NSFS
#ifdef NO_WORKER
	:: st == PERMITTED && nsfs && !any ->
#else
	:: st == PERMITTED && nsfs && !any && worker ->
#endif
		if
		:: to = IOU_SKIP
		:: d_step { drop(st); st = NONE; r = FAILURE }	/* no memory */
		fi
#endif
#ifdef NO_NSFS
	:: st == PERMITTED ->
#else
#ifdef NO_WORKER
	:: st == PERMITTED && !(nsfs && !any) ->
#else
	:: st == PERMITTED && !(nsfs && !any && worker) ->
#endif
#endif
		assert(!worker || !nsfs || any);
		if
		:: d_step { handles--; roots--; paths++; st = DECODED }
		:: d_step { drop(st); st = NONE; r = FAILURE }
#ifdef NO_NONBLOCK
		:: true ->
#else
		:: !worker ->
#endif
			to = IOU_RETRY;
#ifndef NO_BY_ANY
			any = true
#endif
		fi
	:: else
	fi
}

/*
 * action: open: io_uring/fhandle_rust/open_by_handle.rs:Arguments::run,
 *		rust/kernel/io_uring/target.rs:Target::open,
 *		rust/kernel/fs/file.rs:with_limit,
 *		rust/kernel/fs/path.rs:Path::try_open_by_handle: opens and installs the
 *		file
 * action: install: rust/kernel/io_uring/issue.rs:Issue::install,
 *		io_uring/filetable.c:io_fixed_fd_install: a direct descriptor
 */
inline open(worker, to) {
#if TARGET == 0
	if
	:: fds++; ok = true
	:: ok = false	/* EMFILE */
	fi;
#else
	ok = true;
#endif
	r = FAILURE;
	if
	:: ok ->
		if
		:: file++
		:: ok = false
		:: !worker ->
			ok = false;
			to = IOU_RETRY
		fi;
#if TARGET == 0
		d_step {
			if
			:: ok -> fds--; file--; installed++; r = SUCCESS
			:: else ->
#ifdef NO_FD_DROP
				skip
#else
				fds--
#endif
			fi
		}
#else
		if
		:: ok ->
install:
			issue_lock(worker);
			LOCKED;
			if
			:: d_step { file--; installed++; r = SUCCESS }
			:: ok = false
			fi;
			issue_unlock(worker);
			if
			:: !ok -> d_step { assert(file > 0); file-- }
#ifdef NO_INTO_RAW
				d_step { assert(file > 0); file-- }
#endif
			:: else
			fi
		:: else
		fi;
#endif
	:: else
	fi;
	if
	:: to == IOU_COMPLETE -> d_step { drop(st); st = NONE }
	:: else
	fi
}

#endif

/*
 * action: issue: rust/kernel/io_uring/handlers.rs:issue,
 *		io_uring/fhandle_rust/open_by_handle.rs:OpenByHandle::issue,
 *		rust/helpers/io_uring.c:rust_helper_io_issue_complete,
 *		io_uring/io_uring.c:io_issue_sqe, io_uring/io_uring.c:__io_issue_sqe:
 *		executes the operation
 */
inline issue(worker, to) {
	take();
	/* Nobody else uses the operation, so that other threads do not see these steps */
	atomic {
#if TARGET == 2
		encode_slot(worker, to)
#else
		decode(worker, to);
		if
		:: st == DECODED -> open(worker, to)
		:: else
		fi
#endif
	}
	if
	:: to == IOU_COMPLETE ->
		d_step { LIVE; have(); exclusive = 0; assert(st == NONE); res = r }
	:: else
	fi
}

/*
 * action: retry: rust/helpers/io_uring.c:rust_helper_io_issue_retry: a worker shall
 *		issue the request
 */
inline retry() {
	put();
	exclusive = 0
}

/*
 * action: by_submitter: rust/helpers/io_uring.c:rust_helper_io_issue_by_submitter:
 *		passes the request from a worker to its submitter
 * helper: accept_by_submitter: the request is not passed on for ever
 */
inline by_submitter() {
	LIVE;
accept_by_submitter:
	skip;
#ifndef NO_PUT_ORDER
	put();
#endif
#if !defined(NO_CLEAR_FORCE_ASYNC) && !defined(NO_FLAGS_ORDER)
	force_async = false;
#endif
	exclusive = 0;
	task_work_add(SUBMIT);
#ifdef NO_PUT_ORDER
	put();
	exclusive = 0;
#endif
#ifdef NO_FLAGS_ORDER
	have();
	force_async = false;
	exclusive = 0;
#endif
	LIVE	/* io_issue_sqe() reads flags */
}

/*
 * action: run_work: io_uring/io_uring.c:io_req_task_cancel,
 *		io_uring/io_uring.c:io_req_task_complete: task work that does not issue
 *		the request
 */
inline run_work(f) {
	if
	:: f == CANCEL -> fail(res)
	:: f == COMPLETE -> complete_defer()
	:: else
	fi
}

/*
 * action: submitter: io_uring/io_uring.c:io_queue_sqe,
 *		io_uring/io_uring.c:io_submit_sqe,
 *		rust/helpers/io_uring.c:io_issue_submit,
 *		io_uring/io_uring.c:io_req_task_submit,
 *		io_uring/tw.c:tctx_task_work_run, io_uring/tw.c:__io_run_local_work:
 *		submits the request, and runs task work
 * action: cancel: io_uring/io-wq.c:io_wq_cancel_cb: IORING_OP_ASYNC_CANCEL, and
 *		execve(2) until no request is left
 * action: exit: io_uring/cancel.c:io_uring_cancel_generic,
 *		io_uring/tctx.c:io_uring_clean_tctx, io_uring/io-wq.c:io_wq_exit_start,
 *		io_uring/io-wq.c:io_wq_put_and_exit: the submitter exits
 */
active proctype submitter() {
	byte f, st, r, to;
	bool any, ok, last, canceled;
	bool locked = true;

	if
	:: nsfs = true
	:: true
	fi;
	if
	:: lockless = true
	:: true
	fi;
	lock();
	prep();
	if
	:: force_async = true	/* O_TRUNC, IOSQE_ASYNC */
	:: true
	fi;
	if
	:: f = ISSUE
	:: fail(FAILURE)	/* prep() fails, or a BPF filter denies the request */
	fi;
	do
	:: locked ->
		to = 0;
		if
		:: f == SUBMIT && (exiting || dying) ->
#ifdef NO_CANCEL
			fail(EFAULT)
#else
			fail(ECANCELED)
#endif
		:: f == ISSUE || (f == SUBMIT && !(exiting || dying)) ->
			if
			:: force_async -> to = IOU_QUEUE
			:: else -> issue(false, to)
			fi
		:: else -> run_work(f)
		fi;
		if
		:: to == IOU_COMPLETE -> complete_defer()
		:: to == IOU_RETRY -> retry(); to = IOU_QUEUE
#ifdef NO_WORKER
		:: to == IOU_SKIP -> by_submitter()
#endif
		:: else
		fi;
		if
		:: to == IOU_QUEUE -> queue_iowq()
		:: else
		fi;
		f = 0;
		flush();
		unlock();
		locked = false;
		submitted = true
	:: atomic {
		!locked && func != 0 && uring_lock == 0 ->
		uring_lock = ME;
		f = func;
		func = 0;
		locked = true
	   }
	:: !locked && (!canceled && busy > 0 || pending) && wq ->
cancel:
		canceled = true;
		atomic {
			ok = pending;
			pending = false;
			work_cancel = busy > 0
		}
		if
		:: ok -> submit_canceled()
		:: else
		fi
	:: !locked && !wq_exit -> wq_exit = true	/* execve(2) */
	:: !locked && !exiting ->
exit:
		exiting = true;
		wq_exit = true;
		atomic { !tctx_lock -> wq = false }
		atomic { busy == 0 -> workers = false }
		atomic { ok = pending; pending = false }
		if
		:: ok -> submit_canceled()
		:: else
		fi
	:: atomic { !locked && exiting && (func == 0 || lockless) -> work_exited = true }
		break
	od;
	atomic { f = 0; st = 0; r = 0; to = 0; any = false; ok = false; last = false }
}

/*
 * action: worker: io_uring/io-wq.c:io_worker_handle_work,
 *		io_uring/io_uring.c:io_wq_submit_work: executes pending requests
 * action: complete_post: io_uring/io_uring.c:io_req_complete_post: posts the completion,
 *		or leaves that to the submitter
 */
active [WORKERS] proctype worker() {
	byte st, r, to;
	bool any, ok, last;

end:
	do
	:: atomic { pending && workers -> pending = false; busy++ }
#ifndef NO_WORKER_REF
		d_step {
			LIVE;
			if
			:: refcounted -> refs++
			:: else -> refcounted = true; refs = 2
			fi
		}
#endif
		if
		:: work_cancel ->
			to = 0;
			res = ECANCELED;
			task_work_add(CANCEL)
		:: else ->
			issue(true, to)
		fi;
		if
		:: to == IOU_COMPLETE ->
complete_post:
			if
			:: lockless -> task_work_add(COMPLETE)
			:: else ->
				d_step {
					LIVE;
					cqes++;
					assert(cqes == 1);
					refs--;
					assert(refs > 0)
				}
			fi
		:: to == IOU_SKIP -> by_submitter()
#ifdef NO_NONBLOCK
		:: to == IOU_RETRY ->
			retry();
			res = EAGAIN;
			task_work_add(CANCEL)
#endif
		:: else
		fi;
#ifndef NO_WORKER_REF
		put_work();
#endif
		d_step {
			busy--;
			r = 0;
			to = 0;
			any = false;
			ok = false;
			last = false
		}
	od
}	/* unreached: a worker does not end */

/*
 * action: ring_exit: io_uring/io_uring.c:io_ring_ctx_wait_and_kill,
 *		io_uring/io_uring.c:io_ring_exit_work,
 *		io_uring/cancel.c:io_uring_try_cancel_iowq,
 *		io_uring/tw.c:io_cancel_local_task_work: the ring is closed after the
 *		submission, and freed with its last request
 */
active proctype ring_exit() {
	byte f;
	bool ok, last;

	submitted;
	lock();
	d_step { dying = true; ring_refs-- }
	unlock();
	do
	:: ring_refs == 0 -> break
	:: pending && wq ->
		lock();
		atomic {
			!tctx_lock ->
			tctx_lock = true;
			ok = pending && wq;
			if
			:: ok -> pending = false
			:: else
			fi
		}
		if
		:: ok -> submit_canceled()
		:: else
		fi;
		tctx_lock = false;
		unlock()
	:: lockless && func != 0 ->
		lock();
		d_step { f = func; func = 0 }
		if
		:: f == SUBMIT ->
#ifdef NO_CANCEL
			fail(EFAULT)
#else
			fail(ECANCELED)
#endif
		:: else -> run_work(f)
		fi;
		flush();
		unlock()
	od;
	ring = false;
	assert(refs == 0);
	assert(cqes == 1);
	assert(func == 0 && !pending && op == NONE);
	assert(handles == 0 && roots == 0 && paths == 0);
	assert(slot_refs == 0);
	assert(fds == 0);
	assert(file == 0);
#if TARGET != 2
	assert(installed == (res == SUCCESS));
#endif
	assert(res == SUCCESS || res == FAILURE || res == ECANCELED)
}
