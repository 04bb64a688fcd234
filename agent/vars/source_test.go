// SPDX-License-Identifier: MIT

package vars

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop/looptest"
	"reflexd/config"
	"reflexd/sources"
)

// rig runs a source on the real loop.
type rig struct {
	*looptest.Stand
	t      *testing.T
	source *Source
	events []string // of the loop's thread

	mu  sync.Mutex
	log strings.Builder
}

// Write takes the log.
func (r *rig) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *rig) logged(words string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.log.String(), words)
}

func newRig(t *testing.T) *rig {
	stand, l := looptest.New(t)
	r := &rig{Stand: stand, t: t}
	r.source = open(sources.Host{Loop: l, Log: slog.New(slog.NewTextHandler(r, nil)), Emit: func(e *sources.Event) {
		if e.Standing > sources.Begins {
			return
		}
		var words []string
		for _, f := range e.Fields {
			words = append(words, f.Value.String())
		}
		r.events = append(r.events, strings.Join(words, " "))
	}})
	r.Run(nil, r.source.Close)
	return r
}

// apply has the source do what a configuration says.
func (r *rig) apply(format string, args ...any) {
	r.t.Helper()
	ps := &config.Problems{}
	p := Kind.Plan().(*Plan)
	n, _ := config.Parse("f", fmt.Appendf(nil, format, args...), ps)
	config.Object(p.Sections()...).Read(n, ps)
	p.Resolve(ps)
	if ps.Failed() {
		r.t.Fatal(ps)
	}
	p.Prepare()
	r.Do(func() { r.source.Apply(p) })
}

func (r *rig) set(name, value string) {
	r.t.Helper()
	r.Do(func() {
		if err := r.source.Set(name, value, nil); err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) status() string {
	var b strings.Builder
	r.Do(func() {
		for _, s := range r.source.Status() {
			fmt.Fprintf(&b, "%s %s %t %s\n", s.Name, s.Detail, s.OK, s.Error)
		}
	})
	return b.String()
}

func TestABurstOfChangesIsOneWrite(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "state")
	r.apply("{state_file: %s, vars: {n: {keep: true}, other: {}}}", path)
	r.Do(func() {
		for n := range 1000 {
			r.source.Set("n", fmt.Sprint(n), nil)
		}
	})
	r.Await("the last is written", func() bool {
		return r.source.keeper.saved == r.source.keeper.wanted
	})
	if values, err := read(path); err != nil || values["n"] != "999" || len(values) != 1 {
		t.Errorf("%q, %v", values, err)
	}
	r.set("other", "x")
	r.set("n", "999")
	r.set("n", "1000")
	r.set("n", "999") // as it is on the disk
	r.Do(func() {
		r.source.keeper.timer.Stop() // it would come a minute after the last write
		r.source.keeper.write()
		if k := &r.source.keeper; k.writes != 1 || k.writing != nil {
			t.Errorf("it was written %d times", k.writes)
		}
		if len(r.events) != 1003 || r.events[1002] != "n 999 1000" {
			t.Errorf("%d events, the last %s", len(r.events), r.events[len(r.events)-1])
		}
	})
}

func TestAFolderThatCannotBeWritten(t *testing.T) {
	r := newRig(t)
	obstacle := filepath.Join(t.TempDir(), "obstacle") // a file where a folder is to be: root may write anywhere else
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(obstacle, "state")
	r.apply("{state_file: %s, vars: {mode: {keep: true}}}", path)
	r.set("mode", "x")
	r.Await("it failed", func() bool { return r.source.keeper.err != nil })
	r.set("mode", "y")
	if got := r.status(); !strings.Contains(got, `mode "y", kept true`) || !strings.Contains(got, "state_file "+path+", writes: 1 false save variables: mkdir") {
		t.Error(got)
	}
	// The minute is over, and it fails again.
	r.Do(func() { r.source.keeper.timer.Stop(); r.source.keeper.write() })
	r.Await("it failed again", func() bool { return r.source.keeper.writing == nil && r.source.keeper.timer != nil })
	if n := r.logged("cannot save variables"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	r.Do(func() { r.source.keeper.timer.Stop(); r.source.keeper.write() })
	r.Await("it is written", func() bool { return r.source.keeper.err == nil && r.source.keeper.writing == nil })
	if values, err := read(path); err != nil || values["mode"] != "y" || r.logged("saved again") != 1 {
		t.Errorf("%q, %v", values, err)
	}
}

func TestADamagedFileIsSetAside(t *testing.T) {
	dir := t.TempDir()
	for name, damage := range map[string]func(path string) error{
		"text":   func(path string) error { return os.WriteFile(path, []byte(header+"rubbish"), 0o600) },
		"empty":  func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"large":  func(path string) error { return os.WriteFile(path, make([]byte, maxFile+1), 0o600) },
	} {
		r := newRig(t)
		path := filepath.Join(dir, name)
		if err := damage(path); err != nil {
			t.Fatal(err)
		}
		r.apply("{state_file: %s, vars: {mode: {initial: x, keep: true}}}", path)
		r.Await("it is set aside", func() bool { return r.source.keeper.writing == nil })
		if _, err := os.Stat(path + ".damaged"); err != nil || r.logged("level=WARN") != 1 {
			t.Errorf("%s: %v\n%s", name, err, r.log.String())
		}
		r.set("mode", "y")
		r.Do(r.source.Close)
		if values, err := read(path); err != nil || values["mode"] != "y" {
			t.Errorf("%s: %q, %v", name, values, err)
		}
	}
}

func TestTheFileMoves(t *testing.T) {
	dir := t.TempDir()
	old, next := filepath.Join(dir, "old"), filepath.Join(dir, "next")
	if err := save(next, format(map[string]string{"a": "from the file", "b": "from the file"})); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.apply("{state_file: %s, vars: {a: {keep: true}}}", old)
	r.set("a", "new")
	r.apply("{state_file: %s, vars: {a: {keep: true}, b: {keep: true}}}", next)
	r.Do(r.source.Close)
	if values, err := read(next); err != nil || values["a"] != "new" || values["b"] != "from the file" {
		t.Errorf("%q, %v", values, err)
	}
}

func TestAKeptValueThatIsNotAllowedAnyMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := save(path, format(map[string]string{"mode": "dusk", "gone": "x"})); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.apply("{state_file: %s, vars: {mode: {values: [day, night], keep: true}}}", path)
	r.Do(func() {
		if r.source.values["mode"] != sources.Text("day") || len(r.events) != 0 {
			t.Errorf("%q, events %q", r.source.values, r.events)
		}
	})
	if r.logged("falls back") != 1 {
		t.Error(r.log.String())
	}
}
