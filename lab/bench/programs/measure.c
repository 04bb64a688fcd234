// SPDX-License-Identifier: MIT

// Measure starts an agent, makes things happen, and writes down how long the agent takes to react: lines of
// "NAME VALUE" on standard output.
//
//	measure [-w WARMUP] [-n EVENTS] [-l LOG] [-f FIFO] [-i SECONDS] [-k KEYBOARDS] [-j] [-x FILTER]
//	        [-t MICROSECONDS] [-B] [-m SIZE] [-r MILLISECONDS] [-o PULL] [-e FILE=TEXT] [-c FILE] [-p] [-g] [-d FILE] [-u UEVENT] [-y]
//	        [-s SIGNAL] [-b PROGRAM] AGENT [ARGUMENT...]
//
//	start    nanoseconds from before the fork of AGENT until its READY=1 comes to $NOTIFY_SOCKET
//	process  -b: from before the fork of PROGRAM to its first instruction; PROGRAM is stamp
//	output   -o: from before PULL, a line's attribute in gpio-sim, is written to the change of an output line
//	         -e: the same, from before TEXT is written to FILE; -c: from before FILE is opened, written and closed; -p: from
//	         before a key of a keyboard changes that is made before AGENT starts. FILE of -d is told AGENT's PID
//	         -g: from before such a key changes to the kernel's stamp of that key at the virtual keyboard of the same name
//	         by which AGENT sends it on
//	traced   -x: with -o, from the interrupt of the line, whose tracepoint irq_handler_entry FILTER selects, to the same change
//	uevent   -u: from before `change` is written to UEVENT to the first instruction of what AGENT starts
//	key      -y: from before a key of such a keyboard is pressed to the same
//	signal   -s: from before SIGNAL is queued for AGENT to the same
//	alone    -m, after -o, -e, -c, -p, -g or -s: nanoseconds for which AGENT's threads run for an event that comes alone
//	burst    likewise, for one of SIZE events that are all there when AGENT wakes up, if SIZE is not 1
//	resident memory of AGENT in KiB, at the end; anonymous is the part of it that no file backs
//	switches of context of all its threads in SECONDS
//
// All stamps are CLOCK_MONOTONIC. When an output line changes we learn from the kernel itself, by its tracepoint
// gpio_value through perf_event_open(2): the line is AGENT's, so no one else can have its edges, and to poll its other
// end would take the processor, of which there is one, from the one who is measured.
//
// We run under SCHED_IDLE, so that AGENT runs as soon as it is woken, as if the processor had had nothing to do; with -B
// we keep our ordinary priority. Events come 10 to 14 ms apart, by chance, so that they fall on all phases of the kernel's
// tick and AGENT is idle again; -t sets another least distance. See also vary.
//
// -j has us be the journal, which reads what AGENT sends to it before each event.
//
// -r is for an AGENT that notifies nobody: it is given that time. It may be several processes, in a group of their own.
//
// Every wait is bounded; what fails ends it all, with the end of LOG, where AGENT's output goes, on standard error.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/uinput.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

static unsigned gap_us = 10000; // between two events, at least

// address is where the agent tells how it is; it stays until the agent has ended.
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static const char *log_path = "/dev/null";
static pid_t agent;
static unsigned silent_us; // what AGENT takes to be ready, if it does not say so

static void show_log(void)
{
	char text[4000];
	int fd = open(log_path, O_RDONLY);
	if (fd < 0 || lseek(fd, -(off_t)sizeof text, SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	ssize_t n = read(fd, text, sizeof text);
	if (n > 0)
		fprintf(stderr, "--- end of %s:\n%.*s", log_path, (int)n, text);
}

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	int error = errno;
	va_list args;
	va_start(args, format);
	fprintf(stderr, "measure: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, " (%s)\n", strerror(error));
	show_log();
	unlink(address.sun_path);
	if (agent > 0)
		kill(agent, SIGKILL);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void pause_us(unsigned us)
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&t, NULL);
}

// await waits until fd is readable.
static void await(int fd, const char *what)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	errno = 0;
	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail("%s did not come", what);
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail("open %s", path);
	return fd;
}

