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
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/action"
	"reflexd/agent/bridge"
	"reflexd/agent/control"
	"reflexd/agent/gesture"
	"reflexd/agent/loop"
	"reflexd/agent/mount"
	"reflexd/agent/output"
	"reflexd/agent/rule"
	"reflexd/agent/spawn"
	"reflexd/agent/state"
	"reflexd/agent/vars"
	"reflexd/sources"
	"reflexd/sources/clock"
	"reflexd/sources/counter"
	"reflexd/sources/file"
	"reflexd/sources/gpio"
	"reflexd/sources/input"
	"reflexd/sources/link"
	"reflexd/sources/netlink"
	"reflexd/sources/pwm"
	"reflexd/sources/sensor"
	"reflexd/sources/signal"
	"reflexd/sources/uevent"
)

// Options are what the command line says.
type Options struct {
	Log     *slog.Logger
	Version string
	// DryRun listens, but only tells what would be done.
	DryRun bool
	// Before is what was changed for the agent alone, and programs get back.
	Before spawn.Before
	// Threads makes the threads that the agent needs, for which there must be room
	// (see RoomForThreads), before the first program starts.
	Threads bool
	// Cgroups gives each program a cgroup of its own, where we may make some.
	Cgroups bool
	// Socket is the path of the control socket; "" for none.
	Socket string
	// RefuseWriters refuses a configuration, at a reload, that others could
	// write while the agent runs as root.
	RefuseWriters bool
	// Observe is shown every event, on the loop's thread; nil for nobody.
	Observe func(*sources.Event)
	// Ready is called once, on the loop's thread, when what is there is being
	// listened to; nil for nobody.
	Ready func()
	// Wall is the board's clock in its zone; nil for the machine's, whose zone
	// is followed.
	Wall func() time.Time
	// GCPercent is what the garbage collector works by once the agent has
	// started (see PutOffGarbage); 0 for no change.
	GCPercent int
	// Dev, Sys and Proc are where /dev, /sys and /proc are; "" for there.
	Dev, Sys, Proc string

	simulated bool // see Simulation
	act       func(*action.Run, *action.Step) (action.Pending, error, bool)
}

// Agent is a running reflexd.
type Agent struct {
	opts    Options
	log     *slog.Logger
	debug   bool // the log has each event
	loop    *loop.Loop
	sources []sources.Source // in the order of kinds
	gpio    *gpio.Source     // this and the next twelve are among them
	link    *link.Source
	uevent  *uevent.Source
	signals *signal.Source // nil in a simulation
	netlink *netlink.Source
	files   *file.Source // nil in a simulation
	vars    *vars.Source
	mount   *mount.Source
	bridge  *bridge.Source
	clock   *clock.Source
	sensor  *sensor.Source
	pwm     *pwm.Source
	counter *counter.Source
	keys    action.Keys
	input   input.Simulator // nil but in a simulation
	spawn   *spawn.Starter
	outputs *output.Outputs
	runner  *rule.Runner
	control *control.Server
	env     *action.Env

	bridging *control.Peer                 // who is the bridge; nil for nobody
	notices  notices                       // for those who watch
	encoding map[string][]func(any, error) // who waits for the next answer of a kind, while one is encoded

	config      *Configuration
	index       *rule.Index
	subscribers []subscription
	gestures    *gesture.Recogniser
	states      *state.Table

	incoming, current queue
	hearing           []*rule.Rule // scratch: the rules that hear an event
	hear              func(*rule.Rule)

	priority  priority
	metrics   metrics
	losses    map[string]Loss  // by source
	durations action.Durations // of what was waited for
	pidFile   string           // that we have; "" for none
	started   time.Duration    // CLOCK_MONOTONIC
	read      time.Duration    // when the configuration was, likewise
	events    uint64
	startup   startup
	stopping  bool
	backdate  func(*sources.Event) // while what was before is found, and no rule fires; nil otherwise
	reloading []reloadRequest      // those that the reload under way serves
	demands   []reloadRequest      // those that came since
	reloads   int
}

// New opens the loop, the control socket and the sources, and makes them do
// what c asks.
func New(c *Configuration, opts Options) (*Agent, error) {
	opts.Dev, opts.Sys, opts.Proc = or(opts.Dev, "/dev"), or(opts.Sys, "/sys"), or(opts.Proc, "/proc")
	l, err := loop.New()
	if err != nil {
		return nil, err
	}
	l.Room = hasRoom
	a := &Agent{opts: opts, loop: l}
	if err := a.open(c); err != nil {
		return nil, err
	}
	return a, nil
}

