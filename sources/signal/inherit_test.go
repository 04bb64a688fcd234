// SPDX-License-Identifier: MIT

package signal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// helperProcess is a running helper.
type helperProcess struct {
	pid   int
	ready string
	lines *bufio.Scanner
	cmd   *exec.Cmd
}

func startHelper(t *testing.T, mode, path string) *helperProcess {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // it never ends if it misses the last signal
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(os.Environ(), helperName+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	h := &helperProcess{pid: cmd.Process.Pid, lines: bufio.NewScanner(out), cmd: cmd}
	if h.lines.Scan(); !strings.HasPrefix(h.lines.Text(), "ready") {
		t.Fatalf("helper said %q", h.lines.Text())
	}
	h.ready = h.lines.Text()
	return h
}

// end makes the helper end, and returns the events that it received.
func (h *helperProcess) end(t *testing.T) []string {
	t.Helper()
	queue(t, h.pid, rtMax, 0)
	var events []string
	for h.lines.Scan() && !strings.HasPrefix(h.lines.Text(), last) {
		events = append(events, h.lines.Text())
	}
	return events
}

func TestInheritBlocksInAllThreads(t *testing.T) {
	h := startHelper(t, "churn", os.Args[0])
	comm := filepath.Base(os.Args[0])
	want := fmt.Sprintf(`ready comm=%.15s marked="" blocked=true`, comm)
	if h.ready != want {
		t.Errorf("helper said %q, want %q", h.ready, want)
	}
	h.end(t)
}

func TestSignalsArriveComplete(t *testing.T) {
	h := startHelper(t, "churn", os.Args[0])
	if err := unix.Kill(h.pid, unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	queue(t, h.pid, rtMin+2, -7)
	queueThread(t, h.pid, rtMin+3, 1234)
	got := h.end(t)
	slices.Sort(got) // what was sent to the thread is handed out first
	sender := fmt.Sprintf("SENDER_PID=%d SENDER_UID=%d", os.Getpid(), os.Getuid())
	want := []string{
		"SIGRTMIN+2 NUMBER=36 VALUE=-7 CODE=queue " + sender,
		"SIGRTMIN+3 NUMBER=37 VALUE=1234 CODE=queue " + sender,
		"SIGUSR1 NUMBER=10 VALUE=0 CODE=user " + sender,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoneLost(t *testing.T) {
	const count = 5000
	h := startHelper(t, "churn", os.Args[0])
	for i := range count {
		queue(t, h.pid, rtMin+4, i)
		queueThread(t, h.pid, rtMin+5, i)
	}
	next := map[string]int{}
	for _, line := range h.end(t) {
		var name string
		var number, value int
		if _, err := fmt.Sscanf(line, "%s NUMBER=%d VALUE=%d", &name, &number, &value); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if value != next[name] {
			t.Fatalf("%s: value %d came after %d", name, value, next[name]-1)
		}
		next[name]++
	}
	for _, name := range []string{"SIGRTMIN+4", "SIGRTMIN+5"} {
		if next[name] != count {
			t.Errorf("%s: %d of %d arrived", name, next[name], count)
		}
	}
}

// A binary that was replaced while it ran has a path that leads nowhere, or to
// another program.
func TestInheritOfDeletedBinary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent")
	copyFile(t, os.Args[0], path)
	h := startHelper(t, "deleted", path)
	if want := `ready comm=exe marked="" blocked=true`; h.ready != want {
		t.Errorf("helper said %q, want %q", h.ready, want)
	}
	h.end(t)
}

// The shell's exec keeps its number, so the helper finds the mark of a process
// that was started again already, and must not try for ever.
func TestInheritOnlyOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `exec env `+markName+`=$$ "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), helperName+"=still")
	out, err := cmd.Output()
	if err == nil || !strings.Contains(string(out), "failed: block signals in all threads: the mask did not survive exec") {
		t.Errorf("helper said %q, %v", out, err)
	}
}

func TestStartAgainFails(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "exe")
	err := startAgain(missing)
	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v does not name %s", err, missing)
	}
}

func TestRaisePending(t *testing.T) {
	if err := raisePending(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_SIGPENDING, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur != limit.Max || os.Getuid() == 0 && limit.Cur < minPending {
		t.Errorf("limit is %+v", limit)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
