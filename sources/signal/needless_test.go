// SPDX-License-Identifier: MIT

package signal

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel never goes on with a wait of clock_nanosleep(2) that a handler has interrupted.
func TestNeedlessSignalsInterruptNothing(t *testing.T) {
	for mode, want := range map[string]error{"interrupted": unix.EINTR, "dropped": nil} {
		h := exec.CommandContext(t.Context(), os.Args[0])
		h.Env = append(os.Environ(), helperName+"="+mode)
		out, err := h.Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != fmt.Sprint(want) {
			t.Errorf("%s: the wait ended with %q, want %v; %v", mode, got, want, err)
		}
	}
}

// needlessHelper waits in the kernel while its thread and the process get the
// signals, and then starts a program, which still has to be waited for.
func needlessHelper(drop bool) error {
	if drop {
		DropNeedless()
	}
	thread, waited := make(chan int), make(chan error)
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		wait := unix.NsecToTimespec((200 * time.Millisecond).Nanoseconds())
		waited <- unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil)
	}()
	waiter := <-thread
	for {
		for _, n := range needless {
			_ = unix.Tgkill(os.Getpid(), waiter, unix.Signal(n))
			_ = unix.Kill(os.Getpid(), unix.Signal(n))
		}
		select {
		case err := <-waited:
			fmt.Println(err)
			return exec.Command("/bin/true").Run()
		case <-time.After(time.Millisecond):
		}
	}
}
