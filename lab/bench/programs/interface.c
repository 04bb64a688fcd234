// SPDX-License-Identifier: MIT

// Interface is the yardstick for one kernel interface: the least that a C program must do to wait there, with epoll, and to
// toggle an output line for each event.
//
//	interface CHIP OUTPUT edge INPUT     a line's edges
//	                      key NAME       keys of the input device with that name
//	                      pass NAME      the same keys, which go on through a virtual device instead of toggling the line
//	                      uevent DEVPATH change of a device
//	                      netlink GROUP  multicasts to a group of NETLINK_USERSOCK
//	                      family NAME    multicasts to all groups of a family of generic netlink
//	                      signal NUMBER  a real-time signal
//	                      sigio FILE     SIGIO on a file, one read(2) each
//	                      epoll FILE     a file that becomes readable, one read(2) each
//	                      priority FILE  POLLPRI on an attribute, which is read
//	                      changes FILE   a file in the folder of FILE that was written
//
// It notifies $NOTIFY_SOCKET when it is ready.

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/genetlink.h>
#include <linux/gpio.h>
#include <linux/input.h>
#include <linux/netlink.h>
#include <linux/uinput.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int chip, output, source, file;
static const char *wanted;
static uint32_t interest = EPOLLIN;

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static int request(const char *offset, uint64_t flags)
{
	struct gpio_v2_line_request r = {.offsets = {atoi(offset)}, .num_lines = 1, .config.flags = flags, .consumer = "interface"};
	must(ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &r), "request a line");
	must(fcntl(r.fd, F_SETFL, O_NONBLOCK), "make a line non-blocking");
	return r.fd;
}

static void toggle(void)
{
	static struct gpio_v2_line_values values = {.mask = 1};
	values.bits ^= 1;
	must(ioctl(output, GPIO_V2_LINE_SET_VALUES_IOCTL, &values), "set the output");
}

static void open_edge(const char *offset)
{
	source = request(offset, GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING);
}

static void read_edge(void)
{
	struct gpio_v2_line_event events[16];
	ssize_t n = read(source, events, sizeof events);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *events; i++)
		toggle();
}

static void open_key(const char *name)
{
	char path[32], found[64] = "";
	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof path, "/dev/input/event%d", i);
		source = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (source < 0)
			continue;
		if (ioctl(source, EVIOCGNAME(sizeof found - 1), found) >= 0 && strcmp(found, name) == 0)
			return;
		close(source);
	}
	errx(1, "no input device %s", name);
}

static void read_key(void)
{
	struct input_event events[16];
	ssize_t n = read(source, events, sizeof events);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *events; i++)
		if (events[i].type == EV_KEY)
			toggle();
}

static int twin;

static void open_pass(const char *name)
{
	struct uinput_setup setup = {.id = {.bustype = BUS_VIRTUAL, .vendor = 1, .product = 2}};
	open_key(name);
	must(ioctl(source, EVIOCGRAB, 1), "grab a keyboard");
	twin = must(open("/dev/uinput", O_WRONLY | O_CLOEXEC), "open uinput");
	must(ioctl(twin, UI_SET_EVBIT, EV_KEY), "declare keys");
	for (int key = KEY_ESC; key <= KEY_F10; key++)
		must(ioctl(twin, UI_SET_KEYBIT, key), "declare a key");
	strncpy(setup.name, name, sizeof setup.name - 1);
	must(ioctl(twin, UI_DEV_SETUP, &setup), "describe a keyboard");
	must(ioctl(twin, UI_DEV_CREATE), "make a keyboard");
}

static void read_pass(void)
{
	struct input_event events[16];
	ssize_t n = read(source, events, sizeof events);
	if (n > 0)
		must(write(twin, events, n), "send keys on");
}

static void open_netlink_protocol(int protocol, unsigned groups)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups};
	source = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), "open a netlink socket");
	must(bind(source, (struct sockaddr *)&self, sizeof self), "bind a netlink socket");
}

static char message[8192] __attribute__((aligned(8)));

// receive returns the length of a message of the kernel's, or 0.
static ssize_t receive(void)
{
	struct sockaddr_nl from;
	socklen_t size = sizeof from;
	ssize_t n = recvfrom(source, message, sizeof message - 1, 0, (struct sockaddr *)&from, &size);
	if (n <= 0 || from.nl_pid != 0)
		return 0;
	message[n] = 0;
	return n;
}

static void open_uevent(const char *devpath)
{
	static char head[256];
	snprintf(head, sizeof head, "change@%s", devpath);
	wanted = head;
	open_netlink_protocol(NETLINK_KOBJECT_UEVENT, 1);
}

static void read_uevent(void)
{
	if (receive() && strcmp(message, wanted) == 0)
		toggle();
}

static void join(int group)
{
	must(setsockopt(source, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group), "join a group");
}

static void open_netlink(const char *group)
{
	open_netlink_protocol(NETLINK_USERSOCK, 0);
	join(atoi(group));
}

static void read_netlink(void)
{
	const struct nlmsghdr *h = (void *)message;
	ssize_t n = receive();
	for (; n > 0 && NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n))
		toggle();
}

