// SPDX-License-Identifier: MIT

// Chips that come and go: inotify on /dev for their devices, and a timer for
// what no device announces.

package gpio

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources/inotify"
)

// Between two tries to open a line that is busy lies at first firstRetry, then
// twice as long each time, up to lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// watchDevices begins to watch for chips when there is a line to open. While
// inotify does not work, chips are looked for by the timer.
func (s *Source) watchDevices() {
	if s.folders != nil || s.levels != nil || !s.anyWaiting() {
		return
	}
	s.folders = inotify.Watch(&s.host, inotify.Spec{
		For: "GPIO chips", Changed: s.deviceChanged,
		Afresh: func(bool) { s.deviceChanged("", allChips, unix.IN_DELETE) },
	})
	s.folders.Set([]string{s.host.Dev}, inotify.NamesIn(s.host.Dev))
}

// allChips stands for a chip of any name, when nobody knows which.
const allChips = chipPrefix + "*"

// deviceChanged is called with what happened to a device. What a batch of changes
// brings is opened at once, after it.
func (s *Source) deviceChanged(_, node string, mask uint32) {
	if !strings.HasPrefix(node, chipPrefix) {
		return
	}
	for _, r := range s.requests {
		if mask&unix.IN_DELETE != 0 && r.fd >= 0 && (node == r.node || node == allChips) {
			r.probe()
		}
	}
	if mask&unix.IN_DELETE != 0 {
		s.forgetHeld(node)
	}
	s.opener.VisitAfter(0)
}

// pause is how the source's Opener waits: only for what no device announces.
func (s *Source) pause(err error, failures int) (time.Duration, bool) {
	const most = 6 // of which the pause is lastRetry
	return min(firstRetry<<(min(failures, most)-1), lastRetry), s.folders == nil || s.folders.Err() != nil || passing(err)
}

// passing reports whether what err says may pass by itself.
func passing(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno) && transient(errno)
}