// start forks and executes a program, with its output in the log.
static pid_t start(char **argv)
{
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (silent_us)
		setpgid(0, 0);
	int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	dup2(fd, 1);
	dup2(fd, 2);
	execv(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

// launch starts the agent and returns how long it took to be ready.
static uint64_t launch(char **argv)
{
	snprintf(address.sun_path, sizeof address.sun_path, "/tmp/measure-%d", getpid());
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		fail("listen on %s", address.sun_path);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	uint64_t begin = now(), end;
	char message[256] = "";
	if (silent_us) {
		agent = start(argv);
		pause_us(silent_us);
		return 0;
	}
	agent = start(argv);
	do {
		await(fd, "READY=1");
		end = now();
		ssize_t n = recv(fd, message, sizeof message - 1, 0);
		message[n < 0 ? 0 : n] = 0;
	} while (!strstr(message, "READY=1"));
	return end - begin;
}

// stop ends the agent as a user would.
static void stop(void)
{
	kill(silent_us ? -agent : agent, SIGTERM);
	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		if (waitpid(agent, NULL, WNOHANG) != 0) {
			unlink(address.sun_path);
			return;
		}
		pause_us(10000);
	}
	fail("the agent does not end");
}

static int fifo = -1;

// started returns when the first instruction of the next stamp was. Stamps from before begin are passed over: on a host,
// others may make uevents too.
static uint64_t started(uint64_t begin)
{
	uint64_t ns;
	do {
		await(fifo, "the program's stamp");
		if (read(fifo, &ns, sizeof ns) != sizeof ns)
			fail("read a stamp");
	} while (ns < begin);
	return ns;
}

static void open_fifo(const char *path)
{
	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		fail("make %s", path);
	fifo = must_open(path, O_RDWR | O_NONBLOCK);
}

// A tracepoint's ring: one page that tells how far it was written, and pages of records. See perf_event_open(2).
enum { RING_PAGES = 16 };
static struct trace {
	int fd;
	struct perf_event_mmap_page *ring;
} output_set = {.fd = -1}, interrupt = {.fd = -1};

static uint64_t tracepoint(const char *name)
{
	char path[128];
	uint64_t id;
	snprintf(path, sizeof path, "/sys/kernel/debug/tracing/events/%s/id", name);
	FILE *f = fopen(path, "re");
	if (!f || fscanf(f, "%lu", &id) != 1)
		fail("read %s", path);
	fclose(f);
	return id;
}

static void open_trace(struct trace *t, const char *name, const char *filter)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof attr, .config = tracepoint(name),
		.sample_period = 1, .sample_type = PERF_SAMPLE_TIME, .wakeup_events = 1,
		.use_clockid = 1, .clockid = CLOCK_MONOTONIC, .disabled = 1,
	};
	size_t page = sysconf(_SC_PAGESIZE);
	if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
		errno = 0, fail("more than one processor: only the first is watched");
	t->fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (t->fd < 0)
		fail("open the tracepoint %s", name);
	t->ring = mmap(NULL, (RING_PAGES + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (t->ring == MAP_FAILED || ioctl(t->fd, PERF_EVENT_IOC_SET_FILTER, filter) < 0 || ioctl(t->fd, PERF_EVENT_IOC_ENABLE) < 0)
		fail("enable the tracepoint %s", name);
}

// passed_at returns when a tracepoint was passed, once since it was last asked and after begin.
static uint64_t passed_at(struct trace *t, uint64_t begin)
{
	struct { struct perf_event_header header; uint64_t time; } record;
	struct perf_event_mmap_page *ring = t->ring;
	await(t->fd, "what is traced");
	char *data = (char *)ring + ring->data_offset;
	for (size_t i = 0; i < sizeof record; i++)
		((char *)&record)[i] = data[(ring->data_tail + i) % ring->data_size];
	if (record.header.type != PERF_RECORD_SAMPLE || record.header.size != sizeof record)
		fail("a record of type %u and size %u", record.header.type, record.header.size);
	uint64_t head = ring->data_head;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (head != ring->data_tail + sizeof record)
		fail("what is traced happened more than once");
	if (record.time < begin)
		fail("what is traced happened before its time");
	__atomic_store_n(&ring->data_tail, head, __ATOMIC_RELEASE);
	return record.time;
}

static int warming; // what is measured does not count

// changed returns when an output line was next set.
static uint64_t changed(uint64_t begin)
{
	uint64_t at = passed_at(&output_set, begin);
	if (interrupt.fd >= 0) {
		uint64_t interrupted = passed_at(&interrupt, begin);
		if (!warming)
			printf("traced %lu\n", at - interrupted);
	}
	return at;
}

static void pull(int fd, const char *text)
{
	if (pwrite(fd, text, strlen(text), 0) < 0)
		fail("pull the line");
}

// What makes things happen, all with one argument: a descriptor or a signal.
static void press(int fd)
{
	static int up;
	up = !up;
	pull(fd, up ? "pull-up" : "pull-down");
}

static void announce(int fd)
{
	if (pwrite(fd, "change", 6, 0) < 0)
		fail("write a uevent");
}

static void queue(int number)
{
	if (sigqueue(agent, number, (union sigval){.sival_int = 42}) < 0)
		fail("queue signal %d", number);
}

static const char *told; // -e and -c: what is written

static void tell(int fd)
{
	if (pwrite(fd, told, strlen(told), 0) < 0)
		fail("write %s", told);
}

static void change(int unused)
{
	(void)unused;
	int fd = must_open(told, O_WRONLY);
	if (write(fd, "x", 1) < 0)
		fail("write %s", told);
	close(fd);
}

static void strike(int device)
{
	static int down;
	struct input_event report[2] = {{.type = EV_KEY, .code = KEY_A}, {.type = EV_SYN, .code = SYN_REPORT}};
	report->value = down = !down;
	if (write(device, report, sizeof report) < 0)
		fail("strike a key");
}

static int keyboard = -1; // -y

// started_by_key is started, and releases the key when the program has ended.
static uint64_t started_by_key(uint64_t begin)
{
	uint64_t at = started(begin);
	pause_us(gap_us / 5);
	strike(keyboard);
	return at;
}

static int twin = -1;

// open_twin opens the other keyboard of the name of the first that keyboards makes: the one whose node came last.
static void open_twin(void)
{
	char path[32], name[64] = "";
	int clock = CLOCK_MONOTONIC;
	for (int i = 63; i >= 0 && twin < 0; i--) {
		snprintf(path, sizeof path, "/dev/input/event%d", i);
		twin = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (twin >= 0 && (ioctl(twin, EVIOCGNAME(sizeof name - 1), name) < 0 || strcmp(name, "bench 0") != 0))
			close(twin), twin = -1;
	}
	if (twin < 0 || ioctl(twin, EVIOCSCLOCKID, &clock) < 0)
		fail("open the twin");
}

// passed returns when the key came out of the twin.
static uint64_t passed(uint64_t begin)
{
	struct input_event e[4];
	await(twin, "the key at the twin");
	ssize_t n = read(twin, e, sizeof e);
	uint64_t at = e->input_event_sec * 1000000000ull + e->input_event_usec * 1000ull;
	if (n != 2 * sizeof *e || e->type != EV_KEY || e->code != KEY_A || at + 1000 < begin)
		fail("%zd bytes of type %d, code %d from the twin", n, e->type, e->code);
	return at < begin ? begin : at; // the stamp is in microseconds
}

static int journal = -1;

// open_journal makes the socket of the journal.
static void open_journal(void)
{
	static struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/journal", 0755);
	unlink(at.sun_path);
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal < 0 || bind(journal, (struct sockaddr *)&at, sizeof at) < 0)
		fail("be the journal");
}

