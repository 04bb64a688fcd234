// SPDX-License-Identifier: MIT

// The recipes with states, read from their files: what they do, and when.

package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"reflexd/sources"
)

// recipe starts the example of that name, whose programs only print what they
// were called with.
func recipe(t *testing.T, name string, programs ...string) *rig {
	t.Helper()
	text, err := os.ReadFile("../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(bin, p), []byte("#!/bin/sh\necho \"called ${0##*/} $*.\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return start(t, string(text)+barrier)
}

// soon is before what is awaited, and late enough for a test to come to it.
const soon = 200 * time.Millisecond

func (r *rig) fired(want ...string) {
	r.t.Helper()
	r.barrier()
	for _, rule := range want {
		r.expect("msg=fired", "rule="+rule)
	}
	if n := r.count("msg=fired") - r.count("msg=fired", "rule=barrier"); n != len(want) {
		r.t.Errorf("%d firings, want %d:\n%s", n, len(want), r.log)
	}
}

func TestRecipeMotionLight(t *testing.T) {
	r := recipe(t, "motion-light.yaml")
	r.level("motion",
		change{sources.StartsUp, 11 * time.Minute},
		change{sources.Down, 10 * time.Minute}, // before the light goes off for the first time
		change{sources.Up, 9 * time.Minute},
		change{sources.Down, 5 * time.Minute},
		change{sources.Up, 5*time.Minute - soon})
	r.fired(`"light on"`, `"light on"`)
	r.expect("msg=fired", `rule="light off"`)
}

func TestRecipeDoorLeftOpen(t *testing.T) {
	r := recipe(t, "door-left-open.yaml", "logger")
	r.level("door", change{sources.StartsOn, 20*time.Minute - soon})
	r.expect("called logger -t door open for 600000 ms.")
	r.expect("called logger -t door open for 1200000 ms.")
	r.level("door", change{sources.Up, 0})
	r.fired(`"left open"`, `"still open"`, `"still open"`, "closed")
}

func TestRecipePowerFail(t *testing.T) {
	r := recipe(t, "power-fail.yaml", "logger", "poweroff")
	r.level("battery", change{sources.StartsOn, 3 * time.Minute}, change{sources.Up, 3*time.Minute - soon})
	r.expect("called logger -t ups power failed.")
	r.expect("called logger -t ups power is back.")
	r.barrier()
	if r.count("called poweroff") != 0 {
		t.Errorf("it shut down though the power came back:\n%s", r.log)
	}
	r.stop()
	r = recipe(t, "power-fail.yaml", "logger", "poweroff")
	r.level("battery", change{sources.StartsOn, 2*time.Minute - soon})
	r.expect("called poweroff .")
	r.fired(`"on battery"`, "shutdown")
}

func TestRecipeLinkWatchdog(t *testing.T) {
	r := recipe(t, "link-watchdog.yaml", "networkctl", "reboot")
	link := func(state string, standing sources.Standing, ago time.Duration) {
		r.do(func() {
			r.agent.emit(&sources.Event{Time: r.agent.loop.Now() - ago, Topic: sources.Topic{Kind: "link", Name: "eth0", State: state},
				Source: "link:eth0", Standing: standing, Fields: []sources.Field{{Name: "IFNAME", Value: sources.Text("eth0")}}})
		})
	}
	link("up", sources.Begins, time.Hour) // this machine may have none, or one that is up: that was found
	link("down", sources.Begins, 10*time.Minute-soon)
	for range 4 {
		r.expect("called networkctl reconfigure eth0.")
	}
	if r.count("called reboot") != 0 {
		t.Errorf("it rebooted before its time:\n%s", r.log)
	}
	r.expect("called reboot .")
	link("up", sources.Begins, 0)
	r.barrier()
	r.stop()

	r = recipe(t, "link-watchdog.yaml", "networkctl", "reboot")
	link("up", sources.Begins, 2*time.Hour)
	r.do(func() {
		r.agent.emit(&sources.Event{Time: r.agent.loop.Now() - 2*time.Hour, Topic: sources.Topic{Kind: "link", Name: "eth0"}, Source: "link:eth0", Standing: sources.Vanishes})
	})
	link("down", sources.Found, time.Hour)
	r.expect("called networkctl reconfigure eth0.")
	r.barrier()
	if r.count("called reboot") != 0 {
		t.Errorf("a board without a cable reboots:\n%s", r.log)
	}
}
