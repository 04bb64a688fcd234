// SPDX-License-Identifier: MIT

package file

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// both runs a test with the two ways of announcing data.
func both(t *testing.T, test func(t *testing.T, r *rig, watch string)) {
	for _, watch := range []string{bySignal, byEpoll} {
		t.Run(watch, func(t *testing.T) { test(t, newRig(t), watch) })
	}
}

func TestLinesOfAFIFO(t *testing.T) {
	both(t, func(t *testing.T, r *rig, watch string) {
		r.apply("files: {a: {path: DIR/a, read: line, max: 8, watch: " + watch + "}}")
		if st := r.status("a"); st.OK || !strings.Contains(st.Error, "no such file") {
			t.Errorf("status is %+v", st)
		}
		r.fifo("a")
		r.logged("file opened")
		w := r.writer("a")
		r.write(w, "one\ntw")
		r.expect("readable a TEXT=one")
		r.write(w, "o\r\nmuch longer than that\n\nrest")
		r.expect("readable a TEXT=two", "readable a TEXT=much lon TRUNCATED=1", "readable a TEXT=")
		w.Close()
		r.expect("readable a TEXT=rest", "hung-up a")
		// The next writer is noticed as well, and one that is there before the
		// file is opened again.
		for i := range 50 {
			w := r.writer("a")
			r.write(w, fmt.Sprintf("%d\n", i))
			w.Close()
			r.expect(fmt.Sprintf("readable a TEXT=%d", i), "hung-up a")
		}
		before := r.wakeups()
		r.quiet()
		if n := r.wakeups() - before; n > 20 {
			t.Errorf("%d wake-ups while nobody writes", n)
		}
	})
}

// quiet lets some time pass in which nothing is to happen.
func (r *rig) quiet() {
	done := make(chan struct{})
	r.do(func() { r.loop.After(100*time.Millisecond, func() { close(done) }) })
	<-done
}

// nothing is what happens after the events that were expected.
func (r *rig) nothing() {
	r.t.Helper()
	r.quiet()
	r.mu.Lock()
	defer r.mu.Unlock()
	if more := r.heard[r.taken:]; len(more) > 0 {
		r.t.Errorf("got %q too", describe(more))
	}
}

func TestRecords(t *testing.T) {
	both(t, func(t *testing.T, r *rig, watch string) {
		master, slave := terminal(t)
		r.must(os.Symlink(slave, r.path("a"))) // a folder where no other terminal comes and goes
		r.apply("files: {a: {path: DIR/a, watch: " + watch + "}}")
		r.write(master, "first\nsecond\n") // its line discipline gives a line each read
		r.expect("readable a TEXT=first", "readable a TEXT=second")
		master.Close()
		r.expect("hung-up a")
		r.logged("file lost")
		before := r.wakeups()
		r.quiet()
		if n := r.wakeups() - before; n > 30 {
			t.Errorf("%d wake-ups for a dead terminal", n)
		}
		if st := r.status("a"); st.OK || st.Error == "" {
			t.Errorf("status is %+v", st)
		}
	})
}