static void read_journal(void)
{
	char entry[4096];
	while (journal >= 0 && recv(journal, entry, sizeof entry, 0) > 0)
		;
}

static int warmup = 20, events = 100;

// vary makes some system calls, by chance. With 48 of them, of all programs, the kernel has used up its random numbers
// for the offsets of stacks (randomize_kstack_offset; get_random_u16 in drivers/char/random.c) and makes others, which
// takes 5.6 µs on the board. As an event takes as many calls as the next, the same part of each eighth, say, would meet
// that, or none.
static void vary(void)
{
	for (long calls = random() % 48; calls > 0; calls--)
		syscall(SYS_getppid);
}

// series makes something happen again and again, and prints how long its effect took.
static void series(const char *name, void (*cause)(int), int argument, uint64_t (*effect)(uint64_t))
{
	for (int i = -warmup; i < events; i++) {
		pause_us(gap_us + random() % (gap_us * 2 / 5));
		read_journal();
		vary();
		warming = i < 0;
		uint64_t begin = now();
		cause(argument);
		uint64_t end = effect(begin);
		if (i >= 0)
			printf("%s %lu\n", name, end - begin);
	}
}

// each_thread calls f with a file of each of AGENT's threads, and returns the sum of what that returns.
static long each_thread(const char *file, long (*f)(const char *path))
{
	char path[300];
	long sum = 0;
	snprintf(path, sizeof path, "/proc/%d/task", agent);
	DIR *tasks = opendir(path);
	if (!tasks)
		fail("open %s", path);
	for (struct dirent *d; (d = readdir(tasks));) {
		if (*d->d_name == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/%s", agent, d->d_name, file);
		sum += f(path);
	}
	closedir(tasks);
	return sum;
}

// ran is for how many nanoseconds a thread has run. See Documentation/scheduler/sched-stats.rst.
static long ran(const char *path)
{
	long ns = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return 0; // it has ended
	if (fscanf(f, "%ld", &ns) != 1)
		fail("read %s", path);
	fclose(f);
	return ns;
}

// cost prints what an event costs AGENT, where each time so many come at once.
static void cost(const char *name, int bursts, int size, void (*cause)(int), int argument)
{
	long before = 0;
	for (int i = -1; i < bursts; i++) { // one does not count
		for (int j = 0; j < size; j++)
			cause(argument);
		pause_us(gap_us + random() % (gap_us * 2 / 5));
		read_journal();
		if (i < 0)
			before = each_thread("schedstat", ran);
	}
	printf("%s %.0f\n", name, (double)(each_thread("schedstat", ran) - before) / (bursts * size));
}

static char *started_program[3];

static void start_program(int unused)
{
	(void)unused;
	waitpid(start(started_program), NULL, 0);
}

// status returns the sum of the numbers behind key in a file of proc.
static long status(const char *path, const char *key)
{
	char line[256];
	long sum = 0;
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			sum += atol(line + strlen(key));
	if (f)
		fclose(f);
	return sum;
}

// resident is what AGENT has of a kind of memory.
static long resident(const char *kind)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", agent); // exact, while VmRSS lags by up to 64 pages a thread
	return status(path, kind);
}