// join_all joins the groups in the attributes of a family, which lie in lists of lists.
static void join_all(const char *at, int size, int depth)
{
	while (size >= (int)NLA_HDRLEN) {
		const struct nlattr *a = (void *)at;
		int type = a->nla_type & NLA_TYPE_MASK, step = NLA_ALIGN(a->nla_len);
		if (depth == 0 ? type == CTRL_ATTR_MCAST_GROUPS : depth == 1)
			join_all(at + NLA_HDRLEN, a->nla_len - NLA_HDRLEN, depth + 1);
		else if (depth == 2 && type == CTRL_ATTR_MCAST_GRP_ID)
			join(*(const int *)(at + NLA_HDRLEN));
		at += step, size -= step;
	}
}

static void open_family(const char *name)
{
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
		struct nlattr a;
		char name[GENL_NAMSIZ];
	} ask = {
		.h = {.nlmsg_len = sizeof ask, .nlmsg_type = GENL_ID_CTRL, .nlmsg_flags = NLM_F_REQUEST},
		.g = {.cmd = CTRL_CMD_GETFAMILY, .version = 1},
		.a = {.nla_len = NLA_HDRLEN + GENL_NAMSIZ, .nla_type = CTRL_ATTR_FAMILY_NAME},
	};
	const int header = NLMSG_HDRLEN + GENL_HDRLEN;
	strncpy(ask.name, name, sizeof ask.name - 1);
	ask.a.nla_len = NLA_HDRLEN + strlen(name) + 1;
	open_netlink_protocol(NETLINK_GENERIC, 0);
	must(send(source, &ask, sizeof ask, 0), "ask for a family");
	ssize_t n = receive(); // the kernel answers before send returns
	if (n < header || ((struct nlmsghdr *)message)->nlmsg_type != GENL_ID_CTRL)
		errx(1, "no family %s", name);
	join_all(message + header, n - header, 0);
}

static void listen_to(int number)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	must(sigprocmask(SIG_BLOCK, &set, NULL), "block a signal");
	source = must(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "listen to signals");
}

static void open_signal(const char *number)
{
	listen_to(atoi(number));
}

static void read_signal(void)
{
	struct signalfd_siginfo infos[8];
	ssize_t n = read(source, infos, sizeof infos);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *infos; i++)
		toggle();
}

static void open_file(const char *path)
{
	file = must(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), path);
}

static void open_sigio(const char *path)
{
	listen_to(SIGRTMIN + 5);
	open_file(path);
	must(fcntl(file, F_SETOWN, getpid()), "own a file");
	must(fcntl(file, F_SETSIG, SIGRTMIN + 5), "choose a file's signal");
	must(fcntl(file, F_SETFL, O_NONBLOCK | O_ASYNC), "ask for a file's signal");
}

static void read_record(void)
{
	char record[4096];
	if (read(file, record, sizeof record) > 0)
		toggle();
}

static void read_sigio(void)
{
	struct signalfd_siginfo infos[8];
	ssize_t n = read(source, infos, sizeof infos);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *infos; i++)
		read_record();
}

static void open_epoll(const char *path)
{
	open_file(path);
	source = file;
}

static void read_attribute(void)
{
	char text[4096];
	if (pread(file, text, sizeof text, 0) >= 0)
		toggle();
}

static void open_priority(const char *path)
{
	char text[4096];
	open_epoll(path);
	interest = EPOLLPRI;
	must(pread(file, text, sizeof text, 0), "read an attribute"); // what is told from now on is news
}

static void open_changes(const char *path)
{
	char *folder = strdup(path);
	wanted = strrchr(path, '/') + 1;
	source = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "make an inotify descriptor");
	must(inotify_add_watch(source, dirname(folder), IN_CLOSE_WRITE), "watch a folder");
}

static void read_changes(void)
{
	ssize_t n = read(source, message, sizeof message);
	for (char *at = message; at < message + n;) {
		const struct inotify_event *e = (void *)at;
		if (strcmp(e->name, wanted) == 0)
			toggle();
		at += sizeof *e + e->len;
	}
}

static const struct interface {
	const char *name;
	void (*open)(const char *);
	void (*ready)(void);
} interfaces[] = {
	{"edge", open_edge, read_edge},
	{"key", open_key, read_key},
	{"pass", open_pass, read_pass},
	{"uevent", open_uevent, read_uevent},
	{"netlink", open_netlink, read_netlink},
	{"family", open_family, read_netlink},
	{"signal", open_signal, read_signal},
	{"sigio", open_sigio, read_sigio},
	{"epoll", open_epoll, read_record},
	{"priority", open_priority, read_attribute},
	{"changes", open_changes, read_changes},
};

static void notify_ready(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path)
		return;
	strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	int fd = must(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket");
	must(sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, sizeof to), path);
	close(fd);
}

static void follow(const struct interface *r, const char *argument)
{
	struct epoll_event event = {0};
	r->open(argument);
	int epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	event.events = interest;
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, source, &event), "watch a descriptor");
	notify_ready();
	for (;;) {
		int n = epoll_wait(epoll, &event, 1, -1);
		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		if (n > 0)
			r->ready();
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		errx(2, "usage: interface CHIP OUTPUT INTERFACE ARGUMENT");
	chip = must(open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);
	output = request(argv[2], GPIO_V2_LINE_FLAG_OUTPUT);
	for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++)
		if (strcmp(argv[3], interfaces[i].name) == 0)
			follow(&interfaces[i], argv[4]);
	errx(2, "no interface %s", argv[3]);
}
