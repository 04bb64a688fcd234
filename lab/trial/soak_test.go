// SPDX-License-Identifier: MIT

//go:build lab

// The soak: everything that can happen to a board, in an order that a seed
// decides, for a minute or for as long as REFLEXD_SOAK says. What the agent holds
// must not grow, and what it says of the board must be so.

package trial

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

const soakRules = `
state_file: /tmp/soak.state
lines:
  # On a busy board the kernel's debouncing can miss a press, of which nobody learns.
  button: {button: GPIO17, debounce: 0s}
  door: {contact: GPIO22}
  lamp: {output: GPIO27, on_exit: off}
  busy: {output: GPIO26}
inputs:
  keyboard: {name: "*QEMU USB Keyboard*"}
vars:
  presses: {initial: "0"}
  opened: {initial: "0", keep: true}
automount: true
rules:
  - {name: count, when: {line: button, is: pressed}, mode: queued, do: {var: {presses: {add: 1}}}}
  - {name: toggle, when: {line: button, is: pressed}, do: {set: {line: lamp, to: toggle}}}
  - {name: open, when: {line: door, is: on}, mode: queued, do: {var: {opened: {add: 1}}}}
  - {name: stands open, when: {line: door, is: on, for: 3s}, do: {blink: {line: busy, every: 100ms}}}
  - {name: closed, when: {line: door, is: off}, do: {set: {line: busy, to: off}}}
  - {name: fails, when: {event: fail}, mode: parallel, do: {run: [false]}}
  - {name: hangs, when: {event: hang}, mode: restart, do: {run: [sleep, "1000"]}}
  - {name: is missing, when: {event: fail}, do: {run: [no-such-program]}}
  - {name: types, when: {key: KEY_A, is: pressed}, do: {log: typed}}
  - {name: ticks, when: {timer: 500ms}, do: {write: {path: /tmp/soak.tick, text: "${REFLEXD_WALL}"}}}
  - {name: noon, when: {time: "12:00"}, do: {log: noon}}
  - {name: drives, when: {mount: "*", is: [mounted, unmounted, yanked, failed]}, mode: parallel, do: {run: [true]}}
  - {name: signals, when: {signal: SIGUSR2}, mode: queued, do: {run: [true]}}
  - {name: devices, when: {uevent: {SUBSYSTEM: block}}, mode: queued, do: {log: "${ACTION} ${DEVNAME:-}"}}
`

// soak is a board under way.
type soak struct {
	t     *testing.T
	b     *board
	a     *agent
	r     *rand.Rand
	image string

	// What the board must be like.
	presses, most   int // that were counted, at least and at most
	opened          int
	open            bool
	stick, keyboard bool
	gone            bool // the chip
	lives           int  // that it has had
	level           holdings
}

// holdings is what an agent holds at rest.
type holdings struct{ fds, threads, anon, children, mounts int }

