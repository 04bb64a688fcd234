// SPDX-License-Identifier: MIT

// Listing the input devices of this machine.

package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Device is one input device, as it describes itself.
type Device struct {
	Path  string   `json:"path"` // /dev/input/event3
	Name  string   `json:"name,omitempty"`
	ID    string   `json:"id,omitempty"` // vendor:product in hexadecimal
	Phys  string   `json:"phys,omitempty"`
	Uniq  string   `json:"uniq,omitempty"`
	Types []string `json:"types,omitempty"` // of key, axis, wheel, switch: those it has
	Keys  []string `json:"keys,omitempty"`  // by name
	// Error says why nothing else is known: mostly that it may not be read.
	Error string `json:"error,omitempty"`
}

// List returns the input devices below dev, which is /dev but for tests, in
// the order of their numbers. It opens and closes each and grabs none; that
// may block for a while. A machine without any has no folder of them, which
// is no error.
func List(dev string) ([]Device, error) { return list(dev, &driver) }

func list(dev string, k *kernel) ([]Device, error) {
	dir := filepath.Join(dev, "input")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list input devices: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if isNode(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	slices.SortFunc(paths, byNumber)
	var devices []Device
	for _, path := range paths {
		if d, ok := describe(path, k); ok {
			devices = append(devices, d)
		}
	}
	return append(devices, listReceivers(dev)...), nil
}

// listReceivers returns the receivers of remote controls below dev. They are not
// opened.
func listReceivers(dev string) []Device {
	var receivers []Device
	entries, _ := os.ReadDir(dev)
	for _, e := range entries {
		if isLirc(e.Name()) {
			path := filepath.Join(dev, e.Name())
			receivers = append(receivers, Device{Path: path, Name: lircModel(path, "/sys"), Types: []string{"remote control"}})
		}
	}
	return receivers
}

// describe asks the device at path; ok is false if it is no input device.
func describe(path string, k *kernel) (d Device, ok bool) {
	o, err := k.look(path)
	switch {
	case errors.Is(err, errNoInput):
		return Device{}, false
	case err != nil:
		return Device{Path: path, Error: err.Error()}, true
	}
	_ = k.close(o.fd)
	d = Device{
		Path: path, Name: o.id.name, ID: o.id.vendorProduct(), Phys: o.id.phys, Uniq: o.id.uniq,
	}
	for code := range eachBit(o.id.has.keys[:]) {
		d.Keys = append(d.Keys, KeyName(code))
	}
	for _, t := range []struct {
		typ  uint16
		word string
	}{{evKey, "key"}, {evAbs, "axis"}, {evRel, "wheel"}, {evSw, "switch"}} {
		for range eachBit(o.id.has.of(t.typ)) {
			d.Types = append(d.Types, t.word)
			break
		}
	}
	return d, true
}
