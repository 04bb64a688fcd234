// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

package fault

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Whoever looks for the agent by its name finds one process, while programs start too.
func TestNameOfANewProcess(t *testing.T) {
	names := map[string]bool{}
	a := newHost(t).launch(t, nil)
	a.mu.Lock()
	a.watch = func(c *Call) {
		if !c.own && c.Kind.Name == "execve" {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", c.tid))
			names[strings.TrimSpace(string(text))] = true
		}
	}
	a.mu.Unlock()
	if !a.started(patience) {
		t.Fatal(a.log(0))
	}
	if err := a.recover(0); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(names) != 1 || !names["(echo)"] {
		t.Errorf("before they were programs, processes were called %v", names)
	}
}
