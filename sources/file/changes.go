// SPDX-License-Identifier: MIT

// changes: ordinary files and folders, by inotify(7). The folder of a file is
// watched, so that one which is replaced by renaming another is still the same
// file to rules.

package file

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

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
	err     error            // why it is not there
	files   map[string]*changing
}

// changing is one file or folder that is watched for changes.
type changing struct {
	name string
	settings
	shut   bool
	events uint64
	seen   mark
}

// mark distinguishes a file from what it was before.
type mark struct {
	there            bool
	device, inode    uint64
	size, changedSec int64
	changedNsec      int64
}

func markOf(path string) (m mark) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return mark{}
	}
	m = mark{there: true, device: uint64(st.Dev), inode: st.Ino}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		m.size, m.changedSec, m.changedNsec = st.Size, int64(st.Mtim.Sec), int64(st.Mtim.Nsec)
	}
	return m
}

func (c *changeWatch) apply(plan *Plan) {
	maps.DeleteFunc(c.files, func(name string, f *changing) bool {
		now := plan.files[name]
		return now == nil || now.settings != f.settings
	})
	for name, f := range plan.files {
		if f.watch == changes && c.files[name] == nil {
			c.files[name] = &changing{name: name, settings: f.settings}
		}
	}
	if len(c.files) == 0 {
		c.close()
		return
	}
	if c.folders == nil {
		host := &c.source.host
		c.folders, c.err = inotify.Watch(host, inotify.Spec{For: "changes of files", Changed: c.changed, Afresh: c.afresh})
		if c.err != nil {
			host.Log.Error("changes of files are not received", "error", c.err)
			return
		}
	}
	c.watch()
	for _, f := range c.files {
		if !f.seen.there {
			f.seen = markOf(f.path)
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
	if c.folders != nil {
		c.folders.Close()
		c.folders = nil
	}
}

// changed is called with what became of a name.
func (c *changeWatch) changed(dir, name string, mask uint32) {
	path := filepath.Join(dir, name)
	for _, fileName := range slices.Sorted(maps.Keys(c.files)) {
		f := c.files[fileName]
		if f.shut || f.path != path && f.path != dir {
			continue
		}
		if f.path == path {
			f.seen = markOf(path)
		}
		if kind := kindWord(mask & f.kinds); kind != "" {
			c.begin(f, path, kind, false)
		}
	}
}

// afresh compares what is there with what was, when changes may have been
// missed. Of what became of the files in a folder nothing is known then.
func (c *changeWatch) afresh(overflow bool) {
	if overflow {
		c.source.host.Lost("file", "", 0, "fs.inotify.max_queued_events")
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		f := c.files[name]
		before := f.seen
		f.seen = markOf(f.path)
		var kind uint32
		switch {
		case f.shut || before == f.seen:
		case !before.there:
			kind = unix.IN_CREATE
		case !f.seen.there:
			kind = unix.IN_DELETE
		default:
			kind = unix.IN_CLOSE_WRITE
		}
		if word := kindWord(kind & f.kinds); word != "" {
			c.begin(f, f.path, word, true)
		}
	}
}

// begin emits a change, after reading the file where that is asked for. Of
// what changes faster than it is read, each change is emitted with what was read
// last.
func (c *changeWatch) begin(f *changing, path, kind string, synthetic bool) {
	if f.read != readAll || path != f.path || !f.seen.there {
		c.emit(f, path, kind, synthetic, nil)
		return
	}
	b := make([]byte, f.max+1)
	var k int
	var err error
	c.source.host.Loop.Beside(func() { k, err = readPath(path, b) }, func() {
		switch {
		case c.files[f.name] != f || f.shut:
		case err != nil:
			c.source.host.Log.Debug("cannot read file", "file", f.name, "path", path, "error", err)
			c.emit(f, path, kind, synthetic, nil)
		default:
			c.emit(f, path, kind, synthetic, &text{b[:min(k, f.max)], k > f.max})
		}
	})
}

func readPath(path string, b []byte) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return readWhole(fd, b)
}

func (c *changeWatch) emit(f *changing, path, kind string, synthetic bool, t *text) {
	f.events++
	s := c.source
	s.fields = append(s.fields[:0],
		sources.Field{Name: "FILE", Value: sources.Text(f.name)},
		sources.Field{Name: "PATH", Value: sources.Text(path)},
		sources.Field{Name: "NAME", Value: sources.Text(filepath.Base(path))},
		sources.Field{Name: "EVENT", Value: sources.Text(kind)})
	if t != nil {
		s.addText(t)
	}
	if synthetic {
		s.fields = append(s.fields, sources.Field{Name: "SYNTHETIC", Value: sources.Int(1)})
	}
	s.emit(f.name, changed)
}

// shut stops or resumes the watching of one file.
func (c *changeWatch) shut(name string, shut bool) {
	f := c.files[name]
	if f == nil || f.shut == shut {
		return
	}
	f.shut = shut
	f.seen = markOf(f.path)
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
	case c.err != nil:
		st.Error = c.err.Error()
	case f.shut:
		st.Error = errClosed.Error()
	case !f.seen.there:
		st.Error = "missing"
	default:
		st.OK = true
	}
	return st
}
