// SPDX-License-Identifier: MIT

// Tests of programs in cgroups of their own.

package spawn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newCellRig is newRig with a cgroup for each program, in one of the test's
// own.
func newCellRig(t testing.TB) *rig {
	t.Helper()
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	root := cgroupMount(string(mounts))
	if os.Getuid() != 0 || root == "" {
		t.Skip("needs root and cgroup v2")
	}
	base := filepath.Join(root, fmt.Sprintf("reflexd-test-%d", os.Getpid()))
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		_ = set(root, "cgroup.procs", strconv.Itoa(os.Getpid()))
		_ = unix.Rmdir(filepath.Join(base, ownLeaf))
		if err := unix.Rmdir(base); err != nil {
			t.Errorf("remove %s: %v", base, err)
		}
	})
	cells, err := openCells(base)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.do(func() { r.setting.cells = cells })
	return r
}

// A grandchild with a session of its own is out of reach of a signal to the
// process group.
const escape = `setsid sh -c 'trap "" TERM; echo $$; exec sleep 1000' & `

func lives(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && groupOfLiving(stat) > 0
}

func TestTimeoutEndsWhatLeftTheGroup(t *testing.T) {
	for name, script := range map[string]string{
		"leader runs":      escape + "sleep 1000",
		"leader has ended": escape + "true",
		"output closed":    `setsid sh -c 'trap "" TERM; echo $$; exec sleep 1000 >/dev/null 2>&1' & sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newCellRig(t)
			var pid string
			for timeout := 200 * time.Millisecond; pid == ""; timeout *= 2 { // it may not have come so far
				_, result := r.start(Spec{Argv: sh(script), Timeout: timeout, KillAfter: 50 * time.Millisecond,
					Output: func(line []byte) { pid = string(line) }})
				if res := r.await(result); res.Err != nil {
					t.Fatal(res.Err)
				}
				r.untilNothingIsLeft()
			}
			r.until("it is dead", func() bool { return !lives(pid) })
		})
	}
}

// Nobody waits for KillAfter, and SIGTERM reaches those outside of the group.
func TestStopReachesWhatLeftTheGroup(t *testing.T) {
	r := newCellRig(t)
	begin := time.Now()
	var pid string
	c, _ := r.start(Spec{Argv: sh(`setsid sh -c 'echo $$; exec sleep 1000' & wait`), Output: func(line []byte) { pid = string(line) }})
	r.until("it runs", func() bool { return pid != "" })
	r.do(c.Stop)
	r.untilNothingIsLeft()
	if took := time.Since(begin); lives(pid) || took > defaultKillAfter {
		t.Errorf("alive: %v, after %v", lives(pid), took)
	}
}

// Without a timeout the leader is reaped at its end; Stop finds the rest.
func TestStopAfterTheLeaderIsReaped(t *testing.T) {
	r := newCellRig(t)
	var pid string
	c, result := r.start(Spec{Argv: sh(`setsid sh -c 'echo $$; exec sleep 1000' & :`), Output: func(line []byte) { pid = string(line) }})
	r.await(result)
	r.until("it runs", func() bool { return pid != "" })
	r.do(c.Stop)
	r.untilNothingIsLeft()
	r.until("it is dead", func() bool { return !lives(pid) })
}

func TestCgroupsAreUsedAgain(t *testing.T) {
	r := newCellRig(t)
	before := openDescriptors(t)
	for range 20 {
		if out, res := r.run(Spec{Argv: sh("cat /proc/self/cgroup")}); res.Failure() != nil || !strings.HasSuffix(out, ".1\n") {
			t.Fatal(out, res.Failure())
		}
	}
	// One that nobody follows any more keeps its own.
	out, _ := r.run(Spec{Argv: sh("sleep 1000 >/dev/null 2>&1 & echo $!")})
	for range 3 {
		if out, _ := r.run(Spec{Argv: sh("cat /proc/self/cgroup")}); !strings.HasSuffix(out, ".2\n") {
			t.Error(out)
		}
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(out))
	_ = unix.Kill(pid, unix.SIGKILL)
	r.until("it is dead", func() bool { return r.setting.cells.left == nil || !r.setting.cells.left[0].populated() })
	r.until("its cgroup is given back", func() bool {
		r.setting.cells.reclaim()
		return openDescriptors(t) == before+1
	})
}

// Where clone3 is not known, programs run without.
func TestCgroupsThatAreRefused(t *testing.T) {
	r := newCellRig(t)
	r.do(func() { refuse(t, unix.SYS_CLONE3) })
	for range 2 {
		if out, res := r.run(Spec{Argv: sh("cat /proc/self/cgroup")}); res.Failure() != nil || strings.Contains(out, programsCell) {
			t.Error(out, res.Failure())
		}
	}
}

// What a killed agent left is removed, and what another one uses is not.
func TestCgroupsOfOtherAgents(t *testing.T) {
	r := newCellRig(t)
	dir := r.setting.cells.dir
	const gone = 1 << 30
	for _, owner := range []int{os.Getppid(), gone} {
		if err := os.Mkdir(fmt.Sprintf("%s/%d.7", dir, owner), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	(&cells{dir: dir}).sweep()
	if _, err := os.Stat(fmt.Sprintf("%s/%d.7", dir, gone)); err == nil {
		t.Error("what nobody uses any more is still there")
	}
	if err := unix.Rmdir(fmt.Sprintf("%s/%d.7", dir, os.Getppid())); err != nil {
		t.Error("another agent's:", err)
	}
}

func TestDelegatedIn(t *testing.T) {
	const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	const v1 = "30 23 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	ours := func(dir string) bool { return strings.HasSuffix(dir, "/reflexd.service") || dir == "/sys/fs/cgroup" }
	for _, c := range []struct{ mounts, own, want, why string }{
		{v1 + v2, "9:pids:/x\n0::/system.slice/reflexd.service\n", "/sys/fs/cgroup/system.slice/reflexd.service", ""},
		{v2, "0::/system.slice/reflexd.service/reflexd-agent\n", "/sys/fs/cgroup/system.slice/reflexd.service", ""},
		{v2, "0::/\n", "/sys/fs/cgroup", ""},
		{v2, "0::/user.slice/session-1.scope\n", "", "Delegate=yes"},
		{v1, "9:pids:/x\n", "", "not mounted"},
		{v1 + v2, "9:pids:/x\n", "", "in no cgroup"},
	} {
		got, err := delegatedIn(c.mounts, c.own, ours)
		if got != c.want || !strings.Contains(fmt.Sprint(err), c.why) {
			t.Errorf("%q: got %q, %v", c.own, got, err)
		}
	}
}

func TestCgroupThatCannotBeMade(t *testing.T) {
	if _, err := openCells(filepath.Join(t.TempDir(), "no", "such")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