// open makes the parts of a, which has its options and its loop.
func (a *Agent) open(c *Configuration) (err error) {
	opts, l := &a.opts, a.loop
	a.log, a.config, a.started, a.states = opts.Log, c, l.Now(), state.New()
	a.debug = a.log.Enabled(context.Background(), slog.LevelDebug)
	a.encoding = map[string][]func(any, error){}
	a.durations = action.Durations{}
	a.hear = func(r *rule.Rule) { a.hearing = append(a.hearing, r) }
	if opts.Socket != "" {
		if a.control, err = control.Listen(l, opts.Socket, opts.Log, a.answer); err != nil {
			l.Close()
			return err
		}
	}
	if err := a.openSources(); err != nil {
		a.close()
		return err
	}
	if a.spawn, err = spawn.New(l, opts.Log); err != nil {
		a.close()
		return err
	}
	a.spawn.GiveBack(opts.Before)
	a.prepareThreads()
	if opts.Cgroups {
		if err := a.spawn.UseCgroups(); err != nil {
			a.log.Debug("programs do not get their own cgroups", "why", err)
		}
	}
	a.outputs = output.New(l, opts.Log, a.gpio, a.pwm, opts.Sys)
	a.env = &action.Env{
		Loop: l, Log: opts.Log, Spawn: a.spawn, Outputs: a.outputs, Keys: a.keys,
		Netlink: a.netlink, Files: a.files, Mounts: a.mount, Vars: a.vars, Bridge: a.bridge, Counters: a.counter,
		Until: a.until, Emit: a.emit, EnableRule: a.enableRule, Switch: a.switchSource,
		Environ: action.Inherited(os.Environ()), Proc: opts.Proc, Wall: a.clock.Stamp, Act: opts.act, Durations: a.durations,
	}
	a.runner = rule.NewRunner(a.env, &rule.World{States: a.states, Seen: a.seen}, opts.DryRun)
	if a.control != nil {
		a.runner.Observe = a.outcome
		a.env.Ended = a.acted
		a.runner.Remember = true
	}
	return nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (a *Agent) openSources() error {
	for _, k := range kinds {
		if a.opts.simulated && !k.Simulates {
			a.sources = append(a.sources, absent{})
			continue
		}
		s, err := k.Open(sources.Host{
			Simulated: a.opts.simulated, State: a.stateOf,
			Loop: a.loop, Emit: a.emit, Log: a.log.With("source", k.Name), DryRun: a.opts.DryRun,
			Wall: a.opts.Wall, Dev: a.opts.Dev, Sys: a.opts.Sys, Proc: a.opts.Proc,
		})
		if err != nil {
			return fmt.Errorf("open source %s: %w", k.Name, err)
		}
		a.sources = append(a.sources, s)
		a.know(s)
	}
	return nil
}

// know keeps a source that the agent asks for more than all sources do.
func (a *Agent) know(s sources.Source) {
	switch s := s.(type) {
	case *signal.Source:
		a.signals = s
	case *gpio.Source:
		a.gpio = s
	case *link.Source:
		a.link = s
	case *uevent.Source:
		a.uevent = s
	case *netlink.Source:
		a.netlink = s
	case *counter.Source:
		a.counter = s
		s.KeepIn(a.vars)
		s.Changed = func(name string) { a.bridge.Changed("counter", name) }
	case *pwm.Source:
		a.pwm = s
		s.Changed = func(name string) { a.bridge.Changed("pwm", name) }
	case *sensor.Source:
		a.sensor = s
	case *vars.Source:
		a.vars = s
	case *mount.Source:
		a.mount = s
	case *bridge.Source:
		a.bridge = s
	case *file.Source:
		a.files = s
	case *clock.Source:
		a.clock = s
	case action.Keys:
		a.keys = s
		a.input, _ = s.(input.Simulator)
	}
}

// switchSource opens or closes the file or socket of that name.
func (a *Agent) switchSource(name string, open bool) error {
	for _, s := range a.sources {
		if sw, ok := s.(sources.Switcher); ok && sw.Has(name) {
			return sw.Switch(name, open)
		}
	}
	return fmt.Errorf("no file or socket is called %q any more", name)
}

// Run serves until Stop, SIGTERM or SIGINT. It must be called on the main
// thread, which thread-directed signals reach.
func (a *Agent) Run() error {
	runtime.LockOSThread()
	a.priority.begin()
	// The kernel hands out the lowest number first: what came before the stop is dealt with before it.
	disobey, err := a.signals.Own(func(s unix.Signal) { a.loop.Post(func() { a.obey(s) }) })
	if err == nil {
		defer disobey()
	}
	defer a.close() // no signal cuts it short
	if err == nil {
		a.pidFile, err = a.prepare(a.config, "")
	}
	if err != nil {
		return err
	}
	a.apply(a.config)
	a.emit(a.lifeEvent("started"))
	a.awaitStart(a.ready)
	a.feedWatchdog()
	return a.loop.Run(a.turn)
}

// prepare does what a configuration needs of the disk before it is applied: it
// reads the files of its plans, and moves the PID file from where it is, "" for
// nowhere, to where c has it. It returns where it is then. It may block.
func (a *Agent) prepare(c *Configuration, pidFile string) (string, error) {
	for _, p := range c.plans {
		if files := p.Extras().Preparer; files != nil {
			files.Prepare()
		}
	}
	if a.opts.DryRun || c.PidFile == pidFile {
		return pidFile, nil
	}
	if c.PidFile != "" {
		if err := writePidFile(c.PidFile, a.opts.Proc); err != nil {
			return pidFile, err
		}
	}
	if pidFile != "" {
		a.logPidFile(removePidFile(pidFile))
	}
	return c.PidFile, nil
}

// ready tells whoever waits for the start.
func (a *Agent) ready() {
	a.log.Info("started", "version", a.opts.Version, "pid", a.pid(), "rules", len(a.config.Rules),
		"files", strings.Join(a.config.Files, " "))
	a.notify("READY=1")
	a.makeThreads()
	a.tidy()
	if a.opts.Ready != nil {
		a.opts.Ready()
	}
}

// apply makes c what the agent does, between two turns.
func (a *Agent) apply(c *Configuration) {
	if !a.opts.simulated {
		a.usePriority(c)
	}
	a.index = rule.NewIndex(c.Rules)
	a.runner.Adopt(a.index)
	a.subscribers = a.subscribe(c)
	a.recognise(c)
	a.states.Follow(c.watches, c.derived, a.loop.Now())
	a.outputs.Keep(func(o output.Output) bool { return c.keeps(o, a.config) })
	for i, s := range a.sources {
		s.Apply(c.plans[i])
	}
	before := a.config
	a.applyMetrics(c)
	a.config, a.read = c, a.loop.Now()
	c.specs = nil // how rules were written is of no use any more
	if a.control != nil {
		a.control.Use(&c.control)
		a.adviseBridge(c, before)
	}
}

// subscription is a source that wants to hear a kind of other sources' events. There are
// few: one after the other is compared faster than a map is asked.
type subscription struct {
	kind   string
	source sources.Subscriber
}

// subscribe returns who wants to hear what.
func (a *Agent) subscribe(c *Configuration) (all []subscription) {
	c.uevent.Subscribed = false
	for i, p := range c.plans {
		wants := p.Extras().Subscriber
		if wants == nil {
			continue
		}
		for _, kind := range wants.Subscribes() {
			if s, ok := a.sources[i].(sources.Subscriber); ok {
				all = append(all, subscription{kind, s})
				c.uevent.Subscribed = c.uevent.Subscribed || kind == "uevent"
			}
		}
	}
	return all
}

// recognise has the gestures found that the rules of c wait for.
func (a *Agent) recognise(c *Configuration) {
	wants := slices.Clone(c.exposedWants)
	for _, r := range c.Rules {
		for _, t := range r.Triggers {
			wants = append(wants, t.Wants...)
		}
	}
	before := a.gestures
	a.gestures = gesture.New(wants, c.timing, a.show)
	if before != nil {
		a.gestures.Adopt(before, a.loop.Now())
	}
}

// emit takes an event from a source or an action.
func (a *Agent) emit(e *sources.Event) {
	if e.Topic.Kind == "loss" {
		a.countLoss(e)
		a.summaryChanged()
	}
	if a.backdate != nil {
		a.backdate(e)
	}
	a.incoming.push(e)
}

// until has an action go on when something has come to a state.
func (a *Agent) until(q *sources.Question, done func()) (stop func(), waits bool) {
	return a.states.Until(q, a.loop.Now(), done)
}

// stateOf returns a state as rules have seen it.
func (a *Agent) stateOf(kind, name string) string {
	state, _ := a.states.State(kind, name)
	return state
}

// enableRule has a rule fire, or not.
func (a *Agent) enableRule(name string, on bool) error {
	err := a.runner.Enable(name, on)
	if err == nil {
		a.summaryChanged()
	}
	return err
}

// pid is our PID. Two simulations of the same never differ.
func (a *Agent) pid() int {
	if a.opts.simulated {
		return 1
	}
	return os.Getpid()
}

// lifeEvent returns the event that something happened to the agent.
func (a *Agent) lifeEvent(state string) *sources.Event {
	standing := sources.NoState
	if state == "started" {
		standing = sources.Begins
	}
	return &sources.Event{
		Time:     a.loop.Now(),
		Topic:    sources.Topic{Kind: "agent", State: state},
		Source:   "agent",
		Standing: standing,
		Fields: []sources.Field{
			{Name: "PID", Value: sources.Int(int64(a.pid()))},
			{Name: "VERSION", Value: sources.Text(a.opts.Version)},
		},
	}
}

// turn acts upon what the wake-up brought, and upon what time brought. Events
// that the actions emit have their turn next time, so that rules that set each
// other off cannot keep the sources from being read.
func (a *Agent) turn() {
	a.loop.WakeBy(0)
	if len(a.incoming.events) > 0 {
		a.current, a.incoming = a.incoming, a.current
		a.current.sort()
		for i := range a.current.events {
			a.dispatch(&a.current.events[i])
		}
		a.current.clear()
	}
	a.states.Found(a.fire) // by a reload, too
	if a.stopping {
		return
	}
	a.checkStart()
	// Not to now: an edge that was not read yet may be older.
	a.advance(a.loop.Woke())
	if at, ok := a.gestures.Due(); ok {
		a.loop.WakeBy(at)
	}
	if at, ok := a.states.Due(); ok {
		a.loop.WakeBy(at)
	}
	if len(a.incoming.events) > 0 {
		a.loop.WakeBy(a.loop.Now())
	}
}

// advance finds the gestures that are complete by the time now, and the states
// that have lasted long enough, in their order.
func (a *Agent) advance(now time.Duration) {
	for {
		at, ok := a.states.Due()
		if !ok || at > now {
			break
		}
		a.gestures.Advance(at)
		a.states.Advance(at, now, a.fire)
	}
	a.gestures.Advance(now)
}

// dispatch shows e to its subscribers, to the rules, and to the recogniser.
// Gestures that were complete before come before it: the conditions of their
// rules look at lines and keys as they were until then.
func (a *Agent) dispatch(e *sources.Event) {
	a.events++
	if a.stopping {
		return
	}
	a.advance(min(e.Time, a.loop.Woke()))
	if e.Standing != sources.Found {
		a.states.Found(a.fire)
	}
	a.states.Take(e)
	for i := range a.subscribers {
		if s := &a.subscribers[i]; s.kind == e.Topic.Kind {
			s.source.Notify(e)
		}
	}
	if e.Topic.Kind == "mount" && e.Topic.State == mount.Yanked {
		a.stopFor(e)
	}
	if e.Standing <= sources.Begins {
		a.show(e)
	} else {
		a.tellBridge(e) // of what rules do not see
	}
	a.gestures.Next(e)
	a.states.Next(a.show)
}

// stopFor stops what rules do because a device was mounted that is now gone.
func (a *Agent) stopFor(yanked *sources.Event) {
	a.runner.StopWhere(func(e *sources.Event) bool {
		return e.Topic.Kind == "mount" && e.Topic.State == mount.Mounted && e.Source == yanked.Source && e.Topic.Name == yanked.Topic.Name
	})
}

// show lets the log, the observer and the rules see e. An event without a
// state is only of use to the recogniser.
func (a *Agent) show(e *sources.Event) {
	if e.Topic.State == "" || a.backdate != nil {
		return
	}
	a.logEvent(e)
	if a.opts.Observe != nil {
		a.opts.Observe(e)
	}
	a.hearing = a.hearing[:0]
	a.index.Find(e, a.hear)
	a.notices.hold = true
	a.runner.Fire(a.hearing, e)
	a.publish(e)
}

// logEvent logs e, if anybody wants to know.
func (a *Agent) logEvent(e *sources.Event) {
	if a.debug {
		a.log.Debug("event", "source", e.Source, "event", e.Describe(), "monotonic", e.Time)
	}
}

// fire has the rule with that number fire upon e, which its trigger found in
// the states.
func (a *Agent) fire(number int, e *sources.Event) {
	if a.stopping || a.backdate != nil {
		return
	}
	a.logEvent(e)
	a.hearing = append(a.hearing[:0], a.index.Rules[number])
	a.runner.Fire(a.hearing, e)
}

// close lets go of everything, outputs as their on_exit says.
func (a *Agent) close() {
	if a.outputs != nil {
		a.outputs.Rest()
	}
	for _, s := range a.sources {
		s.Close()
	}
	if a.spawn != nil {
		a.spawn.Close()
	}
	if a.control != nil {
		a.control.Close()
	}
	a.removeMetrics()
	a.leavePidFile()
	a.loop.Close()
}

// notify tells a service manager that asked for it: sd_notify(3).
func (a *Agent) notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" || a.opts.simulated {
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
