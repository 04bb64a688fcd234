// SPDX-License-Identifier: MIT

// What is asked of the kernel about a device, in whole questions.

package input

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// kernel is what devices are opened and asked by. Tests put functions of
// their own in its place, and pipes in that of the descriptors.
type kernel struct {
	// open returns a non-blocking descriptor. It may block while a driver
	// powers its device up.
	open func(path string) (fd int, err error)
	// identify chooses the clock of the events and returns what does not
	// change about a device. errNoInput says that it is something else.
	identify func(fd int) (identity, error)
	// levels reads the state of the keys, switches and axes of has into l.
	// The kernel drops queued events of keys and switches as it answers:
	// they are older than the answer.
	levels func(fd int, has *codes, l *levels) error
	// mask has only the events of c queued, and wake anyone.
	mask func(fd int, c *codes) error
	// grab keeps the events from everyone else. Letting go of them blocks
	// for tens of milliseconds.
	grab func(fd int, on bool) error
	// close blocks likewise.
	close func(fd int) error
	// twin makes a virtual device like the one at path. It blocks.
	twin func(path, uinput string) (*twin, error)
}

// driver is the kernel's own: drivers/input/evdev.c.
var driver = kernel{openDevice, identify, readLevels, maskCodes, setGrab, unix.Close, makeTwin}

// identity is what a device says about itself.
type identity struct {
	name, phys, uniq string
	id               inputID
	has              codes
	// simulates is as which input a simulated device is declared.
	simulates string
}

// vendorProduct returns the device's USB or Bluetooth number: "046d:c52b".
func (i *identity) vendorProduct() string {
	return fmt.Sprintf("%04x:%04x", i.id.vendor, i.id.product)
}

// errNoInput says that a file is no input device.
var errNoInput = errors.New("not an input device")

func openDevice(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func identify(fd int) (identity, error) {
	var i identity
	if err := setClock(fd); err != nil {
		if errors.Is(err, unix.ENOTTY) {
			return i, errNoInput
		}
		return i, fmt.Errorf("set its clock (EVIOCSCLOCKID): %w", err)
	}
	i.id, _ = idOf(fd)
	for _, text := range []struct {
		into    *string
		request func(size uintptr) uintptr
	}{{&i.name, eviocgname}, {&i.phys, eviocgphys}, {&i.uniq, eviocguniq}} {
		var err error
		if *text.into, err = textOf(fd, text.request); err != nil {
			return i, fmt.Errorf("get its name: %w", err)
		}
	}
	var types, misc [smallBytes]byte
	if err := bitsOf(fd, eviocgbit(evSyn, smallBytes), types[:]); err != nil {
		return i, fmt.Errorf("get its event types (EVIOCGBIT): %w", err)
	}
	for _, typ := range []uint16{evKey, evRel, evAbs, evSw, evMsc} {
		if !hasBit(types[:], typ) {
			continue
		}
		b := i.has.of(typ)
		if typ == evMsc {
			b = misc[:]
		}
		if err := bitsOf(fd, eviocgbit(typ, uintptr(len(b))), b); err != nil {
			return i, fmt.Errorf("get its keys and axes (EVIOCGBIT): %w", err)
		}
	}
	i.has.scans = hasBit(misc[:], mscScan)
	return i, nil
}

func readLevels(fd int, has *codes, l *levels) error {
	if err := bitsOf(fd, eviocgkey(keyBytes), l.keys[:]); err != nil {
		return fmt.Errorf("read which keys are down (EVIOCGKEY): %w", err)
	}
	if slices.Max(has.switches[:]) != 0 {
		if err := bitsOf(fd, eviocgsw(smallBytes), l.switches[:]); err != nil {
			return fmt.Errorf("read its switches (EVIOCGSW): %w", err)
		}
	}
	for code := range eachBit(has.axes[:]) {
		value, err := absOf(fd, code)
		if err != nil {
			return fmt.Errorf("read its axis %s (EVIOCGABS): %w", axis{evAbs, code}.name(), err)
		}
		l.axes[code] = value
	}
	return nil
}

// maskCodes sets the masks of the codes before that of the types, so that
// what was wanted before and still is passes all the while. A type without codes
// needs no mask of its own: the kernel looks at that of the types first.
func maskCodes(fd int, c *codes) error {
	var types [smallBytes]byte
	setBit(types[:], evSyn, true)
	setBit(types[:], evMsc, c.scans)
	for _, typ := range []uint16{evKey, evRel, evAbs, evSw} {
		b := c.of(typ)
		if slices.Max(b) == 0 {
			continue
		}
		setBit(types[:], typ, true)
		if err := setMask(fd, typ, b); err != nil {
			return fmt.Errorf("set its event mask (EVIOCSMASK): %w", err)
		}
	}
	if err := setMask(fd, evSyn, types[:]); err != nil {
		return fmt.Errorf("set its event mask (EVIOCSMASK): %w", err)
	}
	return nil
}
