// SPDX-License-Identifier: MIT

// Pulses sends pulses to a line of gpio-sim, or counts those of a line: the yardstick of counters, the least that a C
// program must do for it.
//
//	pulses send PULL HZ COUNT	by the attribute PULL; prints for how many nanoseconds
//	pulses count CHIP LINE		rising edges, until SIGTERM, and prints how many

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void until(int64_t at)
{
	struct timespec t = {at / 1000000000, at % 1000000000};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void pull(int fd, const char *direction)
{
	if (pwrite(fd, direction, strlen(direction), 0) < 0)
		err(1, "pull");
}

static int send(char **argv)
{
	int64_t half = 500000000LL / atoi(argv[1]), start;
	int fd = open(argv[0], O_WRONLY), count = atoi(argv[2]);
	if (fd < 0)
		err(1, "open %s", argv[0]);
	start = now();
	for (int i = 0; i < count; i++) {
		until(start + 2 * i * half);
		pull(fd, "pull-up");
		until(start + (2 * i + 1) * half);
		pull(fd, "pull-down");
	}
	printf("%lld\n", (long long)(now() - start));
	return 0;
}

static volatile sig_atomic_t over;

static void end(int signal)
{
	(void)signal;
	over = 1;
}

static int count(char **argv)
{
	struct gpio_v2_line_request r = {.num_lines = 1, .event_buffer_size = 1024, .consumer = "pulses",
		.config.flags = GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING};
	struct gpio_v2_line_event events[16];
	struct sigaction action = {.sa_handler = end};
	int chip = open(argv[0], O_RDWR | O_CLOEXEC);
	unsigned last = 0;

	sigaction(SIGTERM, &action, NULL);
	r.offsets[0] = atoi(argv[1]);
	if (chip < 0 || ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &r) < 0)
		err(1, "request line %s of %s", argv[1], argv[0]);
	puts("started");
	fflush(stdout);
	while (!over) {
		ssize_t n = read(r.fd, events, sizeof events);
		if (n > 0)
			last = events[n / sizeof *events - 1].line_seqno;
	}
	printf("counted %u\n", last);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "send"))
		return send(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "count"))
		return count(argv + 2);
	errx(2, "usage: pulses send PULL HZ COUNT | pulses count CHIP LINE");
}