// terminal returns the master of a pseudo-terminal and the path of its slave:
// among terminals of its own, where it may be, since others may get the number
// of one that is closed.
func terminal(t *testing.T) (*os.File, string) {
	t.Helper()
	at, multiplexer := t.TempDir(), "/dev/ptmx"
	if unix.Mount("devpts", at, "devpts", 0, "ptmxmode=0600") == nil {
		t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
		multiplexer = filepath.Join(at, "ptmx")
	} else {
		at = "/dev/pts"
	}
	master, err := os.OpenFile(multiplexer, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals: ", err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return master, filepath.Join(at, fmt.Sprint(number))
}

func TestBurst(t *testing.T) {
	both(t, func(t *testing.T, r *rig, watch string) {
		r.fifo("a")
		r.apply("files: {a: {path: DIR/a, read: line, watch: " + watch + "}}")
		w := r.writer("a")
		const count = 5000
		for i := range count {
			r.write(w, fmt.Sprintf("%d\n", i))
		}
		r.await("all lines", func() bool { return len(r.heard) == count })
		r.mu.Lock()
		heard := describe(r.heard)
		r.mu.Unlock()
		for i, line := range heard {
			if line != fmt.Sprintf("readable a TEXT=%d", i) {
				t.Fatalf("line %d is %q", i, line)
			}
		}
	})
}

// The queue of signals is full: the kernel sends a plain SIGIO instead.
func TestFullQueueOfSignals(t *testing.T) {
	r := newRig(t)
	r.fifo("a")
	r.fifo("b")
	r.apply("files: {a: {path: DIR/a}, b: {path: DIR/b}}")
	a, b := r.writer("a"), r.writer("b")
	limitSignals(t, 0)
	r.write(a, "x")
	r.await("a loss and the data", func() bool { return len(r.heard) >= 2 })
	r.mu.Lock()
	got := strings.Join(describe(r.heard), ", ")
	r.taken = len(r.heard)
	r.mu.Unlock()
	if !strings.Contains(got, "lost file") || !strings.Contains(got, "readable a TEXT=x SYNTHETIC=1") {
		t.Errorf("got %s", got)
	}
	r.write(b, "y")
	r.expect("readable b TEXT=y SYNTHETIC=1") // the loss was reported already
}

// terminalOf declares a terminal, which sends signals, as the file a, and returns its other end.
func (r *rig) terminalOf(settings string) *os.File {
	master, slave := terminal(r.t)
	r.must(os.Symlink(slave, r.path("a")))
	r.apply("files: {a: {path: DIR/a" + settings + "}}")
	return master
}

// A driver wakes those who poll as it sends the signal: what it has is read at once, and
// also if the signal is lost.
func TestRecordsAreReadBeforeTheirSignals(t *testing.T) {
	r := newRig(t)
	master := r.terminalOf("")
	r.do(func() { r.hearing = false })
	r.write(master, "first\nsecond\n")
	r.expect("readable a TEXT=first", "readable a TEXT=second")
	r.do(func() { r.hearing = true })
	r.write(master, "third\n")
	r.expect("readable a TEXT=third")
	r.nothing()
}

// A driver may say of itself that it is readable when it is not. It sends signals all the
// same.
func TestSIGIOOfADriverWhosePollIsWrong(t *testing.T) {
	r := newRig(t)
	master := r.terminalOf("")
	r.do(func() {
		for range patience + 1 {
			r.source.nodes["a"].ready(unix.EPOLLIN)
		}
		r.hearing = false
	})
	r.logged("only signals announce the file")
	r.write(master, "x\n")
	r.nothing()
	r.do(func() { r.hearing = true })
	r.write(master, "y\n")
	r.expect("readable a TEXT=x", "readable a TEXT=y")
}

// limitSignals sets RLIMIT_SIGPENDING for the time of the test.
func limitSignals(t *testing.T, n uint64) {
	t.Helper()
	var before unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_SIGPENDING, &before)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_SIGPENDING, &unix.Rlimit{Cur: n, Max: before.Max})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_SIGPENDING, &before) })
}

// A plain SIGIO, of a driver that cannot say which file it means.
func TestPlainSIGIO(t *testing.T) {
	r := newRig(t)
	r.fifo("a")
	r.apply("files: {a: {path: DIR/a}}")
	r.do(func() { r.hearing = false })
	w := r.writer("a")
	r.write(w, "x")
	r.quiet()
	tid := 0
	r.do(func() { r.hearing, tid = true, unix.Gettid() })
	if err := unix.Tgkill(os.Getpid(), tid, unix.SIGIO); err != nil {
		t.Fatal(err)
	}
	r.expect("readable a TEXT=x SYNTHETIC=1")
	r.syntheticIsANumber()
}

// syntheticIsANumber fails unless the last expected event has SYNTHETIC as those of
// lines and keys have it.
func (r *rig) syntheticIsANumber() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, _ := r.heard[r.taken-1].Lookup("SYNTHETIC"); v != sources.Int(1) {
		r.t.Errorf("SYNTHETIC is %#v", v)
	}
}

