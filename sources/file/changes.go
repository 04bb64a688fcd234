// SPDX-License-Identifier: MIT

// changes: ordinary files and folders, by inotify(7). The folder of a file is
// watched, so that one which is replaced by renaming another is still the same
// file to rules.

package file

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/inotify"
)

// kinds are the words of `events` and of the field EVENT.
var kinds = [...]struct {
	word string
	mask uint32
}{
	{"created", unix.IN_CREATE},
	{"modified", unix.IN_MODIFY},
	{"written", unix.IN_CLOSE_WRITE},
	{"attributes", unix.IN_ATTRIB},
	{"moved-in", unix.IN_MOVED_TO},
	{"moved-out", unix.IN_MOVED_FROM},
	{"deleted", unix.IN_DELETE},
}

// usualKinds are those of a file without `events`. Each write(2) would be too
// much for most: `written` comes when a writer is done.
const usualKinds = unix.IN_CREATE | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE

func kindValue(word *string) config.Value {
	var words []string
	for _, k := range kinds {
		words = append(words, k.word)
	}
	return config.OneOf(word, words...)
}

// kindMask returns the IN_ events of the words, the usual ones without any.
func kindMask(words []string) uint32 {
	if len(words) == 0 {
		return usualKinds
	}
	var mask uint32
	for _, k := range kinds {
		if slices.Contains(words, k.word) {
			mask |= k.mask
		}
	}
	return mask
}

func kindWord(mask uint32) string {
	for _, k := range kinds {
		if mask&k.mask != 0 {
			return k.word
		}
	}
	return ""
}

// changeWatch is the part of the source that watches for changes.
type changeWatch struct {
	source  *Source
	folders *inotify.Folders // nil without files
	files   map[string]*changing
	ordered []*changing // likewise, in the order of their names
}

// changing is one file or folder that is watched for changes.
type changing struct {
	name, origin string // the latter is the Source of its events
	dir, base    string // of its path
	settings
	shut   bool
	events uint64
	seen   mark
	known  bool // it is there, as far as it was reported
	// queue are the changes that are not emitted yet, the first of which waits
	// for the file to be read if reading is set.
	queue   []change
	reading bool
	unread  bool // it could not be read the last time, and the log knows
	// unwritten runs after the file was found to have appeared: whoever has
	// created it may have finished before it was watched. nil without.
	unwritten sources.Timer
}

// change is one change as it will be emitted.
type change struct {
	path, kind string
	synthetic  bool
	whole      bool // with what is in the file
}

// mark distinguishes a file from what it was before.
type mark struct {
	there, regular   bool
	device, inode    uint64
	size, changedSec int64
	changedNsec      int64
}

// markOf returns what the path leads to. If the kernel cannot find that out, it
// is what it was before.
func markOf(path string, before mark) (m mark) {
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case err == unix.EIO || sources.Passing(err):
		return before
	case err != nil:
		return mark{}
	}
	m = mark{there: true, device: uint64(st.Dev), inode: st.Ino}
	m.regular = st.Mode&unix.S_IFMT == unix.S_IFREG
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		m.size, m.changedSec, m.changedNsec = st.Size, int64(st.Mtim.Sec), int64(st.Mtim.Nsec)
	}
	return m
}

func (c *changeWatch) apply(plan *Plan) {
	maps.DeleteFunc(c.files, func(name string, f *changing) bool {
		now := plan.files[name]
		if now != nil && now.settings == f.settings {
			return false
		}
		sources.StopTimer(&f.unwritten)
		return true
	})
	for name, f := range plan.files {
		if f.watch == changes && c.files[name] == nil {
			c.files[name] = &changing{name: name, origin: origin + name, dir: filepath.Dir(f.path), base: filepath.Base(f.path), settings: f.settings}
		}
	}
	c.ordered = c.ordered[:0]
	for _, f := range sources.InOrder(c.files) {
		c.ordered = append(c.ordered, f)
	}
	if len(c.files) == 0 {
		c.close()
		return
	}
	if c.folders == nil {
		c.folders = inotify.Watch(&c.source.host, inotify.Spec{For: "changes of files", Changed: c.changed, Afresh: c.afresh})
	}
	c.watch()
	for _, f := range c.files {
		if !f.seen.there {
			f.seen = markOf(f.path, f.seen)
			f.known = f.seen.there
		}
	}
}

