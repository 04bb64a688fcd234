// SPDX-License-Identifier: MIT

// The census: which devices there are, by the kernel's word about each, and by
// comparing a list of all with what we know, at start and after uevents were
// lost.

package mount

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"reflexd/sources"
)

// listing is what there is to know when the devices are listed: what uevents
// say meanwhile counts, and not what the list has of the same devices.
type listing struct {
	since   uint64          // the number of the last uevent before
	known   []string        // the devices before
	removed map[string]bool // since then
}

// lossGrace is how long after a loss of uevents to look at what there is:
// losses come in storms.
const lossGrace = 500 * time.Millisecond

// census keeps the devices of the inventory. It is for the loop's thread.
type census struct {
	*arrivals
	listing   *listing      // nil unless devices are being listed
	again     bool          // list once more
	all       bool          // the next time, look at each device again
	listError string        // why the last time failed; "" if it did not
	uevents   uint64        // uevents of block devices so far
	relisting sources.Timer // nil unless devices are to be listed after a loss
}

// Notify implements sources.Subscriber.
func (c *census) Notify(e *sources.Event) {
	switch {
	case e.Topic.Kind == "loss" && e.Topic.Name == "uevent":
		c.relist()
	case e.Topic.Kind == "uevent" && e.Topic.Name == "block":
		c.takeUevent(e)
	}
}

// takeUevent takes the kernel's word about a block device.
func (c *census) takeUevent(e *sources.Event) {
	id, ok := identify(e)
	if !ok {
		return
	}
	c.uevents++
	known := c.devices[id.name]
	switch e.Topic.State {
	case "remove":
		// Who writes to a uevent file takes nothing away.
		if _, synthetic := e.Lookup("SYNTH_UUID"); known != nil && !synthetic && !before(id, known) {
			c.remove(known)
		}
	case "move":
		c.relist()
	case "add", "change":
		media, _ := e.Lookup("DISK_MEDIA_CHANGE")
		c.appear(id, media.String() == "1", c.uevents)
	}
}

// appear is called for each device that is there, and with media if its
// medium may be another one now. seen is the number of the uevent that says
// so, or 0.
func (c *census) appear(id identity, media bool, heard uint64) {
	d := c.devices[id.name]
	switch {
	case d == nil, d.same(id):
	case d.mount != nil && d.inPlaceOf(id):
		media = true // or the drive has only said so: what it holds decides
	default:
		c.remove(d) // its removal was missed
		d = nil
	}
	if d == nil {
		d = &device{identity: id, released: c.wasLetGo(id)}
		c.devices[id.name] = d
	}
	d.seen = max(d.seen, heard)
	if media {
		c.forgetLetGo(id.path)
		d.released, d.handled, d.ignored, d.compares = false, "", "", 0
	}
	c.consider(d, media)
}

// remove is called for a device that is not there any more.
func (c *census) remove(d *device) {
	d.gone = true
	delete(c.devices, d.name)
	c.forgetLetGo(d.path)
	if d.released && c.hasPath(filepath.Dir(d.path)) {
		c.letGo[d.path] = d.identity // a partition, whose drive is still there
	}
	if c.listing != nil {
		c.listing.removed[d.name] = true
	}
	d.queue.cancel()
	if d.queue.doing == "" {
		c.yank(d)
		return
	}
	c.host.Loop.After(hangs, func() { c.yank(d) })
}

// relist lists the devices again, a while from now.
func (c *census) relist() {
	if c.relisting == nil {
		c.relisting = c.host.Loop.After(lossGrace, func() {
			c.relisting = nil
			c.list(false)
		})
	}
}

// list compares what there is with what we know; with all, it looks at each
// device again.
func (c *census) list(all bool) {
	c.all = c.all || all
	if c.listing != nil {
		c.again = true
		return
	}
	all, c.all = c.all, false
	l := &listing{since: c.uevents, removed: map[string]bool{}}
	l.known = slices.Sorted(maps.Keys(c.devices))
	c.listing = l
	var found []identity
	var err error
	c.host.Loop.Beside(func() { found, err = c.machine.list() }, func() {
		if c.listing != l {
			return // abandoned
		}
		c.listing = nil
		if err != nil {
			c.notListed(err, all)
		} else {
			c.listError = ""
			c.compare(l, found, all)
		}
		if c.again {
			c.again = false
			c.list(false)
		}
	})
}

// notListed logs why the devices could not be listed, once, and has them listed again
// if the kernel had not the means.
func (c *census) notListed(err error, all bool) {
	if c.listError != err.Error() {
		c.listError = err.Error()
		c.host.Log.Error("cannot list block devices", "error", err)
	}
	if sources.Passing(err) {
		c.all = c.all || all
		c.relist()
	}
}

func (c *census) compare(l *listing, found []identity, all bool) {
	there := map[string]bool{}
	for _, id := range found {
		there[id.name] = true
		d := c.devices[id.name]
		switch {
		case l.removed[id.name], d != nil && d.seen > l.since && !d.same(id):
		case all, d == nil, !d.same(id):
			c.appear(id, false, 0)
		}
	}
	for _, name := range l.known {
		if d := c.devices[name]; d != nil && !there[name] && d.seen <= l.since {
			c.remove(d)
		}
	}
}

// before reports whether a removal is of one that had the name before the
// device that we know: the kernel numbers media as they come. One with a
// higher number is the device that we know, whose medium has gone or changed
// meanwhile; a stick that is being pulled may look so.
func before(id identity, d *device) bool {
	was, err := strconv.ParseUint(id.seq, 10, 64)
	is, other := strconv.ParseUint(d.seq, 10, 64)
	return err == nil && other == nil && was < is
}
