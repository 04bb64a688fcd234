// SPDX-License-Identifier: MIT

package clock

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"reflexd/agent/loop"
	"reflexd/journal/logtest"
	"reflexd/sources"
)

// patience bounds what must come; it measures nothing.
const patience = 20 * time.Second

// inLoop runs a real loop for the test. begin is called on its thread.
func inLoop(t *testing.T, begin func(host *sources.Host) (end func())) (l *loop.Loop, log *logtest.Log) {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	log = logtest.New()
	host := &sources.Host{Loop: l, Log: slog.New(slog.NewTextHandler(log, nil))}
	begun, over := make(chan struct{}), make(chan struct{})
	var end func()
	go func() {
		runtime.LockOSThread()
		defer close(over)
		end = begin(host)
		close(begun)
		_ = l.Run(func() {})
	}()
	<-begun
	t.Cleanup(func() {
		l.Post(func() {
			end()
			l.Stop()
		})
		<-over
		l.Close()
	})
	return l, log
}

// rules returns the file of a zone with these rules.
func rules(t *testing.T, text string) []byte {
	t.Helper()
	if _, ok := posixZone(text); !ok {
		t.Fatalf("%s are no rules", text)
	}
	return posixFile(text)
}

const (
	berlin  = "CET-1CEST,M3.5.0,M10.5.0/3"
	newYork = "EST5EDT,M3.2.0,M11.1.0"
)

// The file may be replaced, written over, removed; it may be reached by links,
// which lead elsewhere one day.
func TestZoneIsFollowed(t *testing.T) {
	dir := t.TempDir()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "etc", "localtime")
	for name, text := range map[string]string{"Berlin": berlin, "Paris": berlin, "New_York": newYork} {
		check(os.MkdirAll(filepath.Join(dir, "zoneinfo", "x"), 0o755))
		check(os.WriteFile(filepath.Join(dir, "zoneinfo", "x", name), rules(t, text), 0o644))
	}
	check(os.Mkdir(filepath.Dir(path), 0o755))
	check(os.Symlink("../zoneinfo/x/Berlin", path))

	zones := make(chan string, 16)
	var first *time.Location
	_, log := inLoop(t, func(host *sources.Host) func() {
		var z *zone
		z, first = follow(host, path, true, func(l *time.Location) { zones <- nameIn(l) })
		return z.close
	})
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-zones:
			if got != want {
				t.Fatalf("the zone is %s, want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("the zone does not become %s; log: %s", want, log)
		}
	}
	if got := nameIn(first); got != "CEST" || first.String() != "x/Berlin" {
		t.Fatalf("at first the zone is %s, %s", got, first)
	}
	link := func(target string) {
		t.Helper()
		check(os.Symlink(target, path+".new"))
		check(os.Rename(path+".new", path))
	}
	link("../zoneinfo/x/New_York")
	expect("EDT")
	check(os.WriteFile(filepath.Join(dir, "zoneinfo", "x", "New_York"), rules(t, "XST-5"), 0o644)) // the link's target
	expect("XST")
	check(os.Remove(path))
	expect("UTC")
	check(os.WriteFile(path, rules(t, newYork), 0o644))
	expect("EDT")
	check(os.WriteFile(path, []byte("no zone"), 0o644)) // it is kept
	if _, ok := log.Await(patience, "keeping the one before"); !ok {
		t.Fatal("a damaged file is not complained of")
	}
	check(os.Remove(path))
	link(filepath.Join(dir, "zoneinfo", "x", "Paris"))
	expect("CEST")
}

// nameIn is what the time is called there in summer.
func nameIn(l *time.Location) string {
	name, _ := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(l).Zone()
	return name
}