// A signal that was sent for a closed descriptor is for nobody.
func TestNumbersAreNotUsedAgain(t *testing.T) {
	r := newRig(t)
	r.fifo("a")
	r.apply("files: {a: {path: DIR/a, read: none}}")
	seen := map[int]bool{}
	for range 20 {
		r.do(func() {
			n := r.source.nodes["a"]
			if n.fd < lowest || seen[n.fd] {
				t.Errorf("descriptor %d again", n.fd)
			}
			seen[n.fd] = true
			if err := r.source.Switch("a", false); err != nil {
				t.Error(err)
			}
			if err := r.source.Switch("a", true); err != nil {
				t.Error(err)
			}
		})
		r.settled()
	}
}

// A read that does not return keeps the descriptor that it is of, and no
// other: the file may be opened and closed again meanwhile.
func TestClosedWhileAnOldDescriptorIsRead(t *testing.T) {
	r := newRig(t)
	r.apply("files: {a: {path: /proc/self/mountinfo, watch: priority, read: none}}")
	var n *node
	var old, fresh int
	r.do(func() {
		n = r.source.nodes["a"]
		old, r.hold = n.fd, true
		n.readBeside()
		if err := r.source.Switch("a", false); err == nil || !isOpen(old) {
			t.Errorf("it is closed: %v", err)
		}
		r.must(r.source.Switch("a", true))
	})
	r.settled()
	r.do(func() {
		fresh = n.fd
		if err := r.source.Switch("a", false); err != nil || isOpen(fresh) {
			t.Errorf("the new descriptor %d stays open: %v", fresh, err)
		}
		r.held[0]()
	})
	for deadline := time.Now().Add(wait); isOpen(old); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the old descriptor stays open")
		}
	}
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func TestUnable(t *testing.T) {
	r := newRig(t)
	r.must(os.WriteFile(r.path("plain"), []byte("x"), 0o600))
	r.must(os.Mkdir(r.path("folder"), 0o700))
	r.must(os.Symlink("/dev/null", r.path("null"))) // of the machine's devices nothing is seen
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	r.must(err)
	defer unix.Close(socket)
	r.must(unix.Bind(socket, &unix.SockaddrUnix{Name: r.path("socket")}))
	r.fifo("fifo")
	r.apply(`files:
  plain: {path: DIR/plain}
  polled: {path: DIR/plain, watch: epoll}
  null: {path: DIR/null}
  folder: {path: DIR/folder}
  socket: {path: DIR/socket}
  fifo: {path: DIR/fifo, read: all}
  pressure: {path: /proc/pressure/io, watch: priority}
  wrong: {path: /proc/pressure/io, watch: priority, arm: nonsense}
`)
	for name, want := range map[string]string{
		"plain":    "it cannot send SIGIO (its driver has no fasync): use `watch: changes` for an ordinary file",
		"polled":   "use `watch: changes`",
		"null":     "use `watch: epoll`",
		"folder":   "it is a folder: use `watch: changes`",
		"socket":   "it is a socket",
		"fifo":     "cannot be read from its beginning",
		"pressure": "needs `arm:`",
		"wrong":    `arm it with "nonsense": invalid argument: a pressure file needs`,
	} {
		if _, err := os.Stat("/proc/pressure/io"); err != nil && (name == "pressure" || name == "wrong") {
			continue
		}
		if st := r.status(name); st.OK || !strings.Contains(st.Error, want) {
			t.Errorf("%s: %+v lacks %q", name, st, want)
		}
	}
	before := r.wakeups()
	r.quiet()
	if n := r.wakeups() - before; n > 5 {
		t.Errorf("%d wake-ups for files that are of no use", n)
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// A reload keeps open what is the same, and closes what is not asked for.
func TestReload(t *testing.T) {
	r := newRig(t)
	r.fifo("a")
	r.fifo("b")
	r.apply("files: {a: {path: DIR/a}, b: {path: DIR/b, max: 10}}")
	numbers := func() (a, b int) {
		r.do(func() { a, b = r.source.nodes["a"].fd, r.source.nodes["b"].fd })
		return a, b
	}
	a, b := numbers()
	r.apply("files: {a: {path: DIR/a}, b: {path: DIR/b, max: 11}}")
	a2, b2 := numbers()
	if a2 != a || b2 == b {
		t.Errorf("descriptors %d, %d became %d, %d", a, b, a2, b2)
	}
	w := r.writer("b")
	r.write(w, "x")
	r.expect("readable b TEXT=x")
	r.do(func() { r.must(r.source.Switch("a", false)) })
	r.apply("files: {a: {path: DIR/a}}")
	if st := r.status("a"); st.Error != errClosed.Error() {
		t.Errorf("status is %+v", st)
	}
	if _, err := w.WriteString("y"); err == nil {
		t.Error("b is still open")
	}
	r.apply("files: {}")
	if n := len(r.source.Status()); n != 0 {
		t.Errorf("%d states are left", n)
	}
}

// A FIFO that another takes the place of.
func TestReplaced(t *testing.T) {
	r := newRig(t)
	r.fifo("a")
	r.apply("files: {a: {path: DIR/a}}")
	r.fifo("b")
	r.must(os.Rename(r.path("b"), r.path("a")))
	r.expect("hung-up a")
	r.settled()
	w := r.writer("a")
	r.write(w, "new")
	r.expect("readable a TEXT=new")
	w.Close()
	r.expect("hung-up a")
	r.must(os.Remove(r.path("a"))) // which is no news to rules
	r.logged("file does not exist yet")
	if st := r.status("a"); st.OK {
		t.Errorf("status is %+v", st)
	}
}

// A device of the kernel's that is announced to be there, and gone.
func TestUevents(t *testing.T) {
	r := newRig(t)
	r.hearUevents()
	r.apply("files: {a: {path: /dev/ptmx, watch: epoll}}") // the multiplexer: its uevents can be made
	if st := r.status("a"); !st.OK {
		t.Skip("no /dev/ptmx: ", st.Error)
	}
	r.uevent("remove")
	r.expect("hung-up a")
	r.do(r.source.nodes["a"].opener.Stop) // so that it is the uevent that opens it
	r.uevent("change")
	r.await("it is open again", func() bool { return strings.Count(r.log.String(), "file opened") == 2 })
}

// uevent has the kernel announce /dev/ptmx.
func (r *rig) uevent(action string) {
	r.t.Helper()
	if err := os.WriteFile("/sys/class/tty/ptmx/uevent", []byte(action), 0); err != nil {
		r.t.Skip("cannot make uevents: ", err)
	}
}

func TestMounts(t *testing.T) {
	r := newRig(t)
	r.apply("files: {m: {path: /proc/self/mountinfo, watch: priority, read: none}}")
	r.must(os.Mkdir(r.path("on"), 0o700))
	r.mount("on")
	r.expect("changed m")
	r.must(unix.Unmount(r.path("on"), 0))
	r.expect("changed m")
}

// A change while the last one is read is told, too, of a file that has forgotten it when
// poll(2) has told of it.
func TestChangeWhileTheLastOneIsRead(t *testing.T) {
	r := newRig(t)
	r.apply("files: {m: {path: /proc/self/mountinfo, watch: priority, read: none}}")
	r.must(os.Mkdir(r.path("on"), 0o700))
	r.do(func() { r.hold = true })
	r.mount("on")
	r.await("its reading", func() bool { return len(r.held) > 0 })
	r.must(unix.Unmount(r.path("on"), 0))
	r.do(func() { r.held[0]() })
	r.expect("changed m", "changed m")
}

func TestChanges(t *testing.T) {
	r := newRig(t)
	r.apply("files: {s: {path: DIR/app/settings, watch: changes, read: all}, d: {path: DIR/app, watch: changes, events: [created, moved-in]}}")
	r.must(os.Mkdir(r.path("app"), 0o700))
	r.expect("changed d EVENT=created NAME=app")
	r.quiet() // the folder is watched by now
	file := filepath.Join("app", "settings")
	r.must(os.WriteFile(r.path(file), []byte("one\n"), 0o600))
	r.await("three events", func() bool { return len(r.heard)-r.taken >= 3 })
	r.takeAny("changed d EVENT=created NAME=settings", "changed s TEXT=one EVENT=written NAME=settings")
	r.must(os.WriteFile(r.path("app/new"), []byte("two\n"), 0o600))
	r.expect("changed d EVENT=created NAME=new")
	r.must(os.Rename(r.path("app/new"), r.path(file)))
	r.await("two events", func() bool { return len(r.heard)-r.taken >= 2 })
	r.takeAny("changed s TEXT=two EVENT=moved-in NAME=settings", "changed d EVENT=moved-in NAME=settings")
	r.must(os.Remove(r.path(file)))
	r.expect("changed s EVENT=deleted NAME=settings")
	r.do(func() { r.must(r.source.Switch("s", false)) })
	r.must(os.WriteFile(r.path(file), nil, 0o600))
	r.expect("changed d EVENT=created NAME=settings")
	r.do(func() { r.must(r.source.Switch("s", true)) })
	r.must(os.RemoveAll(r.path("app")))
	r.expect("changed s EVENT=deleted NAME=settings")
}

// takeAny takes the events that came, which must have these among them.
func (r *rig) takeAny(want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := strings.Join(describe(r.heard[r.taken:]), "\n") + "\n"
	r.taken = len(r.heard)
	for _, w := range want {
		if !strings.Contains(got, w+"\n") {
			r.t.Errorf("no %q in:\n%s", w, got)
		}
	}
}

func TestChangesOverflow(t *testing.T) {
	r := newRig(t)
	r.must(os.WriteFile(r.path("s"), []byte("one"), 0o600))
	r.apply("files: {s: {path: DIR/s, watch: changes}}")
	r.do(func() {
		r.must(os.WriteFile(r.path("s"), []byte("longer"), 0o600))
		r.source.changes.afresh(true)
	})
	r.expect("lost file", "changed s EVENT=written NAME=s SYNTHETIC=1")
	r.syntheticIsANumber()
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("one\ntwo"), 1, 10)
	f.Add([]byte("\n\n"), 2, 1)
	f.Add([]byte("no end"), 3, 2)
	f.Fuzz(func(t *testing.T, b []byte, step, most int) {
		step, most = max(1, step), min(max(1, most), largest)
		s := newSplitter(&settings{max: most, framing: framing{end: "\n"}})
		var got []string
		tell := func(line []byte, cut bool) {
			if len(line) > most {
				t.Fatalf("a line of %d bytes", len(line))
			}
			got = append(got, string(line))
		}
		for rest := b; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			s.split(rest[:min(step, len(rest))], tell)
		}
		got = append(got, string(s.rest()))
		want := strings.Split(string(b), "\n")
		if len(got) != len(want) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
		for i := range want {
			if want[i][:min(most, len(want[i]))] != got[i] {
				t.Errorf("line %d is %q of %q", i, got[i], want[i])
			}
		}
	})
}

