// SPDX-License-Identifier: MIT

// Making a twin: a virtual device with the capabilities of another, all but
// force feedback.

package input

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// evRep is EV_REP: the kernel repeats keys.
const evRep = 0x14

// twinned are the types of events that a twin can have, with the request that
// declares a code of each. Axes are declared with their ranges.
var twinned = [...]struct {
	typ   uint16
	setNr uintptr // UI_SET_KEYBIT and so on
}{{evKey, 101}, {evRel, 102}, {evMsc, 104}, {evLED, 105}, {evSound, 106}, {evSw, 109}}

// absSetup is struct uinput_abs_setup.
type absSetup struct {
	code uint16
	info inputAbsinfo
}

func uiSet(nr uintptr) uintptr { return iocWrite<<30 | 4<<16 | 'U'<<8 | nr }

func uiAbsSetup() uintptr { return iocWrite<<30 | unsafe.Sizeof(absSetup{})<<16 | 'U'<<8 | 4 }

func eviocgprop(size uintptr) uintptr { return ioc(iocRead, 0x09, size) }

// makeTwin makes the twin of the device at path through uinput, the path of its
// node. It blocks while drivers and udev are told.
func makeTwin(path, uinput string) (*twin, error) {
	t := &twin{back: -1}
	device, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		t.back = device
	} else {
		t.backErr = fmt.Errorf("open %s for writing: %w", path, err)
		if device, err = openDevice(path); err != nil {
			return nil, explainOpen(path, err)
		}
		defer unix.Close(device)
	}
	if t.fd, err = unix.Open(uinput, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		err = fmt.Errorf("open %s: %w", uinput, err)
	} else if err = t.copy(device); err != nil {
		unix.Close(t.fd)
	}
	if err != nil {
		if t.back >= 0 {
			unix.Close(t.back)
		}
		return nil, err
	}
	return t, nil
}

// copy makes the virtual device of t's descriptor that of an open device.
func (t *twin) copy(device int) error {
	var bits, types [keyBytes]byte
	if err := bitsOf(device, eviocgbit(0, smallBytes), types[:smallBytes]); err != nil {
		return fmt.Errorf("get its types of events (EVIOCGBIT): %w", err)
	}
	for _, kind := range twinned {
		bits = [keyBytes]byte{}
		if !hasBit(types[:], kind.typ) {
			continue
		}
		if err := bitsOf(device, eviocgbit(kind.typ, keyBytes), bits[:]); err != nil {
			return fmt.Errorf("get its capabilities (EVIOCGBIT): %w", err)
		}
		if err := t.declare(kind.typ, kind.setNr, bits[:]); err != nil {
			return err
		}
	}
	if err := t.copyAxes(device, hasBit(types[:], evAbs)); err != nil {
		return err
	}
	bits = [keyBytes]byte{}
	if bitsOf(device, eviocgprop(smallBytes), bits[:smallBytes]) == nil {
		for property := range eachBit(bits[:]) {
			_, _ = ioctl(t.fd, uiSet(110), uintptr(property)) // UI_SET_PROPBIT; one that this kernel lacks is nothing to lose
		}
	}
	if t.repeats = hasBit(types[:], evRep); t.repeats {
		if _, err := ioctl(t.fd, uiSetEvBit, evRep); err != nil {
			return fmt.Errorf("declare that keys repeat (UI_SET_EVBIT): %w", err)
		}
	}
	id, _ := idOf(device)
	name, err := textOf(device, eviocgname)
	if err == nil {
		t.sysname, err = create(t.fd, name, ownPhys(), id)
	}
	return err
}

// declare declares codes of one type.
func (t *twin) declare(typ uint16, setNr uintptr, bits []byte) error {
	if _, err := ioctl(t.fd, uiSetEvBit, uintptr(typ)); err != nil {
		return fmt.Errorf("declare events of type %d (UI_SET_EVBIT): %w", typ, err)
	}
	for code := range eachBit(bits) {
		if _, err := ioctl(t.fd, uiSet(setNr), uintptr(code)); err != nil {
			return fmt.Errorf("declare code %d of type %d: %w", code, typ, err)
		}
	}
	return nil
}

// copyAxes declares the axes, if it has any, with their ranges.
func (t *twin) copyAxes(device int, has bool) error {
	var bits [smallBytes]byte
	if !has {
		return nil
	}
	if err := bitsOf(device, eviocgbit(evAbs, smallBytes), bits[:]); err != nil {
		return fmt.Errorf("get its axes (EVIOCGBIT): %w", err)
	}
	if _, err := ioctl(t.fd, uiSetEvBit, evAbs); err != nil {
		return fmt.Errorf("declare axes (UI_SET_EVBIT): %w", err)
	}
	for code := range eachBit(bits[:]) {
		setup := &absSetup{code: code}
		if _, err := ioctlAt(device, eviocgabs(code), unsafe.Pointer(&setup.info)); err != nil {
			return fmt.Errorf("read its axis %s (EVIOCGABS): %w", axis{evAbs, code}.name(), err)
		}
		if _, err := ioctlAt(t.fd, uiAbsSetup(), unsafe.Pointer(setup)); err != nil {
			return fmt.Errorf("declare %s (UI_ABS_SETUP): %w", axis{evAbs, code}.name(), err)
		}
	}
	return nil
}
