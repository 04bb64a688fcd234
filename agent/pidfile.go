// SPDX-License-Identifier: MIT

// The PID file. Its folder may be one where others make files.

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"reflexd/regular"
)

// longestPidFile is the size in bytes of the largest file that is taken for a
// PID file.
const longestPidFile = 64

// writePidFile writes our process number to path. The file is complete
// whenever it is there. proc is where /proc is. It may block.
func writePidFile(path, proc string) error {
	if other := holderOf(path, proc); other != 0 {
		return fmt.Errorf("write PID file %s: it belongs to process %d, a running reflexd", path, other)
	}
	if err := regular.Replace(path, fmt.Sprintf("%d\n", os.Getpid()), 0o644); err != nil {
		return fmt.Errorf("write PID file: %w", err)
	}
	return nil
}

// holderOf returns the process that the PID file at path names, if that is
// another one of ours that is alive.
func holderOf(path, proc string) int {
	pid := pidIn(path)
	if pid == 0 || pid == os.Getpid() {
		return 0
	}
	theirs, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "comm"))
	ours, _ := os.ReadFile(filepath.Join(proc, "self", "comm"))
	if err != nil || string(theirs) != string(ours) {
		return 0
	}
	return pid
}

// pidIn returns the process number in the file at path; 0 for none.
func pidIn(path string) int {
	text, err := regular.Read(path, longestPidFile)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// removePidFile removes the file at path if it is ours. It may block.
func removePidFile(path string) error {
	if pidIn(path) != os.Getpid() {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// leavePidFile removes the PID file at the end, unless the disk does not
// answer.
func (a *Agent) leavePidFile() {
	if a.pidFile == "" {
		return
	}
	removed := make(chan error, 1)
	go func() { removed <- removePidFile(a.pidFile) }()
	const patience = time.Second
	select {
	case err := <-removed:
		a.logPidFile(err)
	case <-time.After(patience):
		a.logPidFile(errors.New("the disk does not answer"))
	}
}

func (a *Agent) logPidFile(err error) {
	if err != nil {
		a.log.Warn("cannot remove the PID file", "error", err)
	}
}
