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

__rust_helper int rust_helper_io_fixed_fd_install(struct io_kiocb *req,
						  unsigned int issue_flags,
						  struct file *file,
						  unsigned int file_slot)
{
	return io_fixed_fd_install(req, issue_flags, file, file_slot);
}
#endif
