// SPDX-License-Identifier: MIT

// rig is the source under test in a real loop, with the kernel's uevents, and
// sticks that are loop devices. All of it happens in a mount namespace of the
// test's own. It needs root, and says so by failing.

package mount

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/uevent"
)

// ownNamespace is set in the environment of the second process.
const ownNamespace = "REFLEXD_TEST_OWN_NAMESPACE"

// TestMain runs the tests in a process with a mount namespace of its own.
func TestMain(m *testing.M) {
	if os.Getenv(ownNamespace) != "" || os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Env = append(os.Environ(), ownNamespace+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := c.Run()
	if c.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "mount tests:", err)
		os.Exit(1)
	}
	os.Exit(c.ProcessState.ExitCode())
}

const patience = 20 * time.Second

type rig struct {
	t      *testing.T
	dir    string // for mounts, records and images
	loop   *watchedLoop
	source *Source
	uevent sources.Source
	ended  chan struct{}

	mu     sync.Mutex
	more   *sync.Cond
	events []string // "mounted /dev/loop3 /tmp/…", and then the rest of the fields
	at     int      // how many were waited for
	log    strings.Builder
}

// start runs the source with an automount section in which DIR stands for the
// test's folder, until the test ends.
func start(t *testing.T, dir, yaml string) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts things and needs root")
	}
	r := &rig{t: t, dir: dir, ended: make(chan struct{})}
	r.more = sync.NewCond(&r.mu)
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	r.loop = &watchedLoop{Loop: l, did: func() {}}
	host := sources.Host{Loop: r.loop, Emit: r.emit, Log: slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Dev: filepath.Join(dir, "dev"), Sys: "/sys", Proc: "/proc"}
	r.uevent, _ = uevent.Kind.Open(host)
	r.source = newSource(host)
	r.source.real.mounter.records = records(filepath.Join(dir, "records"))
	r.source.real.claims.fstab = filepath.Join(dir, "fstab")
	plan := uevent.Kind.Plan().(*uevent.Plan)
	plan.Subscribed = true
	p := readPlan(t, strings.ReplaceAll(yaml, "DIR", dir))
	l.Post(func() {
		r.uevent.Apply(plan)
		r.source.Apply(p)
	})
	go func() {
		defer close(r.ended)
		_ = l.Run(func() {})
	}()
	t.Cleanup(r.stop)
	return r
}

// readPlan reads the text of an automount section.
func readPlan(t testing.TB, yaml string) *Plan {
	t.Helper()
	p := Kind.Plan().(*Plan)
	ps := &config.Problems{}
	n, ok := config.Parse("t.yaml", []byte("automount: "+yaml), ps)
	if ok {
		config.Object(p.Sections()...).Read(n, ps)
		p.Resolve(ps)
	}
	if ps.Failed() {
		t.Fatal(ps)
	}
	return p
}

func (r *rig) stop() {
	if r.loop == nil {
		return
	}
	r.quiet()
	r.do(func() {
		r.source.Close()
		r.uevent.Close()
	})
	r.loop.Stop()
	<-r.ended
	r.loop.Close()
	r.loop = nil
	if r.t.Failed() {
		r.t.Log(r.log.String())
	}
}

// Write takes the log.
func (r *rig) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(line)
}

// emit does what the agent does with events.
func (r *rig) emit(e *sources.Event) {
	if e.Topic.Kind != "mount" {
		r.notify(e)
		return
	}
	if e.Standing > sources.Begins {
		return
	}
	var b strings.Builder
	name, _ := e.Lookup("DEVNAME")
	if _, err := os.Stat(r.dir + "/sticks/" + filepath.Base(name.String())); err != nil {
		return // a loop device of somebody else's
	}
	fmt.Fprintf(&b, "%s %s %s", e.Topic.State, name, e.Topic.Name)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, b.String())
	r.more.Broadcast()
}

