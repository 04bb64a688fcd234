// SPDX-License-Identifier: MIT

package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What the agent gave itself is not for its programs.
func TestProgramsGetWhatWasBefore(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test raises a priority and needs root")
	}
	r := newRig(t)
	const script = `ulimit -i 2>/dev/null || sed -n "s/^Max pending signals *\\([0-9]*\\).*/\\1/p" /proc/$$/limits; cut -d" " -f19,41 /proc/$$/stat`
	var before *unix.SchedAttr
	r.do(func() {
		before, _ = unix.SchedGetAttr(0, 0)
		raised := &unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1}
		if err := unix.SchedSetAttr(0, raised, 0); err != nil { // of the loop's thread
			if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -5); err != nil {
				t.Error(err)
			}
		}
		r.GiveBack(Before{Pending: &unix.Rlimit{Cur: 77, Max: 78}, Priority: before})
	})
	if out, res := r.run(Spec{Argv: sh(script)}); out != fmt.Sprintf("77\n%d 0\n", ownNice(t)) {
		t.Errorf("got %q, %v", out, res.Failure())
	}
}

// What must be done while nothing can be in the way of it is done before a program
// runs.
func TestPrepareComesBeforeThePrograms(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "prepared")
	r.do(func() {
		r.Prepare = func() {
			if err := os.WriteFile(file, []byte("prepared\n"), 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	if out, res := r.run(Spec{Argv: []string{"cat", file}}); out != "prepared\n" {
		t.Errorf("got %q, %v", out, res.Failure())
	}
}
