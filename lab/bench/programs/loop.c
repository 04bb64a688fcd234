// SPDX-License-Identifier: MIT

// Loop is the yardstick: the least that a C program must do to react to an edge, a uevent, a key and a real-time signal,
// with epoll, straight on the kernel's interfaces, and posix_spawn.
//
//	loop STAMP FIFO [CHIP INPUT OUTPUT [KEYBOARD]]
//
// An edge of INPUT toggles OUTPUT (offsets on CHIP); a change of /dev/null's device, a key that is pressed on KEYBOARD
// (/dev/input/eventN) and SIGRTMIN+2 each start STAMP
// with the argument FIFO. The programs get what those of any decent agent get: no blocked signal, /dev/null as
// their input, a process group of their own; and they are waited for. It tells $NOTIFY_SOCKET when it is ready.

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <linux/input.h>
#include <linux/netlink.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static posix_spawnattr_t attributes;
static posix_spawn_file_actions_t actions;
static char **program;
static int epoll, input = -1, output = -1, uevents, keyboard = -1, signals;

static void watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "watch a descriptor");
}

static int request(int chip, const char *offset, uint64_t flags)
{
	struct gpio_v2_line_request r = {.offsets = {atoi(offset)}, .num_lines = 1, .config.flags = flags, .consumer = "loop"};
	if (ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &r) < 0)
		err(1, "request line %s", offset);
	if (fcntl(r.fd, F_SETFL, O_NONBLOCK) < 0)
		err(1, "make line %s non-blocking", offset);
	return r.fd;
}

static void open_lines(char **argv)
{
	int chip = open(argv[0], O_RDWR | O_CLOEXEC);
	if (chip < 0)
		err(1, "open %s", argv[0]);
	input = request(chip, argv[1], GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING);
	output = request(chip, argv[2], GPIO_V2_LINE_FLAG_OUTPUT);
	close(chip);
	watch(input);
}

static void open_uevents(void)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_groups = 1};
	uevents = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (uevents < 0 || bind(uevents, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		err(1, "listen to uevents");
	watch(uevents);
}

static void open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN + 2);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || (signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		err(1, "listen to signals");
	watch(signals);
}

static void open_keyboard(const char *path)
{
	if ((keyboard = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
		err(1, "open %s", path);
	watch(keyboard);
}

static void prepare_start(void)
{
	sigset_t none;
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
}

static void start(void)
{
	pid_t pid;
	int error = posix_spawn(&pid, program[0], &actions, &attributes, program, environ);
	if (error)
		errx(1, "start %s: %s", program[0], strerror(error));
}

static void read_edges(void)
{
	struct gpio_v2_line_event events[16];
	static struct gpio_v2_line_values values = {.mask = 1};
	ssize_t n = read(input, events, sizeof events);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *events; i++) {
		values.bits ^= 1;
		if (ioctl(output, GPIO_V2_LINE_SET_VALUES_IOCTL, &values) < 0)
			err(1, "set the output");
	}
}

static void read_uevents(void)
{
	char message[8192];
	struct sockaddr_nl from;
	socklen_t size = sizeof from;
	ssize_t n = recvfrom(uevents, message, sizeof message - 1, 0, (struct sockaddr *)&from, &size);
	if (n <= 0 || from.nl_pid != 0)
		return;
	message[n] = 0;
	if (strcmp(message, "change@/devices/virtual/mem/null") == 0)
		start();
}

static void read_keys(void)
{
	struct input_event events[16];
	ssize_t n = read(keyboard, events, sizeof events);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *events; i++)
		if (events[i].type == EV_KEY && events[i].value == 1)
			start();
}

static void read_signals(void)
{
	struct signalfd_siginfo infos[8];
	ssize_t n = read(signals, infos, sizeof infos);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *infos; i++) {
		if (infos[i].ssi_signo == (unsigned)SIGRTMIN + 2)
			start();
		else
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
	}
}

static void tell_ready(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path)
		return;
	strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, sizeof to) < 0)
		err(1, "tell %s", path);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 6 && argc != 7)
		errx(2, "usage: loop STAMP FIFO [CHIP INPUT OUTPUT [KEYBOARD]]");
	program = (char *[]){argv[1], argv[2], NULL};
	if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		err(1, "epoll_create1");
	if (argc >= 6)
		open_lines(argv + 3);
	if (argc == 7)
		open_keyboard(argv[6]);
	open_uevents();
	open_signals();
	prepare_start();
	tell_ready();
	for (;;) {
		struct epoll_event events[16];
		int n = epoll_wait(epoll, events, 16, -1);
		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == input)
				read_edges();
			else if (fd == uevents)
				read_uevents();
			else if (fd == keyboard)
				read_keys();
			else
				read_signals();
		}
	}
}
