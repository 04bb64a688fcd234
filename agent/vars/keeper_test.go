// SPDX-License-Identifier: MIT

// When the file is written, in time that the test moves.

package vars

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/config"
	"reflexd/sources"
)

// pass lets time pass until the time at.
func pass(l *loop.Loop, at time.Duration) { l.Advance(at, func() {}) }

// keptOn returns a source whose variables n and mode are kept in the file.
func keptOn(t *testing.T, l *loop.Loop, path string) *Source {
	t.Helper()
	s := open(sources.Host{Loop: l, Log: slog.New(slog.DiscardHandler), Emit: func(*sources.Event) {}})
	p, ps := Kind.Plan().(*Plan), &config.Problems{}
	n, _ := config.Parse("f", fmt.Appendf(nil, "{state_file: %s, vars: {n: {keep: true}, mode: {keep: true}}}", path), ps)
	if config.Object(p.Sections()...).Read(n, ps); ps.Failed() {
		t.Fatal(ps)
	}
	p.Prepare()
	s.Apply(p)
	return s
}

// A variable that changes each second for an hour is written once a minute, and
// what is rare is on the disk within about a second all the same.
func TestFrequentChangesAreWrittenOnceAMinute(t *testing.T) {
	l := loop.NewVirtual(time.Hour)
	path := filepath.Join(t.TempDir(), "state")
	s := keptOn(t, l, path)
	set := func(name, value string) {
		t.Helper()
		if err := s.Set(name, value, nil); err != nil {
			t.Fatal(err)
		}
	}
	onDisk := func(name string) string {
		t.Helper()
		values, err := read(path)
		if err != nil {
			t.Fatal(err)
		}
		return values[name]
	}
	var behind int
	for second := range 3600 {
		pass(l, time.Hour+time.Duration(second)*time.Second)
		set("n", fmt.Sprint(second))
		if second%600 == 599 { // once in ten minutes
			set("mode", fmt.Sprint(second))
		}
		pass(l, l.Now()+900*time.Millisecond)
		var now int
		fmt.Sscan(onDisk("n"), &now)
		behind = max(behind, second-now)
		if second%600 == 0 && second > 0 && onDisk("mode") != fmt.Sprint(second-1) {
			t.Errorf("after %d seconds the mode on the disk is %q", second, onDisk("mode"))
		}
	}
	if w := s.keeper.writes; w < 60 || w > mostSoon+60+6+1 {
		t.Errorf("%d writes in an hour", w)
	}
	if behind > 60 {
		t.Errorf("the disk was behind by %d s", behind)
	}
	set("n", "last")
	s.Close()
	if got := onDisk("n"); got != "last" {
		t.Errorf("closed with %q", got)
	}
}

// After a minute's rest a variable is written soon again.
func TestRestedVariablesAreWrittenSoon(t *testing.T) {
	l := loop.NewVirtual(time.Hour)
	path := filepath.Join(t.TempDir(), "state")
	s := keptOn(t, l, path)
	for round := range 3 {
		for i := range 100 { // within a second
			pass(l, l.Now()+10*time.Millisecond)
			_ = s.Set("n", fmt.Sprint(round, i), nil)
		}
		pass(l, l.Now()+restSpacing)
		writes := s.keeper.writes
		_ = s.Set("n", fmt.Sprint("single ", round), nil)
		pass(l, l.Now()+spacing+settle)
		if values, _ := read(path); s.keeper.writes != writes+1 || values["n"] != fmt.Sprint("single ", round) {
			t.Errorf("round %d: %q, %d writes before, %d now", round, values, writes, s.keeper.writes)
		}
		pass(l, l.Now()+restSpacing)
	}
}

// A rule that the power-fail line fires does not wait for the minute: it goes on when
// the disk has what is kept, counters too, or learns why it has not.
func TestSave(t *testing.T) {
	l := loop.NewVirtual(time.Hour)
	path := filepath.Join(t.TempDir(), "state")
	s := keptOn(t, l, path)
	total := 0
	s.BeforeSave(func() { s.KeepAlso("\x00counter gas", fmt.Sprint(total)) })
	var told []string
	save := func() {
		s.Save(func(err error) {
			values, _ := read(path)
			told = append(told, fmt.Sprint(values["n"], " ", values["\x00counter gas"], " ", err))
		})
	}
	pass(l, l.Now()+time.Second)
	_ = s.Set("n", "1", nil)
	total = 7
	save()
	_ = s.Set("n", "2", nil) // while it is being written
	save()
	pass(l, l.Now())
	total = 8
	save() // though the last write is not a second ago
	pass(l, l.Now())
	save() // nothing new
	if want := []string{"2 7 <nil>", "2 7 <nil>", "2 8 <nil>", "2 8 <nil>"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	writes := s.keeper.writes
	pass(l, l.Now()+time.Hour)
	if s.keeper.writes != writes {
		t.Error("it is written again")
	}
	told, s.keeper.path = nil, filepath.Join(path, "below-a-file")
	total = 9
	save()
	pass(l, l.Now())
	if len(told) != 1 || !strings.Contains(told[0], "not a directory") {
		t.Errorf("told %q", told)
	}
}
