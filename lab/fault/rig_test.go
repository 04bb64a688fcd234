// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

package fault

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/client"
)

// ownNamespaces is set in the environment of the second process.
const ownNamespaces = "REFLEXD_TEST_OWN_NAMESPACE"

// TestMain runs the tests in a process with network and mounts of its own, but on a board, which has no others.
func TestMain(m *testing.M) {
	Become()
	if os.Getenv(ownNamespaces) != "" || os.Geteuid() != 0 || os.Getenv(OnBoard) != "" {
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Env = append(os.Environ(), ownNamespaces+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := c.Run()
	if c.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "fault tests:", err)
		os.Exit(1)
	}
	os.Exit(c.ProcessState.ExitCode())
}

// program builds the agent, once. On a board it is there.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(OnBoard); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "reflexd-fault")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "reflexd")
	build := exec.Command("go", "build", "-o", path, "reflexd/cmd/reflexd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

const configuration = `
files:
  pipe: {path: DIR/pipe, read: line}
  plain: {path: DIR/plain, watch: changes, read: all}
netlink:
  user: {protocol: usersock, groups: [21], from: any, decode: text}
vars:
  kept: {keep: true}
state_file: DIR/state
pid_file: DIR/pid
rules:
  - {name: emit, when: {event: go}, do: [{write: {path: DIR/out, text: "${T}\n", append: true}}, {log: "did emit ${T}."}]}
  - {name: signal, when: {signal: SIGRTMIN+5}, do: {log: "did signal ${VALUE}."}}
  - {name: pipe, when: {file: pipe, is: readable}, do: {log: "did pipe ${TEXT}."}}
  - {name: plain, when: {file: plain, is: changed}, do: {log: "did plain ${TEXT}."}}
  - {name: netlink, when: {netlink: user}, do: {log: "did netlink ${TEXT}."}}
  - {name: uevent, when: {uevent: {ACTION: change, SUBSYSTEM: net}}, do: {log: "did uevent ${SYNTH_ARG_T}."}}
  - {name: link, when: {link: lo, is: [up, down]}, do: {log: "did link ${STATE}."}}
  - {name: program, when: {event: run}, do: {run: [echo, "did program ${T}."]}}
  - {name: var, when: {event: keep}, do: {var: {kept: "${T}"}}}
`

// patience is how long a test waits for what must come. It bounds a failure and measures nothing.
const patience = time.Minute

// clientPatience is how long a client waits at first: it gets no answer while calls fail again and again.
const clientPatience = 3 * time.Second

// host is where agents of one test run, one after the other: a network of its own, so that neither other tests nor other
// programs of the machine take part in what happens there.
type host struct {
	configuration string
	stimuli       []stimulus
	lull          time.Duration // an agent that logs nothing for this time is not at work
	saves         bool          // it keeps variables
	slow          bool          // no calls are trapped but those of the kind that is to fail
	// sound, if not nil, returns what is wrong although the agent handles all stimuli. from is the line of the log since when
	// it may have reported that.
	sound func(a *agent, from int) error
	// free, if not nil, has the agent give back what it holds, and returns what is left of that.
	free func(a *agent) error

	uevents *os.File // has the kernel send one of lo, which nobody in another network receives
	up      bool     // lo is
}

// newHost puts the test, which does everything in this goroutine from now on, into a network of its own.
func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may make networks")
	}
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal("make a network: ", err)
	}
	return &host{configuration: configuration, stimuli: stimuli, lull: 100 * time.Millisecond, saves: true, uevents: openUevents(t)}
}

