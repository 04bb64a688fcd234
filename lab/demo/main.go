// SPDX-License-Identifier: MIT

// Demo boots an emulated Raspberry Pi 3B with reflexd on it, plays the world outside, and shows what comes of it: a
// button that rings and lights a lamp, a keyboard, a USB stick, a signal. It fails if something that ought to happen
// does not. With -interactive, the world outside is whoever types.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// rules is the configuration of the demo's reflexd.
//
//go:embed demo.yaml
var rules string

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	reflexd := flags.String("reflexd", "", "the `program` to show, built for linux/arm64 or linux/arm")
	interactive := flags.Bool("interactive", false, "do what is typed instead of playing the demo")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *reflexd == "" || flags.NArg() > 0 {
		flags.Usage()
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := show(ctx, *reflexd, *interactive, stdin, stdout); err != nil {
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return 1
	}
	return 0
}

// show sets the stage and plays on it.
func show(ctx context.Context, reflexd string, interactive bool, stdin io.Reader, stdout io.Writer) (err error) {
	out := &journal{out: stdout, changed: make(chan struct{})}
	begin := time.Now()
	s, err := newStage(ctx, out, reflexd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	out.say("It is up after %.1f s: %s, Linux %s.", time.Since(begin).Seconds(), s.board.Hello.Model, s.board.Hello.Kernel)
	if err := s.startReflexd(ctx); err != nil {
		return err
	}
	if interactive {
		return converse(ctx, s, stdin)
	}
	return play(ctx, s)
}
