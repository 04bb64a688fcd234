// SPDX-License-Identifier: MIT

// Receivers of remote controls: /dev/lirc*, in the mode in which the kernel
// decodes the protocol and hands out scancodes. Several programs can do so at
// once: nothing is taken from the keymap. See
// Documentation/userspace-api/media/rc/lirc-dev-intro.rst.

package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// The requests and constants of linux/lirc.h.
const (
	lircSetRecMode   = uintptr(iocWrite<<30 | 4<<16 | 'i'<<8 | 0x12)
	lircModeScancode = 8

	lircToggle = 1 // LIRC_SCANCODE_FLAG_TOGGLE
)

// lircSize is the size of struct lirc_scancode.
const lircSize = 24

// lircRecord is struct lirc_scancode.
type lircRecord struct {
	at      time.Duration // CLOCK_MONOTONIC
	toggle  bool
	keycode uint32 // by the keymap of the receiver; 0 for none
	scan    scancode
}

// decodeLirc reads the record that b begins with; b holds at least lircSize.
func decodeLirc(b []byte) lircRecord {
	e := binary.NativeEndian
	return lircRecord{
		at:      time.Duration(e.Uint64(b)),
		toggle:  e.Uint16(b[8:])&lircToggle != 0,
		keycode: e.Uint32(b[12:]),
		scan:    scancode{e.Uint16(b[10:]), e.Uint64(b[16:])},
	}
}

// receiver is one /dev/lirc*.
type receiver struct {
	source *source
	path   string
	opener sources.Opener[*lirc]

	fd     int // -1 unless open
	watch  sources.Watch
	names  []string            // by which the configuration knows it
	wanted map[scancode]string // that rules ask for, with the names of their keys
	model  string              // as the driver calls it
	key    sustained

	event  sources.Event
	fields [6]sources.Field
}

// lirc is a receiver that was opened.
type lirc struct {
	fd    int
	model string
}

// errNoDecoder says that a receiver hands out pulses only.
var errNoDecoder = errors.New("the receiver does not decode protocols (LIRC_MODE_SCANCODE)")

// isLirc reports whether name is that of such a node.
func isLirc(name string) bool {
	number, ok := strings.CutPrefix(name, "lirc")
	_, err := strconv.ParseUint(number, 10, 16)
	return ok && err == nil
}

// openLirc opens a receiver in scancode mode. sys is where /sys is.
func openLirc(path, sys string) (*lirc, error) {
	fd, err := openDevice(path)
	if err != nil {
		return nil, explainOpen(path, err)
	}
	mode := uint32(lircModeScancode)
	if _, err := ioctlAt(fd, lircSetRecMode, unsafe.Pointer(&mode)); err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
			err = errNoDecoder
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &lirc{fd, lircModel(path, sys)}, nil
}

// lircModel returns what the driver calls the receiver, "" if it says nothing.
func lircModel(path, sys string) string {
	b, _ := os.ReadFile(filepath.Join(sys, "class/lirc", filepath.Base(path), "device/uevent"))
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEV_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return ""
}

func (s *source) newReceiver(path string) *receiver {
	r := &receiver{source: s, path: path, fd: -1}
	r.key = sustained{loop: s.host.Loop, tell: r.tell}
	r.event.Source = "input:" + path
	r.opener = sources.Opener[*lirc]{
		Loop:     s.host.Loop,
		Open:     func() (*lirc, error) { return s.openLirc(path, s.host.Sys) },
		Use:      r.take,
		Discard:  func(l *lirc) { unix.Close(l.fd) },
		Pause:    pauseLirc,
		Report:   func(err error) { s.host.Log.Warn("cannot use receiver of remote controls", "error", err) },
		Patience: sources.NodePatience,
		Ended:    s.notice,
	}
	return r
}

func pauseLirc(err error, failures int) (time.Duration, bool) {
	if errors.Is(err, errNoDecoder) {
		return 0, false
	}
	return sources.NodePause(err, failures)
}

// take puts a receiver that was opened into use.
func (r *receiver) take(l *lirc) (err error) {
	r.watch, err = r.source.host.Loop.Watch(l.fd, unix.EPOLLIN, r.ready)
	if err != nil {
		return explainOpen(r.path, err)
	}
	r.fd, r.model = l.fd, l.model
	r.adapt()
	r.source.host.Log.Info("receiver of remote controls opened", "device", r.path, "name", r.model)
	return nil
}

// adapt makes the receiver serve the plan.
func (r *receiver) adapt() {
	r.names = r.source.plan.namesOf(r.path, &identity{name: r.model})
	r.wanted = r.source.plan.scansOf(r.names)
	if r.key.down && r.nameOf(r.key.key, 0) == "" {
		r.key.stop()
	}
	for _, scan := range sortedScans(r.wanted) {
		if scan.protocol != scanned && !(r.key.down && r.key.key == scan) {
			r.event.Press, r.event.Standing = sources.StartsUp, sources.Found
			r.emit(r.source.host.Loop.Now(), r.wanted[scan], scan, 0, true)
		}
	}
}

// nameOf returns the name under which a key is told, "" if nobody wants it:
// where everything is shown, those that have a name by the keymap are shown by
// that.
func (r *receiver) nameOf(scan scancode, keycode uint32) string {
	if name, ok := r.wanted[scan]; ok {
		return name
	}
	if r.source.plan.Everything && keycode == 0 {
		return scan.String()
	}
	return ""
}

