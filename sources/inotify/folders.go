// SPDX-License-Identifier: MIT

// Package inotify watches folders that may not exist yet, by inotify(7), for
// sources whose files come and go.
package inotify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// always is watched for whatever the user of Folders wants, so as to follow
// folders that come and go.
const always = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// Folders watches a set of folders. In place of one that is missing, or that
// is no folder, it watches the nearest that exists above it. Its methods are
// for the loop's thread.
type Folders struct {
	host     *sources.Host
	fd       int // -1 while the kernel has none for us
	watch    sources.Watch
	spec     Spec
	err      error         // why something is not watched
	reported string        // the error that was logged last; "" if all is watched since
	retry    sources.Timer // tries that again; nil unless err is set
	pause    time.Duration // before the last try

	want   []string
	mask   uint32
	armed  map[int32]string // watch descriptor → folder
	mounts *sources.MountWatch
	// mounted are the mounts that matter, as they were when mounts last changed; "" until
	// then, since a start has better things to do than to read their table.
	mounted string
	stale   bool // Afresh is due when what the kernel has queued is read
	pace    sources.Pace
	buf     [4096]byte
}

// Spec says what the watching is for.
type Spec struct {
	For string // what is looked for, as messages name it: "input devices"
	// Changed is called with a name in a watched folder and the IN_ bits that say
	// what became of it. The name is valid until it returns.
	Changed func(dir, name string, mask uint32)
	// Afresh is called when changes may have been missed: a folder appeared
	// with what was in it, something was mounted or unmounted or, with overflow,
	// the kernel's queue was full or could not be read. All changes before have
	// been told.
	Afresh func(overflow bool)
	// Remounted, if not nil, is called when mounts have changed, but none that matters, as
	// it seems: one that came and went again has left no trace in their table.
	Remounted func()
}

// Between two tries to watch what the kernel had no room for lies at first
// firstPause, then twice as long each time, up to lastPause.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Watch returns a Folders that watches none yet. What cannot be watched is
// logged, shown by Err, and tried again.
func Watch(host *sources.Host, spec Spec) *Folders {
	f := &Folders{host: host, fd: -1, spec: spec}
	f.open()
	return f
}

// Err returns why changes are missed; nil if they are not.
func (f *Folders) Err() error { return f.err }

// Close ends the watching.
func (f *Folders) Close() {
	sources.StopTimer(&f.retry)
	f.mounts.Close()
	f.shut()
}

// open opens what is not open.
func (f *Folders) open() {
	if f.fd < 0 {
		if err := f.openQueue(); err != nil {
			f.fail(err)
		}
	}
	if f.mounts == nil { // a watch is of what a path leads to, which another mount changes
		var err error
		f.mounts, err = sources.WatchMounts(f.host, f.remounted)
		switch {
		case err == nil:
		case errors.Is(err, unix.EIO) || sources.Passing(err):
			f.fail(err)
		default:
			f.host.Log.Debug("filesystems that are mounted later are not noticed", "error", err)
		}
	}
}

func (f *Folders) openQueue() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("create inotify descriptor: %w", err)
	}
	if f.watch, err = f.host.Loop.Watch(fd, unix.EPOLLIN, f.ready); err != nil {
		unix.Close(fd)
		return err
	}
	f.fd = fd
	return nil
}

// shut closes the queue, and all watches with it.
func (f *Folders) shut() {
	if f.fd < 0 {
		return
	}
	f.watch.Close()
	unix.Close(f.fd)
	f.fd, f.armed = -1, nil
}

// fail notes that something cannot be watched, and sees to it that it is tried
// again.
func (f *Folders) fail(err error) {
	if f.err == nil {
		f.err = err
		if text := err.Error(); text != f.reported {
			f.reported = text
			f.host.Log.Warn("cannot watch for "+f.spec.For, "error", err)
		}
	}
	if f.retry == nil {
		f.pause = min(max(firstPause, 2*f.pause), lastPause)
		f.retry = f.host.Loop.After(f.pause, f.again)
	}
}

// again tries again what failed. What happened meanwhile was missed.
func (f *Folders) again() {
	failed := f.err
	f.retry, f.err = nil, nil
	f.open()
	f.arm()
	if f.err == nil {
		f.pause, f.reported = 0, ""
		f.host.Log.Info("watching again for "+f.spec.For, "after", failed)
		f.spec.Afresh(true)
	}
}

// Set says which folders to watch, and for which IN_ events. Watches that
// stay are not interrupted.
func (f *Folders) Set(dirs []string, mask uint32) {
	f.want, f.mask = dirs, mask|always
	f.arm()
	f.mounted = ""
}

// remounted is called when the table of mounts has changed. Most mounts have
// nothing to do with what is watched.
func (f *Folders) remounted() {
	fresh, mounted := f.arm(), f.mountsOnTheWay()
	if fresh || mounted != f.mounted {
		f.stale = true
		f.ready(0)
	} else if f.spec.Remounted != nil {
		f.spec.Remounted()
	}
	f.mounted = mounted
}

