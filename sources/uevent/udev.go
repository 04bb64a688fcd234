// SPDX-License-Identifier: MIT

// The events of udev's stage: what udevd sends to group 2 when its rules have
// dealt with an event of the kernel's.

package uevent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

// udevControl is the socket on which udevd listens to its commands.
const udevControl = "/run/udev/control"

// noUdevd is said, with the socket's path, where nobody listens on it.
const noUdevd = "udevd is not running: nothing listens on "

// stageField is udev in the events of udev's stage. The kernel's have none.
const stageField = "STAGE"

// udevListener receives udevd's events. Its socket is open only while a rule asks for it.
type udevListener struct {
	channel
	control string // a socket that is listened on while udevd runs
	count   counts
	lossy   bool          // messages were lost: until the socket is empty, the kernel drops all further ones
	cut     int           // messages since then that were too long
	more    sources.Timer // calls readOn, or nil

	receiver *nl.Receiver // the source's
	message  message
	event    sources.Event
	fields   []sources.Field
}

func (u *udevListener) init(s *Source) {
	*u = udevListener{control: udevControl, receiver: &s.receiver}
	u.channel = channel{host: &s.host, failed: "udev's events are not received"}
	u.prepare(func() (*nl.Socket, error) { return openSocket(defaultBuffer, udevGroup) }, u.ready, func() {
		u.receiver.Fit(maxMessage)
		u.lossy, u.cut = false, 0
	})
}

// listen opens the socket, if it is not open.
func (u *udevListener) listen() {
	if u.socket == nil && !u.running() {
		u.host.Log.Warn("rules have stage: udev, but udevd is not running: they match nothing until it is",
			"nobody_on", u.control, "hint", "stage: kernel")
	}
	u.opener.Visit()
}

func (u *udevListener) running() bool { return listenedOn(u.host.Proc, u.control) }

// listenedOn reports whether somebody listens on a unix socket: udevd, or the
// service manager that starts it. The file says nothing, for an udevd that ends
// leaves it behind; and to connect would wake udevd. See the kernel's
// unix_seq_show, whose flags are __SO_ACCEPTCON or none.
func listenedOn(proc, path string) bool {
	const listening = "00010000"
	table, err := os.ReadFile(filepath.Join(proc, "net/unix"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) == 8 && f[3] == listening && f[7] == path {
			return true
		}
	}
	return false
}

// status returns the state; waiting for an udevd is one too.
func (u *udevListener) status() sources.State {
	c := &u.count
	st := sources.State{Name: "udev", OK: u.socket != nil && u.running()}
	st.Detail = fmt.Sprintf("%d received, %d malformed, %d from others, %d losses", c.received, c.malformed, c.foreign, c.lost)
	switch {
	case u.opener.Err() != nil:
		st.Error = u.opener.Err().Error()
	case !u.running():
		st.Error = noUdevd + u.control
	}
	return st
}

// ready takes a batch of messages.
func (u *udevListener) ready(uint32) {
	for range batch {
		b, from, err := u.receiver.Receive(u.socket.FD)
		switch {
		case err == nil && byUdevd(from):
			u.take(b)
		case err == nil:
			u.count.foreign++
			u.host.Log.Debug("message to udev's group that is not from root")
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if u.lossy {
				u.lose()
			}
			return
		case err == unix.ENOBUFS:
			u.lossy = true
		case err == unix.EMSGSIZE:
			u.lossy = true
			u.cut++
		default:
			u.lost(fmt.Errorf("read udev's socket: %w", err))
			return
		}
	}
	if u.lossy && u.more == nil { // that may have been the last message: nothing else calls ready
		u.more = u.host.Loop.After(0, u.readOn)
	}
}

// readOn reads until the socket is empty, after a loss.
func (u *udevListener) readOn() {
	u.more = nil
	if u.lossy && u.socket != nil {
		u.ready(0)
	}
}

// lose tells how many messages were lost, now that the socket is empty.
func (u *udevListener) lose() {
	if count, news := u.socket.Dropped(); news || u.cut > 0 {
		u.count.lost++
		u.host.Lost("uevent", "udev", count+u.cut, u.socket.Hint())
	}
	u.lossy, u.cut = false, 0
}

// take emits one message.
func (u *udevListener) take(b []byte) {
	m := &u.message
	u.count.received++
	if err := m.parseFrame(sources.Borrow(b), u.host.Dev); err != nil {
		u.count.malformed++
		u.host.Log.Debug("malformed event of udev", "error", err, "length", len(b))
		return
	}
	u.emit()
}

// emit emits u.message.
func (u *udevListener) emit() {
	m := &u.message
	u.fields = append(u.fields[:0], sources.Field{Name: stageField, Value: sources.Text(udevStage)})
	u.fields = append(u.fields, m.fields...)
	u.event = sources.Event{
		Time:     u.host.Loop.Now(),
		Topic:    sources.Topic{Kind: "udev", Name: m.subsystem, State: m.action},
		Source:   "uevent:udev",
		Fields:   u.fields,
		Borrowed: true,
		Owned:    1, // the first value
	}
	u.host.Emit(&u.event)
}
