// SPDX-License-Identifier: MIT

package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWatchdogIsFedByTheLoop counts what a service manager receives while the
// loop turns, and while something keeps it from turning.
func TestWatchdogIsFedByTheLoop(t *testing.T) {
	const limit = 20 * time.Millisecond
	path := filepath.Join(t.TempDir(), "notify")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(limit.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	r := start(t, "rules: []\n")
	receive := func(flags int) string {
		var b [100]byte
		n, _, err := unix.Recvfrom(fd, b[:], flags)
		if err != nil {
			return ""
		}
		return string(b[:n])
	}
	await := func() {
		for fed := 0; fed < 3; {
			if receive(0) == "WATCHDOG=1" {
				fed++
			}
		}
	}
	await()
	stuck := make(chan string)
	r.agent.loop.Post(func() {
		for receive(unix.MSG_DONTWAIT) != "" {
		}
		time.Sleep(5 * limit) // the loop hangs
		stuck <- receive(unix.MSG_DONTWAIT)
	})
	if got := <-stuck; got != "" {
		t.Errorf("while the loop hung, the service manager received %q", got)
	}
	await()
}

func TestWatchdogLimit(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", own, 30 * time.Second},
		{"30000000", "", 30 * time.Second},
		{"30000000", "1", 0}, // another process's
		{"", "", 0}, {"0", own, 0}, {"-5", own, 0}, {"x", own, 0}, {"9223372036854775807", own, 0},
	} {
		if got := watchdogLimit(c.usec, c.pid); got != c.want {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