// mountsOnTheWay returns which mounts are above, at or below what is watched.
func (f *Folders) mountsOnTheWay() string {
	table, _ := os.ReadFile(filepath.Join(f.host.Proc, "self/mountinfo"))
	var ids []string
	for line := range strings.Lines(string(table)) {
		fields := strings.SplitN(line, " ", 6) // proc_pid_mountinfo(5)
		if len(fields) < 6 {
			continue
		}
		at := strings.TrimSuffix(fields[4], "/") + "/"
		if slices.ContainsFunc(f.want, func(dir string) bool {
			return strings.HasPrefix(dir+"/", at) || strings.HasPrefix(at, dir+"/")
		}) {
			ids = append(ids, fields[0])
		}
	}
	return strings.Join(ids, " ")
}

// arm watches what is wanted of what there is, and reports whether any of it
// was not watched before.
func (f *Folders) arm() (fresh bool) {
	if f.fd < 0 {
		return false
	}
	old := f.armed
	f.armed = map[int32]string{}
	for _, dir := range f.want {
		f.armNearest(dir)
	}
	for wd := range old {
		if _, ok := f.armed[wd]; !ok {
			// It fails if the folder is gone, and its watch with it.
			_, _ = unix.InotifyRmWatch(f.fd, uint32(wd))
		}
	}
	for wd := range f.armed {
		if _, ok := old[wd]; !ok {
			fresh = true
		}
	}
	return fresh
}

func (f *Folders) armNearest(dir string) {
	if f.add(dir) || dir == filepath.Dir(dir) {
		return
	}
	f.armNearest(filepath.Dir(dir))
	f.add(dir) // it may have appeared just before the watch above it began
}

// add begins to watch dir, if it exists.
func (f *Folders) add(dir string) bool {
	// Without IN_MASK_ADD the kernel sets the mask of a watch that is there to 0
	// for a moment, and what happens in that moment is lost.
	wd, err := unix.InotifyAddWatch(f.fd, dir, f.mask|unix.IN_MASK_ADD)
	if err == nil {
		f.armed[int32(wd)] = dir
		return true
	}
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
	case errors.Is(err, unix.ENOSPC):
		f.fail(fmt.Errorf("watch folder %s: %w: raise fs.inotify.max_user_watches", dir, err))
	default:
		f.fail(fmt.Errorf("watch folder %s: %w", dir, err))
	}
	return false
}

// mostReads is how many reads one turn of the loop does.
const mostReads = 16

// ready reads what is queued. What may have been missed is looked at when
// nothing is queued any more: a change is told once.
func (f *Folders) ready(uint32) {
	if f.fd < 0 {
		return
	}
	reads := f.pace.Reads(f.host.Loop.Woke(), mostReads)
	for i := 0; i < reads || f.stale && i < mostReads; i++ {
		n, err := sources.Read(f.fd, f.buf[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if f.stale {
				f.stale = false
				f.spec.Afresh(false)
			}
			return
		case err != nil:
			f.shut()
			f.fail(fmt.Errorf("read inotify descriptor: %w", err))
			return
		default:
			eachChange(f.buf[:n], f.take)
		}
	}
	if f.stale { // in such a storm nobody can tell what was missed
		f.stale = false
		f.spec.Afresh(false)
	}
}

func (f *Folders) take(wd int32, mask uint32, name string) {
	dir, ok := f.armed[wd]
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		f.arm()
		f.spec.Afresh(true)
	case !ok:
	case mask&unix.IN_MOVE_SELF != 0:
		_, _ = unix.InotifyRmWatch(f.fd, uint32(wd)) // IN_IGNORED follows
	case mask&unix.IN_IGNORED != 0:
		delete(f.armed, wd)
		f.arm()
		f.stale = true
	case name != "":
		f.spec.Changed(dir, name, mask)
		if mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && f.leadsToWanted(filepath.Join(dir, name)) && f.arm() {
			f.stale = true
		}
	}
}

// leadsToWanted reports whether path is a wanted folder or one above it.
func (f *Folders) leadsToWanted(path string) bool {
	for _, dir := range f.want {
		if dir == path || strings.HasPrefix(dir, path+"/") {
			return true
		}
	}
	return false
}

// eachChange calls change for each struct inotify_event in buf. What is left
// of a cut one is dropped.
func eachChange(buf []byte, change func(wd int32, mask uint32, name string)) {
	for len(buf) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(buf))
		mask := binary.NativeEndian.Uint32(buf[4:])
		size := uint64(binary.NativeEndian.Uint32(buf[12:]))
		buf = buf[unix.SizeofInotifyEvent:]
		if size > uint64(len(buf)) {
			return
		}
		name, _, _ := strings.Cut(sources.Borrow(buf[:size]), "\x00")
		buf = buf[size:]
		change(wd, mask, name)
	}
}
