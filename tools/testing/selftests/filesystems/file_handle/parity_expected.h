/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __SELFTEST_FILE_HANDLE_PARITY_EXPECTED_H
#define __SELFTEST_FILE_HANDLE_PARITY_EXPECTED_H

static const struct {
	const char *name;
	const char *results;
} parity_expected[] = {
	{ "", "" },
};

#endif /* __SELFTEST_FILE_HANDLE_PARITY_EXPECTED_H */
