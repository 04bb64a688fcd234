// SPDX-License-Identifier: MIT

package sensor

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/sources"
	"reflexd/sources/plantest"
)

// rig is the source under test on a loop in virtual time, with a /sys of files.
type rig struct {
	t      testing.TB
	sys    string
	loop   *loop.Loop
	source *Source
	plan   *Plan
	events []string
	log    strings.Builder

	triggers []sources.Trigger
	fired    []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	sys, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, sys: sys, loop: loop.NewVirtual(time.Hour), plan: &Plan{}}
	r.source = Open(sources.Host{Loop: r.loop, Emit: r.emit, Sys: sys, Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	t.Cleanup(r.source.Close)
	return r
}

// file writes an attribute: "class/thermal/thermal_zone0/temp", "45000".
func (r *rig) file(path, text string) *rig {
	r.t.Helper()
	path = filepath.Join(r.sys, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *rig) remove(path string) *rig {
	if err := os.RemoveAll(filepath.Join(r.sys, path)); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *rig) emit(e *sources.Event) {
	words := []string{[...]string{"", "", "found ", "lapses ", "vanishes "}[e.Standing] + e.Topic.Name, e.Topic.State}
	for _, f := range e.Fields {
		if !slices.Contains(fieldNames, f.Name) {
			r.t.Errorf("the field %s is not declared", f.Name)
		}
		if f.Name != "SENSOR" && f.Value.String() != "" {
			words = append(words, f.Name+"="+f.Value.String())
		}
	}
	r.events = append(r.events, strings.Join(words, " "))
	plantest.Fired(r.triggers, e, func(i int) { r.fired = append(r.fired, fmt.Sprint(i, " ", text(e, "VALUE"))) })
}

// apply applies a plan that declares sensors, with triggers.
func (r *rig) apply(declared string, triggers ...string) *rig {
	r.t.Helper()
	r.plan = &Plan{}
	if ps := plantest.Read(r.plan.Sections()[0].Value, declared, r.plan.Resolve); ps.Failed() {
		r.t.Fatal(ps)
	}
	r.triggers = plantest.Triggers(r.t, r.plan.Triggers()[0], triggers)
	r.source.Apply(r.plan)
	return r.pass(0)
}

// declare applies a plan in which everything is asked for.
func (r *rig) declare(declared string) *rig {
	r.t.Helper()
	return r.apply(declared, "{sensor: '*', is: changed}")
}

func (r *rig) pass(d time.Duration) *rig {
	r.loop.Advance(r.loop.Now()+d, func() {})
	return r
}

func (r *rig) expect(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.events, want) {
		r.t.Errorf("emitted\n\t%s\nwant\n\t%s\n%s", strings.Join(r.events, "\n\t"), strings.Join(want, "\n\t"), r.log.String())
	}
	r.events = nil
}

func (r *rig) expectFired(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.fired, want) {
		r.t.Errorf("fired %q, want %q", r.fired, want)
	}
	r.fired = nil
}
