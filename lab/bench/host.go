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
	"strconv"
	"sync"

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
	all, err := takeTurns(ctx, p, runHere, append(triggers{"-m", "1"}, t...), progress)
	if err != nil {
		return nil, err
	}
	if err := again(ctx, p, "close", append(triggers{"-t", "2000"}, t...), all, progress); err != nil {
		return nil, fmt.Errorf("events 2 ms apart: %w", err)
	}
	if err := crowd(ctx, p, t, all, progress); err != nil {
		return nil, fmt.Errorf("all processors busy: %w", err)
	}
	return &report{title: fmt.Sprintf("Host (%s, Linux %s, %d CPUs)", runtime.GOARCH, release(), runtime.NumCPU()), all: all}, nil
}

// crowd measures again while an endless loop of ordinary priority wants each processor. On the board that counts
// instructions, two processors would not show what happens then: QEMU runs one for milliseconds before the other.
func crowd(ctx context.Context, p place, t triggers, all figures, progress io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	defer func() {
		cancel()
		loops.Wait()
	}()
	for range runtime.NumCPU() {
		loop := exec.CommandContext(ctx, "/bin/sh", "-c", "while :; do :; done")
		if err := loop.Start(); err != nil {
			return err
		}
		loops.Go(func() { _ = loop.Wait() }) // it is killed
	}
	return again(ctx, p, "crowded", append(triggers{"-B"}, t...), all, progress)
}

// again measures the C loop and reflexd once more, as the rows of that name.
func again(ctx context.Context, p place, name string, t triggers, all figures, progress io.Writer) error {
	const rounds = 3
	for round := range rounds {
		fmt.Fprintf(progress, "bench: %s, %s, round %d of %d\n", p.what, name, round+1, rounds)
		for _, r := range rivals[:2] {
			args := append([]string{"-w", strconv.Itoa(warmup), "-n", strconv.Itoa(events), "-l", p.file(name + ".log"), "-f", p.file("fifo")}, t...)
			f := figures{}
			if err := f.measure(ctx, p, runHere, r.name, append(args, r.args(p)...)); err != nil {
				return err
			}
			all.merge(figures{name + " uevent": f["uevent"], name + " signal": f["signal"]})
		}
	}
	return nil
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
