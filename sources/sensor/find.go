// SPDX-License-Identifier: MIT

// find: where the attribute of a sensor is in sysfs.

package sensor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// place is an attribute that was found.
type place struct {
	path string // links resolved: another device is never at the same path
	attribute,
	device string // the names of the attribute, and of the device as its driver has it
	folder        string   // of a whole device, below which uevents have their DEVPATH
	scale, offset []string // files of iio, the first of which that exists counts
}

// notThere says that what a sensor names does not exist, or is not one thing.
type notThere string

func (n notThere) Error() string { return string(n) }

// class is a folder of sysfs with devices of one kind.
type class struct {
	folder string // below /sys
	prefix string // of the devices in it
	name   string // the attribute that names a device; "" for that of its folder
}

// classOf returns the folder of the sensors of a kind.
func classOf(kind string) class {
	switch kind {
	case thermal:
		return class{"class/thermal", "thermal_zone", "type"}
	case hwmon:
		return class{"class/hwmon", "hwmon", "name"}
	case iio:
		return class{"bus/iio/devices", "iio:device", "name"}
	case w1:
		return class{"bus/w1/devices", "", ""}
	}
	return class{"class/power_supply", "", ""}
}

// device is one device of a class.
type device struct{ folder, name, parent string }

// devices returns the devices of the class. Reading their names asks no hardware.
func (c class) devices(sys string) ([]device, error) {
	var all []device
	entries, err := os.ReadDir(filepath.Join(sys, c.folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		folder := filepath.Join(sys, c.folder, e.Name())
		d := device{folder: folder, name: e.Name()}
		if !strings.HasPrefix(d.name, c.prefix) {
			continue
		}
		if c.name != "" {
			if d.name, err = readWord(filepath.Join(folder, c.name)); sources.Passing(err) {
				return nil, err
			}
		}
		if resolved, err := filepath.EvalSymlinks(folder); err == nil {
			d.folder = resolved
		}
		if parent, err := os.Readlink(filepath.Join(folder, "device")); err == nil {
			d.parent = filepath.Base(parent)
		} else if c == classOf(iio) {
			d.parent = filepath.Base(filepath.Dir(d.folder))
		}
		all = append(all, d)
	}
	return all, nil
}

// readWord returns what a file holds in one line, "" if it cannot be read.
func readWord(path string) (string, error) {
	text, err := sources.ReadAttribute(path, largest)
	return strings.TrimSpace(text), err
}

// find returns where the sensor is. It may block, and is called in the background.
func (st *settings) find(sys string) (*place, error) {
	if st.kind == path {
		return &place{path: st.name}, nil
	}
	all, err := classOf(st.kind).devices(sys)
	if err != nil {
		return nil, err
	}
	d, err := st.findDevice(all)
	if err != nil {
		return nil, err
	}
	attribute, err := st.attributeOf(d)
	if err != nil {
		return nil, err
	}
	p := &place{path: filepath.Join(d.folder, attribute), attribute: attribute, device: d.name, folder: d.folder}
	if st.kind == iio && strings.HasSuffix(attribute, "_raw") {
		p.scale, p.offset = shared(d.folder, st.attribute, "_scale"), shared(d.folder, st.attribute, "_offset")
	}
	return p, nil
}

// findDevice returns the one of the devices that is meant.
func (st *settings) findDevice(all []device) (device, error) {
	var names []string
	var matching []device
	for _, d := range all {
		names = append(names, d.name)
		if sources.Glob(st.name, d.name) && (st.device == "" || sources.Glob(st.device, d.parent)) {
			matching = append(matching, d)
		}
	}
	if exact := slices.DeleteFunc(slices.Clone(matching), func(d device) bool { return d.name != st.name }); len(exact) > 0 {
		matching = exact
	}
	switch len(matching) {
	case 0:
		return device{}, notThere(fmt.Sprintf("no %s device is called %s%s", st.kind, st.name, config.Suggest(st.name, names)))
	case 1:
		return matching[0], nil
	}
	hint := ""
	if st.kind == hwmon || st.kind == iio {
		hint = fmt.Sprintf(": add `device: %s`", matching[0].parent)
	}
	return device{}, notThere(fmt.Sprintf("%d %s devices match %s, %s and %s among them%s", len(matching), st.kind, st.name,
		filepath.Base(matching[0].folder), filepath.Base(matching[1].folder), hint))
}

// attributeOf returns the name of the sensor's attribute of d.
func (st *settings) attributeOf(d device) (string, error) {
	switch st.kind {
	case thermal:
		return "temp", nil
	case w1:
		return st.firstOf(d, "temperature", "w1_slave")
	case iio:
		return st.firstOf(d, st.attribute+"_input", st.attribute+"_raw", st.attribute)
	case hwmon:
		if st.label != "" {
			return st.labelled(d)
		}
	}
	return st.firstOf(d, st.attribute)
}

// firstOf returns the first of the attributes that d has.
func (st *settings) firstOf(d device, names ...string) (string, error) {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(d.folder, name)); err == nil {
			return name, nil
		}
	}
	var all []string
	entries, _ := os.ReadDir(d.folder)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return "", notThere(fmt.Sprintf("%s device %s has no attribute %s%s", st.kind, d.name, names[0], config.Suggest(names[0], all)))
}

// labelled returns the attribute whose label is the sensor's.
func (st *settings) labelled(d device) (string, error) {
	var labels []string
	files, _ := filepath.Glob(filepath.Join(d.folder, "*_label"))
	for _, f := range files {
		label, err := readWord(f)
		switch {
		case sources.Passing(err):
			return "", err
		case label == st.label:
			return strings.TrimSuffix(filepath.Base(f), "_label") + "_input", nil
		}
		labels = append(labels, label)
	}
	return "", notThere(fmt.Sprintf("hwmon device %s has no label %q%s", d.name, st.label, config.Suggest(st.label, labels)))
}

// shared returns the files that may have a channel's scale or offset: its own, that
// of all channels alike, and that of all of its type. Of in_voltage0-voltage1 these
// are in_voltage0-voltage1_scale and in_voltage-voltage_scale; of in_accel_x it is
// in_accel_scale (__iio_device_attr_init in drivers/iio/industrialio-core.c).
func shared(folder, channel, suffix string) []string {
	alike := strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' {
			return -1
		}
		return c
	}, channel)
	direction, what, _ := strings.Cut(alike, "_")
	what, _, _ = strings.Cut(what, "_")
	return []string{filepath.Join(folder, channel+suffix), filepath.Join(folder, alike+suffix), filepath.Join(folder, direction+"_"+what+suffix)}
}
