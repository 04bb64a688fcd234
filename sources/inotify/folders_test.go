// SPDX-License-Identifier: MIT

package inotify

import (
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/sources"
)

var ne = binary.NativeEndian

// change returns a struct inotify_event.
func change(wd int32, mask uint32, name string) []byte {
	b := make([]byte, unix.SizeofInotifyEvent, 64)
	ne.PutUint32(b, uint32(wd))
	ne.PutUint32(b[4:], mask)
	if name != "" {
		padded := append([]byte(name), make([]byte, 16-len(name)%16)...)
		ne.PutUint32(b[12:], uint32(len(padded)))
		b = append(b, padded...)
	}
	return b
}

func FuzzChanges(f *testing.F) {
	f.Add(change(1, unix.IN_CREATE, "event3"))
	f.Add(append(change(1, unix.IN_IGNORED, ""), change(2, unix.IN_ATTRIB, "event10")...))
	f.Add(change(1, unix.IN_CREATE, "event3")[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		eachChange(b, func(_ int32, _ uint32, name string) {
			total += unix.SizeofInotifyEvent + len(name)
			if strings.Contains(name, "\x00") {
				t.Errorf("name is %q", name)
			}
		})
		if total > len(b) {
			t.Errorf("%d bytes of %d", total, len(b))
		}
	})
}

func TestQueueOverflow(t *testing.T) {
	overflow := false
	f := &Folders{spec: Spec{Afresh: func(o bool) { overflow = o }}}
	eachChange(change(-1, unix.IN_Q_OVERFLOW, ""), f.take)
	if !overflow {
		t.Error("the overflow was not told")
	}
}

// handLoop is a loop whose descriptors the test serves.
type handLoop struct{ ready func(uint32) }

func (l *handLoop) Watch(_ int, events uint32, ready func(uint32)) (sources.Watch, error) {
	if events == unix.EPOLLIN { // and not the table of mounts
		l.ready = ready
	}
	return handWatch{}, nil
}
func (l *handLoop) Now() time.Duration                        { return 0 }
func (l *handLoop) Woke() time.Duration                       { return 0 }
func (l *handLoop) After(time.Duration, func()) sources.Timer { panic("no timers") }
func (l *handLoop) Beside(work, done func())                  { panic("no work") }

type handWatch struct{}

func (handWatch) Events(uint32) error { return nil }
func (handWatch) Close()              {}

// A file may stand where a folder is wanted: its creation is reported as what it
// is. Nothing was missed that happened in it.
func TestOnlyAFolderIsLookedAtAfresh(t *testing.T) {
	var l handLoop
	var changed, afresh int
	f := Watch(&sources.Host{Loop: &l, Log: slog.New(slog.DiscardHandler), Proc: "/proc"}, Spec{
		Changed: func(string, string, uint32) { changed++ },
		Afresh:  func(bool) { afresh++ },
	})
	defer f.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	f.Set([]string{dir, path}, unix.IN_CREATE)
	expect := func(when string, wantChanged, wantAfresh int) {
		t.Helper()
		l.ready(unix.EPOLLIN)
		if changed != wantChanged || afresh != wantAfresh {
			t.Errorf("%s: %d changes, looked afresh %d times; want %d, %d", when, changed, afresh, wantChanged, wantAfresh)
		}
		changed, afresh = 0, 0
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path, nil, 0o600))
	expect("a file", 1, 0)
	must(os.Remove(path))
	must(os.Mkdir(path, 0o700))
	expect("a folder", 1, 1)
	must(os.Mkdir(filepath.Join(path, "b"), 0o700))
	expect("a folder in it", 1, 0)
	must(os.RemoveAll(path))
	must(os.Mkdir(path, 0o700))
	l.ready(unix.EPOLLIN) // it may be looked at more than once
	changed, afresh = 0, 0
	must(os.Mkdir(filepath.Join(path, "b"), 0o700))
	expect("in a folder that came again", 1, 0)
}

// What cannot be watched is logged once, however often it is tried again.
func TestFailureIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	l := loop.NewVirtual(time.Hour)
	f := Watch(&sources.Host{Loop: l, Log: slog.New(slog.NewTextHandler(&log, nil)), Proc: "/proc", Simulated: true}, Spec{For: "files", Afresh: func(bool) {}})
	defer f.Close()
	dir := t.TempDir()
	f.Set([]string{filepath.Join(dir, strings.Repeat("x", 256))}, unix.IN_CREATE) // ENAMETOOLONG
	l.Advance(l.Now()+time.Hour, func() {})
	if n := strings.Count(log.String(), "cannot watch"); n != 1 || f.Err() == nil {
		t.Errorf("logged %d times, error %v", n, f.Err())
	}
	f.Set([]string{dir}, unix.IN_CREATE)
	l.Advance(l.Now()+time.Hour, func() {})
	if n := strings.Count(log.String(), "watching again"); n != 1 || f.Err() != nil {
		t.Errorf("%v\n%s", f.Err(), log.String())
	}
}
