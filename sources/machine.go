// SPDX-License-Identifier: MIT

// Machine: where its files are, and what runs on it.

package sources

import (
	"os"
	"path/filepath"
	"strings"
)

// Machine is the machine that the program runs on.
type Machine struct {
	Root string // where / is: "" but for tests
}

// Path returns where the path, which begins with a slash, is.
func (m Machine) Path(path string) string { return m.Root + path }

// Host returns what a source needs to look at the machine, and no loop.
func (m Machine) Host() Host {
	return Host{Dev: m.Path("/dev"), Sys: m.Path("/sys"), Proc: m.Path("/proc")}
}

// Process is a process that runs.
type Process struct {
	Pid  string
	Comm string // of which the kernel keeps 15 bytes
}

// Processes returns the processes that run.
func (m Machine) Processes() []Process {
	entries, _ := os.ReadDir(m.Path("/proc"))
	var all []Process
	for _, e := range entries {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(m.Path("/proc"), e.Name(), "comm"))
		if err == nil {
			all = append(all, Process{e.Name(), strings.TrimSpace(string(comm))})
		}
	}
	return all
}

// StatusField returns a field of a status file of proc(5), or "".
func StatusField(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
