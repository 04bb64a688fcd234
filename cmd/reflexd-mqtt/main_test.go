// SPDX-License-Identifier: MIT

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is the program too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && verbs[os.Args[1]] != nil {
		main()
	}
	os.Exit(m.Run())
}

// SIGHUP may be meant for the agent; but who closes a terminal ends what runs there.
func TestHangup(t *testing.T) {
	t.Run("service", func(t *testing.T) { hangUp(t, false) })
	t.Run("terminal", func(t *testing.T) { hangUp(t, true) })
}

func hangUp(t *testing.T, terminal bool) {
	socket := filepath.Join(t.TempDir(), "s")
	agent, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	asked := func() {
		t.Helper()
		err := agent.SetDeadline(time.Now().Add(30 * time.Second))
		c, failed := agent.Accept()
		if err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		c.Close()
	}
	bridge := exec.Command(os.Args[0], "run", "--socket", socket)
	if terminal {
		end, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Skip("no pseudo-terminals: ", err)
		}
		defer end.Close()
		bridge.Stderr = end
	}
	if err := bridge.Start(); err != nil {
		t.Fatal(err)
	}
	defer bridge.Process.Kill()
	asked()
	if err := bridge.Process.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if !terminal {
		asked() // again, since nobody answered
		asked()
		if err := bridge.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if err := bridge.Wait(); err != nil {
		t.Error(err)
	}
}

// What the usage names is in the manual page, and the other way round.
func TestManPage(t *testing.T) {
	text, err := os.ReadFile("reflexd-mqtt.8")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), `\-`, "-")
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) |\[(--[a-z]+)`).FindAllStringSubmatch(usage, -1) {
		if !strings.Contains(page, `\fB`+m[1]+m[2]+`\fR`) {
			t.Errorf("the page does not have %s", m[1]+m[2])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\.TP\n\\fB([a-z-]+)\\fR`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(usage, m[1]) {
			t.Errorf("the usage does not have %s", m[1])
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		out  string // in either output
	}{
		{nil, misuse, "usage: reflexd-mqtt VERB"},
		{[]string{"help"}, success, "usage: reflexd-mqtt VERB"},
		{[]string{"--help"}, success, "usage: reflexd-mqtt VERB"},
		{[]string{"version"}, success, version},
		{[]string{"serve"}, misuse, `the first argument must be a verb, found "serve"`},
		{[]string{"--socket", "x", "run"}, misuse, `the first argument must be a verb, found "--socket"`},
		{[]string{"check", "now"}, misuse, "unexpected argument"},
		{[]string{"check", "--sokcet", "x"}, misuse, "sokcet"},
		{[]string{"check", "--help"}, success, "usage: reflexd-mqtt VERB"},
		{[]string{"check", "--socket", "/nonexistent"}, failure, "reflexd-mqtt: no agent is running (nothing listens on /nonexistent)"},
		{[]string{"discovery", "--socket", "/nonexistent"}, failure, "no agent is running"},
		{[]string{"status", "--socket", "/nonexistent"}, failure, "no agent is running"},
	} {
		var out, errors strings.Builder
		if code := run(c.args, &out, &errors); code != c.code || !strings.Contains(out.String()+errors.String(), c.out) {
			t.Errorf("%q: exit code %d, expected %d\n%s%s", c.args, code, c.code, &out, &errors)
		}
	}
}