static long switched(const char *path)
{
	return status(path, "voluntary_ctxt_switches:") + status(path, "nonvoluntary_ctxt_switches:");
}

static void idle(int seconds)
{
	pause_us(3000000); // what the start has left to do
	long before = each_thread("status", switched);
	pause_us(seconds * 1000000u);
	printf("switches %ld\n", each_thread("status", switched) - before);
}

// keyboards makes keyboards that last as long as we do, and returns the last one.
static int keyboards(int count)
{
	int fd = -1;
	for (int i = 0; i < count; i++) {
		struct uinput_setup setup = {.id = {.bustype = BUS_VIRTUAL, .vendor = 1, .product = 1}};
		snprintf(setup.name, sizeof setup.name, "bench %d", i);
		fd = must_open("/dev/uinput", O_WRONLY);
		ioctl(fd, UI_SET_EVBIT, EV_KEY);
		for (int key = KEY_ESC; key <= KEY_F10; key++)
			ioctl(fd, UI_SET_KEYBIT, key);
		if (ioctl(fd, UI_DEV_SETUP, &setup) < 0 || ioctl(fd, UI_DEV_CREATE) < 0)
			fail("make keyboard %d", i);
	}
	if (count)
		pause_us(1000000); // until their nodes are there
	return fd;
}

// introduce writes the agent's PID to a file.
static void introduce(const char *path)
{
	char pid[16];
	int fd = must_open(path, O_WRONLY);
	if (write(fd, pid, snprintf(pid, sizeof pid, "%d", agent)) < 0)
		fail("write %s", path);
	close(fd);
}

