// SPDX-License-Identifier: MIT

// folders: watching folders that may not exist yet, by inotify(7).

package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const folderMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_DELETE |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// folders watches a set of folders. In place of one that is missing it watches
// the nearest that exists above it.
type folders struct {
	host  *sources.Host
	fd    int
	watch sources.Watch
	// changed tells of a name in a watched folder and the IN_ bits that say
	// what became of it.
	changed func(dir, name string, mask uint32)
	// afresh is called when changes may have been missed: a folder appeared
	// with what was in it, or the kernel's queue was full.
	afresh func()

	want   []string
	armed  map[int32]string // watch descriptor → folder
	warned bool
	buf    [4096]byte
}

func watchFolders(host *sources.Host, changed func(dir, name string, mask uint32), afresh func()) (*folders, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("create inotify descriptor: %w", err)
	}
	f := &folders{host: host, fd: fd, changed: changed, afresh: afresh}
	if f.watch, err = host.Loop.Watch(fd, unix.EPOLLIN, f.ready); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return f, nil
}

func (f *folders) close() {
	f.watch.Close()
	unix.Close(f.fd)
}

// set says which folders to watch. Watches that stay are not interrupted.
func (f *folders) set(dirs []string) {
	f.want = dirs
	f.arm()
}

func (f *folders) arm() {
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
}

func (f *folders) armNearest(dir string) {
	if f.add(dir) || dir == filepath.Dir(dir) {
		return
	}
	f.armNearest(filepath.Dir(dir))
	f.add(dir) // it may have appeared just before the watch above it began
}

// add begins to watch dir, if it exists.
func (f *folders) add(dir string) bool {
	wd, err := unix.InotifyAddWatch(f.fd, dir, folderMask)
	if err == nil {
		f.armed[int32(wd)] = dir
		return true
	}
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) && !f.warned {
		f.warned = true
		f.host.Log.Warn("cannot watch a folder for input devices", "folder", dir, "error", err,
			"knob", "fs.inotify.max_user_watches, if no space is left")
	}
	return false
}

func (f *folders) ready(uint32) {
	n, err := unix.Read(f.fd, f.buf[:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		f.host.Log.Warn("cannot watch for input devices any more", "error", err)
		f.watch.Close()
	default:
		eachChange(f.buf[:n], f.take)
	}
}

func (f *folders) take(wd int32, mask uint32, name string) {
	dir, ok := f.armed[wd]
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		f.arm()
		f.afresh()
	case !ok:
	case mask&unix.IN_MOVE_SELF != 0:
		_, _ = unix.InotifyRmWatch(f.fd, uint32(wd)) // IN_IGNORED follows
	case mask&unix.IN_IGNORED != 0:
		delete(f.armed, wd)
		f.arm()
		f.afresh()
	case mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && f.leadsToWanted(filepath.Join(dir, name)):
		f.arm()
		f.afresh()
	case name != "":
		f.changed(dir, name, mask)
	}
}

// leadsToWanted reports whether path is a wanted folder or one above it.
func (f *folders) leadsToWanted(path string) bool {
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
		name, _, _ := strings.Cut(string(buf[:size]), "\x00")
		buf = buf[size:]
		change(wd, mask, name)
	}
}
