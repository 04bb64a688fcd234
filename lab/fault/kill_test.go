// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

// An agent is killed before each of its calls that have a lasting effect, as the kernel may kill it when memory runs out.
// The next agent must work, and nothing may be left of what the first one had begun.

package fault

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// changing are the calls whose effect can outlast the process.
var changing = []string{"open", "openat", "write", "pwrite64", "ioctl", "bind", "mkdir", "mkdirat", "setxattr", "rename", "renameat",
	"rmdir", "unlinkat", "fchmod", "fchmodat", "fsync", "ftruncate", "mount", "umount2", "clone3"}

// kills returns a fault that kills for each such call of the phases.
func kills(phases []phase) (all []*fault) {
	for _, p := range phases {
		for _, site := range p.sites {
			f := &fault{site: site, kills: true}
			known := slices.ContainsFunc(all, func(f *fault) bool { return f.site == site })
			if known || !slices.Contains(changing, f.kind()) || strings.HasSuffix(site, "\nthe new process") {
				continue
			}
			if only := os.Getenv("FAULT"); strings.Contains(f.String(), only) {
				all = append(all, f)
			}
		}
	}
	return all
}

// killing kills an agent at a call, wherever in its life that is made, and returns what is wrong with the next one.
func killing(t *testing.T, h *host) attempt {
	return func(f *fault) error {
		a := h.launch(t, f, h.trapped(f)...)
		defer a.kill()
		if err := a.liveUntil(f); err != nil {
			return err
		}
		next := h.launchIn(t, a.dir, nil, h.trapped(f)...)
		defer next.kill()
		if !next.started(patience) {
			return fmt.Errorf("the next does not start:\n%s", next.log(0))
		}
		// Of a drive that comes and goes beneath its hands it may complain.
		if line := unusual(next.since(0)); line != "" && h.free == nil {
			return fmt.Errorf("the next says %s", line)
		}
		if err := next.recover(0); err != nil {
			return fmt.Errorf("the next: %w", err)
		}
		if err := next.isSound(0); err != nil {
			return fmt.Errorf("the next: %w", err)
		}
		return next.leave()
	}
}

// liveUntil has the agent start, work and end, until it is killed.
func (a *agent) liveUntil(f *fault) error {
	const rounds = 3
	begun := func(lines []string) bool { return f.struck || contains(lines, " msg=started ") }
	if !a.await(0, patience, begun) && !a.isDead() {
		return fmt.Errorf("it does not start:\n%s", a.log(0))
	}
	for range rounds {
		if a.struck(f) || a.isDead() {
			break
		}
		a.settle(a.lull, a.begin())
	}
	if a.saves && !a.struck(f) {
		saves := func([]string) bool { return f.struck }
		a.await(0, a.lull, saves)
		_ = a.ask("emit", "keep", 1<<20) // there is something to save at the end
	}
	err := a.stop()
	switch {
	case err == errHangs:
		return fmt.Errorf("%w:\n%s", err, a.log(0))
	case !a.struck(f):
		return errNoStrike
	}
	return nil
}

// leave has the agent end, and returns what it should not have left behind.
func (a *agent) leave() error {
	if a.free != nil {
		if err := a.free(a); err != nil {
			return fmt.Errorf("%w:\n%s", err, a.log(0))
		}
	}
	if err := a.stop(); err != nil {
		return fmt.Errorf("the next: %w:\n%s", err, a.log(0))
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return err
	}
	// The next one that saves variables makes state.new anew.
	may := []string{"c.yaml", "out", "pipe", "plain", "state", "state.new"}
	for _, e := range entries {
		if !slices.Contains(may, e.Name()) {
			return fmt.Errorf("it leaves the file %s:\n%s", e.Name(), a.log(0))
		}
	}
	return nil
}

func TestKilledAtCalls(t *testing.T) {
	var phases [3]phase
	t.Run("Learn", func(t *testing.T) { phases = newHost(t).learn(t) })
	t.Run("Kill", func(t *testing.T) {
		inParallel(t, kills(phases[:]), killing)
	})
}

// What had been begun at lines, input devices and drives, the next agent takes over or takes away.
func TestDeviceKilledAtCalls(t *testing.T) {
	if os.Getenv(OnBoard) == "" {
		t.Skip("lab/trial runs it on a board")
	}
	var phases [3]phase
	t.Run("Learn", func(t *testing.T) { phases = newDeviceHost(t).learn(t) })
	t.Run("Kill", func(t *testing.T) {
		h := newDeviceHost(t)
		h.free = (*agent).freeDrives
		// What is only open, and what a driver was told, goes with the process.
		goes := []string{"openat", "ioctl"}
		all := slices.DeleteFunc(kills(phases[:]), func(f *fault) bool {
			return !forDevices(f.site) || !everyFault && slices.Contains(goes, f.kind())
		})
		if len(all) == 0 && os.Getenv("FAULT") == "" {
			t.Fatal("it changes nothing of devices: is the stack read rightly?")
		}
		inTurn(t, all, killing(t, h))
	})
}

// freeDrives has the agent unmount all, and returns what is left of mounts.
func (a *agent) freeDrives() error {
	if err := a.ask("emit", "unmount", 0); err != nil {
		return err
	}
	return a.soon(patience, func() error {
		table, err := mounts()
		if err != nil || table != "" {
			return fmt.Errorf("mounted are %q, %v", table, err)
		}
		for _, dir := range []string{"/media", "/run/reflexd/mounts"} {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				return fmt.Errorf("in %s are left %v, %v", dir, entries, err)
			}
		}
		return nil
	})
}
