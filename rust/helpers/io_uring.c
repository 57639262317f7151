// SPDX-License-Identifier: GPL-2.0

#ifdef CONFIG_IO_URING_HANDLE
#include "../../io_uring/io_uring.h"

__rust_helper void rust_helper_io_req_set_res(struct io_kiocb *req, s32 res,
					      u32 cflags)
{
	io_req_set_res(req, res, cflags);
}

__rust_helper void rust_helper_req_set_fail(struct io_kiocb *req)
{
	req_set_fail(req);
}
#endif
