// SPDX-License-Identifier: MIT

// What the verb doctor says of signals.

package signal

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"reflexd/sources"
)

// Examine implements sources.Examiner. Which signals rules can have at all,
// check says. Here is whether there is room for them: the queue of signals is
// shared by all processes of a user.
func (p *Plan) Examine(x *sources.Report) {
	queued := false
	for n, wanted := range p.wanted {
		if !wanted {
			continue
		}
		queued = queued || n >= rtMin
		subject := "signal " + Name(n)
		if x.Pid != 0 && !blockedIn(x, n) {
			x.Bad(x.At("signal", Name(n)), subject, fmt.Sprintf("the running agent, process %d, does not block it in all its threads", x.Pid), "its log has the reason; it can miss signals until it is restarted")
			continue
		}
		x.Good(x.At("signal", Name(n)), subject, "free")
	}
	if queued {
		examineQueue(x)
	}
}

// blockedIn reports whether all threads of the running agent block the signal.
func blockedIn(x *sources.Report, n int) bool {
	files, _ := filepath.Glob(filepath.Join(x.Path("/proc"), strconv.Itoa(x.Pid), "task/*/status"))
	for _, f := range files {
		mask, err := strconv.ParseUint(sources.StatusField(f, "SigBlk"), 16, 64)
		if err == nil && mask>>(n-1)&1 == 0 {
			return false
		}
	}
	return true
}

// examineQueue looks at how full the queue of signals is.
func examineQueue(x *sources.Report) {
	process := "self"
	if x.Pid != 0 {
		process = strconv.Itoa(x.Pid)
	}
	used, limit, ok := strings.Cut(sources.StatusField(filepath.Join(x.Path("/proc"), process, "status"), "SigQ"), "/")
	n, err := strconv.ParseUint(used, 10, 64)
	most, err2 := strconv.ParseUint(limit, 10, 64)
	if !ok || err != nil || err2 != nil {
		return
	}
	const subject = "queue of signals"
	found := fmt.Sprintf("%d of %d are pending", n, most)
	switch {
	case n >= most:
		x.Bad(nil, subject, found+": further signals fail with EAGAIN", "raise RLIMIT_SIGPENDING (LimitSIGPENDING= of systemd, ulimit -i)")
	case most < minPending && x.Pid != 0:
		x.Note(nil, subject, found, "RLIMIT_SIGPENDING (LimitSIGPENDING= of systemd, ulimit -i) could be raised for bursts")
	default:
		x.Good(nil, subject, found)
	}
}
