// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPidFileFollowsTheConfiguration(t *testing.T) {
	r := start(t, "pid_file: DIR/first\nrules: []\n")
	holds := func(name string, want bool) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		if got := err == nil && string(text) == fmt.Sprintf("%d\n", os.Getpid()); got != want {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	holds("first", true)
	r.write("pid_file: DIR/second\nrules: []\n")
	if err := r.tryReload(); err != nil {
		t.Fatal(err)
	}
	holds("first", false)
	holds("second", true)
	r.write("pid_file: DIR/nothing/\nrules: []\n")
	if err := r.tryReload(); err == nil {
		t.Error("reloaded with a PID file that cannot be")
	}
	holds("second", true)
	r.stop()
	holds("second", false)
}

// In a folder of others anything may be in the places of the PID file, of its
// temporary name, and of the state file: nothing of it is written to, waited
// for, or believed.
func TestWhatOthersPlantInTheFoldersOfFiles(t *testing.T) {
	for what, plant := range map[string]func(path, victim string) error{
		"link":   func(path, victim string) error { return os.Symlink(victim, path) },
		"pipe":   func(path, _ string) error { return unix.Mkfifo(path, 0o666) },
		"kernel": func(path, _ string) error { return os.Symlink("/proc/kmsg", path) },
		"large":  func(path, _ string) error { return os.WriteFile(path, make([]byte, 3<<20), 0o666) },
	} {
		for _, name := range []string{"pid", "pid.new", "state", "state.new"} {
			t.Run(what+" "+name, func(t *testing.T) {
				r := start(t, "rules: []\n")
				victim := filepath.Join(r.dir, "victim")
				if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := plant(filepath.Join(r.dir, name), victim); err != nil {
					t.Fatal(err)
				}
				r.write("pid_file: DIR/pid\nstate_file: DIR/state\nvars: {x: {keep: true, initial: a}}\n" +
					"rules: [{when: {event: go}, do: [{var: {x: b}}, {log: \"x is set\"}]}]\n")
				if err := r.tryReload(); err != nil {
					t.Fatal(err)
				}
				r.send("go")
				r.expect("x is set")
				r.stop()
				if text, _ := os.ReadFile(victim); string(text) != "precious" {
					t.Errorf("written to by way of a link: %q", text)
				}
				if info, err := os.Lstat(filepath.Join(r.dir, "state")); err != nil || !info.Mode().IsRegular() {
					t.Error("the state is not kept:", err)
				}
			})
		}
	}
}
