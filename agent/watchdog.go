// SPDX-License-Identifier: MIT

// Watchdog: a service manager that hears nothing from the loop for too long
// starts the agent again (systemd's WatchdogSec=).

package agent

import (
	"os"
	"strconv"
	"time"
)

// feedWatchdog notifies the service manager that the loop goes round, now and
// twice in the time within which it must, if it asks for that. It runs on the
// loop's thread: if that hangs, so do the notifications.
func (a *Agent) feedWatchdog() {
	limit := watchdogLimit(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"))
	if limit == 0 {
		return
	}
	a.notify("WATCHDOG=1")
	a.loop.After(limit/2, a.feedWatchdog)
}

// watchdogLimit returns the time within which the process must send something,
// 0 if it need not: sd_watchdog_enabled(3).
func watchdogLimit(usec, pid string) time.Duration {
	us, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || us <= 0 || us > int64(24*time.Hour/time.Microsecond) || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
