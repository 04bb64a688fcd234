// SPDX-License-Identifier: MIT

// The names of signals: those of kill -l, and what people write for them.

package signal

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// names holds the name of each signal by its number.
var names = nameAll()

func nameAll() (names [rtMax + 1]string) {
	for n := range names {
		switch name := unix.SignalName(syscall.Signal(n)); {
		case n == rtMin:
			names[n] = "SIGRTMIN"
		case n > rtMin:
			names[n] = "SIGRTMIN+" + strconv.Itoa(n-rtMin)
		case name != "":
			names[n] = name
		default:
			names[n] = strconv.Itoa(n)
		}
	}
	return names
}

// aliases are second names of signals.
var aliases = map[string]string{"SIGPOLL": "SIGIO", "SIGCLD": "SIGCHLD", "SIGIOT": "SIGABRT"}

// Name returns the name of signal n: SIGUSR1, SIGRTMIN+2. It is the number in
// decimal if there is no name.
func Name(n int) string {
	if n < 0 || n >= len(names) {
		return strconv.Itoa(n)
	}
	return names[n]
}

// Number returns the number of the signal that name means: SIGUSR1, usr1,
// SIGRTMIN+2, SIGRTMAX-3 or a number. Real-time signals count from 34, as
// glibc has them, and as kill -l prints them.
func Number(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil {
		if n < 1 || n > rtMax {
			return 0, fmt.Errorf("no signal %d: they are from 1 to %d", n, rtMax)
		}
		return n, nil
	}
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "SIG") {
		full = "SIG" + full
	}
	if alias, ok := aliases[full]; ok {
		full = alias
	}
	for n := 1; n < len(names); n++ {
		if names[n] == full {
			return n, nil
		}
	}
	return realTime(name, full)
}

// realTime understands what counts from either end of the real-time signals.
// full is name in upper case and with its SIG.
func realTime(name, full string) (int, error) {
	offset, fromMin := strings.CutPrefix(full, "SIGRTMIN")
	from := rtMin
	if !fromMin {
		var fromMax bool
		if offset, fromMax = strings.CutPrefix(full, "SIGRTMAX"); !fromMax {
			return 0, fmt.Errorf("unknown signal %q%s", name, config.Suggest(full, names[1:]))
		}
		from = rtMax
	}
	if offset == "" {
		return from, nil
	}
	by, err := strconv.Atoi(offset)
	if err != nil || offset[0] != '+' && offset[0] != '-' {
		return 0, fmt.Errorf("unknown signal %q: real-time signals are written SIGRTMIN+2 or SIGRTMAX-2", name)
	}
	if by < rtMin-from || by > rtMax-from {
		return 0, fmt.Errorf("no signal %q: real-time signals are SIGRTMIN to SIGRTMIN+%d", name, rtMax-rtMin)
	}
	return from + by, nil
}

// Receivable is Number for a signal that the agent is to receive; what it
// cannot is refused with what to do instead.
func Receivable(name string) (int, error) {
	n, err := Number(name)
	if err != nil || isTaken(n) {
		return n, err
	}
	return 0, fmt.Errorf("%s %s", Name(n), refusal(n))
}

func refusal(n int) string {
	switch syscall.Signal(n) {
	case unix.SIGHUP:
		return "makes the agent reload: use `agent: reloaded`"
	case unix.SIGINT, unix.SIGTERM:
		return "stops the agent: use `agent: stopping`"
	case unix.SIGKILL, unix.SIGSTOP:
		return "cannot be used: the kernel lets no process receive it"
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, unix.SIGABRT, unix.SIGSTKFLT:
		return "cannot be used: it reports a fault in the agent itself"
	}
	if n >= rtFirst {
		return "cannot be used: the Go runtime keeps 32 to 34 for itself; use SIGRTMIN+1 or higher"
	}
	return "cannot be used: the Go runtime needs it; use SIGUSR1, SIGUSR2, or SIGRTMIN+1 and higher"
}
