// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"strings"
	"testing"

	"reflexd/lab"
)

const confined = `
rules:
  - {name: escape, when: {event: escape}, do: {run: {command: [sh, -c, "setsid sleep 4321 & sleep 4321"], timeout: 1s}}}
  - {name: glutton, when: {event: glutton}, do: {run: {command: [sh, -c, "head -c 100000000 /dev/zero | tail"], memory: 16M, timeout: 1m}}}
  - {name: forks, when: {event: forks}, do: {run: {command: [sh, -c, "for i in 1 2 3 4 5 6 7 8; do sleep 4322 & done; sleep 4322"], processes: 5, timeout: 3s}}}
  - {name: bomb, when: {event: bomb}, do: {run: {command: [sh, -c, "b() { b | b & }; b; sleep 20"], timeout: 4s}}}
  - {name: beside, when: {event: beside}, mode: parallel, do: [{run: {command: ["true"], user: "0"}, ignore_failure: true}, {log: "beside"}]}
  - {name: well, when: {event: well}, do: {log: "all is well"}}
`

// A service whose cgroup is left to it, with room for 150 processes.
const service = `#!/bin/sh
grep -q ' /sys/fs/cgroup cgroup2' /proc/mounts || mount -t cgroup2 none /sys/fs/cgroup
cd /sys/fs/cgroup && echo '+pids +memory' > cgroup.subtree_control
rmdir service/*/* service/* service 2>/dev/null
mkdir service && echo ${PROCESSES:-150} > service/pids.max && echo $$ > service/cgroup.procs && cd / && exec ${0%-confined} "$@"
`

// An agent whose service may not have as many processes as it needs threads says so, and
// how many there can be.
func TestTooFewProcesses(t *testing.T) {
	b := on(t, lab.Virt)
	t.Cleanup(func() { _, _ = b.Shell(cleanupContext(t), "umount /sys/fs/cgroup") })
	for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
		if err := b.WriteFile(t.Context(), program+"-confined", []byte(service), 0o755); err != nil {
			t.Fatal(err)
		}
		run := func(processes int) (need, room int) {
			said := b.shell(t, fmt.Sprintf("PROCESSES=%d %s-confined run -c /none.yaml 2>&1 || true", processes, program))
			if _, err := fmt.Sscanf(said, "reflexd run: it needs %d threads and can start %d: raise TasksMax=", &need, &room); err != nil && !strings.Contains(said, "/none.yaml") {
				t.Errorf("%s, %d processes: %s", program, processes, said)
			}
			return need, room
		}
		_, few := run(8)
		if need, more := run(12); few < 1 || few >= more || more >= need {
			t.Errorf("%s: room for %d threads, then for %d, of %d", program, few, more, need)
		}
		if need, _ := run(30); need != 0 {
			t.Errorf("%s: 30 processes are too few", program)
		}
	}
}

// Programs of rules are held in their cgroups: by timeout, memory and number.
// What forks without end does not end the agent.
func TestProgramsInCgroups(t *testing.T) {
	b := on(t, lab.Virt)
	t.Cleanup(func() { _, _ = b.Shell(cleanupContext(t), "umount /sys/fs/cgroup") }) // other tests want the board as it was
	for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
		if err := b.WriteFile(t.Context(), program+"-confined", []byte(service), 0o755); err != nil {
			t.Fatal(err)
		}
		a := b.startProgram(t, program+"-confined", confined)
		if most := b.shell(t, "cat /sys/fs/cgroup/service/reflexd-programs/pids.max"); strings.TrimSpace(most) != "86" {
			t.Errorf("of 150 processes programs may have %s, 64 fewer are right", most)
		}
		a.verb("emit", "escape")
		a.expect(`rule=escape .*timed out`)
		b.shell(t, "while pgrep -f 'sleep 4321'; do sleep 0.1; done")
		a.verb("emit", "glutton")
		a.expect(`rule=glutton .*(killed by SIGKILL|exit status)`)
		a.verb("emit", "forks")
		a.expect(`rule=forks .*(fork|timed out)`)
		a.verb("emit", "bomb")
		for range 20 {
			a.verb("emit", "beside")
		}
		a.expect(`rule=bomb .*(timed out|exit status)`)
		b.shell(t, "while test $(cat /sys/fs/cgroup/service/reflexd-programs/pids.current) -gt 0; do sleep 0.1; done")
		a.verb("emit", "well")
		a.expect("all is well")
		if log := a.log(); strings.Contains(log, "do not get their own cgroups") || strings.Contains(log, "limit its") {
			t.Errorf("the log is\n%s", log)
		}
		a.finish()
	}
}
