// SPDX-License-Identifier: MIT

// Measuring on the host.

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// What is made to happen, there and on the board. A real-time signal's number is that of SIGRTMIN+2.
const (
	nullUevent = "/sys/devices/virtual/mem/null/uevent"
	rtSignal   = "36"
)

// onHost measures on the host what can be measured there. Uevents want root.
func onHost(ctx context.Context, build, dir string, progress io.Writer) (printer, error) {
	p := place{what: "host", dir: filepath.Join(dir, "host"), reflexd: filepath.Join(build, runtime.GOARCH, "reflexd")}
	if err := hostCompiler.compile(ctx, p.dir); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.file("rules.yaml"), []byte(p.rules()), 0o644); err != nil {
		return nil, err
	}
	t := triggers{"-s", rtSignal}
	if os.Geteuid() == 0 {
		t = append(t, "-u", nullUevent)
	}
	all, err := takeTurns(ctx, p, runHere, t, progress)
	if err != nil {
		return nil, err
	}
	return &report{title: fmt.Sprintf("Host (%s, Linux %s, %d CPUs)", runtime.GOARCH, release(), runtime.NumCPU()), all: all}, nil
}

// runHere is a runner for the host.
func runHere(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	return stdout.String(), nil
}

// release is the running kernel's.
func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Release[:])
}
