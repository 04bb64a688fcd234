// SPDX-License-Identifier: MIT

package signal

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// bytes returns the memory of a record as the kernel writes it.
func bytes(info *unix.SignalfdSiginfo) []byte {
	return (*[unsafe.Sizeof(*info)]byte)(unsafe.Pointer(info))[:]
}

func TestDecode(t *testing.T) {
	info := unix.SignalfdSiginfo{Signo: 40, Code: 1, Pid: 2, Uid: 1 << 31, Fd: -1, Band: 0x41, Int: -3}
	got, ok := decode(bytes(&info))
	want := record{signal: 40, code: 1, pid: 2, uid: 1 << 31, fd: -1, band: 0x41, value: -3}
	if !ok || got != want {
		t.Errorf("decode = %+v, %v, want %+v", got, ok, want)
	}
}

func TestCodes(t *testing.T) {
	for code, want := range map[int32]string{
		0: "user", -1: "queue", -2: "timer", -3: "-3", -5: "sigio", -6: "tkill", 0x80: "kernel",
		1: "POLL_IN", 6: "POLL_HUP", 7: "7",
	} {
		if got := codeValue(code).String(); got != want {
			t.Errorf("code %d is %q, want %q", code, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, recordSize-1))
	f.Add(make([]byte, recordSize))
	f.Add(bytes(&unix.SignalfdSiginfo{Signo: 1 << 31}))
	f.Add(bytes(&unix.SignalfdSiginfo{Signo: 64, Code: 0x80}))
	f.Add(append(bytes(&unix.SignalfdSiginfo{Signo: 29, Code: 6}), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := 0
		s := testSource(func(e *sources.Event) {
			got++
			if _, err := Number(e.Topic.Name); err != nil {
				t.Errorf("%q: %v", e.Topic.Name, err)
			}
		})
		s.take(b)
		if got > len(b)/recordSize {
			t.Errorf("%d events of %d bytes", got, len(b))
		}
	})
}

// Of signals that rules cannot have, each is known by its own number, whatever somebody
// writes into the fields of one.
func TestStrayed(t *testing.T) {
	for r, want := range map[record]int{
		{signal: 32}:             32,
		{signal: 34}:             34,
		{signal: 34, errno: 11}:  11,
		{signal: 34, errno: -5}:  -5,
		{signal: 36, errno: 11}:  0,
		{signal: 10, code: -1}:   0,
		{signal: 15, errno: 11}:  0,
		{signal: 32, errno: 1e9}: 32,
	} {
		if got := strayed(&r); got != want {
			t.Errorf("%+v: %d, want %d", r, got, want)
		}
		_ = Name(strayed(&r)) // for the log
	}
}
