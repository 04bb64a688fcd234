// SPDX-License-Identifier: MIT

// reflexd-mqtt connects a running reflexd to an MQTT broker. What it does is in
// the section mqtt of the agent's configuration.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"reflexd/bridge"
)

// version is set when the program is linked.
var version = "unknown"

const usage = `usage: reflexd-mqtt VERB [--socket PATH] [--verbose]

  run         connect the agent to the broker, until SIGTERM
  check       connect once, and report why that fails
  status      print whether the running bridge is connected, and what the broker has retained
  discovery   print the announcement of this board to Home Assistant
  version     print the version

The broker, and what it can reach, are in the section mqtt of the
configuration of reflexd: see reflexd.yaml(5).
`

// verbs are what the first argument can be.
var verbs = map[string]func(context.Context, bridge.Options, io.Writer) error{
	"run":       serve,
	"check":     bridge.Check,
	"status":    bridge.Status,
	"discovery": func(_ context.Context, opts bridge.Options, out io.Writer) error { return bridge.Discovery(opts, out) },
	"version":   func(_ context.Context, _ bridge.Options, out io.Writer) error { return printed(out, version+"\n") },
	"help":      func(_ context.Context, _ bridge.Options, out io.Writer) error { return printed(out, usage) },
}

// serve runs the bridge. `pkill -HUP reflexd`, by which the agent reads its configuration
// again, reaches the bridge too: SIGHUP ends it only together with its terminal.
func serve(ctx context.Context, opts bridge.Options, _ io.Writer) error {
	if _, err := unix.IoctlGetTermios(unix.Stderr, unix.TCGETS); err != nil {
		signal.Ignore(unix.SIGHUP)
	}
	return bridge.Run(ctx, opts)
}

func printed(out io.Writer, text string) error {
	_, err := io.WriteString(out, text)
	return err
}

// The exit codes.
const (
	success = iota
	failure
	misuse
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errors io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(errors, usage)
		return misuse
	}
	name := args[0]
	switch name {
	case "--version":
		name = "version"
	case "--help", "-h":
		name = "help"
	}
	verb := verbs[name]
	if verb == nil {
		fmt.Fprintf(errors, "reflexd-mqtt: the first argument must be a verb, found %q\n%s", args[0], usage)
		return misuse
	}
	flags := flag.NewFlagSet("reflexd-mqtt", flag.ContinueOnError)
	flags.SetOutput(errors)
	flags.Usage = func() { fmt.Fprint(errors, usage) }
	socket := flags.String("socket", "", "the agent's control socket")
	verbose := flags.Bool("verbose", false, "log more")
	switch err := flags.Parse(args[1:]); {
	case err == flag.ErrHelp:
		return success
	case err != nil:
		return misuse
	case flags.NArg() > 0:
		fmt.Fprintf(errors, "reflexd-mqtt: unexpected argument %q\n%s", flags.Arg(0), usage)
		return misuse
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	opts := bridge.Options{Socket: *socket, Version: version,
		Log: slog.New(slog.NewTextHandler(errors, &slog.HandlerOptions{Level: level, ReplaceAttr: plainTime}))}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer stop()
	if err := verb(ctx, opts, out); err != nil {
		fmt.Fprintln(errors, "reflexd-mqtt:", err)
		return failure
	}
	return success
}

// plainTime leaves the time to the journal.
func plainTime(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 && os.Getenv("JOURNAL_STREAM") != "" {
		return slog.Attr{}
	}
	return a
}
