// SPDX-License-Identifier: MIT

// Lines that others hold: the kernel says when they are released. Not every
// kernel reports what drivers do, and its queue may overflow: the timer that
// tries again stays.

package gpio

import (
	"encoding/binary"
	"path/filepath"
	"slices"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// held says where a line is that somebody else has; the zero value that nobody
// has it.
type held struct {
	path    string // of the chip's device
	offsets []int
}

// heldChip watches the lines of one chip that others hold.
type heldChip struct {
	source  *Source
	fd      int
	watch   sources.Watch
	offsets []int // sorted
}

const (
	// changeSize is the size of struct gpio_v2_line_info_changed, on every
	// architecture, and changeType where its event_type is.
	changeSize = 288
	changeType = 264
	// changes is how many of them the kernel keeps.
	changes = 32
	// soonest is how long after a try the next one is made at the earliest,
	// however often others take and release the line.
	soonest = 20 * time.Millisecond
)

// watchHeld watches the lines that the requests wait for because others hold
// them, and no others.
func (s *Source) watchHeld() {
	wanted := map[string][]int{}
	for _, r := range s.requests {
		if r.waiting() && r.held.path != "" {
			wanted[r.held.path] = append(wanted[r.held.path], r.held.offsets...)
		}
	}
	for path, c := range s.held {
		if wanted[path] == nil {
			c.close()
			delete(s.held, path)
		}
	}
	for path, offsets := range sources.InOrder(wanted) {
		slices.Sort(offsets)
		offsets = slices.Compact(offsets)
		if c := s.held[path]; c != nil {
			if slices.Equal(c.offsets, offsets) {
				continue
			}
			c.close()
			delete(s.held, path)
		}
		s.watchChip(path, offsets)
	}
}

// watchChip watches lines of a chip. If one of them was released meanwhile, it
// is tried again at once.
func (s *Source) watchChip(path string, offsets []int) {
	fd, free, err := s.kernel.watchLines(path, offsets)
	if err == nil {
		c := &heldChip{source: s, fd: fd, offsets: offsets}
		if c.watch, err = s.host.Loop.Watch(fd, unix.EPOLLIN, c.ready); err == nil {
			if s.held == nil {
				s.held = map[string]*heldChip{}
			}
			s.held[path] = c
		} else {
			unix.Close(fd)
		}
	}
	switch {
	case err != nil:
		s.host.Log.Debug("the release of lines is found by polling", "chip", path, "error", err)
	case free:
		s.released()
	}
}

// forgetHeld ends the watching of a chip whose device went away.
func (s *Source) forgetHeld(node string) {
	for path, c := range s.held {
		if node == allChips || node == filepath.Base(path) {
			c.close()
			delete(s.held, path)
		}
	}
}

func (c *heldChip) close() {
	c.watch.Close()
	unix.Close(c.fd)
}

// ready reads what happened to the lines. A queue that was full may have lost
// the release.
func (c *heldChip) ready(events uint32) {
	var buf [changes * changeSize]byte
	n, err := unix.Read(c.fd, buf[:])
	switch {
	case err == unix.EINTR, err == unix.EAGAIN && events&(unix.EPOLLHUP|unix.EPOLLERR) == 0:
		return
	case err != nil || n == 0: // the chip is gone, which the next try finds out
		c.watch.Close()
		return
	}
	seen := n == len(buf)
	for b := buf[:n]; len(b) >= changeSize; b = b[changeSize:] {
		seen = seen || binary.NativeEndian.Uint32(b[changeType:]) == uint32(uapi.LineChangedReleased)
	}
	if seen {
		c.source.released()
	}
}

// released has the lines that are waited for tried again as soon as may be.
func (s *Source) released() {
	s.opener.VisitAfter(max(0, s.triedAt+soonest-s.host.Loop.Now()))
}
