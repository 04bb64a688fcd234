// SPDX-License-Identifier: MIT

// Warm prepares the emulated boards: it fills the cache that tests and the demo boot from, so that they need neither
// the network nor patience.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/lab/image"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("warm", flag.ContinueOnError)
	flags.SetOutput(stderr)
	tools := flags.Bool("tools", false, "only see to it that the programs which the Makefile's targets need are installed")
	refresh := flags.Bool("refresh", false, "look for newer packages even if the cache is full")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	err := image.EnsureTools(ctx, stdout)
	if err == nil && !*tools {
		err = warm(ctx, stdout, *refresh)
	}
	if err != nil {
		fmt.Fprintf(stderr, "warm: %v\n", err)
		return 1
	}
	return 0
}

func warm(ctx context.Context, stdout io.Writer, refresh bool) error {
	begin := time.Now()
	options := image.Options{Log: timed{stdout, begin}, Refresh: refresh}
	prepared, err := image.Prepare(ctx, options)
	if err != nil {
		return err
	}
	if _, err := image.PrepareTrees(ctx, options); err != nil {
		return err
	}
	if _, err := image.Udev.Prepare(ctx, options); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // else the tests that need them are skipped
		for _, arch := range []string{"arm64", runtime.GOARCH} {
			if _, err := image.PrepareDebian(ctx, options, arch); err != nil {
				return err
			}
		}
		if _, err := image.PrepareDebian(ctx, options, "arm64", image.Supervisors...); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "Linux %s is ready in %s (%.1f s)\n", prepared.Kernel, prepared.Dir(), time.Since(begin).Seconds())
	return nil
}

// timed puts the time since begin before each line.
type timed struct {
	w     io.Writer
	begin time.Time
}

func (t timed) Write(line []byte) (int, error) {
	if _, err := fmt.Fprintf(t.w, "%6.1f s  %s", time.Since(t.begin).Seconds(), line); err != nil {
		return 0, err
	}
	return len(line), nil
}
