// SPDX-License-Identifier: MIT

//go:build !386

package signal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEntryMaskIsWhatRulesCanHave(t *testing.T) {
	set := takenSet()
	for n := 1; n <= rtMax; n++ {
		if got, want := entryMask>>(n-1)&1 == 1, set.Val[(n-1)/wordBits]>>((n-1)%wordBits)&1 == 1; got != want {
			t.Errorf("signal %d: %v, want %v", n, got, want)
		}
	}
}

// The program that is linked for boards has the signals blocked in all threads
// without being executed twice.
func TestEntryBlocksInAllThreads(t *testing.T) {
	program := filepath.Join(t.TempDir(), "helper")
	build := exec.Command("go", "test", "-c", "-ldflags=-E reflexd_entry", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // with cgo, the C library's entry comes first
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h := startHelper(t, "churn", program)
	if want := `ready comm=helper marked="" blocked=true`; h.ready != want {
		t.Errorf("helper said %q, want %q", h.ready, want)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", h.pid))
	if err != nil || strings.Contains(string(environ), markName) {
		t.Errorf("the helper was executed twice: %q, %v", environ, err)
	}
	queue(t, h.pid, rtMin+2, -7)
	if got := h.end(t); len(got) != 1 || !strings.Contains(got[0], "VALUE=-7") {
		t.Errorf("events %q", got)
	}
}
