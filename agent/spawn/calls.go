// SPDX-License-Identifier: MIT

// Calls: the table of system calls that a new child makes between clone and
// execve, and the assembly that makes them.

package spawn

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is one system call of the table. The assembly knows its layout: eight
// words.
type call struct {
	number uintptr
	args   [5]uintptr // no call here has six; on 386 the sixth register holds the table
	// onError is the address of the call to go on with after an error; 0 is
	// the next one.
	onError uintptr
	// result is what the kernel returned: the child's word to its parent.
	result uintptr
}

// cloneAndCall makes the first call of the table, a clone, and returns its
// result in the parent. The child makes the calls after it, one by one; it
// must find an execve or exit there.
//
// The child runs in our memory, on another processor perhaps, while our own
// threads go on. That is sound because it runs nothing but this assembly,
// which uses registers and the table, never the stack that it shares with the
// calling thread.
//
//go:noescape
func cloneAndCall(table *call) (result uintptr)

// errno returns the error in a result; 0 if it is none.
func errno(result uintptr) unix.Errno {
	if n := int(result); n < 0 {
		return unix.Errno(-n)
	}
	return 0
}

// table is a list of calls that is being made, and then run once. Its first
// call is the clone.
//
// It lives on the heap, as does all that it points to, where Go moves nothing;
// its owner keeps it until the child is in its program or dead.
type table struct {
	calls []call
	// errors are the messages for the calls that must not fail, by index.
	errors []string
	// jumps are pairs of indexes: after an error of the first call the second
	// one is next.
	jumps [][2]int
	// keep is what the calls point to.
	keep []unsafe.Pointer

	clone cloneArgs
	pidfd int32 // the kernel writes it here
}

// newTable returns a table with room for n calls.
func newTable(n int) *table {
	const pointers = 24 // about
	return &table{
		calls: make([]call, 0, n), errors: make([]string, 0, n),
		keep: make([]unsafe.Pointer, 0, pointers),
	}
}

// again returns a table with room for n calls: t, that of a process which has ended, if it has
// the room. t may be nil.
func (t *table) again(n int) *table {
	if t == nil || cap(t.calls) < n {
		return newTable(n)
	}
	clear(t.keep)
	*t = table{calls: t.calls[:0], errors: t.errors[:0], jumps: t.jumps[:0], keep: t.keep[:0]}
	return t
}

// at returns the address of what p points to, which is thereby on the heap,
// and kept there.
func (t *table) at(p unsafe.Pointer) uintptr {
	t.keep = append(t.keep, p)
	return uintptr(p)
}

// try adds a call whose failure is ignored.
func (t *table) try(number uintptr, args ...uintptr) {
	t.must("", number, args...)
}

// must adds a call whose failure ends the child; message says what failed. One
// that begins with ": " is completed with the name of the program if it is needed.
func (t *table) must(message string, number uintptr, args ...uintptr) {
	c := call{number: number}
	copy(c.args[:], args)
	t.calls = append(t.calls, c)
	t.errors = append(t.errors, message)
}

// finish adds the exit, and makes the calls that must not fail lead to it.
func (t *table) finish() {
	const startFailed = 127 // as shells have it; seen by nobody but strace
	t.try(unix.SYS_EXIT_GROUP, startFailed)
	exit := t.at(unsafe.Pointer(&t.calls[len(t.calls)-1]))
	for i, message := range t.errors {
		if message != "" {
			t.calls[i].onError = exit
		}
	}
	for _, j := range t.jumps {
		t.calls[j[0]].onError = t.at(unsafe.Pointer(&t.calls[j[1]]))
	}
}

// run starts the child. All signals are blocked on this thread around the
// clone, and so in the child from its birth on, until it clears its mask: a
// signal that found a handler of the agent's would run Go code in it.
func (t *table) run() (pid int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &everySignal, &own); err != nil {
		return 0, err
	}
	result := cloneAndCall(&t.calls[0])
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &own, nil)
	runtime.KeepAlive(t)
	if e := errno(result); e != 0 {
		return 0, e
	}
	return int(result), nil
}