func TestZoneOfTZ(t *testing.T) {
	for _, test := range []struct {
		tz         string
		isSet      bool
		path, zone string
		fails      bool
	}{
		{"", false, localtime, "", false},
		{"", true, "", "UTC", false},
		{":", true, "", "UTC", false},
		{":/etc/localtime", true, "/etc/localtime", "", false},
		{"/usr/share/zoneinfo/Europe/Berlin", true, "/usr/share/zoneinfo/Europe/Berlin", "", false},
		{"Europe/Berlin", true, "", "CEST", false},
		{":America/New_York", true, "", "EDT", false},
		{berlin, true, "", "CEST", false},
		{"<-03>3", true, "", "-03", false},
		{"Europe/Brelin", true, "", "UTC", true},
		{"../../etc/passwd", true, "", "UTC", true},
		{"CET-1CEST,M3.5.0,nonsense", true, "", "UTC", true},
	} {
		path, location, err := zoneOf(test.tz, test.isSet)
		zone := ""
		if location != nil {
			zone = nameIn(location)
		}
		if path != test.path || zone != test.zone || (err != nil) != test.fails {
			t.Errorf("TZ=%s: %q, %q, %v", test.tz, path, zone, err)
		}
	}
	location, _ := posixZone(berlin)
	if name, offset := time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC).In(location).Zone(); name != "CET" || offset != 3600 {
		t.Errorf("before summer: %s, %d", name, offset)
	}
}

func TestExamine(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		environ   []string
		localtime []byte
		now       time.Time
		want      string
	}{
		{nil, posixFile(berlin), now, "ok clock: it is set, ok time zone: Local"},
		{nil, posixFile(berlin), time.Unix(9, 0), "BAD clock: it is not set: it shows 1970-01-01 00:00:09, ok time zone: Local"},
		{nil, nil, now, "ok clock: it is set, note time zone: /etc/localtime does not exist: the time is UTC"},
		{nil, []byte("x"), now, "ok clock: it is set, BAD time zone: " + root + localtime + ": malformed time zone information"},
		{[]string{"A=b", "TZ=" + berlin}, nil, now, "ok clock: it is set, ok time zone: " + berlin},
		{[]string{"TZ=Nowhere/x"}, nil, now, `ok clock: it is set, BAD time zone: TZ="Nowhere/x": unknown time zone Nowhere/x`},
	} {
		_ = os.Remove(root + localtime)
		if test.localtime != nil {
			if err := os.WriteFile(root+localtime, test.localtime, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r := newRig(t, "UTC", "2026-05-01T00:00:00Z")
		r.condition("time: 00:00-24:00")
		x := &sources.Report{Machine: sources.Machine{Root: root}, Environ: test.environ}
		r.plan.examine(x, test.now)
		var got []string
		for _, f := range x.Findings {
			got = append(got, f.Mark.String()+" "+f.Subject+": "+f.Found)
			if f.At.Line == 0 {
				t.Errorf("%+v has no place", f)
			}
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// A timer of the kernel's rings when the clock shows a time, and at once for
// one that is past.
func TestTimerOfTheKernel(t *testing.T) {
	rung := make(chan time.Time, 16)
	var alarm *timer
	l, _ := inLoop(t, func(host *sources.Host) func() {
		var err error
		if alarm, err = newTimer(host.Loop, func() { rung <- time.Now().Round(0) }); err != nil {
			t.Error(err)
			return func() {}
		}
		return alarm.close
	})
	for _, in := range []time.Duration{50 * time.Millisecond, -time.Hour, 10 * time.Millisecond} {
		at := time.Now().Round(0).Add(in)
		l.Post(func() {
			if err := alarm.set(at); err != nil {
				t.Error(err)
			}
		})
		select {
		case when := <-rung:
			if when.Before(at) {
				t.Errorf("rung at %v for %v", when, at)
			}
		case <-time.After(patience):
			t.Fatalf("the timer for %v does not ring", at)
		}
	}
}

// FuzzZone has times looked for in what may be a zone.
func FuzzZone(f *testing.F) {
	f.Add([]byte(berlin), 9000)
	f.Add([]byte("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"), 0)
	f.Add([]byte("A0B,J1,J365/25"), 86399)
	f.Add(posixFile(berlin), 1)
	if data, err := os.ReadFile("/usr/share/zoneinfo/Africa/Casablanca"); err == nil {
		f.Add(data, 9000)
	}
	f.Fuzz(func(t *testing.T, data []byte, second int) {
		location, err := time.LoadLocationFromTZData("x", data)
		if err != nil {
			var ok bool
			if location, ok = posixZone(string(data)); !ok {
				return
			}
		}
		after := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC).In(location)
		at, _, ok := daily(((second%86400)+86400)%86400).next(after, weekOf(nil))
		if ok && !at.After(after) {
			t.Errorf("%v comes after %v", at, after)
		}
	})
}