// ready reads one batch. A receiver that was unplugged hangs up.
func (r *receiver) ready(events uint32) {
	buf := r.source.buf[:len(r.source.buf)/lircSize*lircSize] // the kernel wants whole ones
	n, err := unix.Read(r.fd, buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		if events&(unix.EPOLLHUP|unix.EPOLLERR) == 0 {
			return
		}
		err = unix.ENODEV
	case err == nil && n == 0:
		err = io.EOF
	}
	if err != nil {
		r.lost(err)
		return
	}
	for b := buf[:n]; len(b) >= lircSize; b = b[lircSize:] {
		if rec := decodeLirc(b); r.nameOf(rec.scan, rec.keycode) != "" {
			r.key.report(rec.at, rec.scan, rec.toggle)
		} else {
			r.key.release(rec.at) // another key was pressed
		}
	}
}

// tell tells of a key.
func (r *receiver) tell(at time.Duration, scan scancode, value int32) {
	r.event.Press, r.event.Standing = keyPress[value], sources.Begins
	if value == 2 {
		r.event.Standing = sources.NoState
	}
	if name := r.nameOf(scan, 0); name != "" {
		r.emit(at, name, scan, value, false)
	}
}

func (r *receiver) emit(at time.Duration, name string, scan scancode, value int32, synthetic bool) {
	r.fields = [...]sources.Field{
		{Name: "KEY", Value: sources.Text(name)},
		{Name: "CODE", Value: sources.Int(int64(scan.code))},
		{Name: "VALUE", Value: sources.Int(int64(value))},
		{Name: "DEVICE", Value: sources.Text(r.path)},
		{Name: "NAME", Value: sources.Text(r.model)},
		{Name: "SYNTHETIC", Value: sources.Int(1)},
	}
	r.event.Time, r.event.Topic, r.event.Names = at, sources.Topic{Kind: "key", Name: name}, r.names
	if r.event.Fields = r.fields[:]; !synthetic {
		r.event.Fields = r.fields[:5]
	}
	r.source.host.Emit(&r.event)
}

// lost is called when the receiver cannot be read any more.
func (r *receiver) lost(err error) {
	r.source.host.Log.Info("receiver of remote controls lost", "device", r.path, "name", r.model, "error", err)
	r.release()
	r.opener.Lost(fmt.Errorf("read %s: %w", r.path, err))
	r.source.notice()
}

// release lets go of the descriptor, and of a key that is down.
func (r *receiver) release() {
	if r.fd < 0 {
		return
	}
	now := r.source.host.Loop.Now()
	if name := r.nameOf(r.key.key, 0); r.key.down && name != "" {
		r.event.Press, r.event.Standing = sources.Ended, sources.Begins
		r.emit(now, name, r.key.key, 0, true)
	}
	r.key.stop()
	for _, scan := range sortedScans(r.wanted) {
		if scan.protocol != scanned {
			r.source.host.Emit(&sources.Event{Time: now, Topic: sources.Topic{Kind: "key", Name: r.wanted[scan]}, Source: r.event.Source, Standing: sources.Vanishes})
		}
	}
	r.watch.Close()
	fd := r.fd
	r.source.host.Loop.Beside(func() { unix.Close(fd) }, sources.Nothing)
	r.fd, r.watch = -1, nil
}

// close closes the receiver for good.
func (r *receiver) close() {
	r.opener.Stop()
	r.release()
}

// scanReceivers opens the receivers that there are, if rules want their keys, and
// closes those that are gone or that nobody wants.
func (s *source) scanReceivers() {
	found := map[string]bool{}
	if s.plan.receives() && s.simulated == nil {
		names, _ := sources.Entries(s.host.Dev, "lirc") // it is there, or there are none
		for _, name := range names {
			if isLirc(name) {
				found[filepath.Join(s.host.Dev, name)] = true
			}
		}
	}
	for path := range sources.InOrder(s.receivers) {
		if !found[path] {
			s.dropReceiver(path)
		}
	}
	for path := range sources.InOrder(found) {
		s.visitReceiver(path)
	}
}

// visitReceiver opens the receiver at path, or makes it serve the plan.
func (s *source) visitReceiver(path string) {
	r := s.receivers[path]
	if r == nil {
		r = s.newReceiver(path)
		s.receivers[path] = r
	}
	if r.fd >= 0 {
		r.adapt()
		return
	}
	r.opener.Visit()
}

func (s *source) dropReceiver(path string) {
	if r := s.receivers[path]; r != nil {
		delete(s.receivers, path)
		r.close()
		s.notice()
	}
}

// receiverChanged is told what became of a name in the folder of receivers.
func (s *source) receiverChanged(path string, mask uint32) {
	if mask&(unix.IN_DELETE|unix.IN_MOVED_TO) != 0 {
		s.dropReceiver(path)
	}
	if r := s.receivers[path]; mask&unix.IN_DELETE == 0 && s.plan.receives() && (r == nil || r.fd < 0) {
		s.visitReceiver(path)
	}
}

// receiving reports whether a receiver is open.
func (s *source) receiving() bool {
	for _, r := range s.receivers {
		if r.fd >= 0 {
			return true
		}
	}
	return false
}
