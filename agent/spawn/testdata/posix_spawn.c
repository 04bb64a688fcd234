// SPDX-License-Identifier: MIT

// The peer to measure against: starts ./stamp N times with posix_spawn, in a
// process group of its own and with default signals, as we do, and prints for
// each the CLOCK_MONOTONIC nanoseconds just before.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

int main(int argc, char **argv)
{
	for (int n = atoi(argv[1]); n > 0; n--) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		posix_spawnattr_t attr;
		posix_spawn_file_actions_t files;
		sigset_t all, none;
		sigfillset(&all);
		sigemptyset(&none);
		posix_spawnattr_init(&attr);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
		posix_spawnattr_setsigdefault(&attr, &all);
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawn_file_actions_init(&files);
		posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
		posix_spawn_file_actions_adddup2(&files, 0, 1);
		posix_spawn_file_actions_adddup2(&files, 0, 2);
		char *args[] = { "./stamp", NULL };
		pid_t pid;
		if (posix_spawn(&pid, "./stamp", &files, &attr, args, environ) != 0)
			return 1;
		posix_spawn_file_actions_destroy(&files);
		posix_spawnattr_destroy(&attr);
		waitpid(pid, NULL, 0);
		printf("%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
	}
	return 0;
}
