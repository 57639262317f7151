// SPDX-License-Identifier: GPL-2.0
/*
 * Choose a mutant, record the blocks that have been executed, and run KUnit suites. See
 * scripts/mutants.py.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutant.h>

#define PROBES 12288

unsigned int mutant_chosen;
EXPORT_SYMBOL_GPL(mutant_chosen);
module_param_named(chosen, mutant_chosen, uint, 0644);

/* Before init has started, record what runs during the boot only. */
unsigned int mutant_reach = 1;
EXPORT_SYMBOL_GPL(mutant_reach);
module_param_named(reach, mutant_reach, uint, 0644);

static DECLARE_BITMAP(reached, PROBES);

void mutant_reached(unsigned int probe)
{
	if (probe < PROBES && !test_bit(probe, reached))
		set_bit(probe, reached);
}
EXPORT_SYMBOL_GPL(mutant_reached);

/* The bitmap as hexadecimal digits, the lowest bits first; a write clears it. */
static int get_reached(char *buffer, const struct kernel_param *kp)
{
	const u8 *bytes = (const u8 *)reached;
	int len = 0, last = 0, i;

	for (i = 0; i < PROBES / 8; i++)
		if (bytes[i])
			last = i + 1;
	for (i = 0; i < last; i++)
		len += sprintf(buffer + len, "%02x", bytes[i]);
	return len + sprintf(buffer + len, "\n");
}

static int clear_reached(const char *val, const struct kernel_param *kp)
{
	bitmap_zero(reached, PROBES);
	return 0;
}

static const struct kernel_param_ops reached_ops = {
	.set = clear_reached,
	.get = get_reached,
};
module_param_cb(reached, &reached_ops, NULL, 0644);

/* A write lets each WARN_ON_ONCE() print again. */
static int forget_warnings(const char *val, const struct kernel_param *kp)
{
	generic_bug_clear_once();
	return 0;
}

static const struct kernel_param_ops forget_ops = {
	.set = forget_warnings,
};
module_param_cb(forget, &forget_ops, NULL, 0200);

extern struct kunit_suite * const __kunit_suites_start[];
extern struct kunit_suite * const __kunit_suites_end[];

/* A write runs a suite; a read returns an exit status like that of a selftest. */
static int kunit_status = 4;

static int run_suite(const char *val, const struct kernel_param *kp)
{
	struct kunit_suite * const *suite;
	char name[sizeof((*suite)->name)];

	strscpy(name, val, sizeof(name));
	kunit_status = 127;
	for (suite = __kunit_suites_start; suite < __kunit_suites_end; suite++) {
		if (strcmp((*suite)->name, strim(name)))
			continue;
		__kunit_test_suites_init(suite, 1, true);
		switch (kunit_suite_has_succeeded(*suite)) {
		case KUNIT_SUCCESS:
			kunit_status = 0;
			break;
		case KUNIT_SKIPPED:
			kunit_status = 4;
			break;
		default:
			kunit_status = 1;
		}
	}
	return 0;
}

/* The names of the suites, or the status of the last one. */
static int get_status(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%d\n", kunit_status);
}

static int get_suites(char *buffer, const struct kernel_param *kp)
{
	struct kunit_suite * const *suite;
	int len = 0;

	for (suite = __kunit_suites_start; suite < __kunit_suites_end; suite++)
		if (len + sizeof((*suite)->name) < PAGE_SIZE)
			len += sprintf(buffer + len, "%s\n", (*suite)->name);
	return len;
}

static const struct kernel_param_ops suite_ops = {
	.set = run_suite,
	.get = get_status,
};
module_param_cb(kunit, &suite_ops, NULL, 0644);

static const struct kernel_param_ops suites_ops = {
	.get = get_suites,
};
module_param_cb(suites, &suites_ops, NULL, 0444);

#ifndef CONFIG_RUST_BUILD_ASSERT_ALLOW
/* A mutant may defeat a check at compile time, which otherwise fails at the link. */
void rust_build_error(void);
void rust_build_error(void)
{
	BUG();
}
EXPORT_SYMBOL_GPL(rust_build_error);
#endif
