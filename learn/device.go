// SPDX-License-Identifier: MIT

// Devices that come and go: which of the many messages of one that is plugged
// in is the one to wait for.

package learn

import (
	"cmp"
	"slices"
	"strings"

	"reflexd/blkid"
	"reflexd/sources"
	"reflexd/sources/input"
)

// unasked are subsystems whose devices are a part of others that are announced
// too. What can be said of a network card its link says better.
var unasked = []string{"bdi", "bsg", "drivers", "net", "queues", "slab", "workqueue"}

// placeDevice has all that hangs on one USB device, or else on whatever was
// announced first, in one burst.
func (l *Learner) placeDevice(e *sources.Event) (kind, of string, ok bool) {
	path := text(e, "DEVPATH")
	switch {
	case text(e, "COLDPLUG") == "1", slices.Contains(unasked, text(e, "SUBSYSTEM")):
		return "", "", false
	case !strings.HasPrefix(path, "/devices/"):
		return sideBurst, path, true
	}
	l.plugged = e.Time
	if root := usbDevice(path); root != "" {
		return deviceBurst, root, true
	}
	for _, b := range l.bursts {
		switch {
		case b.kind != deviceBurst:
		case below(path, b.of):
			return deviceBurst, b.of, true
		case below(b.of, path):
			b.of = path
			return deviceBurst, path, true
		}
	}
	return deviceBurst, path, true
}

func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// usbDevice returns the path of the USB device that path is or hangs on, "" if
// there is none.
func usbDevice(path string) string {
	end := 0
	at := 0
	for part := range strings.SplitSeq(path, "/") {
		at += len(part)
		if isUSBPort(part) {
			end = at
		}
		at++
	}
	return path[:end]
}

// isUSBPort reports whether name is that of a USB device: 1-1.2, by bus and
// ports.
func isUSBPort(name string) bool {
	bus, ports, ok := strings.Cut(name, "-")
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	return ok && bus != "" && digits(bus) && ports != "" && digits(strings.ReplaceAll(ports, ".", ""))
}

// unfinished reports whether b is of a USB device that has come and is not
// ready: the kernel binds it when it has its drivers, or it is a drive without
// a disk yet.
func (b *Burst) unfinished() bool {
	came, bound, drive, disk := false, false, false, false
	for _, e := range b.events {
		action, own := e.Topic.State, text(e, "DEVPATH") == b.of
		if action == "remove" {
			return false
		}
		came = came || own && action == "add" && text(e, "DEVTYPE") == "usb_device"
		bound = bound || own && action == "bind"
		drive = drive || strings.HasPrefix(text(e, "INTERFACE"), "8/")
		disk = disk || text(e, "SUBSYSTEM") == "block"
	}
	return came && !bound || drive && !disk
}

// mostDisks bounds how many block devices of a burst are looked at.
const mostDisks = 16

