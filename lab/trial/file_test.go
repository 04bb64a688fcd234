// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reflexd/lab"
	"reflexd/sources/signal"
)

// cleanupContext is the test's context, or one that still lives when the test
// is being cleaned up.
func cleanupContext(t *testing.T) context.Context {
	if t.Context().Err() != nil {
		return context.Background()
	}
	return t.Context()
}

const sensorRules = `
files:
  sensor: {path: /dev/sensor, read: record}
  level: {path: /sys/class/misc/sensor/level, watch: priority}
rules:
  - name: sample
    when: {file: sensor, is: readable}
    do: {emit: {name: sample, fields: {LEVEL: "${TEXT}"}}}
  - name: high sample
    when: {event: sample, where: {LEVEL: {above: 90}}}
    do: {log: "level ${LEVEL}"}
  - name: let go
    when: {signal: SIGUSR1}
    do:
      - source: {close: sensor}
      - run: [rmmod, sensor]
  - name: take
    when: {signal: SIGUSR2}
    do: {source: {open: sensor}}
  - {name: attribute, when: {file: level, is: changed}, do: {log: "attribute ${TEXT} ${CODE}"}}
`

// The module is not there at start, is loaded, is let go of and unloaded, and
// loaded again.
func TestFileBySIGIO(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		module := b.module(t, "sensor")
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			a := b.startProgram(t, program, sensorRules)
			a.expect("file does not exist yet.*file=sensor")
			b.shell(t, "insmod "+module+"; echo 95 > /proc/sensor")
			a.expect("file opened.*file=sensor")
			a.expect(`msg="level 95"`)
			b.shell(t, "echo 12 > /proc/sensor; echo 91 > /proc/sensor")
			a.expect(`msg="attribute 91 POLL_PRI"`)
			// The record arrives on its own, before or after.
			if _, err := b.AwaitMatch(t.Context(), a.dir+"/log", `msg="level 91"`); err != nil {
				t.Fatal(err)
			}
			if n := count(a.log(), `msg="level 91"`); n != 1 {
				t.Errorf("level 91 was told %d times", n)
			}
			if out, err := b.Shell(t.Context(), "rmmod sensor"); err == nil {
				t.Errorf("the module could be unloaded while its file is open: %s", out)
			}
			b.signal(t, a, "USR1")
			a.expect("file closed.*file=sensor")
			a.expect("program=rmmod .*status=0")
			if st := a.verb("status"); !strings.Contains(st, "closed by the action") {
				t.Errorf("status:\n%s", st)
			}
			b.shell(t, "insmod "+module+"; echo 97 > /proc/sensor")
			b.signal(t, a, "USR2")
			a.expect("file opened.*file=sensor")
			a.expect(`msg="level 97"`)
			a.finish()
			b.shell(t, "rmmod sensor")
		}
	})
}

// expectEveryRecord has the sensor tell of a burst and one record more.
func (b *board) expectEveryRecord(t *testing.T, a *agent) {
	t.Helper()
	b.shell(t, "echo burst 200 > /proc/sensor; echo 1000 > /proc/sensor")
	a.expect(`msg="level 200"`)
	a.expect(`msg="level 1000"`)
	if n := count(a.log(), `msg="level `); n != 111 {
		t.Errorf("%d levels above 90 were told, want 111", n)
	}
}

// A driver that has no poll method, and waits in read(2) whatever O_NONBLOCK
// says, holds up nothing but its own closing.
func TestFileOfAStubbornDriver(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "insmod "+b.module(t, "sensor")+" stubborn=1")
	a := b.start(t, sensorRules)
	a.expect("file opened.*file=sensor")
	b.expectEveryRecord(t, a)
	b.signal(t, a, "USR1")
	a.expect("action failed.*a read is in progress")
	b.shell(t, "echo 5 > /proc/sensor; i=0; until rmmod sensor; do i=$((i+1)); [ $i -lt 50 ] || exit 1; sleep 0.1; done")
}

// A driver whose poll method is wrong keeps nobody busy, and its signals are still of use.
func TestSIGIOOfADriverWhosePollIsWrong(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "insmod "+b.module(t, "sensor")+" eager=1")
	a := b.start(t, sensorRules)
	a.expect("only signals announce the file.*file=sensor")
	b.expectEveryRecord(t, a)
}

