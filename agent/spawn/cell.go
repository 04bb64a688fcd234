// SPDX-License-Identifier: MIT

// Cells: a cgroup for each program, where the agent has a part of cgroup v2 for
// itself. A process group can be left (setsid); a cgroup cannot, without rights
// to it. So a timeout ends all that a program has started.

package spawn

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Below the cgroup that is ours there are one with ourselves, since processes
// may be only in leaves, and one with the cgroups of programs.
const (
	ownLeaf      = "reflexd-agent"
	programsCell = "reflexd-programs"
)

// idleCells is how many cgroups are kept for programs to come: making one takes
// longer than starting a program in it.
const idleCells = 4

// cells makes and keeps the cgroups of programs.
type cells struct {
	dir  string // of programsCell
	made int
	idle []*cell
	// left are cgroups whose program is over and in which something was left
	// running that nobody follows any more.
	left   []*cell
	closed bool // no more programs get one
	// controls are the controllers that a program can be limited by.
	controls []string
}

// cell is the cgroup of one program.
type cell struct {
	dir     string
	fd      int // of the folder
	limited []string
}

// UseCgroups gives each program a cgroup of its own, below that of the agent,
// which must have been left to it: by systemd (Delegate=yes), or since there is
// no systemd. It moves the process into a leaf of it. Without (an error says
// why) programs are followed by their process groups alone.
func (s *Starter) UseCgroups() error {
	base, err := delegated("/proc/self")
	if err != nil {
		return err
	}
	c, err := openCells(base)
	if err != nil {
		return err
	}
	s.setting.cells = c
	return nil
}

// takeCell returns a cgroup for a program; nil for none.
func (s *Starter) takeCell() *cell {
	if c := s.setting.cells; c == nil || c.closed || !s.setting.clone3 {
		return nil
	}
	one, err := s.setting.cells.take()
	if err != nil {
		s.giveUpCells(err)
		return nil
	}
	return one
}

// giveUpCells goes on without cgroups for the programs to come.
func (s *Starter) giveUpCells(err error) {
	if c := s.setting.cells; !c.closed {
		c.closed = true
		s.log.Warn("programs no longer get their own cgroup: processes that leave their group outlive the timeout", "error", err)
	}
}

// UsesCgroups returns nil if the agent that is process pid gives its programs
// cgroups of their own, and else why not.
func UsesCgroups(proc string, pid int) error {
	base, err := delegated(filepath.Join(proc, strconv.Itoa(pid)))
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(base, programsCell)); err != nil {
		return fmt.Errorf("no cgroups are made for them in %s", base)
	}
	return nil
}

// delegated returns the folder of the cgroup that is a process's to divide.
func delegated(process string) (string, error) {
	mounts, err := os.ReadFile(filepath.Join(process, "mountinfo"))
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile(filepath.Join(process, "cgroup"))
	if err != nil {
		return "", err
	}
	return delegatedIn(string(mounts), string(own), isDelegated)
}

// delegatedIn finds it in the texts of a process's mountinfo and cgroup.
func delegatedIn(mounts, own string, isDelegated func(dir string) bool) (string, error) {
	mount := cgroupMount(mounts)
	if mount == "" {
		return "", errors.New("cgroup v2 is not mounted")
	}
	path := ""
	for line := range strings.Lines(own) {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			path = strings.TrimSpace(p)
		}
	}
	if path == "" {
		return "", errors.New("the agent is in no cgroup of version 2")
	}
	base := strings.TrimSuffix(filepath.Join(mount, path), "/"+ownLeaf) // we were here before
	if !isDelegated(base) {
		return "", fmt.Errorf("the cgroup %s belongs to systemd: set Delegate=yes in the service", path)
	}
	return base, nil
}

// cgroupMount returns where cgroup v2 is mounted; "" for nowhere.
func cgroupMount(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		const root, point = 3, 4
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > point && fields[root] == "/" {
			return fields[point]
		}
	}
	return ""
}

// isDelegated reports whether systemd has left a cgroup to its service, or
// there is no systemd.
func isDelegated(dir string) bool {
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		var value [4]byte
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	_, err := os.Stat("/run/systemd/system")
	return err != nil
}

// openCells divides the cgroup base.
func openCells(base string) (*cells, error) {
	c := &cells{dir: filepath.Join(base, programsCell)}
	if err := makeCgroup(c.dir); err != nil {
		return nil, err
	}
	c.sweep()
	if _, err := os.Stat(filepath.Join(base, "cgroup.type")); err == nil { // not the root, where processes may stay
		leaf := filepath.Join(base, ownLeaf)
		if err := makeCgroup(leaf); err != nil {
			return nil, err
		}
		if err := set(leaf, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
			return nil, err
		}
	}
	for _, controller := range []string{"pids", "memory"} {
		if set(base, "cgroup.subtree_control", "+"+controller) == nil && set(c.dir, "cgroup.subtree_control", "+"+controller) == nil {
			c.controls = append(c.controls, controller)
		}
	}
	c.keepRoom(base)
	first, err := c.take()
	if err != nil {
		return nil, err
	}
	c.idle = append(c.idle, first)
	return c, nil
}

