// SPDX-License-Identifier: MIT

// Chips that come and go: inotify on /dev for their devices, and a timer for
// what no device announces, such as another program's letting go of a line.

package gpio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// Between two tries to open a line that is busy lies at first firstRetry, then
// twice as long each time, up to lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// hotplug is the watch on the folder of devices.
type hotplug struct {
	fd    int // -1 if not watching
	watch sources.Watch
	buf   [4096]byte
}

func (h *hotplug) close() {
	if h.fd < 0 {
		return
	}
	if h.watch != nil {
		h.watch.Close()
	}
	unix.Close(h.fd)
	h.fd, h.watch = -1, nil
}

// watchHotplug begins to watch for chips when there is a line to open. Without
// inotify, which the log then tells, chips are looked for by the timer.
func (s *Source) watchHotplug() {
	if s.hotplug.fd >= 0 || !s.anyWaiting() {
		return
	}
	if err := s.startHotplug(); err != nil {
		s.hotplug.close()
		s.host.Log.Error("GPIO chips that come later are only looked for now and then",
			"every", lastRetry, "error", err)
	}
}

func (s *Source) startHotplug() (err error) {
	h := &s.hotplug
	if h.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return fmt.Errorf("open inotify: %w", err)
	}
	// IN_ATTRIB: the rights to a new device are settled after it was made.
	const mask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_DELETE | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(h.fd, s.host.Dev, mask); err != nil {
		return fmt.Errorf("watch folder %s: %w", s.host.Dev, err)
	}
	h.watch, err = s.host.Loop.Watch(h.fd, unix.EPOLLIN, s.deviceChanged)
	return err
}

// deviceChanged reads one batch of what happened in the folder of devices.
func (s *Source) deviceChanged(uint32) {
	n, err := unix.Read(s.hotplug.fd, s.hotplug.buf[:])
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 {
		s.host.Log.Error("watching for GPIO chips ends", "error", err)
		s.hotplug.close()
		s.retryLater()
		return
	}
	removed, any := chipChanges(s.hotplug.buf[:n])
	for _, l := range s.lines {
		if l.fd >= 0 && (slices.Contains(removed, l.node) || slices.Contains(removed, allChips)) {
			l.probe()
		}
	}
	if any {
		s.backoff = firstRetry
		s.openWaiting()
	}
}

// allChips stands among removed chips for those that nobody knows of.
const allChips = "*"

// chipChanges reads struct inotify_event after struct inotify_event from b
// (inotify(7)) and returns the chips whose devices went away, and whether
// anything happened to any chip's device.
func chipChanges(b []byte) (removed []string, any bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(b[4:])
		size := binary.NativeEndian.Uint32(b[12:])
		b = b[unix.SizeofInotifyEvent:]
		name := b[:min(uint64(size), uint64(len(b)))]
		b = b[len(name):]
		node, _, _ := bytes.Cut(name, []byte{0})
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			removed, any = append(removed, allChips), true
		case !strings.HasPrefix(string(node), chipPrefix):
		case mask&unix.IN_DELETE != 0:
			removed, any = append(removed, string(node)), true
		default:
			any = true
		}
	}
	return removed, any
}

// scheduleRetry sets the timer if a line waits for something that no device
// announces.
func (s *Source) scheduleRetry() {
	for _, l := range s.lines {
		if l.waiting() && (s.hotplug.fd < 0 || passing(l.cause)) {
			s.retryLater()
			return
		}
	}
}

// passing reports whether the cause of waiting may pass by itself.
func passing(cause error) bool {
	var errno unix.Errno
	return errors.As(cause, &errno) && transient(errno)
}

// retryLater sets the timer, unless it is set.
func (s *Source) retryLater() {
	if s.retry != nil {
		return
	}
	s.retry = s.host.Loop.After(s.backoff, func() {
		s.retry = nil
		s.openWaiting()
	})
	s.backoff = min(2*s.backoff, lastRetry)
}

func (s *Source) stopRetry() {
	if s.retry != nil {
		s.retry.Stop()
		s.retry = nil
	}
}
