// SPDX-License-Identifier: MIT

// Package agent wires configuration, sources, rules and actions, and runs
// them: one thread reads every source, decides every rule and begins every
// action.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/action"
	"reflexd/agent/control"
	"reflexd/agent/gesture"
	"reflexd/agent/loop"
	"reflexd/agent/rule"
	"reflexd/agent/spawn"
	"reflexd/sources"
	"reflexd/sources/gpio"
	"reflexd/sources/netlink"
	"reflexd/sources/uevent"
)

// Options are what the command line says.
type Options struct {
	Log     *slog.Logger
	Version string
	// DryRun listens, but only tells what would be done.
	DryRun bool
	// Socket is the path of the control socket; "" for none.
	Socket string
	// Observe is shown every event, on the loop's thread; nil for nobody.
	Observe func(*sources.Event)
	// Dev, Sys and Proc are where /dev, /sys and /proc are; "" for there.
	Dev, Sys, Proc string
}

// Agent is a running reflexd.
type Agent struct {
	opts    Options
	log     *slog.Logger
	loop    *loop.Loop
	sources []sources.Source // in the order of kinds
	spawn   *spawn.Starter
	runner  *rule.Runner
	control *control.Server

	config  *Configuration
	book    *rule.Book
	hearers map[string][]sources.Hearer // by the kinds of events that they overhear
	buttons map[button]*gesture.Button

	incoming, current queue
	gesture           sources.Event   // scratch: what the recogniser made
	released          []sources.Field // scratch: its fields
	firing            *sources.Event
	fire              func(*rule.Rule)

	started   time.Duration // CLOCK_MONOTONIC
	events    uint64
	stopping  bool
	reloading bool
	reloads   int
}

// button names one button: a line, or one key of one device.
type button struct{ name, source string }

