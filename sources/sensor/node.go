// SPDX-License-Identifier: MIT

// node: one sensor, and its value.

package sensor

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// The states of a sensor, as Topic.State.
const (
	changed = "changed"
	absent  = "absent"
)

// node is one sensor that something asks for.
type node struct {
	source *Source
	name   string
	settings

	place   *place // nil while it was not found
	reading bool   // in the background
	again   bool   // what is being read may be old
	tried   bool   // it was read, or could not be
	closed  bool

	known  bool // it has a value
	value  value
	unit   string
	window window
	err    error // why it has none

	watching sources.Watch // nil unless the driver announces changes
	fd       int
	deaf     bool // it cannot be watched

	fields [7]sources.Field
}

// polls reports whether n is read again and again. One that is announced is if it
// cannot be read, unless a uevent will say that it is there.
func (n *node) polls() bool {
	waits := n.watching != nil || n.watch == byPriority || n.watch == byUevent
	fails := n.err != nil && (n.kind == path || !errors.As(n.err, new(notThere)))
	return !waits || n.polled || n.deaf || fails
}

// announced reports whether n's driver announces each change.
func (n *node) announced() bool {
	return n.watch == byPriority || n.watch == "" && announces(n.kind, n.place.device, n.place.attribute)
}

// take takes what was read.
func (n *node) take(r *reading) {
	n.reading = false
	if n.closed {
		return
	}
	place := r.place
	if r.err != nil && (n.place == nil || isGone(r.err)) {
		place = nil
	}
	n.settle(place)
	if r.err != nil {
		n.lose(r.err)
	} else {
		n.measure(r.value, r.unit, r.raw)
	}
	n.tried = true
	if n.again {
		n.again = false
		n.source.read([]*node{n})
	}
}

// settle notes where the sensor is, and watches it there.
func (n *node) settle(p *place) {
	if p != nil && n.place != nil && p.path == n.place.path {
		return
	}
	n.unwatch()
	if n.place = p; p != nil && n.announced() {
		n.listen()
	}
}

// listen has the loop report when the attribute of n is announced. Until the file is
// read through that descriptor, which would block the loop, kernfs_generic_poll
// (fs/kernfs/file.c) reports it as announced: at once, so that what changed before is
// not missed, and after that, edge-triggered, whenever it is.
func (n *node) listen() {
	fd, err := unix.Open(n.place.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		n.watching, err = n.source.host.Loop.Watch(fd, unix.EPOLLPRI|unix.EPOLLET, func(uint32) {
			n.source.read([]*node{n})
		})
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		n.source.host.Log.Warn("cannot watch sensor; it is polled", "sensor", n.name, "path", n.place.path, "error", err)
		n.deaf = true
		return
	}
	n.fd = fd
}

// hang notes that the driver does not answer. What is under way goes on.
func (n *node) hang() {
	if !n.closed {
		n.lose(errHangs)
		n.tried = true
	}
}

// lose notes that the sensor cannot be read. One in another state than before
// is an event, one that fails otherwise is a line in the log.
func (n *node) lose(err error) {
	if n.err == nil || n.err.Error() != err.Error() {
		if _, missing := err.(notThere); missing && !n.known {
			n.source.host.Log.Info("sensor does not exist yet", "sensor", n.name, "why", err)
		} else {
			n.source.host.Log.Warn("cannot read sensor", "sensor", n.name, "error", err)
		}
	}
	failed := n.err != nil
	n.err = err
	if failed {
		return
	}
	previous := n.value.text
	n.known, n.value, n.window = false, value{}, n.window[:0]
	n.emit(absent, n.standing(), append(n.fields[:0],
		sources.Field{Name: "SENSOR", Value: sources.Text(n.name)},
		sources.Field{Name: "PREVIOUS", Value: sources.Text(previous)},
		sources.Field{Name: "REASON", Value: sources.Text(err.Error())}))
}