// keepRoom leaves programs, all together, fewer processes than may be in base:
// the rest is the agent's.
func (c *cells) keepRoom(base string) {
	const ours = 64
	text, _ := os.ReadFile(filepath.Join(base, "pids.max"))
	if most, err := strconv.Atoi(string(bytes.TrimSpace(text))); err == nil && most > 2*ours {
		_ = set(c.dir, "pids.max", strconv.Itoa(most-ours))
	}
}

func makeCgroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make a cgroup: %w", err)
	}
	return nil
}

func set(dir, file, value string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(value), 0)
}

// sweep removes what an agent that was killed has left. Another one may live,
// where there is no systemd.
func (c *cells) sweep() {
	entries, _ := os.ReadDir(c.dir)
	for _, e := range entries {
		owner, _, _ := strings.Cut(e.Name(), ".")
		if pid, err := strconv.Atoi(owner); err == nil && (pid == os.Getpid() || unix.Kill(pid, 0) == unix.ESRCH) {
			_ = unix.Rmdir(filepath.Join(c.dir, e.Name()))
		}
	}
}

// take returns a cgroup with nothing in it.
func (c *cells) take() (*cell, error) {
	c.reclaim()
	if n := len(c.idle); n > 0 {
		one := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return one, nil
	}
	for {
		c.made++
		dir := filepath.Join(c.dir, fmt.Sprintf("%d.%d", os.Getpid(), c.made))
		err := unix.Mkdir(dir, 0o755)
		if err == unix.EEXIST { // somebody of an agent that was killed lives in it
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("make the cgroup %s: %w", dir, err)
		}
		fd, err := above2(unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		if err != nil {
			return nil, fmt.Errorf("open the cgroup %s: %w", dir, err)
		}
		return &cell{dir: dir, fd: fd}, nil
	}
}

// reclaim takes back one of the cgroups in which something was left.
func (c *cells) reclaim() {
	if len(c.left) == 0 {
		return
	}
	first := c.left[0]
	c.left = c.left[1:]
	c.put(first)
}

// put takes back the cgroup of a program that is over.
func (c *cells) put(one *cell) {
	switch {
	case one.populated():
		c.left = append(c.left, one)
	case len(c.idle) < idleCells && one.unlimit():
		c.idle = append(c.idle, one)
	default:
		one.remove()
	}
}

func (c *cells) close() {
	if c == nil {
		return
	}
	for _, one := range append(c.idle, c.left...) {
		one.remove()
	}
	c.idle, c.left = nil, nil
	_ = unix.Rmdir(c.dir)
}

func (c *cell) remove() {
	unix.Close(c.fd)
	_ = unix.Rmdir(c.dir)
}

// limit sets what the cgroup may have; unlimit takes it back.
func (c *cell) limit(file, value string) error {
	c.limited = append(c.limited, file)
	return c.write(file, value)
}

func (c *cell) unlimit() bool {
	for _, file := range c.limited {
		if c.write(file, "max") != nil {
			return false
		}
	}
	c.limited = nil
	return true
}

// populated reports whether a process lives in it; true if that is unknown.
func (c *cell) populated() bool {
	var text [128]byte
	n, err := c.read("cgroup.events", text[:])
	return err != nil || !bytes.Contains(text[:n], []byte("populated 0"))
}

// term sends SIGTERM to its processes, but for those of the process group of
// its leader, unless that is gone.
func (c *cell) term(leader int, gone bool) {
	c.each(func(pid int) {
		if group, err := unix.Getpgid(pid); err == nil && (gone || group != leader) {
			_ = unix.Kill(pid, unix.SIGTERM)
			_ = unix.Kill(pid, unix.SIGCONT)
		}
	})
}

// kill kills all that is in it: before Linux 5.14, what it finds there.
func (c *cell) kill() {
	if c.write("cgroup.kill", "1") == nil {
		return
	}
	const rounds = 10 // for what is made meanwhile
	for range rounds {
		found := false
		c.each(func(pid int) {
			found = true
			_ = unix.Kill(pid, unix.SIGKILL)
		})
		if !found {
			return
		}
	}
}

// each calls f for the processes in it, zombies among them.
func (c *cell) each(f func(pid int)) {
	text := make([]byte, 64<<10)
	n, err := c.read("cgroup.procs", text)
	if err != nil {
		return
	}
	for line := range bytes.Lines(text[:n]) {
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil && pid > 0 {
			f(pid)
		}
	}
}

func (c *cell) read(file string, to []byte) (int, error) {
	fd, err := unix.Openat(c.fd, file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.Read(fd, to)
}

func (c *cell) write(file, text string) error {
	fd, err := unix.Openat(c.fd, file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}
