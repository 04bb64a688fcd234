// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// niceOfLoop is the nice value of the thread that runs the loop.
func (r *rig) niceOfLoop() (nice int) {
	r.do(func() {
		kernel, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			r.t.Error(err)
		}
		nice = 20 - kernel
	})
	return nice
}

// The loop's thread has a priority that its programs do not get, and a reload
// changes it.
func TestPriorityIsTheLoopsAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test raises a priority and needs root")
	}
	before := LimitsBefore()
	own := int(before.Priority.Nice) // it may be that of nice(1)
	ordinary := fmt.Sprint("nice ", own)
	rules := "rules: [{when: {event: go}, do: {shell: \"echo nice $(cut -d' ' -f19 /proc/$$/stat)\"}}]\n"
	r := start(t, rules, func(o *Options) { o.Before = before })
	if got := r.niceOfLoop(); got != highNice {
		t.Errorf("nice %d, want %d", got, highNice)
	}
	r.send("go")
	r.expect(`line="` + ordinary + `"`)
	detail := func() (detail string) {
		r.do(func() { detail = r.agent.Status().Sources[0].States[0].Detail })
		return detail
	}
	if got := detail(); got != "nice -10" {
		t.Error(got)
	}
	r.write("priority: normal\n" + rules)
	r.reload()
	if got := r.niceOfLoop(); got != own || detail() != ordinary {
		t.Errorf("nice %d, status %q", got, detail())
	}
	r.write("priority: highest\n" + rules)
	if err := r.tryReload(); err == nil || !strings.Contains(err.Error(), "expected normal or high") {
		t.Error(err)
	}
}

func TestNiceOf(t *testing.T) {
	nice, err := niceOf("/proc", os.Getpid())
	kernel, _ := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	if err != nil || nice != 20-kernel {
		t.Error(nice, 20-kernel, err)
	}
}
