// SPDX-License-Identifier: MIT

// The verb record: what happens, written to a file that replay reads.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	ossignal "os/signal"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"reflexd/agent"
	"reflexd/agent/recording"
	"reflexd/client"
	"reflexd/sources"
	"reflexd/sources/signal"
)

// recordOptions are the flags of the verb.
type recordOptions struct {
	out, bias string
	keys      bool
	most      int64 // bytes of a file
	files     int
	socket    *string
}

func recordVerb(c *command) func([]string) int {
	o := &recordOptions{socket: c.socketFlag()}
	c.flags.StringVar(&o.out, "o", "", "write to `FILE`, which is replaced")
	c.flags.StringVar(&o.bias, "bias", "", "request the named lines with this `bias`: pull-up, pull-down, disabled")
	c.flags.BoolVar(&o.keys, "keys", false, "record all keys; without it, those that no rule names are masked")
	c.flags.IntVar(&o.files, "files", 5, "keep `N` files: FILE, FILE.1 and so on")
	c.flags.Func("max-size", "go on in a new file when FILE has `SIZE` bytes: 10M, 500K; default: never", func(s string) (err error) {
		o.most, err = parseSize(s)
		return err
	})
	return func(args []string) int { return c.record(args, o) }
}

// parseSize reads a number of bytes, with K, M or G for powers of 1024.
func parseSize(s string) (int64, error) {
	number, shift := s, 0
	for i, unit := range []string{"K", "M", "G"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			number, shift = rest, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 33)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("expected a size such as 10M, found %q", s)
	}
	return n << shift, nil
}

func (c *command) record(args []string, o *recordOptions) int {
	if o.out == "" {
		return c.usage("name the file to write: -o FILE")
	}
	if o.files < 1 {
		return c.usage("--files: at least 1")
	}
	if len(args) == 0 {
		a, err := client.Dial(*o.socket)
		if err == nil {
			defer a.Close()
			return c.recordAgent(a, o)
		}
		fmt.Fprintf(c.stderr, "%v: recording without rules\n", err)
	}
	return c.recordAlone(args, o)
}

// recorder makes lines of what happens.
type recorder struct {
	to   interface{ Write([]byte) (int, error) }
	most int64
	size int64
	head func() (*client.Snapshot, error)
}

// begin writes the head of a file.
func (r *recorder) begin() error {
	s, err := r.head()
	if err != nil {
		return err
	}
	r.size = 0
	return r.line(s)
}

func (r *recorder) line(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r.size += int64(len(line)) + 1
	_, err = r.to.Write(append(line, '\n'))
	return err
}

// notice writes a line, and before it a new head where the file is full.
func (r *recorder) notice(n *client.Notice) error {
	if r.most > 0 && r.size >= r.most {
		if err := r.begin(); err != nil {
			return err
		}
	}
	return r.line(n)
}

// recordAgent records what the running agent sees and does.
func (c *command) recordAgent(a *client.Conn, o *recordOptions) int {
	asks, err := client.Dial(*o.socket)
	if err != nil {
		return c.fail(err)
	}
	defer asks.Close()
	if err := a.Watch(client.Filter{Actions: true, Masked: !o.keys}); err != nil {
		return c.fail(err)
	}
	w, err := recording.Create(o.out, o.files)
	if err != nil {
		return c.fail(err)
	}
	r := &recorder{to: w, most: o.most, head: func() (*client.Snapshot, error) {
		s, err := asks.Snapshot()
		s.Masked = !o.keys
		return &s, err
	}}
	interrupted := c.onInterrupt(func() { a.Close() })
	if err = r.begin(); err == nil {
		fmt.Fprintf(c.stderr, "recording the running agent to %s; Ctrl-C stops\n", o.out)
		err = r.relay(a)
	}
	if interrupted.Load() {
		err = nil
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return c.fail(err)
	}
	return done
}

// relay records the stream until it ends.
func (r *recorder) relay(a *client.Conn) error {
	for {
		n, err := a.Next()
		if err == nil {
			err = r.notice(&n)
		}
		if err != nil {
			return err
		}
	}
}

// onInterrupt calls f when somebody stops the program, and reports that.
func (c *command) onInterrupt(f func()) *atomic.Bool {
	var interrupted atomic.Bool
	signals := make(chan os.Signal, 1)
	ossignal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		<-signals
		interrupted.Store(true)
		f()
	}()
	return &interrupted
}

// recordAlone records what monitor shows.
func (c *command) recordAlone(args []string, o *recordOptions) int {
	if err := checkMonitor(args, o.bias); err != nil {
		return c.usage(err.Error())
	}
	spec, wanted := watchSpec(args, o.bias)
	if err := signal.Inherit(); err != nil { // which may start the program again
		fmt.Fprintln(c.stderr, "reflexd record:", err)
	}
	if err := c.lookFor(spec.Lines); err != nil {
		return c.fail(err)
	}
	configuration, err := agent.Watch(spec)
	if err != nil {
		return c.usage(err.Error())
	}
	w, err := recording.Create(o.out, o.files)
	if err != nil {
		return c.fail(err)
	}
	out := newLogWriter(w, logFormat{name: "recording"})
	if err := c.runRecorder(configuration, out, wanted, append(wantedNames(wanted), spec.Lines...), o); err != nil {
		return c.fail(err)
	}
	out.Close()
	if err := errors.Join(w.Failed, w.Close()); err != nil {
		return c.fail(err)
	}
	return done
}

// runRecorder runs an agent without rules that records events of the wanted
// kinds to out, nil for all.
func (c *command) runRecorder(configuration *agent.Configuration, out *logWriter, wanted, watched []string, o *recordOptions) error {
	log := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var a *agent.Agent
	var identity client.Snapshot
	agent.Identify(&identity)
	r := &recorder{to: out, most: o.most, head: func() (*client.Snapshot, error) {
		s := a.Snapshot()
		s.Board, s.Masked = identity.Board, !o.keys
		return s, nil
	}}
	begun := false
	show := printer{wanted: wanted}
	a, err := agent.New(configuration, agent.Options{Log: log, Version: versionString(),
		Observe: func(e *sources.Event) {
			if begun && show.wants(e) {
				_ = r.notice(a.Notice(e, !o.keys))
			}
		},
		Ready: func() {
			begun = true
			_ = r.begin()
			fmt.Fprintf(c.stderr, "recording %s to %s; pid %d; Ctrl-C stops\n", strings.Join(watched, ", "), o.out, os.Getpid())
		}})
	if err != nil {
		return err
	}
	return a.Run()
}