// standing is that of an event: what is found at first began before.
func (n *node) standing() sources.Standing {
	if !n.tried {
		return sources.Found
	}
	return sources.Begins
}

// measure notes a value, and emits an event if it is another than before.
func (n *node) measure(v value, unit, raw string) {
	if n.err != nil {
		n.source.host.Log.Info("sensor can be read", "sensor", n.name)
		n.err = nil
	}
	v = n.window.add(n.filter, v)
	before, known := n.value, n.known
	n.value, n.unit, n.known = v, unit, true
	if known && before == v {
		return
	}
	fields := append(n.fields[:0],
		sources.Field{Name: "SENSOR", Value: sources.Text(n.name)},
		sources.Field{Name: "VALUE", Value: sources.Text(v.text)},
		sources.Field{Name: "UNIT", Value: sources.Text(unit)},
		sources.Field{Name: "PREVIOUS", Value: sources.Text(before.text)},
		sources.Field{Name: "RAW", Value: sources.Text(raw)})
	if before.isNumber && v.isNumber {
		if change, err := v.number.Add(before.number.Neg()); err == nil {
			fields = append(fields, sources.Field{Name: "CHANGE", Value: sources.Text(change.String())})
		}
	}
	n.emit(changed, n.standing(), fields)
}

func (n *node) emit(state string, standing sources.Standing, fields []sources.Field) {
	n.source.host.Emit(&sources.Event{
		Time: n.source.host.Loop.Now(), Topic: sources.Topic{Kind: "sensor", Name: n.name, State: state},
		Source: "sensor:" + n.name, Standing: standing, Fields: fields,
	})
}

// close ends n, which no plan asks for any more.
func (n *node) close() {
	n.unwatch()
	n.closed = true
	if n.tried {
		n.emit("", sources.Vanishes, nil)
	}
}

func (n *node) unwatch() {
	if n.watching != nil {
		n.watching.Close()
		unix.Close(n.fd)
		n.watching = nil
	}
	n.deaf = false
}

// describe says which sensor is meant: "hwmon rpi_volt in0_lcrit_alarm".
func (st *settings) describe() string {
	s := st.kind + " " + st.name
	if st.kind == path {
		s = st.name
	}
	for _, more := range []string{st.attribute, st.label, st.device} {
		if more != "" {
			s += " " + more
		}
	}
	return s
}

// how says how n is read.
func (n *node) how() string {
	switch {
	case n.watching != nil && n.polls():
		return fmt.Sprintf("announced, and read every %v", n.every)
	case n.watching != nil:
		return "announced"
	case n.polls():
		return fmt.Sprintf("read every %v", n.every)
	case n.watch == byUevent:
		return "announced by uevents"
	}
	return "waited for"
}

func (n *node) state() sources.State {
	st := sources.State{Name: n.name, Detail: n.describe() + ", " + n.how(), OK: n.err == nil}
	if n.known {
		st.Detail += ", " + withUnit(n.value.text, n.unit)
	}
	if n.err != nil {
		st.Error = n.err.Error()
	}
	return st
}

// withUnit writes a value as people do.
func withUnit(value, unit string) string {
	if unit == "" {
		return value
	}
	return value + " " + unit
}

// Value returns the value of a sensor, or why there is none.
func (s *Source) Value(name string) (string, error) {
	switch n := s.nodes[name]; {
	case n == nil:
		return "", fmt.Errorf("sensor %s is not read: no rule uses it", name)
	case n.err != nil:
		return "", fmt.Errorf("sensor %s is absent: %w", name, n.err)
	case !n.known:
		return "", fmt.Errorf("sensor %s was not read yet", name)
	default:
		return n.value.text, nil
	}
}

// Now returns the value of a sensor, or absent; nothing while it was not read.
func (s *Source) Now(name string) (value string, ok bool) {
	switch n := s.nodes[name]; {
	case n == nil:
		return "", false
	case n.err != nil:
		return absent, true
	default:
		return n.value.text, n.known
	}
}
