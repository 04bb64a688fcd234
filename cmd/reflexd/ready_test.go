// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ourselves is the program: the test binary is, under its name (TestMain).
func ourselves(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, args...)
	c.Args[0] = "reflexd"
	return c
}

// The descriptor gets one line feed, once the control socket answers, and is
// then closed; no program of a rule has it.
func TestReadyFD(t *testing.T) {
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "it.yaml"), filepath.Join(dir, "s")
	if err := os.WriteFile(file, []byte("rules: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	c := ourselves(t, "run", "-c", file, "--socket", socket, "--insecure-config", "--ready-fd", "3")
	c.ExtraFiles = []*os.File{theirs}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Signal(syscall.SIGTERM)
	theirs.Close()
	if err := ours.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got [8]byte
	if n, err := ours.Read(got[:]); err != nil || string(got[:n]) != "\n" {
		t.Fatalf("read %q, %v", got[:n], err)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Error(err)
	}
	if n, err := ours.Read(got[:]); n != 0 || err == nil {
		t.Errorf("after the line feed: %q, %v", got[:n], err)
	}
}

func TestReadyFDThatNobodyPassed(t *testing.T) {
	for number, want := range map[string]string{
		"1":  "expected a number from 3",
		"3":  "the service manager passed no such descriptor",
		"77": "--ready-fd 77: bad file descriptor: the service manager passed no such descriptor",
		"-5": "expected a number from 3",
	} {
		said, err := ourselves(t, "run", "-c", "/nonexistent", "--ready-fd", number).CombinedOutput()
		if err == nil || !strings.Contains(string(said), want) {
			t.Errorf("--ready-fd %s: %v\n%s", number, err, said)
		}
	}
}
