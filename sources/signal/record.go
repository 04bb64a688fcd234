// SPDX-License-Identifier: MIT

// What one read of a signalfd returns: struct signalfd_siginfo of
// linux/signalfd.h, 128 bytes with the same layout on all machines, and the
// codes of asm-generic/siginfo.h.

package signal

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const recordSize = 128

// record is the part of struct signalfd_siginfo that rules see.
type record struct {
	signal int
	errno  int32 // for strayed
	code   int32
	pid    uint32
	uid    uint32
	value  int32
	fd     int32  // these two only where isPoll(code)
	band   uint32 // poll events
}

// decode reads the record at the head of b, which must be aligned as one. It fails if b
// is shorter than one or is of no signal that exists.
func decode(b []byte) (record, bool) {
	if len(b) < recordSize {
		return record{}, false
	}
	info := (*unix.SignalfdSiginfo)(unsafe.Pointer(unsafe.SliceData(b)))
	r := record{
		signal: int(int32(info.Signo)),
		errno:  info.Errno,
		code:   info.Code,
		pid:    info.Pid,
		uid:    info.Uid,
		fd:     info.Fd,
		band:   info.Band,
		value:  info.Int,
	}
	return r, 1 <= r.signal && r.signal <= rtMax
}

// isPoll reports whether code is one of those with which the kernel reports
// a file that F_SETSIG was called for: POLL_IN to POLL_HUP. No process can
// send them to another.
func isPoll(code int32) bool { return 1 <= code && code <= int32(len(pollCodes)) }

var pollCodes = [...]string{"POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP"}

// codeValue returns the field CODE: a word, or the number if there is none.
func codeValue(code int32) sources.Value {
	if isPoll(code) {
		return sources.Text(pollCodes[code-1])
	}
	switch code {
	case 0:
		return sources.Text("user")
	case -1:
		return sources.Text("queue")
	case -2:
		return sources.Text("timer")
	case -5:
		return sources.Text("sigio")
	case -6:
		return sources.Text("tkill")
	case 0x80:
		return sources.Text("kernel")
	}
	return sources.Int(int64(code))
}
