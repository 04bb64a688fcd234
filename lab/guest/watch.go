// SPDX-License-Identifier: MIT

// Watching a file's changes by inotify(7), where the file system reports them.

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A watch notices when a file appears, disappears or is written to.
type watch struct {
	inotify *os.File
	changed chan struct{} // has room for one, which stands for all that have not been taken
}

// watchable are the file systems whose every change inotify reports. Devtmpfs is a tmpfs.
var watchable = []int64{unix.TMPFS_MAGIC, unix.RAMFS_MAGIC}

const watched = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_DELETE | unix.IN_MOVE | unix.IN_ONLYDIR

// watchFile watches a file, which need not be there, or returns nil where its folder is not there or reports nothing.
// The watch owns a goroutine, which ends with it.
func watchFile(path string) *watch {
	dir, name := filepath.Split(path)
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || !slices.Contains(watchable, int64(fs.Type)) {
		return nil
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil // of what a link leads to, a folder holds or a device reads, the folder it is in reports nothing
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	w := &watch{os.NewFile(uintptr(fd), "inotify"), make(chan struct{}, 1)}
	if _, err := unix.InotifyAddWatch(fd, dir, watched); err != nil {
		w.close()
		return nil
	}
	go w.read(name)
	return w
}

// close ends the watch. That of nil is none.
func (w *watch) close() {
	if w != nil {
		w.inotify.Close()
	}
}

// wait waits until the file may have changed, or for so long. A watch that is nil waits for nothing.
func (w *watch) wait(ctx context.Context, patience time.Duration) {
	if w == nil {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (w *watch) read(name string) {
	buf := make([]byte, 4096)
	for {
		n, err := w.inotify.Read(buf)
		if err != nil {
			return
		}
		if concerns(buf[:n], name) {
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}
}

// concerns reports whether one of the events of inotify is about the name, or about no name, as an overflow is.
func concerns(events []byte, name string) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		about, _, _ := bytes.Cut(events[unix.SizeofInotifyEvent:end], []byte{0})
		if len(about) == 0 || string(about) == name {
			return true
		}
		events = events[end:]
	}
	return false
}