// openUevents opens the file by which this network's lo reports what is written.
func openUevents(t *testing.T) *os.File {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("sysfs", dir, "sysfs", 0, ""); err != nil {
		t.Fatal("mount sysfs: ", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "class/net/lo/uevent"), os.O_WRONLY, 0)
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Fatal("unmount sysfs: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// ueventsSoFar returns how many uevents the kernel has numbered, for all networks.
func ueventsSoFar(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/sys/kernel/uevent_seqnum")
	if err == nil {
		_, err = fmt.Sscan(string(text), &n)
	}
	if err != nil {
		t.Error("how many uevents there were: ", err)
	}
	return n
}

// agent is a running agent.
type agent struct {
	*host
	t    *testing.T
	dir  string
	trap *Trap
	pid  int

	waiting sync.Once
	over    chan struct{} // closed when it has ended, and its log was read
	end     error

	*journal
	round   int
	answers time.Duration // how long clients wait
	// latest is the last round that was begun.
	latest *round
	// fault, if not nil, is what is to fail next.
	fault  *fault
	seen   []string // sites, in their order
	counts map[string]int
	calls  int
	watch  func(*Call) // is shown each call; nil for nobody
	// changes is how often what follow follows has changed.
	changes int
}

// journal is what an agent logs. Its methods may be called from any goroutine.
type journal struct {
	mu    sync.Mutex
	more  *sync.Cond // signalled when there is more of it, or something else to await
	lines []string
	dead  bool          // there will be no more
	ended chan struct{} // closed then
}

// record has a program log into a new journal from its start on. The caller closes output once that has started.
func record(cmd *exec.Cmd) (j *journal, output *os.File, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	cmd.Stderr = write
	j = &journal{ended: make(chan struct{})}
	j.more = sync.NewCond(&j.mu)
	go j.collect(read)
	return j, write, nil
}

// fault is one call that is to fail.
type fault struct {
	site string
	Verdict
	kills   bool // the agent, before the call is made
	lasting bool // as long as it is armed; else once
	struck  bool
}

func (f *fault) String() string {
	what := unix.ErrnoName(f.Errno)
	switch {
	case f.kills:
		what = "SIGKILL instead"
	case f.Short:
		what = "is short"
	}
	if f.lasting {
		what += ", again and again"
	}
	return what + " of " + strings.ReplaceAll(f.site, "\n", " < ")
}

func (f *fault) kind() string {
	name, _, _ := strings.Cut(f.site, "\n")
	return name
}

// trapped returns the names of the calls that are trapped for a fault, nil for all. Who waits again and again is seen, too.
func (h *host) trapped(f *fault) []string {
	if !h.slow {
		return nil
	}
	return []string{f.kind(), "epoll_pwait"}
}

func (a *agent) path(name string) string { return filepath.Join(a.dir, name) }

// launch starts an agent, of which calls of these names can fail, or all.
func (h *host) launch(t *testing.T, f *fault, names ...string) *agent {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"plain": "", "out": "", "c.yaml": strings.ReplaceAll(h.configuration, "DIR", dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Settle need not wait.
	past := time.Now().Add(-time.Hour)
	_ = os.Chtimes(filepath.Join(dir, "c.yaml"), past, past)
	return h.launchIn(t, dir, f, names...)
}

// launchIn starts an agent in a folder in which there was one before.
func (h *host) launchIn(t *testing.T, dir string, f *fault, names ...string) *agent {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{host: h, t: t, dir: dir, fault: f, counts: map[string]int{}, answers: clientPatience, over: make(chan struct{})}
	cmd := exec.Command(path, "run", "-c", a.path("c.yaml"), "--socket", a.path("socket"))
	var output *os.File
	if a.journal, output, err = record(cmd); err != nil {
		t.Fatal(err)
	}
	a.trap, err = Start(cmd, a.decide, names...)
	output.Close()
	if err != nil {
		t.Fatal(err)
	}
	a.pid = cmd.Process.Pid
	t.Cleanup(a.kill)
	return a
}

// decide is asked about each call.
func (a *agent) decide(c *Call) Verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if a.watch != nil {
		a.watch(c)
	}
	site := c.Kind.Name + "\n" + c.Place
	if a.counts[site]++; a.counts[site] == 1 {
		a.seen = append(a.seen, site)
		a.more.Broadcast()
		if c.CanShorten() {
			a.counts["short\n"+site]++
		}
		if c.CanFail(unix.EAGAIN) {
			a.counts["again\n"+site]++
		}
	}
	if f := a.fault; f != nil && (f.lasting || !f.struck) && f.site == site && c.CanFail(f.Errno) {
		f.struck = true
		a.more.Broadcast()
		if f.kills {
			_ = unix.Kill(c.tid, unix.SIGKILL) // a thread's number stands for its process
		}
		return f.Verdict
	}
	return Verdict{}
}

func (j *journal) collect(log *os.File) {
	defer log.Close()
	s := bufio.NewScanner(log)
	for s.Scan() {
		j.mu.Lock()
		j.lines = append(j.lines, s.Text())
		j.more.Broadcast()
		j.mu.Unlock()
	}
	j.mu.Lock()
	j.dead = true
	j.more.Broadcast()
	j.mu.Unlock()
	close(j.ended)
}

// await waits until ok, which is called with the lines since from and with mu locked, returns true, the agent ends, or
// time is over.
func (j *journal) await(from int, within time.Duration, ok func(lines []string) bool) bool {
	late := false
	timer := time.AfterFunc(within, func() {
		j.mu.Lock()
		late = true
		j.more.Broadcast()
		j.mu.Unlock()
	})
	defer timer.Stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		if ok(j.lines[from:]) {
			return true
		}
		if late || j.dead {
			return false
		}
		j.more.Wait()
	}
}

func (j *journal) log(from int) string { return strings.Join(j.since(from), "\n") }

func (j *journal) started(within time.Duration) bool {
	return j.await(0, within, func(lines []string) bool { return contains(lines, " msg=started ") })
}

// begun is started for an agent one of whose calls fails: that may be the one that writes this line, so the agent is
// asked, too.
func (a *agent) begun(within time.Duration) bool {
	const lull = 100 * time.Millisecond
	for end := time.Now().Add(within); time.Now().Before(end) && !a.isDead(); {
		if a.started(lull) || client.Call(a.path("socket"), client.Request{Verb: "status"}, nil, a.answers) == nil {
			return true
		}
	}
	return false
}

func contains(lines []string, text string) bool {
	for _, line := range lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// stimulus is one thing that is done to the agent, and what its log says then.
type stimulus struct {
	name string
	do   func(a *agent, n int) error
	want string // with %d for the number of the round
	// lasts says that what was done is a state: who sees that of a later round only has lost nothing.
	lasts bool
}

var stimuli = []stimulus{
	{"emit", func(a *agent, n int) error { return a.ask("emit", "go", n) }, "did emit %d.", false},
	{"signal", func(a *agent, n int) error { return sigqueue(a.pid, 34+5, n) }, "did signal %d.", false},
	{"pipe", func(a *agent, n int) error { return writeTo(a.path("pipe"), fmt.Sprintf("%d\n", n)) }, "did pipe %d.", false},
	{"plain", func(a *agent, n int) error { return os.WriteFile(a.path("plain"), fmt.Append(nil, n), 0o600) }, "did plain %d.", true},
	{"netlink", func(_ *agent, n int) error { return multicast(fmt.Sprint(n)) }, "did netlink %d.", false},
	{"uevent", func(a *agent, n int) error {
		_, err := fmt.Fprintf(a.uevents, "change 0aaaaaaa-0000-0000-0000-000000000001 T=%d", n)
		return err
	}, "did uevent %d.", false},
	{"link", func(a *agent, _ int) error { a.up = !a.up; return setLoopback(a.up) }, "did link", false},
	{"run", func(a *agent, n int) error { return a.ask("emit", "run", n) }, "did program %d.", false},
	{"keep", func(a *agent, n int) error { return a.ask("emit", "keep", n) }, "", false},
	{"reload", func(a *agent, n int) error {
		return client.Call(a.path("socket"), client.Request{Verb: "reload"}, nil, a.answers)
	}, "msg=reloaded", false},
	{"status", func(a *agent, n int) error {
		return client.Call(a.path("socket"), client.Request{Verb: "status"}, nil, a.answers)
	}, "", false},
}

func (a *agent) ask(verb, name string, n int) error {
	return client.Call(a.path("socket"), client.Request{Verb: verb, Name: name,
		Arguments: fmt.Appendf(nil, `{"fields": {"T": "%d"}}`, n)}, nil, a.answers)
}

func writeTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func sigqueue(pid, signal, value int) error {
	var info [128]byte
	binary.NativeEndian.PutUint32(info[:], uint32(signal))
	const queue = -1
	binary.NativeEndian.PutUint32(info[8:], uint32(0xffffffff&(1<<32+queue)))
	binary.NativeEndian.PutUint32(info[16:], uint32(os.Getpid()))
	binary.NativeEndian.PutUint32(info[24:], uint32(value))
	_, _, errno := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(signal), uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		return errno
	}
	return nil
}

// multicast sends a message to group 21 of usersock.
func multicast(text string) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_USERSOCK)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(text)))
	b = binary.NativeEndian.AppendUint16(b, unix.NLMSG_MIN_TYPE)
	b = append(b, make([]byte, unix.NLMSG_HDRLEN-6)...)
	err = unix.Sendto(fd, append(b, text...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << 20})
	if errors.Is(err, unix.ECONNREFUSED) { // the kernel has none of its own
		return nil
	}
	return err
}

