// SPDX-License-Identifier: MIT

package file

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts a new tmpfs at DIR/name.
func (r *rig) mount(name string) {
	r.t.Helper()
	at := r.path(name)
	if err := unix.Mount("none", at, "tmpfs", 0, ""); err != nil {
		r.t.Skip("cannot mount: ", err)
	}
	r.t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

// A path is a name: what is mounted there later is watched, each time.
func TestChangesOnWhatIsMountedLater(t *testing.T) {
	r := newRig(t)
	r.must(os.Mkdir(r.path("m"), 0o700))
	r.apply("files: {in: {path: DIR/m/in, watch: changes, events: [written]}, one: {path: DIR/m/one, watch: changes}}")
	for range 3 {
		r.mount("m")
		r.must(os.Mkdir(r.path("m/in"), 0o700))
		r.awaitStatus("in")
		r.must(os.WriteFile(r.path("m/in/a"), []byte("x"), 0o600))
		r.expect("changed in EVENT=written NAME=a")
		r.must(os.WriteFile(r.path("m/one"), []byte("x"), 0o600))
		r.expect("changed one EVENT=created NAME=one", "changed one EVENT=written NAME=one")
		r.must(unix.Unmount(r.path("m"), 0))
		r.expect("changed one EVENT=deleted NAME=one SYNTHETIC=1")
	}
}

// awaitStatus waits until the file is there.
func (r *rig) awaitStatus(name string) {
	r.t.Helper()
	for !r.status(name).OK {
	}
}

// A FIFO on what is mounted later is opened; one that something is mounted over
// is closed; and what is mounted over the very path counts too.
func TestNodesOnWhatIsMountedLater(t *testing.T) {
	r := newRig(t)
	r.must(os.Mkdir(r.path("m"), 0o700))
	r.fifo("over")
	r.fifo("other")
	r.apply("files: {a: {path: DIR/m/a, watch: epoll}, b: {path: DIR/over, watch: epoll}}")
	for range 2 {
		r.mount("m")
		r.fifo("m/a")
		r.awaitStatus("a")
		w := r.writer("m/a")
		r.write(w, "x")
		r.expect("readable a TEXT=x")
		w.Close()
		r.expect("hung-up a")
		r.must(unix.Unmount(r.path("m"), unix.MNT_DETACH))
		r.await("it is closed", func() bool { return strings.Contains(r.log.String(), "file lost") })
		for r.status("a").OK {
		}
	}
	r.must(unix.Mount(r.path("other"), r.path("over"), "", unix.MS_BIND, ""))
	defer unix.Unmount(r.path("over"), unix.MNT_DETACH)
	r.await("it is closed", func() bool {
		return strings.Contains(strings.Join(describe(r.heard), "\n"), "hung-up b")
	})
	r.taken = len(r.heard)
	r.awaitStatus("b")
	w := r.writer("other")
	r.write(w, "y")
	r.expect("readable b TEXT=y")
	w.Close()
}

// A mount that comes and goes before anybody has looked leaves no trace in the table of
// mounts, but what was opened on it.
func TestNodesOnWhatIsMountedForAMoment(t *testing.T) {
	r := newRig(t)
	r.must(os.Mkdir(r.path("m"), 0o700))
	r.apply("files: {a: {path: DIR/m/a, watch: epoll}}")
	r.mount("m")
	r.fifo("m/a")
	r.do(r.source.visitAll) // as when a device appears
	r.logged("file opened")
	r.must(unix.Unmount(r.path("m"), unix.MNT_DETACH))
	r.expect("hung-up a")
}

// The changes of one file come in their order, though it is read in between, and
// each comes once.
func TestChangesOfAFileAreInOrder(t *testing.T) {
	r := newRig(t)
	r.apply("files: {c: {path: DIR/c, watch: changes, read: all, events: [created, written, deleted]}}")
	var want []string
	for i := range 200 {
		r.must(os.WriteFile(r.path("c"), fmt.Append(nil, i), 0o600))
		r.must(os.Remove(r.path("c")))
		want = append(want, "created", "written", "deleted")
	}
	r.await("all changes", func() bool { return len(r.heard) >= len(want) })
	var got []string
	for _, e := range r.heard {
		v, _ := e.Lookup("EVENT")
		got = append(got, v.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("not in order: %q", got)
	}
}

// A file that appears together with its folders has appeared and was written
// once, whatever of it was seen.
func TestFileThatAppearsWithItsFolders(t *testing.T) {
	r := newRig(t)
	r.apply("files: {c: {path: DIR/x/y/conf, watch: changes, read: all, events: [created, written, deleted]}}")
	for i := range 50 {
		r.must(os.MkdirAll(r.path("x/y"), 0o700))
		r.must(os.WriteFile(r.path("x/y/conf"), []byte("1"), 0o600))
		r.await("created and written", func() bool { return len(r.heard)-r.taken >= 2 })
		r.must(os.RemoveAll(r.path("x")))
		r.await("deleted", func() bool {
			last, _ := r.heard[len(r.heard)-1].Lookup("EVENT")
			return last.String() == "deleted"
		})
		r.mu.Lock()
		got := describe(r.heard[r.taken:])
		r.taken = len(r.heard)
		r.mu.Unlock()
		// What takes a busy machine longer than 100 ms may be reported twice.
		got = slices.DeleteFunc(got, func(e string) bool {
			return strings.Contains(e, "EVENT=written") && strings.Contains(e, "SYNTHETIC=1") && len(got) > 3
		})
		for j, word := range []string{"EVENT=created", "EVENT=written", "EVENT=deleted"} {
			if len(got) != 3 || !strings.Contains(got[j], word) {
				t.Fatalf("round %d: %q", i, got)
			}
		}
	}
}