func (b *board) signal(t *testing.T, a *agent, name string) {
	t.Helper()
	b.shell(t, fmt.Sprintf("kill -%s %d", name, a.proc.PID))
}

// A burst of records arrives whole, in order, and a full queue of signals is
// reported and made up for. The limit counts for the user pi, who may not raise
// it.
func TestFileBurst(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "insmod "+b.module(t, "sensor"))
	const rules = `
files: {sensor: {path: /dev/sensor}}
rules:
  - {name: sample, when: {file: sensor}, mode: parallel, max: 1000, do: {log: "sample ${TEXT}"}}
  - {name: lost, when: {loss: file}, do: {log: "lost ${SOURCE} ${COUNT}; ${HINT}"}}
`
	a := b.start(t, rules)
	a.expect("file opened")
	const many = 1200 // whose lines the log can hold, however late they are written
	b.shell(t, fmt.Sprintf("echo burst %d > /proc/sensor", many))
	a.expect(fmt.Sprintf(`msg="sample %d"`, many))
	expectSamples(t, a.log(), many)
	if strings.Contains(a.log(), "msg=\"lost ") {
		t.Error("a loss was told of")
	}
	a.finish()
}

func expectSamples(t *testing.T, log string, want int) {
	t.Helper()
	next := 1
	for line := range strings.Lines(log) {
		if strings.Contains(line, fmt.Sprintf(`msg="sample %d"`, next)) {
			next++
		}
	}
	if next != want+1 {
		t.Errorf("sample %d is missing", next)
	}
}

// A driver's signals with data reach rules that it was configured to call, by the
// main thread and by the process.
func TestSignalsOfADriver(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.shell(t, "insmod "+b.module(t, "caller"))
		a := b.start(t, `
rules:
  - name: introduce ourselves
    when: {agent: started}
    do: {write: {path: /proc/sensor_owner, text: "${PID}"}}
  - name: threshold
    when: {signal: SIGRTMIN+2, where: {VALUE: 1234}}
    do: {log: "threshold ${VALUE} ${CODE} by ${SENDER_PID} of ${SENDER_UID}"}
  - name: call
    when: {signal: SIGRTMIN+3}
    do: {log: "call ${VALUE} ${CODE} by ${SENDER_PID}"}
`)
		a.expect("fired rule=.introduce ourselves")
		if err := b.awaitOwner(t); err != nil {
			t.Fatal(err)
		}
		b.shell(t, "echo 36 1233 > /proc/sensor_call; echo 36 1234 > /proc/sensor_call")
		a.expect(`msg="threshold 1234 queue by 0 of 0"`)
		b.shell(t, "echo 37 > /proc/sensor_call")
		a.expect(`msg="call 0 kernel by 0"`)
		if n := count(a.log(), `msg="threshold `); n != 1 {
			t.Errorf("threshold was told %d times", n)
		}
	})
}

// Signals of which the Go runtime takes no care reach the agent by another
// thread than the one that waits for them.
func TestNoStraySignalEndsTheAgent(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			a := b.startProgram(t, program, "rules: [{when: {signal: 36}, do: {log: still here}}]")
			for _, number := range []int{4, 5, 7, 8, 11, 16, 31, 32, 34} {
				b.shell(t, fmt.Sprintf("kill -%d %d", number, a.proc.PID))
				a.expect("ignored a signal.*signal=" + signal.Name(number) + "$")
			}
			b.shell(t, fmt.Sprintf("kill -36 %d", a.proc.PID))
			a.expect("msg=.still here")
		}
	})
}

