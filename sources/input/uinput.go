// SPDX-License-Identifier: MIT

// The ioctls of linux/uinput.h, as Documentation/input/uinput.rst explains
// them. fd is an open /dev/uinput. go-evdev has them too, but behind a type
// that keeps its descriptor to itself and cannot set the physical path.

package input

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers of requests of type 'U'. UI_DEV_SETUP is there since Linux 4.5.
const (
	uiDevCreate = uintptr('U'<<8 | 1)
	uiSetEvBit  = uintptr(iocWrite<<30 | 4<<16 | 'U'<<8 | 100)
	uiSetKeyBit = uintptr(iocWrite<<30 | 4<<16 | 'U'<<8 | 101)
)

func uiDevSetup() uintptr {
	return iocWrite<<30 | unsafe.Sizeof(uinputSetup{})<<16 | 'U'<<8 | 3
}

// uiSetPhys is numbered by the size of a pointer.
func uiSetPhys() uintptr {
	return iocWrite<<30 | unsafe.Sizeof(uintptr(0))<<16 | 'U'<<8 | 108
}

func uiGetSysname(size uintptr) uintptr { return iocRead<<30 | size<<16 | 'U'<<8 | 44 }

// uinputNameSize is UINPUT_MAX_NAME_SIZE: the name and a zero byte.
const uinputNameSize = 80

// uinputSetup is struct uinput_setup.
type uinputSetup struct {
	id         inputID
	name       [uinputNameSize]byte
	effectsMax uint32
}

// busVirtual is BUS_VIRTUAL of linux/input.h.
const busVirtual = 0x06

// makeVirtual makes a virtual device that has the keys. Its descriptor is
// non-blocking; the device lives as long as that is open. sysname is what
// sysfs calls it: input7. It blocks while drivers and udev are notified.
func makeVirtual(path, name, phys string, keys []byte) (fd int, sysname string, err error) {
	fd, err = unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, "", fmt.Errorf("open %s: %w", path, err)
	}
	if sysname, err = setUp(fd, name, phys, keys); err != nil {
		unix.Close(fd)
		return -1, "", err
	}
	return fd, sysname, nil
}

func setUp(fd int, name, phys string, keys []byte) (sysname string, err error) {
	if _, err := ioctl(fd, uiSetEvBit, evKey); err != nil {
		return "", fmt.Errorf("declare keys (UI_SET_EVBIT): %w", err)
	}
	for key := range eachBit(keys) {
		if _, err := ioctl(fd, uiSetKeyBit, uintptr(key)); err != nil {
			return "", fmt.Errorf("declare %s (UI_SET_KEYBIT): %w", KeyName(key), err)
		}
	}
	return create(fd, name, phys, inputID{bus: busVirtual, version: 1})
}

// create creates the device whose capabilities were declared to fd, and returns
// what sysfs calls it.
func create(fd int, name, phys string, id inputID) (sysname string, err error) {
	where := append([]byte(phys), 0)
	if _, err := ioctlAt(fd, uiSetPhys(), unsafe.Pointer(&where[0])); err != nil {
		return "", fmt.Errorf("set its path (UI_SET_PHYS): %w", err)
	}
	setup := &uinputSetup{id: id}
	copy(setup.name[:uinputNameSize-1], name)
	if _, err := ioctlAt(fd, uiDevSetup(), unsafe.Pointer(setup)); err != nil {
		return "", fmt.Errorf("set its name (UI_DEV_SETUP): %w", err)
	}
	if _, err := ioctl(fd, uiDevCreate, 0); err != nil {
		return "", fmt.Errorf("create it (UI_DEV_CREATE): %w", err)
	}
	called := new([64]byte)
	if _, err := ioctlAt(fd, uiGetSysname(uintptr(len(called))), unsafe.Pointer(called)); err != nil {
		return "", fmt.Errorf("get its node (UI_GET_SYSNAME): %w", err)
	}
	text, _, _ := bytes.Cut(called[:], []byte{0})
	return string(text), nil
}

// writeKeys has the device of fd say the levels of keys, each in a packet of
// its own, in one write(2). It does not block.
func writeKeys(fd int, levels []keyLevel) error {
	b := make([]byte, 0, 2*len(levels)*eventSize)
	for _, l := range levels {
		b = encode(b, record{typ: evKey, code: l.code, value: b2i(l.down)})
		b = encode(b, record{typ: evSyn, code: synReport})
	}
	return writeAll(fd, b)
}

// writeAll writes b, which the kernel takes at once.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// keyLevel is a key that is to be down or up.
type keyLevel struct {
	code uint16
	down bool
}

// encode appends r as a struct input_event. The kernel stamps it itself.
func encode(b []byte, r record) []byte {
	b = append(b, make([]byte, eventSize-8)...)
	b = binary.NativeEndian.AppendUint16(b, r.typ)
	b = binary.NativeEndian.AppendUint16(b, r.code)
	return binary.NativeEndian.AppendUint32(b, uint32(r.value))
}
