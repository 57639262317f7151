// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Measure the load of a file server that opens files by handle.
 *
 * The server holds handles and no open files. After the tree of files is made,
 * it does not use paths. Each request opens a file by handle, reads it and closes
 * it. A request that fails, or reads the content of another file, is an error.
 *
 * print_usage() describes the options and what is measured.
 *
 * The io_uring operation is experimental. Its opcode number is not reserved
 * upstream: the program is only valid with the kernel that <linux/io_uring.h>
 * belongs to.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include "load.h"

struct options opt = {
	.files = 10000, .size = 4096, .threads = 4, .clients = 16,
	.requests = 100000, .hits = 100, .drop = true,
};

static const char * const way_names[] = { "calls", "ring", "async" };
static const char *filesystem;

static void print_usage(FILE *out)
{
	fputs("usage: handle-load [OPTION...] DIRECTORY\n"
	      "\n"
	      "Measures a file server that holds only handles. The program creates a tree of\n"
	      "files below DIRECTORY and a handle of each file. Each thread then serves several\n"
	      "clients. A request of a client opens a file by handle, reads it and closes it, by\n"
	      "  calls  system calls\n"
	      "  ring   a chain of io_uring requests with a direct descriptor\n"
	      "  async  the same chain, with IOSQE_ASYNC: a worker opens the file\n"
	      "Requires CAP_DAC_READ_SEARCH.\n"
	      "\n"
	      "  --by LIST        calls, ring and async, separated by commas (default: all)\n"
	      "  --files N        number of files (10000)\n"
	      "  --size BYTES     size of each file, a multiple of 16 (4096)\n"
	      "  --threads N      threads of the server (4)\n"
	      "  --clients N      clients of each thread, each with one request (16)\n"
	      "  --requests N     requests of all clients together (100000)\n"
	      "  --hits PERCENT   requests for files of the working set (100)\n"
	      "  --working-set N  number of these files (all files, or a tenth if PERCENT\n"
	      "                   is less than 100)\n"
	      "  --stat           also call statx(2) for each open file. The ring then opens\n"
	      "                   normal descriptors, because IORING_OP_STATX always runs in a\n"
	      "                   worker and does not support direct descriptors.\n"
	      "  --no-drop        do not write to /proc/sys/vm/drop_caches\n"
	      "  --json           print one JSON object for each way\n"
	      "\n"
	      "Cold files: before the measurement, the program drops the caches and reads the\n"
	      "working set once by handle. All other requests are for files that were not\n"
	      "opened since. When each file has been opened, this is repeated, and the time is\n"
	      "not counted. tmpfs holds all inodes in memory and has no cold files. With\n"
	      "--no-drop, the files must need more memory than there is, or more than the\n"
	      "memory cgroup allows.\n"
	      "\n"
	      "Latency: from the arrival of a request, which is the end of the previous request\n"
	      "of the same client, until its file is closed.\n"
	      "\n"
	      "Inline: opens whose completion is posted when io_uring_enter(2) returns from\n"
	      "the submission. The ring has IORING_SETUP_DEFER_TASKRUN: completions of workers\n"
	      "are posted by the next call with IORING_ENTER_GETEVENTS, never earlier. This\n"
	      "method requires one call more for each batch of requests than a server does.\n"
	      "\n"
	      "Workers: tasks in /proc/self/task that the program did not create. They are\n"
	      "counted once a second and at the end of each round. A worker exists for at\n"
	      "least 5 s. Not counted: how often a worker is woken.\n"
	      "\n"
	      "Exit status: 0; 1 if a request fails or reads the content of another file, or\n"
	      "for any other error; 2 for wrong usage; 4 if the caller may not open handles;\n"
	      "5 if the filesystem or the kernel does not support it.\n", out);
}

static void wrong_usage(const char *why, const char *argument)
{
	warnx("%s%s%s", argument ?: "", argument ? ": " : "", why);
	fputs("Try 'handle-load --help'.\n", stderr);
	exit(EXIT_USAGE);
}

static void handle_signal(int signal)
{
	(void)signal;
	stop();
}

