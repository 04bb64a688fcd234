// SPDX-License-Identifier: MIT

// Result: how a program ended.

package spawn

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Result is how a program ended.
type Result struct {
	// Err is why it was not started; then the rest means nothing but Stopped.
	Err error
	Pid int
	// ExitCode is its exit status; -1 if a signal killed it.
	ExitCode int
	// Signal is the signal that killed it; 0 if it exited.
	Signal unix.Signal
	// TimedOut and Stopped say that it was asked to end, because its timeout
	// was over or by Stop, whatever its exit status then was.
	TimedOut, Stopped bool
	// Timeout is that of its Spec.
	Timeout time.Duration
	// Ran is the time from its start to its end.
	Ran time.Duration
}

// Failure returns nil if the program ran to its end with exit status 0, and
// else says what went wrong.
func (r Result) Failure() error {
	switch {
	case r.Err != nil:
		return r.Err
	case r.TimedOut:
		return fmt.Errorf("timed out after %v (raise `timeout:` in the rule)", r.Timeout)
	case r.Stopped:
		return errors.New("stopped")
	case r.Signal != 0:
		return fmt.Errorf("killed by %s", signalName(r.Signal))
	case r.ExitCode != 0:
		return fmt.Errorf("exit status %d", r.ExitCode)
	}
	return nil
}

func signalName(s unix.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}

// setStatus enters what waitid reported.
func (r *Result) setStatus(info *childInfo) {
	switch info.code {
	case cldExited:
		r.ExitCode = int(info.status)
	case cldKilled, cldDumped:
		r.ExitCode, r.Signal = -1, unix.Signal(info.status)
	}
}