// expect waits for the next event, which must have these words.
func (r *rig) expect(words ...string) string {
	r.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.more.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.at == len(r.events) && !late {
		r.more.Wait()
	}
	if late {
		r.t.Fatalf("no event with %q in\n%s\n%s", words, strings.Join(r.events, "\n"), r.log.String())
	}
	e := r.events[r.at]
	r.at++
	for _, w := range words {
		if !strings.Contains(e, w) {
			r.t.Fatalf("expected %q, got\n%s\n%s", words, e, r.log.String())
		}
	}
	return e
}

// do calls f on the loop's thread.
func (r *rig) do(f func()) {
	r.t.Helper()
	done := make(chan struct{})
	r.loop.Post(func() {
		f()
		close(done)
	})
	select {
	case <-done:
	case <-time.After(patience):
		r.t.Fatal("the loop does not answer")
	}
}

// ask begins a request and waits for its end.
func (r *rig) ask(begin func(done func(error))) error {
	r.t.Helper()
	result := make(chan error, 1)
	r.do(func() { begin(func(err error) { result <- err }) })
	return await(r.t, result)
}

// await waits for the end of a request.
func await(t *testing.T, end chan error) error {
	t.Helper()
	select {
	case err := <-end:
		return err
	case <-time.After(patience):
		t.Fatal("a request has no end")
		return nil
	}
}

func (r *rig) unmount(target string, lazy, kill bool) error {
	r.t.Helper()
	return r.ask(func(done func(error)) {
		r.source.Unmount(UnmountRequest{Target: target, Lazy: lazy, Kill: kill}, done)
	})
}

// quiet waits until nothing is under way any more, of what the kernel has reported by now.
func (r *rig) quiet() {
	r.t.Helper()
	r.do(func() {}) // whoever is ready with this is ready with what was reported before
	r.until("nothing is under way", func() bool { return r.loop.Pending() == 0 })
}

// until waits until ok, which is called on the loop's thread whenever something was done in the background, returns true.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	done := make(chan struct{})
	r.do(func() {
		r.loop.did = func() {
			if ok() {
				r.loop.did = func() {}
				close(done)
			}
		}
		r.loop.did()
	})
	select {
	case <-done:
	case <-time.After(patience):
		r.t.Fatal("never: ", what)
	}
}

// A watchedLoop is a loop that calls did whenever something was done in the background. Its timers go to later, unless that
// is nil, and return nil.
type watchedLoop struct {
	*loop.Loop
	did   func()
	later func(fire func()) sources.Timer
}

// After implements sources.Loop.
func (l *watchedLoop) After(d time.Duration, fire func()) sources.Timer {
	if l.later != nil {
		return l.later(fire)
	}
	return l.Loop.After(d, fire)
}

// holdTimers has the timers that are set from now on wait to be called, until the test ends. They are for the loop's thread.
func (r *rig) holdTimers() *[]func() {
	r.t.Helper()
	due := &[]func(){}
	r.do(func() {
		r.loop.later = func(fire func()) sources.Timer {
			*due = append(*due, fire)
			return nil
		}
	})
	return due
}

// Beside implements sources.Loop.
func (l *watchedLoop) Beside(work, done func()) {
	l.Loop.Beside(work, func() {
		done()
		l.did()
	})
}

// pull acts the kernel's word that a device has gone: a loop device cannot be
// pulled.
func (r *rig) pull(d *stick) {
	r.t.Helper()
	r.pullMedium(d, 0)
}

// pullMedium does so for a medium that came so many after the one that is
// there, or before it.
func (r *rig) pullMedium(d *stick, later int) {
	r.t.Helper()
	r.announce(d, "remove", later)
}

// changeMedium acts the kernel's word that there may be another medium.
func (r *rig) changeMedium(d *stick) {
	r.t.Helper()
	r.announce(d, "change", 1, sources.Field{Name: "DISK_MEDIA_CHANGE", Value: sources.Text("1")})
}

// notify has the source receive an event in memory that is then used again, as the
// agent's queue does it.
func (r *rig) notify(e *sources.Event) {
	lent := e.Clone()
	lent.Borrowed = true
	text := lent.CopyStrings(nil)
	r.source.Notify(lent)
	clear(text)
}

