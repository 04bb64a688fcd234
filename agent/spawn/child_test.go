// SPDX-License-Identifier: MIT

// Tests of how programs and their groups are brought to an end.

package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// groupIsThere reports whether a process of the group is left, dead ones not
// counted.
func groupIsThere(t *testing.T, pgid int) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err == nil && groupOfLiving(stat) == pgid {
			return true
		}
	}
	return false
}

func TestTimeoutKillsTheWholeGroup(t *testing.T) {
	r := newRig(t)
	const killAfter = 100 * time.Millisecond
	var res Result
	timeout := 50 * time.Millisecond
	for out := ""; out == ""; { // the shell may not have come to its trap in time
		timeout *= 2
		out, res = r.run(Spec{
			Argv:    sh(`trap "" TERM; echo trapped; sleep 1000 & sleep 1000`),
			Timeout: timeout, KillAfter: killAfter,
		})
	}
	if !res.TimedOut || res.Signal != unix.SIGKILL || res.Ran < timeout+killAfter {
		t.Errorf("got %+v", res)
	}
	want := fmt.Sprintf("timed out after %v (raise `timeout:` in the rule)", timeout)
	if got := res.Failure().Error(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r.untilNothingIsLeft()
	r.until("the group is dead", func() bool { return !groupIsThere(t, res.Pid) })
}

func TestTermIsEnoughForMost(t *testing.T) {
	r := newRig(t)
	for range 2 { // the second with a program that is stopped
		begin := time.Now()
		_, res := r.run(Spec{Argv: sh("kill -STOP $$; sleep 1000 & sleep 1000"), Timeout: 50 * time.Millisecond})
		if !res.TimedOut || res.Signal != unix.SIGTERM {
			t.Errorf("got %+v", res)
		}
		// Nobody waits for KillAfter once the group is empty.
		r.untilNothingIsLeft()
		if took := time.Since(begin); took > defaultKillAfter {
			t.Errorf("took %v", took)
		}
	}
}

// One of the group ignores SIGTERM; the leader does not.
func TestStubbornDescendantIsKilled(t *testing.T) {
	r := newRig(t)
	lines := 0
	c, result := r.start(Spec{
		Argv:      sh(`sh -c 'trap "" TERM; while :; do echo on; sleep 0.1; done' & wait`),
		KillAfter: 3 * time.Second,
		Output:    func([]byte) { lines++ },
	})
	r.until("it runs", func() bool { return lines > 0 })
	var then int
	r.do(func() { c.Stop(); then = lines })
	res := r.await(result)
	if !res.Stopped || res.Signal != unix.SIGTERM || res.Failure().Error() != "stopped" {
		t.Errorf("got %+v", res)
	}
	r.until("it has ignored SIGTERM", func() bool { return lines > then+1 })
	r.untilNothingIsLeft()
	r.until("the group is dead", func() bool { return !groupIsThere(t, res.Pid) })
}

func TestDescendantsDoNotHoldUpTheEnd(t *testing.T) {
	r := newRig(t)
	before := openDescriptors(t)
	out, res := r.run(Spec{Argv: sh("sleep 30 & echo mine"), Timeout: 2 * time.Second, KillAfter: time.Second})
	if out != "mine\n" || res.Failure() != nil || !groupIsThere(t, res.Pid) {
		t.Errorf("got %q, %v", out, res.Failure())
	}
	if len(children(t)) != 1 {
		t.Error("the leader is not kept: its group's number could be given away")
	}
	// The rest of the timeout is theirs; then they go.
	r.untilNothingIsLeft()
	if groupIsThere(t, res.Pid) || len(children(t)) != 0 || openDescriptors(t) != before {
		t.Error("something is left")
	}
}

func TestDescendantsOutputComesLater(t *testing.T) {
	r := newRig(t)
	var out strings.Builder
	_, result := r.start(Spec{Argv: sh("(sleep 0.1; echo later) & printf now"), Output: collect(&out)})
	if res := r.await(result); res.Failure() != nil {
		t.Error(res.Failure())
	}
	r.do(func() {
		if out.String() != "now\n" {
			t.Errorf("at the end: %q", out.String())
		}
	})
	if len(children(t)) != 0 {
		t.Error("without timeout nothing is to be killed, yet a zombie is kept")
	}
	r.untilNothingIsLeft()
	if out.String() != "now\nlater\n" {
		t.Errorf("after all: %q", out.String())
	}
}

func TestStopWhileStarting(t *testing.T) {
	r := newRig(t)
	for _, user := range []string{"", "root"} {
		file := filepath.Join(t.TempDir(), "ran")
		result := make(chan Result, 2)
		r.do(func() {
			c := r.Start(Spec{Argv: []string{"sleep", "1000"}, User: user}, func(res Result) { result <- res })
			c.Stop()
			c.Stop()
		})
		if res := r.await(result); !res.Stopped || res.Failure() == nil {
			t.Errorf("user %q: got %+v", user, res)
		}
		r.untilNothingIsLeft()
		if _, err := os.Stat(file); err == nil {
			t.Error("it ran")
		}
		if len(result) > 0 {
			t.Error("ended was called twice")
		}
	}
}

// A program that is stopped before it has made its process group ends all the
// same, and by SIGTERM.
func TestStopRightAfterTheStart(t *testing.T) {
	r := newRig(t)
	for range 100 {
		result := make(chan Result, 1)
		r.do(func() {
			r.Start(Spec{Argv: []string{"sleep", "1000"}}, func(res Result) { result <- res }).Stop()
		})
		if res := r.await(result); res.Signal != unix.SIGTERM {
			t.Fatalf("got %+v", res)
		}
	}
}

func TestStopAllAndKillAll(t *testing.T) {
	r := newRig(t)
	ready, results := 0, make(chan Result, 4)
	output := func([]byte) { ready++ }
	r.do(func() {
		for _, script := range []string{
			"echo; exec sleep 1000",
			`trap "" TERM; echo; while :; do sleep 0.01; done`,
			"sleep 1000 & echo", // ends, leaving one that holds the output
		} {
			r.Start(Spec{Argv: sh(script), Output: output}, func(res Result) { results <- res })
		}
	})
	r.await(results)
	r.until("all run", func() bool { return ready == 3 })
	r.do(func() {
		if got := r.Running(); len(got) != 2 || got[0].Pid == 0 || got[0].Argv[0] != "sh" || got[0].For <= 0 {
			t.Errorf("running: %+v", got)
		}
		r.StopAll()
	})
	if res := r.await(results); res.Signal != unix.SIGTERM {
		t.Errorf("got %+v", res)
	}
	r.until("the stubborn one is left", func() bool { return r.Left() == 1 })
	r.do(r.KillAll)
	if res := r.await(results); res.Signal != unix.SIGKILL || !res.Stopped {
		t.Errorf("got %+v", res)
	}
	r.untilNothingIsLeft()
}

func TestGroupOfLiving(t *testing.T) {
	for stat, want := range map[string]int{
		"12 (sh) S 1 34 12 0":               34,
		"12 (a) Z 9 9 (b) R 1 56 12 0":      56,
		"12 (sh) Z 1 34 12 0":               -1,
		"12 (sh) S 1":                       -1,
		"":                                  -1,
		"12 (sh) S 1 999999999999999999999": -1,
	} {
		if got := groupOfLiving([]byte(stat)); got != want {
			t.Errorf("%q: got %d, want %d", stat, got, want)
		}
	}
	self, err := os.ReadFile("/proc/self/stat")
	if err != nil || groupOfLiving(self) != unix.Getpgrp() {
		t.Errorf("ourselves: %s, %v", self, err)
	}
	if groupHasMore(1 << 30) {
		t.Error("a group that is not there has members")
	}
}

func FuzzGroupOfLiving(f *testing.F) {
	f.Add([]byte("12 (a) Z 9 9 (b) R 1 56 12 0"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, stat []byte) { groupOfLiving(stat) })
}
