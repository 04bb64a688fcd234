// SPDX-License-Identifier: MIT

// Holders: the processes that keep a mount busy.

package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processes finds and ends the processes that keep a mount busy. It is the
// folder /proc.
type processes string

// holders says who uses something below point: "cp (812), sh (790)".
func (p processes) holders(point string) string {
	const most = 5
	var names []string
	pids := p.findHolders(point)
	for _, pid := range pids[:min(most, len(pids))] {
		name := readText(filepath.Join(string(p), strconv.Itoa(pid)), "comm")
		names = append(names, fmt.Sprintf("%s (%d)", name, pid))
	}
	switch {
	case len(pids) == 0:
		return "no visible process uses it; another mount, a loop device or the kernel may"
	case len(pids) > most:
		names = append(names, fmt.Sprintf("and %d more", len(pids)-most))
	}
	return "used by " + strings.Join(names, ", ")
}

// findHolders returns the processes that have an open file, their working or
// root folder, or a mapped file below point.
func (p processes) findHolders(point string) []int {
	folders, _ := os.ReadDir(string(p))
	var pids []int
	for _, e := range folders {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && holds(filepath.Join(string(p), e.Name()), point) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// holds looks at one process. The links are read and not followed: what they
// lead to may not answer.
func holds(process, point string) bool {
	for _, name := range []string{"cwd", "root", "exe"} {
		if link, err := os.Readlink(filepath.Join(process, name)); err == nil && under(link, point) {
			return true
		}
	}
	files, _ := os.ReadDir(filepath.Join(process, "fd"))
	for _, f := range files {
		if link, err := os.Readlink(filepath.Join(process, "fd", f.Name())); err == nil && under(link, point) {
			return true
		}
	}
	maps, _ := os.ReadFile(filepath.Join(process, "maps"))
	for line := range strings.Lines(string(maps)) {
		if i := strings.IndexByte(line, '/'); i >= 0 && under(strings.TrimSuffix(line[i:], "\n"), point) {
			return true
		}
	}
	return false
}

// under reports whether path is point or below it.
func under(path, point string) bool {
	rest, ok := strings.CutPrefix(path, point)
	return ok && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, " (deleted)"))
}

// evict ends the processes that keep the mount busy: first they are asked to,
// then they are killed. Neither process 1 nor we ourselves are.
func (p processes) evict(point string) error {
	for _, step := range []struct {
		signal unix.Signal
		grace  time.Duration
	}{{unix.SIGTERM, termGrace}, {unix.SIGKILL, killGrace}} {
		for _, pid := range p.findHolders(point) {
			if pid == 1 || pid == os.Getpid() {
				return fmt.Errorf("unmount %s: process %d uses it and must not be ended", point, pid)
			}
			_ = unix.Kill(pid, step.signal) // or it has ended meanwhile
		}
		for waited := time.Duration(0); waited < step.grace; waited += busyPause {
			if len(p.findHolders(point)) == 0 {
				return nil
			}
			time.Sleep(busyPause)
		}
	}
	return fmt.Errorf("unmount %s: killed, but still running: %s", point, p.holders(point))
}