// watch watches the folders of the files. For a file its own path is asked
// for too: it may be a folder.
func (c *changeWatch) watch() {
	var dirs []string
	var mask uint32
	for _, f := range c.files {
		if !f.shut {
			dirs = append(dirs, f.path, filepath.Dir(f.path))
			mask |= f.kinds
		}
	}
	slices.Sort(dirs)
	if c.folders != nil {
		c.folders.Set(slices.Compact(dirs), mask)
	}
}

func (c *changeWatch) close() {
	for _, f := range c.files {
		sources.StopTimer(&f.unwritten)
	}
	if c.folders != nil {
		c.folders.Close()
		c.folders = nil
	}
}

// changed is called with what became of a name.
func (c *changeWatch) changed(dir, name string, mask uint32) {
	for _, f := range c.ordered {
		itself := f.base == name && f.dir == dir
		if f.shut || !itself && f.path != dir || itself && !c.see(f, mask) {
			continue
		}
		kind, path := kindWord(mask&f.kinds), f.path
		if kind == "" {
			continue
		}
		if !itself {
			path = filepath.Join(dir, name)
		}
		c.begin(f, path, kind, false)
	}
}

// afresh compares what is there with what was, when changes may have been
// missed. Of what became of the files in a folder nothing is known then.
func (c *changeWatch) afresh(overflow bool) {
	if overflow {
		c.source.host.Lost("file", "", 0, "fs.inotify.max_queued_events")
	}
	for _, f := range c.ordered {
		before, known := f.seen, f.known
		f.seen = markOf(f.path, before)
		f.known = f.seen.there
		var kind uint32
		switch {
		case f.shut || known == f.known && before == f.seen:
		case !known && !f.known:
		case !known:
			kind = unix.IN_CREATE
		case !f.known:
			kind = unix.IN_DELETE
		default:
			kind = unix.IN_CLOSE_WRITE
		}
		if word := kindWord(kind & f.kinds); word != "" {
			c.begin(f, f.path, word, true)
		}
		if kind == unix.IN_CREATE {
			c.awaitWritten(f)
		}
	}
}

// see takes note of what a change made of the file. It reports whether that is
// news: what has appeared or vanished since the kernel queued its event may have
// been found before. A file that changes has appeared first.
func (c *changeWatch) see(f *changing, mask uint32) (news bool) {
	const vanish = unix.IN_DELETE | unix.IN_MOVED_FROM
	known := f.known
	f.known = mask&vanish == 0
	f.seen.there = f.known
	f.seen = markOf(f.path, f.seen)
	if mask&(unix.IN_CLOSE_WRITE|vanish) != 0 {
		sources.StopTimer(&f.unwritten)
	}
	switch {
	case mask&unix.IN_CREATE != 0:
		return !known
	case mask&vanish != 0:
		return known
	case !known && mask&unix.IN_MOVED_TO == 0 && f.kinds&unix.IN_CREATE != 0:
		c.begin(f, f.path, kindWord(unix.IN_CREATE), true)
	}
	return true
}

// writtenWithin is how long a file that was found to have appeared is given for
// its own `written` to come.
const writtenWithin = 100 * time.Millisecond