func setLoopback(up bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	flags := uint16(0)
	if up {
		flags = unix.IFF_UP
	}
	request.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// round is everything done once.
type round struct {
	number, from int
	wanted       map[string]string // what the log is to say, by stimulus
	answer       string            // an error that a client was given
}

// begin does everything once.
func (a *agent) begin() *round {
	a.round++
	r := &round{number: a.round, wanted: map[string]string{}}
	a.latest = r
	a.mu.Lock()
	r.from = len(a.lines)
	a.mu.Unlock()
	for _, s := range a.stimuli {
		r.wanted[s.name] = s.want
		if err := s.do(a, r.number); err != nil {
			r.answer = fmt.Sprintf("%s: %v", s.name, err)
			r.wanted[s.name] = "never"
		}
	}
	return r
}

// settle waits until the agent has handled everything of a round, or logs nothing for a while. That it takes longer is no
// harm: whoever waits for more begins another round.
func (a *agent) settle(lull time.Duration, rounds ...*round) bool {
	from := rounds[0].from
	done := func([]string) bool {
		return slices.ContainsFunc(rounds, func(r *round) bool { return a.lacks(r) == nil })
	}
	for n := -1; ; {
		lines := len(a.since(from))
		if a.await(from, lull, done) {
			return true
		}
		if lines == n || a.isDead() {
			return false
		}
		n = lines
	}
}

// missing returns what was not handled of a round.
func (a *agent) missing(r *round) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lacks(r)
}

