// SPDX-License-Identifier: MIT

// Inherit: how all threads of the process come to have the signals blocked.

package signal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A signal that is sent to the process as a whole (kill, sigqueue) is taken
// by any thread that does not block it. The Go runtime starts threads when it
// likes, and its handler swallows real-time signals and SIGIO that nobody asked
// os/signal for, without a word. A signalfd on one thread that blocks them
// therefore sees only a few percent of what is sent to the process. Blocking in
// that thread alone does not help: a new thread gets neither the mask of the
// thread that starts it nor that of the main thread, but the one that the process was
// started with, which the runtime reads once, before any Go code runs. So there
// are two ways in: to block them before the runtime begins, for which the
// program must have been linked so (entry.go), and to start again with the
// signals blocked, since exec keeps the mask of the thread that calls it.
//
// From that first mask the runtime takes the signals that it wants for itself;
// HUP, INT, QUIT, TERM, CHLD, URG, the faults and 32 to 34 can never be had
// this way.

// minPending is the number of signals that may be waiting, where we can
// choose. Past the limit the sender gets EAGAIN and we learn nothing; small
// boards start with a few thousand or less.
const minPending = 32768

// markName is the environment variable that shows the program started again
// that it is: it holds its process number, which exec keeps.
const markName = "REFLEXD_MASKED"

// Inherit makes the process fit to read signals: it blocks, in all threads that
// there are and will be, what rules can have, and then raises RLIMIT_SIGPENDING.
// It must be the first thing that the main goroutine does, locked to the main
// thread. Unless the signals were blocked already when the runtime started, it
// does not return but executes the same program afresh, once, with the same
// number, name, arguments and environment.
//
// With an error the program can go on: the signals are blocked in the calling
// thread, and those sent to this very thread will arrive.
func Inherit() error {
	return errors.Join(inheritMask(), raisePending())
}

// raisePending lifts RLIMIT_SIGPENDING as far as we may. It counts what is
// queued for all processes of our real user ID.
func raisePending() error {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_SIGPENDING, &limit)
	if err == nil {
		higher := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if limit.Max < minPending && unix.Geteuid() == 0 {
			higher = unix.Rlimit{Cur: minPending, Max: minPending}
		}
		if higher != limit {
			err = unix.Setrlimit(unix.RLIMIT_SIGPENDING, &higher)
		}
	}
	if err != nil {
		return fmt.Errorf("raise RLIMIT_SIGPENDING: %w", err)
	}
	return nil
}

func inheritMask() error {
	again := startedAgain()
	whole, err := block()
	if err == nil && !whole {
		if again {
			err = errors.New("the mask did not survive exec")
		} else {
			err = startAgain("/proc/self/exe")
		}
	}
	if err != nil {
		return fmt.Errorf("block signals in all threads: %w; only those sent to the main thread arrive reliably", err)
	}
	return nil
}

// block blocks the signals in the calling thread, and reports whether they
// were so before.
func block() (before bool, err error) {
	set := takenSet()
	var old unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old); err != nil {
		return false, fmt.Errorf("set the signal mask: %w", err)
	}
	return holds(&old, &set), nil
}

// startedAgain reports whether startAgain brought us here, and removes the
// mark from the environment: children have no business with it.
func startedAgain() bool {
	mark := os.Getenv(markName)
	if mark != "" {
		os.Unsetenv(markName)
	}
	return mark == strconv.Itoa(os.Getpid())
}

// startAgain executes the program that the link self names, and returns only
// if it fails. It asks for the program by the link's target at first, since the
// process's name becomes the last part of the path that was executed; by the
// link itself if the file was deleted or replaced since.
func startAgain(self string) error {
	env := append(os.Environ(), markName+"="+strconv.Itoa(os.Getpid()))
	path, err := os.Readlink(self)
	if err == nil && !strings.HasSuffix(path, " (deleted)") {
		_ = unix.Exec(path, os.Args, env)
	}
	return fmt.Errorf("execute %s: %w", self, unix.Exec(self, os.Args, env))
}
