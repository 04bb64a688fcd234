// SPDX-License-Identifier: MIT

// Strays: signals that end a Go program unless something is done about it,
// though all that they mean, if a process sends them, is that it counted wrong.

package signal

import (
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// faults are the signals of which the runtime believes that they come from a
// fault of its own. A real one is still one: the runtime looks at who sent it.
var faults = []os.Signal{
	unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGSYS,
}

// NotifyFaults has c notified of signals of faults that a process sends by
// kill(2), instead of the process being ended by them.
func NotifyFaults(c chan<- os.Signal) { signal.Notify(c, faults...) }

// strays are the real-time signals for which the runtime has no handler, so
// that they end the process, and which it lets nobody block in all threads: it
// leaves them to C libraries, of which there is none here
// (sigtab_linux_generic.go in package runtime; the third one, 33, it handles).
var strays = [...]int{rtFirst, rtMin}

// strayed reports whether n is one of them.
func strayed(n int) bool { return n == strays[0] || n == strays[1] }

// The assembly has the only uses of these:
var _ = [...]any{forward, process, thread}

// forward is a signal handler. It sends the signal on to one thread, where the
// signalfd gets it. Go code may not run in a handler.
func forward()

// handler is the address of forward, as the kernel calls it. It sends signals
// to this thread of this process.
var (
	handler         uintptr
	process, thread uint32
)

// catchStrays blocks strays in the calling thread and has those that reach
// others forwarded to it.
func catchStrays() error {
	var set unix.Sigset_t
	for _, n := range strays {
		add(&set, n)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		return err
	}
	process, thread = uint32(os.Getpid()), uint32(unix.Gettid())
	act, err := sigaction(int(unix.SIGUSR1), nil) // for the flags and what belongs to them
	if err == nil {
		act[0] = handler
		for _, n := range strays {
			if _, err = sigaction(n, act); err != nil {
				break
			}
		}
	}
	return err
}

// action is the kernel's struct sigaction, whose first word is the handler; no
// architecture has a larger one.
type action [8]uintptr

// sigaction is rt_sigaction(2). It returns the action before.
func sigaction(n int, act *action) (before *action, err error) {
	const setSize = rtMax / 8
	before = &action{}
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(act)),
		uintptr(unsafe.Pointer(before)), setSize, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	return before, nil
}
