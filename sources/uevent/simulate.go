// SPDX-License-Identifier: MIT

// Devices without a kernel, for tests of rules: what is announced comes from
// the test, in the kernel's own form. What is made of it is worked out as ever.

package uevent

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"reflexd/sources"
)

// simulated is the devices that a simulated source has, by the order in which
// they came.
type simulated struct{ devices []simulatedDevice }

type simulatedDevice struct {
	path       string
	properties map[string]string // of the kernel's
	ids        []sources.Field
}

// Simulate announces a device with these properties as the kernel does; with
// STAGE=udev, as udevd does. ACTION and SUBSYSTEM must be among them. Without
// DEVPATH, an action of a driver's own, such as pressed, is about no device. ID_
// properties are what the device is asked for where a rule names them.
func (s *Source) Simulate(properties map[string]string) error {
	if properties["ACTION"] == "" || properties["SUBSYSTEM"] == "" {
		return errors.New("a uevent has an ACTION and a SUBSYSTEM")
	}
	own := maps.Clone(properties)
	if own["DEVPATH"] == "" && (own[stageField] == udevStage || slices.Contains(actions, own["ACTION"])) {
		own["DEVPATH"] = DevPath(own)
	}
	if own[stageField] == udevStage {
		return s.simulateUdev(own)
	}
	d := newSimulated(own)
	s.simulated.forget(d.path)
	if own["ACTION"] != "remove" && d.path != "" {
		s.simulated.devices = append(s.simulated.devices, d)
	}
	text := messageOf(d.properties, d.path)
	var m message
	if err := m.parse(text, s.host.Dev); err != nil {
		return err
	}
	if s.plan.wanted() {
		s.take([]byte(text))
	}
	return nil
}

// SimulatePresent has a device with these properties be there when the plan is
// applied.
func (s *Source) SimulatePresent(properties map[string]string) error {
	if properties["SUBSYSTEM"] == "" {
		return errors.New("a device has a SUBSYSTEM")
	}
	own := maps.Clone(properties)
	delete(own, "ACTION")
	if own["DEVPATH"] == "" {
		own["DEVPATH"] = DevPath(own)
	}
	s.simulated.devices = append(s.simulated.devices, newSimulated(own))
	return nil
}

// DevPath returns the DEVPATH of a simulated device for which none is given: a
// partition's is below its drive's.
func DevPath(properties map[string]string) string {
	name := path.Base(properties["DEVNAME"])
	if properties["DEVNAME"] == "" {
		name = properties["INTERFACE"]
	}
	if drive, isPart := DriveOf(name); isPart && properties["SUBSYSTEM"] == "block" {
		name = drive + "/" + name
	}
	return path.Join("/devices/simulated", properties["SUBSYSTEM"], name)
}

// DriveOf returns the name of the drive that a partition is of, by its name:
// sda of sda1, mmcblk0 of mmcblk0p1.
func DriveOf(name string) (drive string, isPart bool) {
	drive = strings.TrimRight(name, "0123456789")
	switch {
	case drive == name, drive == "":
		return name, false
	case !strings.ContainsAny(name[:1], "mln"): // sd, vd, hd, xvd
		return drive, true
	}
	whole := strings.TrimSuffix(drive, "p")
	if whole == drive || strings.TrimRight(whole, "0123456789") == whole {
		return name, false // mmcblk0, loop0, nvme0n1
	}
	return whole, true
}

// newSimulated separates what the kernel announces from what is asked for.
func newSimulated(properties map[string]string) simulatedDevice {
	d := simulatedDevice{path: properties["DEVPATH"], properties: map[string]string{}}
	if isRelative(properties["DEVNAME"]) {
		properties["DEVNAME"] = "/dev/" + properties["DEVNAME"]
	}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(idFields, key) {
			d.ids = append(d.ids, sources.Field{Name: key, Value: sources.Text(properties[key])})
		} else {
			d.properties[key] = properties[key]
		}
	}
	return d
}

// messageOf returns what the kernel sends. Nothing in it holds a NUL.
func messageOf(properties map[string]string, devpath string) string {
	clean := func(s string) string { return strings.ReplaceAll(s, "\x00", "") }
	text := clean(properties["ACTION"]+"@"+devpath) + "\x00"
	if devpath != "" {
		text += "DEVPATH=" + clean(devpath) + "\x00"
	}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if key != "DEVPATH" {
			text += clean(key+"="+properties[key]) + "\x00"
		}
	}
	return text
}

// simulateUdev sends an event of udev's stage.
func (s *Source) simulateUdev(properties map[string]string) error {
	u := &s.udev
	delete(properties, stageField)
	if err := u.message.parse(messageOf(properties, properties["DEVPATH"]), s.host.Dev); err != nil {
		return fmt.Errorf("an event of udev: %w", err)
	}
	if s.plan.udev > 0 {
		u.emit()
	}
	return nil
}

func (sim *simulated) forget(devpath string) {
	sim.devices = slices.DeleteFunc(sim.devices, func(d simulatedDevice) bool { return d.path == devpath })
}

// identify is Identify for a simulated device.
func (sim *simulated) identify(devpath string) []sources.Field {
	for _, d := range sim.devices {
		if d.path == devpath {
			return d.ids
		}
	}
	return nil
}

// walk is what a walk through sysfs finds.
func (sim *simulated) walk(w *walk) {
	for _, sd := range sim.devices {
		d := &device{path: sd.path, subsystem: sd.properties["SUBSYSTEM"]}
		if !w.scope.has(d.subsystem) {
			continue
		}
		d.fields = []sources.Field{{Name: "DEVPATH", Value: sources.Text(sd.path)}}
		for _, key := range slices.Sorted(maps.Keys(sd.properties)) {
			if key != "ACTION" && key != "DEVPATH" && validKey(key) {
				d.fields = append(d.fields, sources.Field{Name: key, Value: sources.Text(sd.properties[key])})
			}
		}
		if w.ids.has(d.subsystem) {
			d.id = &identity{devpath: d.path, fields: sd.ids, asked: true, begun: true, done: true}
		}
		w.found = append(w.found, d)
	}
	for _, known := range w.known {
		if !slices.ContainsFunc(w.found, func(d *device) bool { return d.path == known }) {
			w.missing = append(w.missing, known)
		}
	}
}
