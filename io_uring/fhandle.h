/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_FHANDLE_H
#define IOU_FHANDLE_H

#include <linux/io_uring_types.h>
#include <uapi/linux/io_uring/bpf_filter.h>

int io_name_to_handle_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_name_to_handle(struct io_kiocb *req, unsigned int issue_flags);
void io_name_to_handle_cleanup(struct io_kiocb *req);

int io_open_by_handle_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_open_by_handle(struct io_kiocb *req, unsigned int issue_flags);
void io_open_by_handle_cleanup(struct io_kiocb *req);
void io_open_by_handle_bpf_populate(struct io_uring_bpf_ctx *bctx,
				    struct io_kiocb *req);

#endif