func (a *agent) lacks(r *round) (missing []string) {
	for _, s := range a.stimuli {
		want, last := r.wanted[s.name], r.number
		if s.lasts {
			last = a.round
		}
		seen := want == ""
		for n := r.number; n <= last && !seen; n++ {
			seen = contains(a.lines[r.from:], strings.Replace(want, "%d", fmt.Sprint(n), 1))
		}
		if !seen {
			missing = append(missing, s.name)
		}
	}
	return missing
}

func (j *journal) since(from int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines[from:])
}

func (j *journal) isDead() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dead
}

// unusual returns the first line that says that something went wrong which is the agent's.
func unusual(lines []string) string {
	for _, line := range lines {
		if strings.Contains(line, `msg="removed while mounted"`) {
			continue // so it was
		}
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") || strings.Contains(line, `msg="file lost"`) || strings.Contains(line, `msg="input device lost"`) || strings.Contains(line, `line="… `) {
			return line
		}
	}
	return ""
}

// stop has the agent end, and waits for that.
func (a *agent) stop() error {
	_ = a.trap.Cmd.Process.Signal(unix.SIGTERM)
	return a.wait()
}

// kill kills the agent, if it runs.
func (a *agent) kill() {
	_ = a.trap.Cmd.Process.Kill()
	_ = a.wait()
}

// wait waits until the agent has ended.
func (a *agent) wait() error {
	a.waiting.Do(func() {
		go func() {
			a.end = a.trap.Wait()
			<-a.ended
			close(a.over)
		}()
	})
	select {
	case <-a.over:
		return a.end
	case <-time.After(patience):
		return errHangs
	}
}

var errHangs = errors.New("it does not end")