func (r *rig) announce(d *stick, action string, later int, more ...sources.Field) {
	r.t.Helper()
	r.do(func() {
		id, err := r.source.real.blocks.find(d.name)
		if err != nil {
			r.t.Errorf("%s: %v", d.name, err)
		}
		major, minor, _ := strings.Cut(id.number, ":")
		seq, _ := strconv.Atoi(id.seq)
		r.notify(&sources.Event{Topic: sources.Topic{Kind: "uevent", Name: "block", State: action}, Fields: append([]sources.Field{
			{Name: "DEVNAME", Value: sources.Text(id.name)}, {Name: "DEVPATH", Value: sources.Text(id.path)},
			{Name: "MAJOR", Value: sources.Text(major)}, {Name: "MINOR", Value: sources.Text(minor)},
			{Name: "DISKSEQ", Value: sources.Text(strconv.Itoa(seq + later))},
		}, more...)})
	})
}

// image makes a filesystem in a file, by the tool that formats real ones.
func image(t testing.TB, tool string, args ...string) string {
	t.Helper()
	const size = 32 << 20
	return imageOf(t, size, tool, args...)
}

func imageOf(t testing.TB, size int64, tool string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stick.img")
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(size)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(tool, append(args, path)...)
	c.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
	return path
}

func ext4(t testing.TB, label string) string {
	t.Helper()
	return image(t, "/usr/sbin/mkfs.ext4", "-q", "-F", "-L", label, "-E", "root_owner=0:0")
}

// stick is a loop device, made for one test.
type stick struct {
	t      testing.TB
	number int
	name   string // DEVNAME
}

// newStick adds a loop device without content, whose node is in the rig's
// folder of devices dir: where /dev is no devtmpfs, as in a container, no other
// one appears.
func newStick(t testing.TB, dir string) *stick {
	t.Helper()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for n := 50 + os.Getpid()%500; n < 1000; n++ {
		if loopControl(control, unix.LOOP_CTL_ADD, n) != nil {
			continue
		}
		d := &stick{t, n, fmt.Sprintf("%s/dev/loop%d", dir, n)}
		t.Cleanup(d.destroy)
		if err := os.MkdirAll(dir+"/dev", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(fmt.Sprintf("%s/sticks/loop%d", dir, n), 0o755); err != nil { // it is ours
			t.Fatal(err)
		}
		if err := unix.Mknod(d.name, unix.S_IFBLK|0o600, int(unix.Mkdev(7, uint32(n)))); err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Fatal("no loop device can be added")
	return nil
}

func loopControl(control *os.File, request uintptr, n int) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, control.Fd(), request, uintptr(n))
	if errno != 0 {
		return errno
	}
	return nil
}

// insert puts an image into the device, which the kernel announces by a change.
func (d *stick) insert(image string, readOnly bool) {
	d.t.Helper()
	flags := os.O_RDWR
	if readOnly {
		flags = os.O_RDONLY
	}
	backing, err := os.OpenFile(image, flags, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer backing.Close()
	dev, err := os.OpenFile(d.name, flags, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer dev.Close()
	c := unix.LoopConfig{Fd: uint32(backing.Fd())}
	if readOnly {
		c.Info.Flags = unix.LO_FLAGS_READ_ONLY
	}
	if err := unix.IoctlLoopConfigure(int(dev.Fd()), &c); err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
}

func (d *stick) empty() {
	if dev, err := os.Open(d.name); err == nil {
		_ = unix.IoctlSetInt(int(dev.Fd()), unix.LOOP_CLR_FD, 0)
		dev.Close()
	}
}

// destroy takes the device away again, whatever is mounted of it.
func (d *stick) destroy() {
	mounts, _ := mountinfo("/proc").read()
	for _, e := range mounts {
		if e.source == d.name {
			_ = unix.Unmount(e.point, unix.MNT_DETACH)
		}
	}
	d.empty()
	if control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0); err == nil {
		_ = loopControl(control, unix.LOOP_CTL_REMOVE, d.number)
		control.Close()
	}
}
