// SPDX-License-Identifier: MIT

// The events of udev's stage: what udevd tells on group 2 when its rules have
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

// udevListener hears udevd. Its socket is open only while a rule asks for it.
type udevListener struct {
	host    *sources.Host
	control string // a socket that is listened on while udevd runs
	socket  *nl.Socket
	watch   sources.Watch
	retry   sources.Timer
	err     error
	count   counts

	receiver *nl.Receiver // the source's
	message  message
	event    sources.Event
	fields   []sources.Field
}

// listen opens the socket, if it is not open.
func (u *udevListener) listen() {
	if u.socket != nil || u.retry != nil {
		return
	}
	if !u.running() {
		u.host.Log.Warn("rules have stage: udev, but udevd is not running: they match nothing until it is",
			"nobody_on", u.control, "hint", "stage: kernel")
	}
	socket, err := openSocket(defaultBuffer, udevGroup)
	if err == nil {
		u.watch, err = u.host.Loop.Watch(socket.FD, unix.EPOLLIN, u.ready)
		if err != nil {
			socket.Close()
		}
	}
	if err != nil {
		u.fail(err)
		return
	}
	u.receiver.Fit(maxMessage)
	u.socket, u.err = socket, nil
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

func (u *udevListener) fail(err error) {
	u.close()
	u.err = err
	u.host.Log.Error("udev's events are not received", "error", err, "again_in", retryAfter)
	u.retry = u.host.Loop.After(retryAfter, func() {
		u.retry = nil
		u.listen()
	})
}

func (u *udevListener) close() {
	if u.socket != nil {
		u.watch.Close()
		u.socket.Close()
		u.socket = nil
	}
	sources.StopTimer(&u.retry)
	u.retry, u.err = nil, nil
}

// status tells the state; waiting for an udevd is one too.
func (u *udevListener) status() sources.State {
	c := &u.count
	st := sources.State{Name: "udev", OK: u.socket != nil && u.running()}
	st.Detail = fmt.Sprintf("%d received, %d malformed, %d from others, %d losses", c.received, c.malformed, c.foreign, c.lost)
	switch {
	case u.err != nil:
		st.Error = u.err.Error()
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
			return
		case err == unix.ENOBUFS, err == unix.EMSGSIZE:
			u.count.lost++
			u.host.Lost("uevent", "udev", 0, u.socket.Hint())
		default:
			u.fail(fmt.Errorf("read udev's socket: %w", err))
			return
		}
	}
}

// take tells of one message.
func (u *udevListener) take(b []byte) {
	m := &u.message
	u.count.received++
	if err := m.parseFrame(sources.Borrow(b), u.host.Dev); err != nil {
		u.count.malformed++
		u.host.Log.Debug("malformed event of udev", "error", err, "length", len(b))
		return
	}
	u.fields = append(u.fields[:0], sources.Field{Name: stageField, Value: sources.Text(udevStage)})
	u.fields = append(u.fields, m.fields...)
	u.event = sources.Event{
		Time:     u.host.Loop.Now(),
		Topic:    sources.Topic{Kind: "udev", Name: m.subsystem, State: m.action},
		Source:   "uevent:udev",
		Fields:   u.fields,
		Borrowed: true,
	}
	u.host.Emit(&u.event)
}