static void be_scheduled(int policy)
{
	struct sched_param p = {.sched_priority = policy == SCHED_FIFO};
	if (sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &p) < 0)
		fail("choose scheduling policy %d", policy);
}

// costs prints what an event costs AGENT alone, and in a burst: we go first then, until the burst is whole.
static void costs(int size, void (*cause)(int), int argument)
{
	if (output_set.fd >= 0 && ioctl(output_set.fd, PERF_EVENT_IOC_DISABLE) < 0)
		fail("disable a tracepoint");
	cost("alone", events, 1, cause, argument);
	if (size == 1)
		return;
	be_scheduled(SCHED_FIFO);
	cost("burst", events / 10, size, cause, argument);
}

int main(int argc, char **argv)
{
	const char *output = NULL, *uevent = NULL, *program = NULL, *fifo_path = NULL, *owner = NULL;
	void (*cause)(int) = NULL;
	int line = -1, number = 0, seconds = 0, argument = -1, passes = 0, ordinary = 0, size = 0;
	const char *interrupted = NULL;
	for (int option; (option = getopt(argc, argv, "+w:n:l:f:i:k:o:e:c:pgyjd:u:s:b:t:Bm:r:x:")) != -1;) {
		switch (option) {
		case 'w': warmup = atoi(optarg); break;
		case 't': gap_us = atoi(optarg); break;
		case 'B': ordinary = 1; break;
		case 'm': size = atoi(optarg); break;
		case 'n': events = atoi(optarg); break;
		case 'l': log_path = optarg; break;
		case 'f': fifo_path = optarg; break;
		case 'i': seconds = atoi(optarg); break;
		case 'k': keyboards(atoi(optarg)); break;
		case 'o': output = optarg; break;
		case 'e':
			told = strchr(optarg, '=');
			if (!told)
				return 2;
			argument = must_open(strndup(optarg, told++ - optarg), O_WRONLY), cause = tell;
			break;
		case 'c': told = optarg, cause = change; break;
		case 'p': argument = keyboards(1), cause = strike; break;
		case 'g': argument = keyboards(1), cause = strike, passes = 1; break;
		case 'y': keyboard = keyboards(1); break;
		case 'r': silent_us = atoi(optarg) * 1000u; break;
		case 'j': open_journal(); break;
		case 'x': interrupted = optarg; break;
		case 'd': owner = optarg; break;
		case 'u': uevent = optarg; break;
		case 's': number = atoi(optarg); break;
		case 'b': program = optarg; break;
		default: return 2;
		}
	}
	if (optind == argc)
		return 2;
	srandom(1);
	if (fifo_path)
		open_fifo(fifo_path);
	if (program) {
		started_program[0] = (char *)program, started_program[1] = (char *)fifo_path;
		series("process", start_program, 0, started);
	}
	if (output) {
		line = must_open(output, O_WRONLY);
		pull(line, "pull-down");
	}
	printf("start %lu\n", launch(argv + optind));
	if (seconds)
		idle(seconds);
	if (owner)
		introduce(owner);
	pause_us(1500000); // until AGENT has opened all that it waits for, and reflexd has given back what a start takes
	if (!ordinary)
		be_scheduled(SCHED_IDLE);
	if (output || (cause && !passes))
		open_trace(&output_set, "gpio/gpio_value", "get == 0");
	if (interrupted)
		open_trace(&interrupt, "irq/irq_handler_entry", interrupted);
	if (output)
		series("output", press, line, changed);
	if (passes) {
		open_twin();
		series("output", strike, argument, passed);
	} else if (cause) {
		series("output", cause, argument, changed);
	}
	if (uevent)
		series("uevent", announce, must_open(uevent, O_WRONLY), started);
	if (keyboard >= 0)
		series("key", strike, keyboard, started_by_key);
	if (number)
		series("signal", queue, number, started);
	if (size)
		costs(size, cause ? cause : output ? press : queue, cause ? argument : output ? line : number);
	printf("resident %ld\n", resident("Rss:"));
	printf("anonymous %ld\n", resident("Anonymous:"));
	stop();
	return 0;
}
