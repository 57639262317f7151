// SPDX-License-Identifier: GPL-2.0
/* Processes that exit and are reaped, and processes whose threads execute. */
#define _GNU_SOURCE
#include "torture.h"

/* Executions of a process before it is killed */
#define EXECS_MIN	1
#define EXECS_MAX	6

static int replace_process(struct target *target, pid_t *pid, unsigned int *seed)
{
	struct handle fh;
	int pidfd, ret;

	if (*pid) {
		slot_set_state(&target->slot, STATE_DYING);
		if (kill(*pid, SIGKILL))
			return -errno;
		hit(HIT_EXIT);
		/* A zombie for a while */
		pause_up_to(seed, 2);
		ret = reap_child(*pid);
		if (ret)
			return ret;
		slot_set_state(&target->slot, STATE_REAPED);
		hit(HIT_REAP);
		*pid = 0;
	}
	*pid = paused_child(0, &pidfd);
	if (*pid < 0)
		return *pid;
	ret = encode(pidfd, &fh);
	close(pidfd);
	if (!ret)
		slot_set_handle(&target->slot, &fh);
	return ret;
}

void exit_and_reap(void)
{
	pid_t pids[TARGETS_EXIT] = {};
	unsigned int seed = 11, i = 0;

	while (!stopped()) {
		if (!check(ADVERSARY_PROCESS, "replace a process",
			   replace_process(&torture->targets[FIRST_EXIT + i],
					   &pids[i], &seed)))
			break;
		i = (i + 1) % TARGETS_EXIT;
		pause_up_to(&seed, 2);
		change_processor(&seed);
	}
	for (i = 0; i < TARGETS_EXIT; i++)
		slot_set_state(&torture->targets[FIRST_EXIT + i].slot,
			       STATE_DYING);
}

/* Writes its ID to the pipe, and executes the program in place of the others. */
static void *exec_in_thread(void *arg)
{
	char number[16];
	pid_t tid = syscall(__NR_gettid);
	int pipe = (intptr_t)arg;

	snprintf(number, sizeof(number), "%d", pipe);
	if (write(pipe, &tid, sizeof(tid)) == sizeof(tid))
		execl("/proc/self/exe", EXEC_AGAIN, number, NULL);
	_exit(1);
}

static __noreturn void start_exec_thread(int pipe)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, exec_in_thread, (void *)(intptr_t)pipe))
		_exit(1);
	pause_forever();
}

void exec_again(int argc, char **argv)
{
	if (argc != 2)
		_exit(1);
	start_exec_thread(atoi(argv[1]));
}

/* A thread that is about to execute, or that has exited because another did. */
static void publish_thread(pid_t tid)
{
	struct slot *slot = &torture->targets[FIRST_THREAD].slot;
	int pidfd = sys_pidfd_open(tid, PIDFD_THREAD);
	struct handle fh;

	if (pidfd < 0)
		return;
	if (!encode(pidfd, &fh)) {
		pthread_mutex_lock(&slot->lock);
		slot->now.state = STATE_DYING;
		slot->now.fh = fh;
		pthread_mutex_unlock(&slot->lock);
	}
	close(pidfd);
}

/* The process keeps its ID and its handle while its threads execute. */
static int exec_some_times(unsigned int *seed)
{
	struct slot *slot = &torture->targets[FIRST_EXEC].slot;
	unsigned int nr = EXECS_MIN + random_number(seed) % EXECS_MAX, i;
	struct handle fh;
	int pipes[2], pidfd, ret;
	pid_t pid, tid;

	if (pipe(pipes))
		return -errno;
	pid = clone_child(0, &pidfd);
	if (!pid) {
		close(pipes[0]);
		start_exec_thread(pipes[1]);
	}
	close(pipes[1]);
	ret = pid < 0 ? pid : encode(pidfd, &fh);
	if (!ret)
		slot_set_handle(slot, &fh);
	for (i = 0; !ret && i <= nr && !stopped(); i++) {
		if (read(pipes[0], &tid, sizeof(tid)) != sizeof(tid)) {
			ret = -EPIPE;
			break;
		}
		/* The first thread is one of this program. */
		if (i)
			hit(HIT_EXEC);
		publish_thread(tid);
	}
	slot_set_state(slot, STATE_DYING);
	close(pipes[0]);
	if (pid > 0) {
		close(pidfd);
		ret = kill_and_reap(pid) ?: ret;
		if (!ret)
			slot_set_state(slot, STATE_REAPED);
	}
	return ret;
}

void exec_by_threads(void)
{
	unsigned int seed = 12;

	while (!stopped()) {
		if (!check(ADVERSARY_EXEC, "execute in a thread",
			   exec_some_times(&seed)))
			break;
		change_processor(&seed);
	}
}
