// SPDX-License-Identifier: MIT

// Bench measures how long reflexd takes to react, beside the least that a C program needs for the same (programs/loop.c),
// in one run: first on an emulated board whose time follows the instructions that it executes, 2 ns each, so that
// nothing that the host does shows in the figures; then on the host itself, without GPIO lines, which it has not.
// The programs take turns: each is started, warmed up, measured and stopped, again and again.
//
// Asked for by name, and then alone, are
//
//	roads  every way from the kernel to a rule, from its beginning to an output line, on the emulated board
//
// It wants the environment variable REFLEXD_BUILD, a folder with reflexd for arm64 and for the host in arm64/ and so on.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long all of it may take. It takes about five minutes on two cores.
const patience = 20 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := bench(ctx, os.Getenv("REFLEXD_BUILD"), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// A measurement is something that bench does, and prints what came out of.
type measurement func(ctx context.Context, build, dir string, progress io.Writer) (printer, error)

// A printer is what came out.
type printer interface{ print(out io.Writer) }

// chosen returns the measurements of a group; the name "" stands for all but those that must be asked for.
func chosen(group string) ([]measurement, error) {
	switch group {
	case "":
		return []measurement{onBoard, onHost}, nil
	case "roads":
		return []measurement{onRoads}, nil
	}
	return nil, fmt.Errorf("there is no group %q: the one that has a name is roads", group)
}

// bench measures and prints what came out.
func bench(ctx context.Context, build string, args []string, out, progress io.Writer) (err error) {
	measurements, err := chosen(strings.Join(args, " "))
	if err != nil {
		return err
	}
	if build == "" {
		return errors.New("REFLEXD_BUILD is not set: `make bench` sets it")
	}
	dir, err := os.MkdirTemp("", "reflexd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, measure := range measurements {
		r, err := measure(ctx, build, dir, progress)
		if err != nil {
			return err
		}
		r.print(out)
	}
	return printSizes(out, build)
}