// blockDevices returns the block devices that came.
func (b *Burst) blockDevices() []string {
	var names []string
	for _, e := range b.events {
		name := text(e, "DEVNAME")
		if b.kind == deviceBurst && text(e, "SUBSYSTEM") == "block" && e.Topic.State != "remove" &&
			len(names) < mostDisks && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// fate returns what became of the device: add, remove, or whatever else the
// last message says.
func (b *Burst) fate() string {
	fate, root := "", false
	for _, e := range b.events {
		own := text(e, "DEVPATH") == b.of
		if (e.Topic.State == "add" || e.Topic.State == "remove") && (own || !root) {
			fate, root = e.Topic.State, own
		}
	}
	return cmp.Or(fate, b.events[len(b.events)-1].Topic.State)
}

// rank says how much an event says about what a device is for, the least first.
func rank(e *sources.Event) int {
	device := strings.TrimLeft(text(e, "DEVNAME"), "/")
	switch text(e, "SUBSYSTEM") {
	case "block":
		if text(e, "DEVTYPE") == "partition" {
			return 0
		}
		return 1
	case "input":
		if strings.Contains(device, "/event") {
			return 2
		}
	case "tty", "video4linux":
		return 3
	case "usb":
		if text(e, "DEVTYPE") == "usb_device" {
			return 4
		}
	}
	return 5
}

// latest returns the event that says most of those with the action, and of
// those with the DEVTYPE if that is not "".
func (b *Burst) latest(action, devtype string) *sources.Event {
	var best *sources.Event
	for _, e := range b.events {
		if e.Topic.State == action && (devtype == "" || text(e, "DEVTYPE") == devtype) && (best == nil || rank(e) < rank(best)) {
			best = e
		}
	}
	return best
}

// device concludes what came or went.
func (b *Burst) device(w *World) []*fragment {
	e := b.latest(b.fate(), "")
	switch rank(e) {
	case 0, 1:
		return []*fragment{b.disk(e, w)}
	case 2:
		return []*fragment{b.inputDevice(e, w)}
	}
	f := newFragment("device", "%: % (%).", sentenceOf(e), called(subject(e)), Printable(text(e, "SUBSYSTEM")))
	f.rule("uevent: {%}", devices(e))
	place := "DEVPATH"
	if text(e, place) == "" { // it is about no device
		place = "BUTTON"
	}
	f.log("${ACTION} ${" + place + "}")
	return []*fragment{f}
}

// sentenceOf says what became of the device of e.
func sentenceOf(e *sources.Event) string {
	action := e.Topic.State
	switch usb := text(e, "ID_BUS") == "usb"; {
	case usb && action == "add":
		return "A USB device was plugged in"
	case usb && action == "remove":
		return "A USB device was removed"
	case action == "add":
		return "A device appeared"
	case action == "remove":
		return "A device disappeared"
	}
	if text(e, "DEVPATH") == "" {
		return "A driver reported a button, " + Printable(action)
	}
	return "The kernel reported a device, " + Printable(action)
}

// subject returns by what name people may know the device of e.
func subject(e *sources.Event) string {
	model := strings.TrimSpace(text(e, "ID_VENDOR") + " " + text(e, "ID_MODEL"))
	return cmp.Or(model, text(e, "DEVNAME"), text(e, "DEVPATH"), text(e, "BUTTON"))
}

// The fields that say which make a device is.
var (
	makeFields  = []string{"ID_VENDOR_ID", "ID_MODEL_ID"}
	otherFields = []string{"ID_BUS", "ID_VENDOR", "ID_MODEL"} // where those are not known
)

// devices returns the conditions for the device of e, for all of its make and
// for all of its kind.
func devices(e *sources.Event) string {
	kind := conditions(e, "ACTION", "SUBSYSTEM", "DEVTYPE")
	choices := ""
	add := func(why string, fields ...string) {
		if more := conditions(e, fields...); more != "" {
			choices += kind + ", " + more + "\t" + why + "\n"
		}
	}
	ids := identity(e)
	switch {
	case ids != nil && text(e, "ID_SERIAL_SHORT") != "":
		add("this device only", append(slices.Clone(ids), "ID_SERIAL_SHORT")...)
		add("any of this model", ids...)
	case ids != nil:
		add("any of this model", ids...)
	case text(e, "DEVNAME") != "":
		add("by its current name", "DEVNAME")
	case text(e, "BUTTON") != "": // of OpenWrt's gpio-button-hotplug: it has no path
		add("this button only", "BUTTON")
	default:
		add("by its path", "DEVPATH")
	}
	add("any on this bus", "ID_BUS")
	return choices + kind + "\tany such device"
}

// identity returns which fields have the make of the device of e.
func identity(e *sources.Event) []string {
	for _, fields := range [][]string{makeFields, otherFields} {
		if text(e, fields[len(fields)-1]) != "" {
			return fields
		}
	}
	return nil
}

// disk concludes what to do with a drive.
func (b *Burst) disk(e *sources.Event, w *World) *fragment {
	f := newFragment("device", "%: the drive %, %.", sentenceOf(e), called(subject(e)), Printable(text(e, "DEVNAME")))
	if e.Topic.State == "remove" {
		f.rule("uevent: {%}", devices(e))
		f.other(unmounted, "\tif `automount` mounted it")
		f.log("${DEVNAME}: ${REFLEXD_EVENT}")
		return f
	}
	mountable := false
	for _, name := range b.blockDevices() {
		if c := w.Contents[name]; c.Usage == blkid.Filesystem {
			f.note("% holds % %", Printable(name), c.Type, called(c.Label))
			mountable = true
		}
	}
	bus := text(e, "ID_BUS")
	mountable = mountable && (bus == "usb" || bus == "mmc")
	if mountable {
		f.automount(e)
	}
	f.rule("uevent: {%}", devices(e))
	f.log("${ACTION} ${DEVNAME}")
	if mountable {
		f.rule("mount: \"*\", is: mounted%", "\tits files can be read")
		f.other(unmounted, "\tit is unmounted or removed")
		f.log("${DEVNAME} at ${MOUNTPOINT}: ${REFLEXD_EVENT}")
	}
	return f
}

// unmounted is the trigger for a drive that goes; % stands for nothing.
const unmounted = "mount: \"*\", is: [unmounted, yanked]%"

// automount adds that the drive is mounted, which is probably what is wanted.
func (f *fragment) automount(e *sources.Event) {
	choices := "true\tevery USB drive and card"
	if match := conditions(e, append(slices.Clone(identity(e)), "ID_SERIAL_SHORT")...); match != "" {
		choices = "{match: {" + match + "}}\tonly this one\n" + choices
	}
	f.section("automount", "", choices)
}

// inputDevice concludes that a keyboard or the like came or went.
func (b *Burst) inputDevice(e *sources.Event, w *World) *fragment {
	action := e.Topic.State
	nodes := b.inputNodes(action, w)
	word, is := "appeared", "present"
	if action == "remove" {
		word, is = "disappeared", "absent"
	}
	f := newFragment("device", "The input device % %.", nameOf(nodes[0]), word)
	for _, other := range nodes[1:] {
		f.note("So did %, %.", nameOf(other), Printable(other.Path))
	}
	name := f.input(w, nodes[0], "")
	f.rule("input: "+name+", is: %", is+"\n[present, absent]\tboth")
	if usb := b.latest(action, "usb_device"); usb != nil {
		whole, _, _ := strings.Cut(devices(usb), "\t")
		f.other("uevent: {%}", whole+"\tthe USB device as a whole")
	}
	f.log("${REFLEXD_EVENT}")
	return f
}

// inputNodes returns the input devices that came or went, the one with most
// keys first.
func (b *Burst) inputNodes(action string, w *World) []*input.Device {
	var nodes []*input.Device
	for _, e := range b.events {
		if e.Topic.State == action && rank(e) == 2 {
			nodes = append(nodes, w.device(text(e, "DEVNAME"), ""))
		}
	}
	for i, d := range nodes {
		if len(d.Keys) > len(nodes[0].Keys) {
			nodes[0], nodes[i] = d, nodes[0]
		}
	}
	return nodes
}