func TestSoak(t *testing.T) {
	wants(t, lab.Virt)
	last, seed := time.Minute, rand.Uint64()
	if given := os.Getenv("REFLEXD_SOAK"); given != "" {
		var err error
		if last, err = time.ParseDuration(given); err != nil {
			t.Fatal("REFLEXD_SOAK:", err)
		}
	}
	if given := os.Getenv("REFLEXD_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal("REFLEXD_SEED:", err)
		}
	}
	t.Logf("REFLEXD_SEED=%d has all happen in the same order", seed)
	// Of its own: its clock jumps.
	b, err := boot(lab.Config{Machine: lab.Virt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s := &soak{t: t, b: b, r: rand.New(rand.NewPCG(seed, 0)), image: volume(t, true, lab.Volume{Type: "vfat", Label: "SOAK"})}
	if err := b.WriteFile(t.Context(), "/tmp/soak.tick", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.a = b.start(t, soakRules)
	steps := s.steps()
	for _, step := range steps { // each once, so that the level is that of one that has done everything
		step.do()
	}
	s.rest()
	s.level = s.holdings()
	n := 0
	for end := time.Now().Add(last); time.Now().Before(end) && !t.Failed(); n++ {
		step := steps[s.r.IntN(len(steps))]
		t.Logf("step %d: %s", n, step.name)
		step.do()
		if n%20 == 19 {
			s.check()
		}
	}
	s.check()
	t.Logf("%d steps; %+v at first, %+v at last", n, s.level, s.holdings())
	if log := b.Console(); strings.Contains(log, "Oops") || strings.Contains(log, "WARNING") {
		t.Errorf("the kernel complains:\n%s", log)
	}
}

// step is something that can happen.
type step struct {
	name string
	do   func()
}

func (s *soak) steps() []step {
	return []step{
		{"presses", s.press},
		{"a press that bounces", s.bounce},
		{"the door moves", s.door},
		{"the stick is plugged in or pulled", s.moveStick},
		{"the keyboard is plugged in or pulled", s.moveKeyboard},
		{"typing", s.typing},
		{"the chip goes or comes back", s.moveChip},
		{"programs fail", func() { s.try("reflexd emit fail; reflexd emit fail; reflexd emit hang; reflexd emit hang") }},
		{"a flood of signals", func() { s.try("i=0; while [ $i -lt 200 ]; do kill -USR2 $PID; i=$((i+1)); done") }},
		{"clients that die", s.clients},
		{"orders", func() {
			s.try("reflexd set busy on; reflexd blink busy --every 50ms; reflexd pulse busy --for 100ms; reflexd get door")
		}},
		{"a reload", func() { s.a.verb("reload") }},
		{"a reload of another configuration", s.reload},
		{"a reload of a broken one", s.broken},
		{"the clock jumps", s.jump},
		{"kill -9", s.kill},
	}
}

// try runs a script that may fail; in it, reflexd talks to the agent.
func (s *soak) try(script string) {
	s.t.Helper()
	script = fmt.Sprintf("PID=%d; reflexd() { v=$1; shift; /usr/bin/reflexd $v --socket %s/socket \"$@\"; }; { %s; } >/dev/null 2>&1; true",
		s.a.proc.PID, s.a.dir, script)
	if _, err := s.b.Shell(s.t.Context(), script); err != nil {
		s.t.Error(err)
	}
}

func (s *soak) press() {
	if s.gone {
		return
	}
	for range 1 + s.r.IntN(3) {
		for _, up := range []bool{false, true} {
			s.b.pull(s.t, 17, up)
			s.await("button", onOff(!up))
		}
		s.presses++
		s.most++
	}
}

// bounce is a press of a worn button, each bounce of which counts. The thread of the
// interrupt reads the level: where the host leaves its processor no time, it reports
// some edges together, and others as falling that were rising.
func (s *soak) bounce() {
	if s.gone {
		return
	}
	const apart = 5 * time.Millisecond
	var pulls []lab.Pull
	for _, up := range []bool{false, true} {
		bounces := s.r.IntN(5)
		for range bounces {
			pulls = append(pulls, lab.Pull{After: apart, Offset: 17, Up: up}, lab.Pull{After: apart, Offset: 17, Up: !up})
		}
		pulls = append(pulls, lab.Pull{After: apart, Offset: 17, Up: up}, lab.Pull{After: 150 * time.Millisecond, Offset: 17, Up: up})
		s.most += 2*bounces + 1
	}
	s.presses++
	s.b.play(s.t, pulls)
	s.await("button", "off")
}

func (s *soak) door() {
	if s.gone {
		return
	}
	s.open = !s.open
	s.b.pull(s.t, 22, s.open)
	s.await("door", onOff(s.open))
	if s.open {
		s.opened++
	}
}

func (s *soak) moveStick() {
	if s.stick = !s.stick; s.stick {
		s.must(s.b.PlugStick(s.t.Context(), "soak", s.image))
		s.must(s.b.AwaitFile(s.t.Context(), "/media/SOAK"))
		return
	}
	s.must(s.b.Unplug(s.t.Context(), "soak"))
	s.b.nothingMounted(s.t)
}

func (s *soak) moveKeyboard() {
	if s.keyboard = !s.keyboard; s.keyboard {
		s.must(s.b.PlugKeyboard(s.t.Context(), "soakkbd"))
		_, err := s.b.AwaitInput(s.t.Context(), "QEMU USB Keyboard")
		s.must(err)
		return
	}
	s.b.unplugKeyboard(s.t, "soakkbd")
}

func (s *soak) typing() {
	if s.keyboard {
		s.must(s.b.Type(s.t.Context(), "a", "b", "a"))
	}
}

// mostLives is how often the chip may go while lines of it are requested: Linux 6.1
// does not give its 54 numbers back then, of 512 that there are.
const mostLives = 6

// moveChip takes the header away or brings it back: its lines are pulled down
// then.
func (s *soak) moveChip() {
	if s.lives == mostLives && !s.gone {
		return
	}
	s.gone = !s.gone
	if s.gone {
		s.must(s.b.header.Remove(s.t.Context()))
		return
	}
	s.lives++
	s.must(s.b.header.Restore(s.t.Context()))
	s.open = false
	s.await("door", "off")
	s.b.pull(s.t, 17, true) // nobody presses
	s.await("button", "off")
}

// clients are killed while they read.
func (s *soak) clients() {
	const follow = "/usr/bin/reflexd %s --socket " // not the function: a shell around it would be killed
	socket := s.a.dir + "/socket & w=$!; "
	s.try(fmt.Sprintf(follow, "watch --json") + socket + "reflexd status --json; reflexd why; kill -9 $w; " +
		fmt.Sprintf(follow, "status --follow") + socket + "reflexd rules; kill -9 $w")
}

// reload takes rules away and brings them back, with something to do in between.
func (s *soak) reload() {
	s.a.configure(soakRules + "  - {name: more, when: {event: more}, do: {run: [true]}}\n")
	s.a.verb("reload")
	s.try("reflexd emit more")
	s.a.configure(soakRules)
	s.a.verb("reload")
}

func (s *soak) broken() {
	s.a.configure(strings.Replace(soakRules, "contact: GPIO22", "contact: [oops", 1))
	s.try("reflexd reload && echo it took a broken file > /tmp/soak.wrong")
	s.a.configure(soakRules)
}

func (s *soak) jump() {
	s.try(fmt.Sprintf("date -s @%d", 1767225600+s.r.IntN(1e7)))
}

// kill ends the agent as the kernel's OOM killer does, and starts it again.
func (s *soak) kill() {
	s.must(s.a.proc.Signal(s.t.Context(), syscall.SIGKILL))
	if _, err := s.a.proc.Wait(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	s.a.ended = true
	s.presses, s.most = 0, 0 // it is not kept
	s.a = s.b.start(s.t, soakRules)
	// What is kept is written after a while, so that some openings may be gone.
	kept, err := strconv.Atoi(s.get("opened"))
	if err != nil || kept > s.opened+1 {
		s.t.Errorf("opened: %q is kept, %d are counted", s.get("opened"), s.opened)
	}
	s.opened = kept
}

// get returns what the agent says of a name.
func (s *soak) get(name string) string {
	s.t.Helper()
	// It exits with 1 for what is not known, as of a chip that is gone.
	result, err := s.b.Run(s.t.Context(), lab.Command{Args: []string{"reflexd", "get", name, "--socket", s.a.dir + "/socket"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(result.Stdout)
}

// await waits until the agent says so of a name.
func (s *soak) await(name, want string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	script := fmt.Sprintf("until [ \"$(reflexd get %s --socket %s/socket 2>/dev/null)\" = %s ]; do sleep 0.1; done", name, s.a.dir, want)
	if _, err := s.b.Shell(ctx, script); err != nil {
		s.t.Errorf("%s: %q, not %q: %v", name, s.get(name), want, err)
	}
}

// rest has everything that is under way end.
func (s *soak) rest() {
	s.t.Helper()
	if s.gone {
		s.moveChip()
	}
	if s.open {
		s.door()
	}
	if s.stick {
		s.moveStick()
	}
	if s.keyboard {
		s.moveKeyboard()
	}
	s.try("reflexd cancel hangs; reflexd cancel fails; reflexd set busy off; reflexd set lamp off")
	script := fmt.Sprintf("i=0; until [ -z \"$(cat /proc/%d/task/*/children)\" ]; do [ $((i=i+1)) -lt 200 ] || exit 1; sleep 0.1; done", s.a.proc.PID)
	if _, err := s.b.Shell(s.t.Context(), script); err != nil {
		s.t.Error("programs go on:", err)
	}
}

// check looks, at rest, whether the board is as it must be and the agent has no
// more than it had.
func (s *soak) check() {
	s.t.Helper()
	s.rest()
	n, err := strconv.Atoi(s.get("presses"))
	if err != nil || n < s.presses || n > s.most {
		s.t.Errorf("presses: %d (%v), not %d to %d", n, err, s.presses, s.most)
	}
	s.presses, s.most = n, n
	s.await("opened", strconv.Itoa(s.opened))
	s.await("door", "off")
	s.await("busy", "off")
	s.must(s.b.header.AwaitValue(s.t.Context(), 26, false))
	s.must(s.b.header.AwaitValue(s.t.Context(), 27, false))
	s.b.nothingMounted(s.t)
	if _, err := s.b.Shell(s.t.Context(), "[ ! -e /tmp/soak.wrong ]"); err != nil {
		s.t.Error("a broken configuration was taken")
	}
	is := s.holdings()
	for range 20 { // what the agent was given may take it a moment to return
		if is.within(s.level) {
			break
		}
		s.b.shell(s.t, "sleep 0.5")
		is = s.holdings()
	}
	if !is.within(s.level) {
		s.t.Errorf("it holds %+v, at first %+v", is, s.level)
	}
	if s.t.Failed() {
		s.t.Log(s.a.verb("status"), s.b.shell(s.t, fmt.Sprintf("ls -l /proc/%d/fd", s.a.proc.PID)))
	}
}

// within reports whether h is no more than level. Threads and descriptors come one
// at a time and are kept, so that a leak shows as one for each round; the heap may
// be at any point between two collections, of which the first is at 4 MiB.
func (h holdings) within(level holdings) bool {
	const more, memory = 4, 6 << 10
	return h.fds <= level.fds+more && h.threads <= level.threads+more && h.anon <= level.anon+memory && h.children == 0 && h.mounts <= level.mounts
}

// holdings asks the kernel what the agent holds; memory is in KiB.
func (s *soak) holdings() (h holdings) {
	s.t.Helper()
	script := fmt.Sprintf(`cd /proc/%d; set -- fd/*; echo $#; sed -n 's/^Threads:\s*//p; s/^RssAnon:\s*\([0-9]*\) kB/\1/p' status | sort -n
cat task/*/children | wc -w; grep -c /media/ mountinfo`, s.a.proc.PID)
	result, err := s.b.Run(s.t.Context(), lab.Command{Args: []string{"/bin/sh", "-c", script}})
	s.must(err)
	if _, err := fmt.Sscan(result.Stdout, &h.fds, &h.threads, &h.anon, &h.children, &h.mounts); err != nil {
		s.t.Fatal(errors.Join(err, errors.New(result.Stdout+result.Stderr)))
	}
	return h
}

func (s *soak) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