static int compare_latencies(const void *left, const void *right)
{
	const __u64 *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* Returns a percentile of the latencies, which are sorted, in microseconds. */
static double percentile(const struct result *result, unsigned int percent)
{
	return result->latencies[(result->requests - 1ULL) * percent / 100] / 1e3;
}

static void print_json(enum way way, const struct result *result)
{
	printf("{\"by\": \"%s\", \"filesystem\": \"%s\", \"files\": %u, \"size\": %u, ",
	       way_names[way], filesystem, opt.files, opt.size);
	printf("\"threads\": %u, \"clients\": %u, \"hits\": %u, \"working_set\": %u, ",
	       opt.threads, opt.clients, opt.hits, opt.working_set);
	printf("\"stat\": %s, \"requests\": %u, \"seconds\": %.6f, ",
	       opt.stat ? "true" : "false", result->requests, result->time / 1e9);
	printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, ",
	       percentile(result, 50), percentile(result, 90), percentile(result, 99),
	       percentile(result, 100));
	printf("\"warm\": %u, \"warm_inline\": %u, \"cold\": %u, \"cold_inline\": %u, ",
	       result->warm.all, result->warm.inlined, result->cold.all,
	       result->cold.inlined);
	printf(result->workers < 0 ? "\"workers\": null}\n" : "\"workers\": %d}\n",
	       result->workers);
}

static void print_share(enum way way, const struct opens *opens)
{
	if (way == CALLS || !opens->all)
		printf("%9s", "-");
	else
		printf("%7.2f %%", 100.0 * opens->inlined / opens->all);
}

/* @rate is that of the first way. */
static void print_row(enum way way, const struct result *result, double *rate)
{
	const double this = result->requests * 1e9 / result->time;

	if (!*rate)
		*rate = this;
	printf("%-5s %10.0f %6.2f %9.1f %8.1f %8.1f %9.1f ", way_names[way], this,
	       this / *rate, percentile(result, 50), percentile(result, 90),
	       percentile(result, 99), percentile(result, 100));
	print_share(way, &result->warm);
	print_share(way, &result->cold);
	if (result->workers < 0)
		printf("%9s\n", "unknown");
	else
		printf("%9d\n", result->workers);
}

static unsigned int parse_number(const char *name, const char *text, unsigned int min,
				 unsigned int max)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || number < min || number > max) {
		warnx("--%s: not a number from %u to %u: %s", name, min, max, text);
		exit(EXIT_USAGE);
	}
	return number;
}

static void parse_ways(char *list)
{
	enum way way;
	char *name;

	while ((name = strsep(&list, ","))) {
		for (way = 0; way < NR_WAYS && strcmp(name, way_names[way]); way++)
			;
		if (way == NR_WAYS)
			wrong_usage("not one of calls, ring and async", name);
		opt.ways[way] = true;
	}
}

