// SPDX-License-Identifier: GPL-2.0

#ifdef CONFIG_IO_URING_HANDLE
#include "../../io_uring/filetable.h"
#include "../../io_uring/io_uring.h"

/* Sets the result of a request and returns the return value for ->issue(). */
__rust_helper int rust_helper_io_issue_complete(struct io_kiocb *req, s32 res)
{
	if (res < 0)
		req_set_fail(req);
	io_req_set_res(req, res, 0);
	return IOU_COMPLETE;
}

__rust_helper int rust_helper_io_issue_retry(void)
{
	return IOU_RETRY;
}

/*
 * Like io_req_task_submit(), but an exiting submitter cancels the request. It is
 * inline because a helper that is compiled as an inline function uses it.
 */
static inline void io_issue_submit(struct io_tw_req tw_req, io_tw_token_t tw)
{
	if (!tw.cancel) {
		io_req_task_submit(tw_req, tw);
		return;
	}
	io_tw_lock(tw_req.req->ctx, tw);
	io_req_defer_failed(tw_req.req, -ECANCELED);
}

/*
 * Passes a request from a worker to its submitter, and returns the return value
 * for ->issue(). The worker may not access the request any more.
 */
__rust_helper int rust_helper_io_issue_by_submitter(struct io_kiocb *req)
{
	req->flags &= ~REQ_F_FORCE_ASYNC;
	req->io_task_work.func = io_issue_submit;
	io_req_task_work_add(req);
	return IOU_ISSUE_SKIP_COMPLETE;
}

/* Returns the file in the slot of a request with REQ_F_FIXED_FILE, or NULL. */
__rust_helper struct file *
rust_helper_io_req_fixed_file(struct io_kiocb *req, int slot,
			      unsigned int issue_flags)
{
	if (!req->file)
		req->file = io_file_get_fixed(req, slot, issue_flags);
	return req->file;
}

__rust_helper bool rust_helper_io_req_is_compat(struct io_kiocb *req)
{
	return io_is_compat(req->ctx);
}

__rust_helper int rust_helper_io_fixed_fd_install(struct io_kiocb *req,
						  unsigned int issue_flags,
						  struct file *file,
						  unsigned int file_slot)
{
	return io_fixed_fd_install(req, issue_flags, file, file_slot);
}
#endif
