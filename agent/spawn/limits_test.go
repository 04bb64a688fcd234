// SPDX-License-Identifier: MIT

package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLimits(t *testing.T) {
	nice, umask := 7, 0o27
	l := Limits{Memory: 64 << 20, Nice: &nice, Umask: &umask, NoNewPrivs: true}
	const script = `umask; ulimit -d; cut -d" " -f19 /proc/$$/stat; grep NoNewPrivs /proc/$$/status; cat /proc/$$/autogroup 2>/dev/null`
	r := newRig(t)
	out, res := r.run(Spec{Argv: sh(script), Limits: l})
	want := "0027\n65536\n7\nNoNewPrivs:\t1\n"
	if !strings.HasPrefix(out, want) || res.Failure() != nil {
		t.Errorf("got %q, %v", out, res.Failure())
	}
	if group, ok := strings.CutPrefix(out, want); ok && group != "" && !strings.HasSuffix(group, "nice 7\n") {
		t.Errorf("among sessions its nice value is not 7: %s", group)
	}
	out, _ = r.run(Spec{Argv: sh(script)})
	if strings.HasPrefix(out, "0027") || !strings.Contains(out, fmt.Sprintf("unlimited\n%d\nNoNewPrivs:\t0\n", ownNice(t))) {
		t.Errorf("without limits: %q", out)
	}
}

// ownNice is the nice value of the tests, which somebody may have started by nice(1).
func ownNice(t *testing.T) int {
	t.Helper()
	kernel, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	if err != nil {
		t.Fatal(err)
	}
	return 20 - kernel
}

// Without close_range nobody knows which descriptor is free.
func TestNiceWithoutCloseRange(t *testing.T) {
	r := newRig(t)
	r.do(func() { refuse(t, unix.SYS_CLOSE_RANGE) })
	nice := 7
	out, res := r.run(Spec{Argv: sh(`cut -d" " -f19 /proc/$$/stat; cat /proc/$$/autogroup 2>/dev/null`), Limits: Limits{Nice: &nice}})
	if !strings.HasPrefix(out, "7\n") || strings.Contains(out, "nice 7") || res.Failure() != nil {
		t.Errorf("got %q, %v", out, res.Failure())
	}
}

func TestProcessesWantACgroup(t *testing.T) {
	_, res := newRig(t).run(Spec{Argv: []string{"true"}, Limits: Limits{Processes: 5}})
	want := "start true: limit its processes: it does not have its own cgroup with the controller pids (see `reflexd doctor`)"
	if err := res.Failure(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// What a program was limited to is not so for the next one in its cgroup.
func TestLimitsOfACgroupAreTakenBack(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pids.max")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	c := &cell{dir: dir, fd: fd}
	content := func() string {
		text, _ := os.ReadFile(file)
		return string(text)
	}
	if err := c.limit("pids.max", "12"); err != nil || content() != "12" {
		t.Error(content(), err)
	}
	if !c.unlimit() || !strings.HasPrefix(content(), "max") || c.limited != nil {
		t.Error(content())
	}
	if err := c.limit("memory.max", "12"); err == nil {
		t.Error("a limit that is not there was set")
	}
}