// Every device that comes has files opened that are not open yet; the log
// learns once why that fails, and again when it is for another reason.
func TestWhyAFileCannotBeUsedIsLoggedOnce(t *testing.T) {
	r := newRig(t)
	r.apply("files: {a: {path: DIR/a, watch: epoll}}")
	r.must(os.WriteFile(r.path("a"), nil, 0o600))
	r.logged("use `watch: changes`")
	for range 3 {
		r.do(func() {
			r.source.Notify(&sources.Event{
				Topic:  sources.Topic{Kind: "uevent", Name: "tty", State: "add"},
				Fields: []sources.Field{{Name: "DEVNAME", Value: sources.Text(r.path("a"))}},
			})
		})
		r.settled()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := strings.Count(r.log.String(), "cannot use file"); n != 1 {
		t.Errorf("told %d times:\n%s", n, r.log.String())
	}
}

// A loss of uevents may have been of a device that came or went: what is at the paths
// is looked at again.
func TestLossOfUevents(t *testing.T) {
	r := newRig(t)
	r.fifo("a")
	r.apply("files: {a: {path: DIR/a, watch: epoll}}")
	r.do(func() { r.source.folders.Close() }) // nobody else reports it
	r.must(os.Rename(r.path("a"), r.path("b")))
	r.fifo("a")
	if p, _ := compile(r.dir, "files: {a: {path: DIR/a, watch: epoll}}"); !slices.Contains(p.Subscribes(), "loss") {
		t.Error("the source does not subscribe to losses")
	}
	for _, of := range []string{"gpio", "uevent"} {
		r.do(func() { r.source.Notify(&sources.Event{Topic: sources.Topic{Kind: "loss", Name: of, State: "lost"}}) })
	}
	r.expect("hung-up a")
	r.awaitStatus("a")
	r.write(r.writer("a"), "x")
	r.expect("readable a TEXT=x")
	r.do(func() { r.source.folders = nil })
}
