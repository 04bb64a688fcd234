// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A program that was built to be loaded anywhere, as some distributions build all of
// theirs, lives on when the memory that only the start needed was given back: its
// constants have addresses that only its loader knows.
func TestPositionIndependentProgram(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("go builds one without a C compiler for amd64 and arm64")
	}
	dir := t.TempDir()
	program, file := filepath.Join(dir, "reflexd"), filepath.Join(dir, "it.yaml")
	build := exec.Command("go", "build", "-buildvcs=false", "-buildmode=pie", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(file, []byte("rules: [{when: {timer: 500ms}, do: {log: tick}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "run", "-c", file, "--socket", filepath.Join(dir, "s"), "--insecure-config")
	errs, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	ticks := 0
	for lines := bufio.NewScanner(errs); ticks < 5 && lines.Scan(); { // it is given back after a second
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "msg=tick") {
			ticks++
		}
	}
	_ = c.Process.Signal(unix.SIGTERM)
	if err := c.Wait(); err != nil || ticks < 5 {
		t.Errorf("%v after %d ticks\n%.2000s", err, ticks, said.String())
	}
}
