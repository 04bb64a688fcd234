// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

// The self-test with two lines that a wire joins, as its user has them. Nothing is
// said of its figures: on an emulated board they are those of the host.
func TestSelftest(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.module(t, "joined")
		b.load(t, "joined")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // on a busy host
		defer cancel()
		report, err := b.Shell(ctx, "reflexd selftest --yes JOINED0 JOINED1 2>/dev/null || true")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("\n%s", report)
		for _, want := range []string{
			`chips: .*joined \(5 lines\)`,
			`joined: +JOINED0 \(joined:0\) drives, JOINED1 \(joined:1\) reads`,
			`ok   wire      JOINED1 follows JOINED0`,
			`ok   bias      pull-up high, pull-down low`,
			`ok   latency   edge to output, [1-9]\d+ times: median [1-9]\d* µs, 99 % within [1-9]\d* µs, longest [1-9]\d* µs`,
			`ok   debounce  20ms: of 11 changes, 1 ms apart, and a release 2 edges were reported|skip debounce  this machine was too busy`,
			`counting  (every pulse up to [1-9]\d* a second|pulses were missed; at [1-9]\d* a second, [1-9]\d* of \d+)`,
			`ok   on_exit   off: low, on: high, killed while it is on: high`,
			`skip button    --button names one`,
			`skip LED       --led names one`,
			`skip drive     --drive asks for a USB drive`,
		} {
			if !regexp.MustCompile(want).MatchString(report) {
				t.Errorf("there is no %s", want)
			}
		}
	})
}

// What keeps it from running is said before anything is touched, or in the report.
func TestSelftestRefuses(t *testing.T) {
	b := on(t, lab.Virt)
	b.module(t, "joined")
	b.load(t, "joined")
	for script, want := range map[string]string{
		"reflexd selftest JOINED0 JOINED1 </dev/null":                              "there is nobody to answer: standard input has ended; --yes starts without asking",
		"echo n | reflexd selftest JOINED0 JOINED1":                                "JOINED0 (joined:0) becomes an output, JOINED1 (joined:1) an input.",
		"echo | reflexd selftest JOINED0 JOINED1":                                  "nothing was touched",
		"reflexd selftest --yes JOINED0 JOINED4":                                   "no wire joins JOINED0 to JOINED4: JOINED0 is high and JOINED4 stays low",
		"reflexd selftest --yes JOINED0 joined:0":                                  "JOINED0 and joined:0 are the same line, ",
		"reflexd selftest --yes JOINED0":                                           "name two lines that a wire joins",
		"reflexd selftest":                                                         "join two free lines by a wire and name them",
		"reflexd selftest --yes JOINED0 JOINED9":                                   "JOINED9",
		"reflexd selftest --yes --led nothing":                                     "LED nothing:",
		"busybox su -s /bin/sh nobody -c 'reflexd selftest --yes JOINED0 JOINED1'": "permission denied (run as root or as a member of its group, usually gpio)",
	} {
		said, err := b.Shell(t.Context(), "! "+script+" 2>&1")
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("%s: %v: prints, without %q\n%s", script, err, want, said)
		}
	}
	a := b.start(t, "lines: {mine: {output: JOINED1}}\nrules: []\n")
	said := b.shell(t, "reflexd selftest --yes JOINED0 JOINED1 2>&1 || true")
	if !strings.Contains(said, `:1) is in use: "reflexd" holds it`) {
		t.Error(said)
	}
	a.finish()
}

// A person's part: a button that bounces, an LED, a drive that is pulled out. The
// person types Enter when it is done, which is here a line in a pipe.
func TestSelftestByHand(t *testing.T) {
	b := on(t, lab.Virt)
	b.pull(t, 22, true)
	answer := func(script string) {
		t.Helper()
		b.shell(t, script)
	}
	b.shell(t, "rm -f /tmp/answers /tmp/report; mkfifo /tmp/answers")
	t.Cleanup(func() { _, _ = b.Shell(context.Background(), "rm -f /tmp/answers /tmp/asked /tmp/report") })
	proc, err := b.Start(t.Context(), lab.Command{Args: []string{"sh", "-c",
		"exec 4<>/tmp/answers; reflexd selftest --button GPIO22 --drive <&4 2>/tmp/asked >/tmp/report"}}, "/tmp/selftest.log")
	if err != nil {
		t.Fatal(err)
	}
	asked := func(what string) {
		t.Helper()
		if _, err := b.AwaitMatch(t.Context(), "/tmp/asked", what); err != nil {
			t.Fatal(err, b.shell(t, "cat /tmp/asked /tmp/report"))
		}
	}
	asked(`Start\? \[y/N\] `)
	answer("echo y >/tmp/answers")
	asked("Press and release the button")
	b.press(t, 22, 22, 22, 22, 22)
	answer("echo >/tmp/answers")
	asked("Plug in a USB drive")
	b.plugStick(t, "stick")
	answer("echo >/tmp/answers")
	asked("Pull it out")
	b.unplug(t, "stick")
	answer("echo >/tmp/answers")
	if result, err := proc.Wait(t.Context()); err != nil || result.Code != 0 {
		t.Errorf("ended with %+v, %v", result, err)
	}
	report := b.shell(t, "cat /tmp/report")
	for _, want := range []string{"skip wire", "ok   button    10 edges in 10 presses and releases", "ok   drive     vfat drive mounted read-only; pulled out, it is unmounted"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}

// Ctrl-C ends the agent that the self-test has started, and leaves no files.
func TestSelftestInterrupted(t *testing.T) {
	b := on(t, lab.Virt)
	proc, err := b.Start(t.Context(), lab.Command{Args: []string{"sh", "-c",
		"mkfifo /tmp/nobody-answers; exec reflexd selftest --yes --button GPIO22 <>/tmp/nobody-answers"}}, "/tmp/interrupted.log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AwaitMatch(t.Context(), "/tmp/interrupted.log", "Press and release"); err != nil {
		t.Fatal(err)
	}
	if there := b.shell(t, "ls -d /tmp/reflexd-selftest-*"); there == "" {
		t.Error("there is no folder to remove")
	}
	if err := proc.Signal(t.Context(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if result, err := proc.Wait(t.Context()); err != nil || result.Code != 130 {
		t.Errorf("ended with %+v, %v", result, err)
	}
	if left := b.shell(t, "for i in $(seq 50); do pgrep -f reflexd-selftest >/dev/null || break; sleep 0.1; done; pgrep -f reflexd-selftest; ls -d /tmp/reflexd-selftest-* 2>/dev/null || true"); left != "" {
		t.Errorf("left:\n%s", left)
	}
	const released = "for i in $(seq 50); do reflexd lines GPIO22 | grep -q reflexd || break; sleep 0.1; done; reflexd lines GPIO22"
	if holder := b.shell(t, released); strings.Contains(holder, "reflexd") {
		t.Errorf("the line is still held:\n%s", holder)
	}
}
