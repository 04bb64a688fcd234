// SPDX-License-Identifier: MIT

package input

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers are those that a C program prints.
func TestIoctlNumbers(t *testing.T) {
	for want, got := range map[uintptr]uintptr{
		0x80084502: eviocgid(),
		0x81004506: eviocgname(256),
		0x81004507: eviocgphys(256),
		0x81004508: eviocguniq(256),
		0x80604518: eviocgkey(keyBytes),
		0x8008451b: eviocgsw(smallBytes),
		0x80604521: eviocgbit(evKey, keyBytes),
		0x80084525: eviocgbit(evSw, smallBytes),
		0x80184541: eviocgabs(1),
		0x40044590: eviocgrab(),
		0x40104593: eviocsmask(),
		0x400445a0: eviocsclockid(),
	} {
		if got != want {
			t.Errorf("%#x is %#x", want, got)
		}
	}
	if size := unsafe.Sizeof(inputMask{}); size != 16 {
		t.Errorf("struct input_mask has %d bytes", size)
	}
}

// All functions of the driver say what they could not do.
func TestIoctlErrors(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	if _, err := identify(fd); !errors.Is(err, errNoInput) {
		t.Errorf("identify: %v", err)
	}
	for what, err := range map[string]error{
		"levels": readLevels(fd, &codes{}, &levels{}),
		"mask":   maskCodes(fd, &codes{}),
		"grab":   setGrab(fd, true),
	} {
		if !errors.Is(err, unix.ENOTTY) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
