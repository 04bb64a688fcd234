// SPDX-License-Identifier: MIT

//go:build lab

// The agent's threads on a board with several processors.

package trial

import (
	"fmt"
	"strings"
	"testing"
)

// The Go runtime's monitoring thread may wake up late, and nobody else: timers of the
// loop and of programs are as exact as before.
func TestMonitorIsCalm(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, "vars: {n: {initial: 0}}\nrules: [{when: {event: go}, do: {shell: 'echo mine $(cat /proc/self/timerslack_ns)'}}]\n")
		threads := strings.Fields(b.shell(t, fmt.Sprintf("ls /proc/%d/task | sort -n", a.proc.PID)))
		if _, err := b.AwaitMatch(t.Context(), "/proc/"+threads[1]+"/timerslack_ns", "10000000"); err != nil {
			t.Fatal(err)
		}
		a.verb("emit", "go")
		a.expect("mine 50000")
		for _, thread := range threads {
			slack := strings.TrimSpace(b.shell(t, "cat /proc/"+thread+"/timerslack_ns"))
			if thread != threads[1] && slack != "50000" {
				t.Errorf("thread %s of %v has a slack of %s ns", thread, threads, slack)
			}
		}
	})
}
