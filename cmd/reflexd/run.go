// SPDX-License-Identifier: MIT

// The verbs run and check.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	ossignal "os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent"
	"reflexd/client"
	"reflexd/config"
	"reflexd/sources/signal"
)

func runVerb(c *command) func([]string) int {
	paths := c.pathsFlag()
	dryRun := c.flags.Bool("dry-run", false, "log which actions would run, but run none")
	socket := c.flags.String("socket", client.OwnPath(), "`path` of the control socket; empty for none")
	level := c.flags.String("log-level", "info", "log this `level` and above: error, warn, info, debug")
	format := c.flags.String("log-format", "text", "`format` of the log: text, json")
	target := c.flags.String("log-target", "auto", "send the log to this `target`, auto being the journal if it reads standard error, else standard error: auto, stderr, journal, syslog")
	readyFD := c.flags.Int("ready-fd", noDescriptor, "write a line feed to this open `descriptor` when all that is there is being watched, as s6 and dinit expect it; default: none")
	insecure := c.flags.Bool("insecure-config", false, "as root, accept configuration files that other users can write")
	return func([]string) int {
		out, lines, err := c.openLog(*target, *format)
		if err != nil {
			fmt.Fprintln(c.stderr, "reflexd run:", err)
			return wrong
		}
		writer := newLogWriter(out, lines)
		defer writer.Close()
		log, err := newLogger(writer, *level, lines)
		if err != nil {
			fmt.Fprintln(c.stderr, "reflexd run:", err)
			return wrong
		}
		// A log that nobody reads any more is no reason to end: without this,
		// writing to it is.
		ossignal.Ignore(unix.SIGPIPE)
		before := agent.LimitsBefore()
		if err := errors.Join(signal.Inherit(), signal.Hold(int(unix.SIGHUP))); err != nil {
			log.Warn("signals sent to the process may be lost; those sent to its main thread are not", "error", err)
		}
		if err := checkReadyFD(*readyFD); err != nil {
			fmt.Fprintln(c.stderr, "reflexd run:", err)
			return wrong
		}
		if err := agent.RoomForThreads(); err != nil {
			return c.fail(err)
		}
		percent := agent.PutOffGarbage()
		configuration, code := c.load(*paths, *insecure)
		if configuration == nil {
			if out != c.stderr {
				log.Error("the configuration cannot be used; `reflexd check` prints why")
			}
			return code
		}
		a, err := agent.New(configuration, agent.Options{
			Log: log, Version: versionString(), DryRun: *dryRun, Before: before, Threads: true, Cgroups: !*dryRun, GCPercent: percent,
			Socket: socketUnless(*dryRun, *socket), RefuseWriters: !*insecure,
			Ready: func() {
				if err := announceReady(*readyFD); err != nil {
					log.Warn("cannot notify the service manager", "descriptor", *readyFD, "error", err)
				}
			},
		})
		if err == nil {
			err = a.Run()
		}
		if err != nil {
			if out != c.stderr {
				log.Error("cannot run", "error", err)
			}
			writer.Close()
			return c.fail(err)
		}
		return done
	}
}

// socketUnless returns no socket for a dry run, which may stand beside the
// real agent.
func socketUnless(dryRun bool, path string) string {
	if dryRun {
		return ""
	}
	return path
}

// load reads the configuration and prints what is wrong with it. It returns
// nil and the exit code if it cannot be used, or if root would let others write
// it and that is not allowed.
func (c *command) load(paths []string, insecure bool) (*agent.Configuration, int) {
	configuration, ps, err := agent.Load(paths)
	switch {
	case errors.Is(err, config.ErrNone) && len(paths) == 0:
		fmt.Fprintf(c.stderr, "reflexd %s: %v\n", c.flags.Name(), err)
		fmt.Fprintln(c.stderr, "`reflexd monitor` shows the events of this board; -c names another file")
		return nil, wrong
	case err != nil:
		fmt.Fprintf(c.stderr, "reflexd %s: %v\n", c.flags.Name(), err)
		return nil, wrong
	}
	if !insecure {
		configuration.RefuseWriters(ps)
	}
	for _, p := range ps.All() {
		fmt.Fprintln(c.stderr, oneLine(p.String()))
	}
	if ps.Failed() {
		return nil, wrong
	}
	return configuration, done
}

func checkVerb(c *command) func([]string) int {
	paths := c.pathsFlag()
	asJSON := c.flags.Bool("json", false, "print the problems as a JSON list")
	return func(args []string) int {
		configuration, ps, err := agent.Load(append(*paths, args...))
		if err != nil {
			fmt.Fprintln(c.stderr, "reflexd check:", err)
			return wrong
		}
		configuration.WarnOfWriters(ps)
		code := done
		if ps.Failed() {
			code = wrong
		}
		if *asJSON {
			return c.printJSON(complaints(ps), code)
		}
		for _, p := range ps.All() {
			fmt.Fprintln(c.stdout, oneLine(p.String()))
		}
		if code == done {
			verdict := "nothing wrong"
			if n := len(ps.All()); n > 0 {
				verdict = counted(n, "warning")
			}
			fmt.Fprintf(c.stdout, "%s: %s, %s\n", oneLine(strings.Join(configuration.Files, ", ")), counted(len(configuration.Rules), "rule"), verdict)
		}
		return code
	}
}

// complaint is a config.Problem in JSON.
type complaint struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"`
}

func complaints(ps *config.Problems) []complaint {
	list := []complaint{}
	for _, p := range ps.All() {
		list = append(list, complaint{p.Pos.File, p.Pos.Line, p.Pos.Col, p.Message, p.Warning})
	}
	return list
}

func (c *command) printJSON(v any, code int) int {
	enc := json.NewEncoder(c.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return c.fail(err)
	}
	return code
}

func (c *command) socketFlag() *string {
	return c.flags.String("socket", client.DefaultPath(), "`path` of the control socket")
}

// patience is how long the running agent may take to answer.
const patience = 10 * time.Second

func newLogger(w *logWriter, level string, format logFormat) (*slog.Logger, error) {
	levels := map[string]slog.Level{
		"error": slog.LevelError, "warn": slog.LevelWarn, "info": slog.LevelInfo, "debug": slog.LevelDebug,
	}
	l, ok := levels[level]
	if !ok {
		return nil, fmt.Errorf("--log-level: expected error, warn, info or debug, found %q", level)
	}
	return slog.New(logHandler(w, format, &slog.HandlerOptions{Level: l})), nil
}

// logHandler returns what writes the log's lines in that format.
func logHandler(w io.Writer, format logFormat, opts *slog.HandlerOptions) slog.Handler {
	if format.prefixed {
		w = &prefixer{out: w}
	}
	if format.name == "json" {
		return slog.NewJSONHandler(w, opts)
	}
	return slog.NewTextHandler(w, opts)
}