// All threads block what rules can have, and the program was executed once: the mark of a
// second time would be in its environment. Its table of descriptors need not grow while
// there are threads.
func TestEntry(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			a := b.startProgram(t, program, "rules: [{when: {signal: 36}, do: {log: still here}}]")
			a.expect("started")
			if environ := b.shell(t, fmt.Sprintf("tr '\\0' ' ' </proc/%d/environ", a.proc.PID)); strings.Contains(environ, "REFLEXD_MASKED") {
				t.Errorf("%s was executed twice: %s", program, environ)
			}
			const want = 0xfffffffc_38002a00
			for _, line := range strings.Fields(b.shell(t, fmt.Sprintf("sed -n 's/SigBlk:\t//p' /proc/%d/task/*/status", a.proc.PID))) {
				if mask, err := strconv.ParseUint(line, 16, 64); err != nil || mask&want != want {
					t.Errorf("%s: a thread blocks %s, want at least %x", program, line, uint64(want))
				}
			}
			if room := b.shell(t, fmt.Sprintf("sed -n 's/FDSize:\t//p' /proc/%d/status", a.proc.PID)); strings.TrimSpace(room) != "256" {
				t.Errorf("%s: there is room for %s descriptors, want 256", program, room)
			}
			if open := b.shell(t, fmt.Sprintf("ls /proc/%d/fd", a.proc.PID)); slices.Contains(strings.Fields(open), "255") {
				t.Errorf("%s: descriptor 255 is open", program)
			}
		}
	})
}

// awaitOwner waits until the driver knows whom to call: the PID is written
// in the background.
func (b *board) awaitOwner(t *testing.T) error {
	t.Helper()
	_, err := b.Shell(t.Context(), "i=0; until echo 0 > /proc/sensor_call; do i=$((i+1)); [ $i -lt 50 ] || exit 1; sleep 0.1; done")
	return err
}

func TestFilesByPriority(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, `
files:
  mounts: {path: /proc/self/mountinfo, watch: priority, max: 8192}
  busy: {path: /proc/pressure/cpu, watch: priority, arm: "some 50000 500000"}
  unarmed: {path: /proc/pressure/io, watch: priority}
rules:
  - {name: mounts, when: {file: mounts, where: {TEXT: "*/tmp/trial*"}}, do: {log: "it is mounted"}}
  - {name: busy, when: {file: busy, is: urgent}, cooldown: 10s, do: {log: "busy: ${TEXT}"}}
`)
	a.expect("cannot use file.*file=unarmed.*needs `arm:`")
	b.shell(t, "mkdir -p /tmp/trial && mount -t tmpfs trial /tmp/trial")
	a.expect("it is mounted")
	b.shell(t, "umount /tmp/trial")
	b.shell(t, "for i in 1 2 3 4 5 6; do timeout 4 sh -c 'while :; do :; done' & done; wait; true")
	// A slow board may have been busy before, too.
	if _, err := b.AwaitMatch(t.Context(), a.dir+"/log", "busy: some avg10="); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatComeAndGo(t *testing.T) {
	b := on(t, lab.Virt)
	b.shell(t, "rm -rf /tmp/app /tmp/fifo")
	a := b.start(t, `
files:
  fifo: {path: /tmp/fifo, read: line}
  mute: {path: `+b.header.Device+`}
  settings: {path: /tmp/app/settings, watch: changes, read: all}
rules:
  - {name: line, when: {file: fifo}, do: {log: "line ${TEXT}"}}
  - {name: gone, when: {file: fifo, is: hung-up}, do: {log: "the writer left"}}
  - {name: settings, when: {file: settings, where: {EVENT: [written, moved-in]}}, do: {log: "settings ${EVENT} ${TEXT}"}}
`)
	a.expect("cannot use file.*file=mute.*use `watch: epoll`")
	b.shell(t, "mkfifo /tmp/fifo")
	a.expect("file opened.*file=fifo")
	for _, text := range []string{"one", "two"} {
		b.shell(t, "echo "+text+" > /tmp/fifo")
		a.expect("line " + text)
		a.expect("the writer left")
	}
	wakeups := a.wakeups()
	b.shell(t, "mkdir /tmp/app; echo first > /tmp/app/settings")
	a.expect("settings written first")
	b.shell(t, "echo second > /tmp/app/new; mv /tmp/app/new /tmp/app/settings")
	a.expect("settings moved-in second")
	if n := a.wakeups() - wakeups; n > 50 {
		t.Errorf("%d wake-ups: something spins", n)
	}
}

// wakeups returns how often the agent's loop woke up.
func (a *agent) wakeups() (n int) {
	a.t.Helper()
	st := a.verb("status")
	i := strings.Index(st, " events in ")
	if _, err := fmt.Sscanf(st[max(0, i):], " events in %d wake-ups", &n); err != nil {
		a.t.Fatalf("%v in:\n%s", err, st)
	}
	return n
}