// New opens the loop, the control socket and the sources, and makes them do
// what c asks.
func New(c *Configuration, opts Options) (*Agent, error) {
	opts.Dev, opts.Sys, opts.Proc = or(opts.Dev, "/dev"), or(opts.Sys, "/sys"), or(opts.Proc, "/proc")
	l, err := loop.New()
	if err != nil {
		return nil, err
	}
	a := &Agent{opts: opts, log: opts.Log, loop: l, config: c, buttons: map[button]*gesture.Button{}, started: l.Now()}
	a.fire = func(r *rule.Rule) { a.runner.Fire(r, a.firing) }
	if opts.Socket != "" {
		if a.control, err = control.Listen(l, opts.Socket, opts.Log, a.answer); err != nil {
			l.Close()
			return nil, err
		}
	}
	if err := a.openSources(); err != nil {
		a.close()
		return nil, err
	}
	if a.spawn, err = spawn.New(l, opts.Log); err != nil {
		a.close()
		return nil, err
	}
	env := &action.Env{
		Loop: l, Log: opts.Log, Spawn: a.spawn, Lines: a.source("gpio").(*gpio.Source), Emit: a.emit,
		Netlink: a.source("netlink").(*netlink.Source),
		Environ: action.Inherited(os.Environ()), Proc: opts.Proc,
	}
	a.runner = rule.NewRunner(env, opts.DryRun)
	return a, nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (a *Agent) openSources() error {
	for _, k := range kinds {
		s, err := k.Open(sources.Host{
			Loop: a.loop, Emit: a.emit, Log: a.log.With("source", k.Name),
			Dev: a.opts.Dev, Sys: a.opts.Sys, Proc: a.opts.Proc,
		})
		if err != nil {
			return fmt.Errorf("open source %s: %w", k.Name, err)
		}
		a.sources = append(a.sources, s)
	}
	return nil
}

func (a *Agent) source(name string) sources.Source {
	for i, k := range kinds {
		if k.Name == name {
			return a.sources[i]
		}
	}
	return nil
}

// Run serves until Stop, SIGTERM or SIGINT. It must be called on the main
// thread, which thread-directed signals reach.
func (a *Agent) Run() error {
	defer a.close()
	stopSignals := a.handleSignals()
	defer stopSignals()
	a.apply(a.config)
	if err := a.writePidFile("", a.config.PidFile); err != nil {
		return err
	}
	a.log.Info("started", "version", a.opts.Version, "pid", os.Getpid(), "rules", len(a.config.Rules),
		"files", strings.Join(a.config.Files, " "))
	a.notify("READY=1")
	a.emit(a.lifeEvent("started"))
	return a.loop.Run(a.turn)
}

// apply makes c what the agent does, between two turns.
func (a *Agent) apply(c *Configuration) {
	if a.opts.DryRun {
		c.plan("gpio").(*gpio.Plan).DryRun = true
	}
	a.book = rule.NewBook(c.Rules)
	a.runner.Adopt(c.Rules)
	a.hearers = a.overhear(c)
	for i, s := range a.sources {
		s.Apply(c.plans[i])
	}
	a.config = c
}

// overhear returns who wants to hear what kinds of other sources' events.
func (a *Agent) overhear(c *Configuration) map[string][]sources.Hearer {
	hearers := map[string][]sources.Hearer{}
	for i, p := range c.plans {
		o, ok := p.(sources.Overhearer)
		if !ok {
			continue
		}
		for _, kind := range o.Overhears() {
			hearers[kind] = append(hearers[kind], a.sources[i].(sources.Hearer))
		}
	}
	c.plan("uevent").(*uevent.Plan).Overheard = len(hearers["uevent"]) > 0
	return hearers
}

// emit takes an event from a source or an action.
func (a *Agent) emit(e *sources.Event) { a.incoming.push(e) }

// lifeEvent returns the event that something happened to the agent.
func (a *Agent) lifeEvent(state string) *sources.Event {
	return &sources.Event{
		Time:   a.loop.Now(),
		Topic:  sources.Topic{Kind: "agent", State: state},
		Source: "agent",
		Fields: []sources.Field{
			{Name: "PID", Value: sources.Int(int64(os.Getpid()))},
			{Name: "VERSION", Value: sources.Text(a.opts.Version)},
		},
	}
}

// turn acts upon what the wake-up brought. Events that the actions emit have
// their turn next time, so that rules that set each other off cannot keep the
// sources from being read.
func (a *Agent) turn() {
	if len(a.incoming.events) == 0 {
		return
	}
	a.current, a.incoming = a.incoming, a.current
	a.current.sort()
	for i := range a.current.events {
		a.dispatch(&a.current.events[i])
	}
	a.current.clear()
	if len(a.incoming.events) > 0 {
		a.loop.After(0, func() {})
	}
}

// dispatch shows e to the rules, and what the recogniser makes of it.
func (a *Agent) dispatch(e *sources.Event) {
	a.events++
	if a.stopping {
		return
	}
	for _, h := range a.hearers[e.Topic.Kind] {
		h.Hear(e)
	}
	a.show(e)
	if e.Press == sources.NoPress {
		return
	}
	g := a.button(e).Next(e.Press, e.Time)
	if g.State == "" {
		return
	}
	a.gesture = *e
	a.gesture.Topic.State = g.State
	if g.State == sources.Released {
		held := sources.Field{Name: sources.HeldMS, Value: sources.Int(g.Held.Milliseconds())}
		a.released = append(append(a.released[:0], e.Fields...), held)
		a.gesture.Fields = a.released
	}
	a.show(&a.gesture)
}

func (a *Agent) button(e *sources.Event) *gesture.Button {
	key := button{e.Topic.Name, e.Source}
	b := a.buttons[key]
	if b == nil {
		b = &gesture.Button{}
		a.buttons[key] = b
	}
	return b
}

// show lets the log, the observer and the rules see e. An event without a
// state is only of use to the recogniser.
func (a *Agent) show(e *sources.Event) {
	if e.Topic.State == "" {
		return
	}
	if a.log.Enabled(context.Background(), slog.LevelDebug) {
		a.log.Debug("event", "source", e.Source, "event", e.Describe(), "time", e.Time)
	}
	if a.opts.Observe != nil {
		a.opts.Observe(e)
	}
	a.firing = e
	a.book.Find(e, a.fire)
}

// close lets go of everything, outputs as their on_exit says.
func (a *Agent) close() {
	for _, s := range a.sources {
		s.Close()
	}
	if a.spawn != nil {
		a.spawn.Close()
	}
	if a.control != nil {
		a.control.Close()
	}
	if a.config.PidFile != "" && !a.opts.DryRun {
		a.removePidFile(a.config.PidFile)
	}
	a.loop.Close()
}

// writePidFile moves the PID file from the path before to path; either may
// be "" for none. The file is complete whenever it is there.
func (a *Agent) writePidFile(before, path string) error {
	if before == path || a.opts.DryRun {
		return nil
	}
	if path != "" {
		if other := a.holderOf(path); other != 0 {
			return fmt.Errorf("write PID file %s: it is that of process %d, a running reflexd", path, other)
		}
		temporary := path + ".new"
		err := os.WriteFile(temporary, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644)
		if err == nil {
			err = os.Rename(temporary, path)
		}
		if err != nil {
			return fmt.Errorf("write PID file: %w", err)
		}
	}
	if before != "" {
		a.removePidFile(before)
	}
	return nil
}

// holderOf returns the process that the PID file at path names, if that is
// another one of ours that is alive.
func (a *Agent) holderOf(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid == os.Getpid() {
		return 0
	}
	theirs, err := os.ReadFile(filepath.Join(a.opts.Proc, strconv.Itoa(pid), "comm"))
	ours, _ := os.ReadFile(filepath.Join(a.opts.Proc, "self", "comm"))
	if err != nil || string(theirs) != string(ours) {
		return 0
	}
	return pid
}

// removePidFile removes the file if it is ours.
func (a *Agent) removePidFile(path string) {
	text, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(os.Getpid()) {
		err = os.Remove(path)
	}
	if err != nil && !os.IsNotExist(err) {
		a.log.Warn("cannot remove the PID file", "error", err)
	}
}

// notify tells a service manager that asked for it: sd_notify(3).
func (a *Agent) notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		err = unix.Sendto(fd, []byte(state), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: path})
		unix.Close(fd)
	}
	if err != nil {
		a.log.Warn("cannot notify the service manager", "error", err)
	}
}
