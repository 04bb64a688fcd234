// SPDX-License-Identifier: MIT

// Strays: signals that cannot be blocked in all threads of a Go program, and
// that end it unless something is done about it. Whichever thread one of them
// reaches sends it on to the loop's, where the signalfd shows it.

package signal

import (
	"errors"
	"os"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// own are the signals that tell the process to end, or to read its
// configuration again. The runtime unblocks them in each thread that it starts.
var own = [...]int{int(unix.SIGHUP), int(unix.SIGINT), int(unix.SIGQUIT), int(unix.SIGABRT), int(unix.SIGTERM)}

// faults are the signals of which the runtime believes that they come from a
// fault of its own. A real one is still one, and the runtime's: its si_code is
// positive. All that one means that a process sends is that it counted wrong.
var faults = [...]int{
	int(unix.SIGILL), int(unix.SIGTRAP), int(unix.SIGBUS), int(unix.SIGFPE), int(unix.SIGSEGV),
	int(unix.SIGSTKFLT), int(unix.SIGSYS),
}

// strays are the real-time signals for which the runtime has no handler, so
// that they end the process, and which it lets nobody block in all threads: it
// leaves them to C libraries, of which there is none here
// (sigtab_linux_generic.go in package runtime; the third one, 33, it handles).
var strays = [...]int{rtFirst, rtMin}

// strayed returns the signal of which r shows that no rule can have it, and 0 if it is another.
func strayed(r *record) int {
	switch {
	case r.signal == rtMin && r.errno != 0: // forwardFault
		return int(r.errno)
	case r.signal == strays[0] || r.signal == strays[1]:
		return r.signal
	}
	return 0
}

// The assembly has the only uses of these:
var _ = [...]any{forward, forwardFault, process, thread, runtimes}

// forward is a signal handler. It sends the signal on to one thread, where the
// signalfd gets it. Go code may not run in a handler.
func forward()

// forwardFault is one for faults: it leaves a real one to the runtime. One that a process
// sent comes to the signalfd as the signal rtMin, with its own number as si_errno: if the thread
// blocked faults, to have them themselves, a real one would end the process without a trace. Its
// si_code becomes SI_QUEUE, as a thread may not pretend to another that kill(2) was called.
func forwardFault()

// handler and faultHandler are their addresses, as the kernel calls them. They send
// signals to this thread of this process; runtimes is the runtime's handler.
var (
	handler, faultHandler, runtimes uintptr
	process, thread                 uint32
)

// A process has one set of handlers. If several sources are open in it, as in tests, the first that
// asks for own has everything until it gives them back.
var (
	mu    sync.Mutex
	owned bool
)

// Hold blocks the signals in the calling thread and has those that reach others sent on to
// it, where they wait for a signalfd. As they end the process otherwise, SIGHUP is held
// from the start, and after the end of Own.
func Hold(signals ...int) error {
	_, err := gather(signals, false)
	if err == nil {
		err = handle(handler, signals)
	}
	return err
}

// catchOwn does the same with own, and with faults that processes send. restore gives
// them back to the runtime.
func catchOwn() (restore func(), err error) {
	signals := slices.Concat(own[:], faults[:])
	before := make([]*action, len(signals))
	for i, n := range signals {
		if before[i], err = sigaction(n, nil); err != nil {
			return nil, err
		}
	}
	first, err := gather(slices.Concat(strays[:], own[:]), true)
	if first && err == nil {
		runtimes = before[len(before)-1][0]
		err = errors.Join(handle(handler, own[:]), handle(faultHandler, faults[:]))
	}
	return func() {
		if !first {
			return
		}
		for i, n := range signals {
			_, _ = sigaction(n, before[i])
		}
		mu.Lock()
		owned = false
		mu.Unlock()
	}, err
}

// gather blocks the signals in the calling thread and, unless they are owned, has the handlers
// send to it; with own, they are then. One that did not block what they send would call them for
// ever.
func gather(signals []int, own bool) (first bool, err error) {
	var set unix.Sigset_t
	for _, n := range signals {
		add(&set, n)
	}
	err = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
	mu.Lock()
	if first = !owned; first {
		process, thread, owned = uint32(os.Getpid()), uint32(unix.Gettid()), own
	}
	mu.Unlock()
	return first, err
}

// handle makes handler, an address, that of the signals.
func handle(handler uintptr, signals []int) error {
	act, err := sigaction(int(unix.SIGUSR1), nil) // for the flags and what belongs to them
	if err == nil {
		act[0] = handler
		for _, n := range signals {
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