// awaitWritten reports that a file that was found was written, if nothing
// becomes of it any more: it was closed before it was watched.
func (c *changeWatch) awaitWritten(f *changing) {
	sources.StopTimer(&f.unwritten)
	if f.kinds&unix.IN_CLOSE_WRITE == 0 || !f.seen.regular {
		return
	}
	found := f.seen
	f.unwritten = c.source.host.Loop.After(writtenWithin, func() {
		f.unwritten = nil
		switch now := markOf(f.path, found); {
		case c.files[f.name] != f || f.shut || !now.there:
		case now == found:
			c.begin(f, f.path, kindWord(unix.IN_CLOSE_WRITE), true)
		default:
			f.seen = now
			c.awaitWritten(f)
		}
	})
}

// begin emits a change, after reading the file where that is asked for. The
// changes of one file are emitted in their order. Of what changes faster than it
// is read, each change is emitted with what was read last.
func (c *changeWatch) begin(f *changing, path, kind string, synthetic bool) {
	whole := f.read == readAll && path == f.path && f.seen.there
	what := change{path, kind, synthetic, whole}
	if !whole && len(f.queue) == 0 {
		c.emit(f, what, nil)
		return
	}
	f.queue = append(f.queue, what)
	if !f.reading {
		c.next(f)
	}
}

// next emits what is queued, up to where the file is to be read.
func (c *changeWatch) next(f *changing) {
	for len(f.queue) > 0 && !f.queue[0].whole {
		c.emit(f, f.pop(), nil)
	}
	if len(f.queue) == 0 {
		return
	}
	f.reading = true
	path, b := f.path, make([]byte, f.max+1)
	var k int
	var err error
	c.source.host.Loop.Beside(func() { k, err = readPath(path, b) }, func() {
		f.reading = false
		switch {
		case c.files[f.name] != f || f.shut:
			f.queue = nil
			return
		case err != nil:
			level := slog.LevelWarn
			if f.unread || missing(err) { // gone again, or known
				level = slog.LevelDebug
			}
			f.unread = !missing(err)
			c.source.host.Log.Log(context.Background(), level, "cannot read file: its event has no TEXT", "file", f.name, "path", path, "error", err)
			c.emit(f, f.pop(), nil)
		default:
			f.unread = false
			c.emit(f, f.pop(), &text{b[:min(k, f.max)], k > f.max})
		}
		c.next(f)
	})
}

func (f *changing) pop() change {
	first := f.queue[0]
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		f.queue = nil // it may have been long
	}
	return first
}

func readPath(path string, b []byte) (int, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return readWhole(fd, b)
}

func (c *changeWatch) emit(f *changing, what change, t *text) {
	f.events++
	s := c.source
	s.fields = append(s.room[:0],
		sources.Field{Name: "FILE", Value: sources.Text(f.name)},
		sources.Field{Name: "PATH", Value: sources.Text(what.path)},
		sources.Field{Name: "NAME", Value: sources.Text(filepath.Base(what.path))},
		sources.Field{Name: "EVENT", Value: sources.Text(what.kind)})
	if t != nil {
		s.addText(t)
	}
	if what.synthetic {
		s.fields = append(s.fields, sources.Field{Name: "SYNTHETIC", Value: sources.Int(1)})
	}
	s.emit(f.origin, changed)
}

// shut stops or resumes the watching of one file.
func (c *changeWatch) shut(name string, shut bool) {
	f := c.files[name]
	if f == nil || f.shut == shut {
		return
	}
	f.shut = shut
	sources.StopTimer(&f.unwritten)
	f.seen = markOf(f.path, f.seen)
	f.known = f.seen.there
	c.watch()
}

func (c *changeWatch) state(name string) sources.State {
	st := sources.State{Name: name}
	f := c.files[name]
	if f == nil {
		return st
	}
	st.Detail = fmt.Sprintf("%s, %s, %d events", f.path, changes, f.events)
	switch {
	case c.folders != nil && c.folders.Err() != nil:
		st.Error = c.folders.Err().Error()
	case f.shut:
		st.Error = errClosed.Error()
	case !f.seen.there:
		st.Error = "missing"
	default:
		st.OK = true
	}
	return st
}
