// SPDX-License-Identifier: MIT

// The ioctls of linux/input.h, for machines with the generic layout of request
// numbers (all but mips, powerpc and sparc). fd is an open /dev/input/event*.

package input

import (
	"bytes"
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The directions of asm-generic/ioctl.h.
const (
	iocWrite = 1
	iocRead  = 2
)

func ioc(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | 'E'<<8 | nr }

func eviocgid() uintptr                       { return ioc(iocRead, 0x02, unsafe.Sizeof(inputID{})) }
func eviocgname(size uintptr) uintptr         { return ioc(iocRead, 0x06, size) }
func eviocgphys(size uintptr) uintptr         { return ioc(iocRead, 0x07, size) }
func eviocguniq(size uintptr) uintptr         { return ioc(iocRead, 0x08, size) }
func eviocgkey(size uintptr) uintptr          { return ioc(iocRead, 0x18, size) }
func eviocgsw(size uintptr) uintptr           { return ioc(iocRead, 0x1b, size) }
func eviocgbit(typ uint16, n uintptr) uintptr { return ioc(iocRead, 0x20+uintptr(typ), n) }
func eviocgabs(code uint16) uintptr {
	return ioc(iocRead, 0x40+uintptr(code), unsafe.Sizeof(inputAbsinfo{}))
}
func eviocgrab() uintptr     { return ioc(iocWrite, 0x90, unsafe.Sizeof(int32(0))) }
func eviocsmask() uintptr    { return ioc(iocWrite, 0x93, unsafe.Sizeof(inputMask{})) }
func eviocsclockid() uintptr { return ioc(iocWrite, 0xa0, unsafe.Sizeof(int32(0))) }

// inputID is struct input_id.
type inputID struct{ bus, vendor, product, version uint16 }

// inputAbsinfo is struct input_absinfo.
type inputAbsinfo struct{ value, minimum, maximum, fuzz, flat, resolution int32 }

// inputMask is struct input_mask.
type inputMask struct {
	typ, size uint32
	codes     uint64 // pointer
}

// ioctl calls fd's driver. Its locks can be interrupted by a signal, of which
// the runtime sends itself many.
func ioctl(fd int, request, arg uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// ioctlAt is ioctl with a pointer, which becomes a number only in the call that the
// compiler knows: rule 4 of package unsafe.
func ioctlAt(fd int, request uintptr, arg unsafe.Pointer) (int, error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// textOf reads a name. A device that has none answers ENOENT.
func textOf(fd int, request func(size uintptr) uintptr) (string, error) {
	buf := new([256]byte)
	n, err := ioctlAt(fd, request(uintptr(len(buf))), unsafe.Pointer(buf))
	if errors.Is(err, unix.ENOENT) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text, _, _ := bytes.Cut(buf[:min(n, len(buf))], []byte{0})
	return string(text), nil
}

// bitsOf reads a bitmap into b. The kernel fills as much as it has.
func bitsOf(fd int, request uintptr, b []byte) error {
	_, err := ioctlAt(fd, request, unsafe.Pointer(&b[0]))
	return err
}

func idOf(fd int) (inputID, error) {
	id := new(inputID)
	_, err := ioctlAt(fd, eviocgid(), unsafe.Pointer(id))
	return *id, err
}

func absOf(fd int, code uint16) (int32, error) {
	info := new(inputAbsinfo)
	_, err := ioctlAt(fd, eviocgabs(code), unsafe.Pointer(info))
	return info.value, err
}

// setClock has events stamped by CLOCK_MONOTONIC. It flushes what is queued.
func setClock(fd int) error {
	clock := new(int32)
	*clock = unix.CLOCK_MONOTONIC
	_, err := ioctlAt(fd, eviocsclockid(), unsafe.Pointer(clock))
	return err
}

// setGrab keeps the device's events from everyone else, or gives them back.
// Giving back waits for an RCU grace period or two: tens of milliseconds.
func setGrab(fd int, on bool) error {
	var arg uintptr
	if on {
		arg = 1
	}
	_, err := ioctl(fd, eviocgrab(), arg)
	return err
}

// setMask sets the mask of one type. The "codes" of EV_SYN are the types.
func setMask(fd int, typ uint16, b []byte) error {
	// The kernel sees the second pointer as a number only, so the memory that
	// it stands for is held in its place here.
	var pin runtime.Pinner
	pin.Pin(&b[0])
	defer pin.Unpin()
	mask := &inputMask{uint32(typ), uint32(len(b)), uint64(uintptr(unsafe.Pointer(&b[0])))}
	_, err := ioctlAt(fd, eviocsmask(), unsafe.Pointer(mask))
	return err
}
