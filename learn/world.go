// SPDX-License-Identifier: MIT

// World: what is known of the board when a burst is over.

package learn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/blkid"
	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/input"
)

// World is what conclusions are drawn from besides the events. It holds no
// descriptors and may be shared.
type World struct {
	Inputs []input.Device // that are there
	Gone   []input.Device // that were there
	*machine.Lines
	// Bias is the one that lines were watched with, "" for as they are.
	Bias string
	// Contents are what is on block devices, by their DEVNAME.
	Contents map[string]blkid.Content
	// Sensors are what sensors are declared as, by their names.
	Sensors map[string]string
}

// Look returns the World as it is now, with what is on the block devices that
// the bursts are about; before is the one of the last look, nil for none. It
// requests no GPIO line and writes nowhere, but it may block.
func Look(m sources.Machine, before *World, bursts []*Burst) (*World, error) {
	w := &World{Contents: map[string]blkid.Content{}}
	var inputErr, chipErr error
	w.Inputs, inputErr = input.List(m.Path("/dev"))
	if before != nil {
		w.Bias, w.Lines, w.Sensors = before.Bias, before.Lines, before.Sensors
		w.remember(before)
	} else {
		w.Lines, chipErr = machine.Look(m)
	}
	var err error
	for _, b := range bursts {
		for _, name := range b.blockDevices() {
			content, probeErr := probe(name)
			if probeErr != nil && !errors.Is(probeErr, os.ErrNotExist) && !errors.Is(probeErr, unix.ENOMEDIUM) {
				err = errors.Join(err, probeErr)
			}
			w.Contents[name] = content
		}
	}
	return w, errors.Join(inputErr, chipErr, err)
}

// remember keeps the devices that are not there any more.
func (w *World) remember(before *World) {
	for _, all := range [][]input.Device{before.Inputs, before.Gone} {
		for _, d := range all {
			if w.present(d.Path) == nil && d.Error == "" {
				w.Gone = append(w.Gone, d)
			}
		}
	}
}

func (w *World) present(path string) *input.Device {
	for i := range w.Inputs {
		if w.Inputs[i].Path == path {
			return &w.Inputs[i]
		}
	}
	return nil
}

// device returns the one that is or last was at path. One that nobody saw
// has the name that its events bear.
func (w *World) device(path, name string) *input.Device {
	if d := w.present(path); d != nil && d.Error == "" && (name == "" || d.Name == name) {
		return d
	}
	for i := range w.Gone {
		if d := &w.Gone[i]; d.Path == path && (name == "" || d.Name == name) {
			return d
		}
	}
	return &input.Device{Path: path, Name: name}
}

// probe reads what is on a block device.
func probe(path string) (blkid.Content, error) {
	if !strings.HasPrefix(path, "/") {
		return blkid.Content{}, nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return blkid.Content{}, fmt.Errorf("probe its contents: %w", err)
	}
	defer f.Close()
	size, err := unix.Seek(int(f.Fd()), 0, io.SeekEnd)
	if err != nil {
		return blkid.Content{}, fmt.Errorf("get the size of %s: %w", path, err)
	}
	content, err := blkid.Probe(f, size)
	if err != nil {
		return blkid.Content{}, fmt.Errorf("probe %s: %w", path, err)
	}
	return content, nil
}
