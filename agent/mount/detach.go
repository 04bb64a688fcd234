// SPDX-License-Identifier: MIT

// Unmounting: what is written back first, who is in the way, and what is left
// behind.

package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How long a mount may be busy before that is an error: a program that has
// just ended may hold files for a moment yet. And how long who is in the way has
// after SIGTERM, and after SIGKILL.
const (
	busyTries = 6
	busyPause = 50 * time.Millisecond
	termGrace = 2 * time.Second
	killGrace = time.Second
)

// manner is how to unmount.
type manner struct{ lazy, kill bool }

// release writes back and unmounts what is mounted at point. It may take as
// long as the device takes.
func (m *mounter) release(point string, how manner) error {
	syncing := syncMount(point)
	if how.lazy {
		return m.umount(point, unix.MNT_DETACH)
	}
	err := m.umountSoon(point)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	if how.kill {
		if err = m.processes.evict(point); err == nil {
			err = m.umountSoon(point)
		}
	}
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("unmount %s: busy: %s", point, m.processes.holders(point))
	}
	return errors.Join(syncing, err)
}

// releaseForeign unmounts what others have mounted. A device, which has a name
// below dev, may be unmounted already.
func (m *mounter) releaseForeign(target, dev string, how manner) error {
	mounts, err := m.mounts.read()
	if err != nil {
		return err
	}
	found := false
	for _, e := range slices.Backward(mounts) {
		if e.point == strings.TrimRight(target, "/") || e.source == target {
			found = true
			if err := m.release(e.point, how); err != nil {
				return err
			}
		}
	}
	if _, err := os.Stat(target); !found && (err != nil || !strings.HasPrefix(target, dev+"/")) {
		return fmt.Errorf("unmount %s: nothing of that name is mounted", target)
	}
	return nil
}

// syncMount writes back what is to be written to the filesystem.
func syncMount(point string) error {
	fd, err := unix.Open(point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil // a lack of permission, or of the device: unmounting will show
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("write %s back: %w", point, err)
	}
	return nil
}

// umountSoon unmounts, if need be after a moment.
func (m *mounter) umountSoon(point string) (err error) {
	for range busyTries {
		if err = m.umount(point, 0); !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(busyPause)
	}
	return err
}

// umount calls umount2(2), through a descriptor of the folder that the mount
// point is in, so that no link leads elsewhere. If somebody else was faster,
// that is no error: a rule may unmount what is being pulled.
func (m *mounter) umount(point string, flags int) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	parent, err := unix.Openat2(unix.AT_FDCWD, filepath.Dir(point), &how)
	if err != nil {
		return fmt.Errorf("unmount %s: open its folder: %w", point, err)
	}
	defer unix.Close(parent)
	err = unix.Unmount(procFd(parent)+"/"+filepath.Base(point), flags|unix.UMOUNT_NOFOLLOW)
	if err == unix.EINVAL && !m.mounts.isMountPoint(point) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", point, err)
	}
	return nil
}

// cut takes the mount of a device that is gone out of sight, however busy it
// is, and cleans up behind it.
func (m *mounter) cut(id identity, mt *mounted) error {
	const deepest = 100 // mounts upon each other
	for range deepest {
		mounts, err := m.mounts.read()
		if err != nil {
			return err
		}
		if at(mounts, mt.point, id.name, id.number) == nil {
			m.clean(id, mt)
			return nil
		}
		if err := m.umount(mt.point, unix.MNT_DETACH); err != nil {
			return err
		}
	}
	return fmt.Errorf("unmount %s: too many mounts on top of each other", mt.point)
}

// clean removes what a mount that is gone has left.
func (m *mounter) clean(id identity, mt *mounted) {
	removeFolder(mt.root, mt.below, mt.made)
	m.records.forget(id)
}