static void parse(int argc, char **argv)
{
	enum { STAT = 's', NO_DROP = 'n', JSON = 'j', HELP = 'h', BY = 'b', NUMBER = 1 };
	static const struct option options[] = {
		{ "files", required_argument, NULL, NUMBER },
		{ "size", required_argument, NULL, NUMBER },
		{ "threads", required_argument, NULL, NUMBER },
		{ "clients", required_argument, NULL, NUMBER },
		{ "requests", required_argument, NULL, NUMBER },
		{ "hits", required_argument, NULL, NUMBER },
		{ "working-set", required_argument, NULL, NUMBER },
		{ "by", required_argument, NULL, BY },
		{ "stat", no_argument, NULL, STAT },
		{ "no-drop", no_argument, NULL, NO_DROP },
		{ "json", no_argument, NULL, JSON },
		{ "help", no_argument, NULL, HELP },
		{},
	};
	static const struct {
		unsigned int *value, min, max;
	} numbers[] = {
		{ &opt.files, 1, 1000000 },
		{ &opt.size, sizeof(struct record), 1 << 20 },
		{ &opt.threads, 1, 256 },
		{ &opt.clients, 1, CLIENTS_MAX },
		{ &opt.requests, 1, 100000000 },
		{ &opt.hits, 0, 100 },
		{ &opt.working_set, 1, 1000000 },
	};
	int option, i;

	while ((option = getopt_long(argc, argv, "", options, &i)) != -1) {
		switch (option) {
		case NUMBER:
			*numbers[i].value = parse_number(options[i].name, optarg,
							 numbers[i].min, numbers[i].max);
			break;
		case BY:
			parse_ways(optarg);
			break;
		case STAT:
			opt.stat = true;
			break;
		case NO_DROP:
			opt.drop = false;
			break;
		case JSON:
			opt.json = true;
			break;
		case HELP:
			print_usage(stdout);
			exit(fflush(stdout) ? EXIT_ERROR : 0);
		default:
			fputs("Try 'handle-load --help'.\n", stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind + 1 != argc)
		wrong_usage("one DIRECTORY is required", NULL);
	opt.dir = argv[optind];
}

/* Check options that depend on each other, and set the defaults of the others. */
static void check_options(void)
{
	if (opt.size % sizeof(struct record))
		wrong_usage("not a multiple of 16", "--size");
	if (!opt.working_set)
		opt.working_set = opt.hits == 100 ? opt.files : (opt.files + 9) / 10;
	if (opt.working_set > opt.files)
		wrong_usage("more than --files", "--working-set");
	if (opt.hits < 100 && opt.working_set == opt.files)
		wrong_usage("no file is outside the working set", "--hits");
	if (opt.threads > opt.requests)
		wrong_usage("more than --requests", "--threads");
	if (!opt.ways[CALLS] && !opt.ways[RING] && !opt.ways[ASYNC])
		memset(opt.ways, true, sizeof(opt.ways));
}

static void identify_filesystem(void)
{
	static const struct known {
		unsigned int magic;
		const char *name;
	} known[] = {
		{ TMPFS_MAGIC, "tmpfs" }, { RAMFS_MAGIC, "ramfs" },
		{ EXT4_SUPER_MAGIC, "ext4" }, { BTRFS_SUPER_MAGIC, "btrfs" },
		{ XFS_SUPER_MAGIC, "xfs" }, { F2FS_SUPER_MAGIC, "f2fs" },
		{ OVERLAYFS_SUPER_MAGIC, "overlay" }, { FUSE_SUPER_MAGIC, "fuse" },
		{ NFS_SUPER_MAGIC, "nfs" }, {},
	};
	static char magic[16];
	unsigned int type;
	struct statfs st;

	if (statfs(opt.dir, &st))
		err(EXIT_ERROR, "%s", opt.dir);
	/* f_type is signed on some architectures. */
	type = st.f_type;
	snprintf(magic, sizeof(magic), "%#x", type);
	filesystem = magic;
	for (const struct known *k = known; k->name; k++)
		if (type == k->magic)
			filesystem = k->name;
	if (type != TMPFS_MAGIC && type != RAMFS_MAGIC)
		return;
	if (opt.hits < 100)
		wrong_usage("this filesystem has no cold files: --hits must be 100", opt.dir);
	opt.drop = false;
}

static void print_header(void)
{
	printf("%u files of %u bytes on %s, %u %% of the requests for %u of them\n",
	       opt.files, opt.size, filesystem, opt.hits, opt.working_set);
	printf("%u threads with %u clients each, %u requests: open, read, %sclose\n\n",
	       opt.threads, opt.clients, opt.requests, opt.stat ? "statx, " : "");
	printf("%-5s %10s %6s %9s %8s %8s %9s %9s%9s%9s\n", "by", "requests/s", "ratio",
	       "p50 [us]", "p90", "p99", "max", "inline", "if cold", "workers");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = handle_signal };
	struct result result = {};
	double rate = 0;

	parse(argc, argv);
	check_options();
	if (opt.ways[RING] || opt.ways[ASYNC])
		check_ring();
	check_permission(opt.dir);
	identify_filesystem();
	result.latencies = calloc(opt.requests, sizeof(*result.latencies));
	if (!result.latencies)
		err(EXIT_ERROR, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	create_tree(opt.dir);
	if (!opt.json)
		print_header();
	for (enum way way = CALLS; way < NR_WAYS && !is_stopped(); way++) {
		if (!opt.ways[way])
			continue;
		result = (struct result) { .latencies = result.latencies };
		run(way, &result);
		if (is_stopped())
			break;
		qsort(result.latencies, result.requests, sizeof(*result.latencies),
		      compare_latencies);
		if (opt.json)
			print_json(way, &result);
		else
			print_row(way, &result, &rate);
		fflush(stdout);
	}
	if (is_stopped() && !exit_status)
		fail(EXIT_ERROR, "interrupted");
	if (ferror(stdout))
		fail(EXIT_ERROR, "standard output: write error");
	return exit_status;
}
