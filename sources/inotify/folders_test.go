// SPDX-License-Identifier: MIT

package inotify

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var ne = binary.NativeEndian

// change returns a struct inotify_event.
func change(wd int32, mask uint32, name string) []byte {
	b := make([]byte, unix.SizeofInotifyEvent, 64)
	ne.PutUint32(b, uint32(wd))
	ne.PutUint32(b[4:], mask)
	if name != "" {
		padded := append([]byte(name), make([]byte, 16-len(name)%16)...)
		ne.PutUint32(b[12:], uint32(len(padded)))
		b = append(b, padded...)
	}
	return b
}

func FuzzChanges(f *testing.F) {
	f.Add(change(1, unix.IN_CREATE, "event3"))
	f.Add(append(change(1, unix.IN_IGNORED, ""), change(2, unix.IN_ATTRIB, "event10")...))
	f.Add(change(1, unix.IN_CREATE, "event3")[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		eachChange(b, func(_ int32, _ uint32, name string) {
			total += unix.SizeofInotifyEvent + len(name)
			if strings.Contains(name, "\x00") {
				t.Errorf("name is %q", name)
			}
		})
		if total > len(b) {
			t.Errorf("%d bytes of %d", total, len(b))
		}
	})
}

func TestQueueOverflow(t *testing.T) {
	overflow := false
	f := &Folders{spec: Spec{Afresh: func(o bool) { overflow = o }}}
	eachChange(change(-1, unix.IN_Q_OVERFLOW, ""), f.take)
	if !overflow {
		t.Error("the overflow was not told")
	}
}
