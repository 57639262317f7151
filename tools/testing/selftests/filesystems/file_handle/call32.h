/* SPDX-License-Identifier: GPL-2.0 */
/* System calls as a 32-bit x86 program makes them, in a 64-bit program. */
#ifndef __SELFTEST_FILE_HANDLE_CALL32_H
#define __SELFTEST_FILE_HANDLE_CALL32_H

#include "file_handle.h"

/* The system call numbers of 32-bit x86 programs. */
#define NR32_GETPID			20
#define NR32_NAME_TO_HANDLE_AT		341
#define NR32_OPEN_BY_HANDLE_AT		342
#define NR32_IO_URING_SETUP		425

#define NEEDS_CALL32 \
	"needs 32-bit system calls of x86 (CONFIG_IA32_EMULATION)"

#ifdef __x86_64__

static inline int call32(int nr, long arg1, const void *arg2, const void *arg3,
			 const void *arg4, long arg5)
{
	int ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (nr), "b" (arg1), "c" (arg2), "d" (arg3),
		       "S" (arg4), "D" (arg5)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* Without support, the instruction kills the process. */
static inline bool have_call32(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(call32(NR32_GETPID, 0, NULL, NULL, NULL, 0) != getpid());
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

#else

static inline int call32(int nr __maybe_unused, long arg1 __maybe_unused,
			 const void *arg2 __maybe_unused,
			 const void *arg3 __maybe_unused,
			 const void *arg4 __maybe_unused,
			 long arg5 __maybe_unused)
{
	return -EOPNOTSUPP;
}

static inline bool have_call32(void)
{
	return false;
}

#endif

/* Returns memory below 4 GiB, or NULL. */
static inline void *memory32(size_t size)
{
	void *mem = NULL;

#ifdef MAP_32BIT
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
#endif
	return mem == MAP_FAILED ? NULL : mem;
}

#endif /* __SELFTEST_FILE_HANDLE_CALL32_H */
