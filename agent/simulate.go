// SPDX-License-Identifier: MIT

// Simulation: an agent in virtual time, for tests of rules. Its recognisers,
// states, rules, conditions and run modes, its variables, timers and outputs are
// those of every agent. What is replaced: the clock and the wait, what sources
// read from the kernel, and what actions do to the world.

package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"reflexd/agent/action"
	"reflexd/agent/loop"
	"reflexd/agent/mount"
	"reflexd/agent/rule"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/input"
	"reflexd/sources/signal"
)

// simulationStart is what CLOCK_MONOTONIC reads when a simulation begins, unless its
// past says otherwise: not 0, which stands for never in some places.
const simulationStart = time.Hour

// Past is what was before a simulation of an agent that has run for a while. The
// agent does not start in it: no rule fires for what is there.
type Past struct {
	Now     time.Duration // what CLOCK_MONOTONIC reads when the simulation begins
	Started time.Duration // when the agent started
	// Since is when states began, by "KIND NAME"; others when the agent started.
	Since map[string]time.Duration
	// Switches are those that are on or off, with the inputs that have them, "" for
	// one that nothing declares.
	Switches []Switch
}

// Switch is a switch of an input device.
type Switch struct {
	From, Name string
	On         bool
}

// Simulation is an agent in virtual time. Its methods must be called from one
// goroutine at a time.
type Simulation struct {
	agent    *Agent
	start    time.Duration // CLOCK_MONOTONIC when it began
	wall     time.Time     // what the wall clock reads at start
	outcomes int           // how often rules made something of an event
}

// mostOutcomes bounds a simulation as the loop's limits do: each outcome is
// logged, and may be of any rule.
const mostOutcomes = 200_000

// SimulationOptions say how a simulation goes.
type SimulationOptions struct {
	Log *slog.Logger
	// Wall is the time of the wall clock, in the zone of the board, at the
	// beginning.
	Wall time.Time
	// Observe is shown every event that rules are shown, at its time.
	Observe func(*sources.Event)
	// Outcome is shown what rules make of events.
	Outcome func(rule string, e *sources.Event, o rule.Outcome, why string)
	// Act is asked to carry out an action: if it is handled, nothing else is
	// done.
	Act func(r *action.Run, step *action.Step) (p action.Pending, err error, handled bool)
	// Given has the sources begin with what they are to find; nil for nothing.
	Given func(*Simulation) error
	Past  *Past // nil for an agent that starts
}

// NewSimulation returns an agent that has started with c, which must have been
// loaded by LoadForSimulation.
func NewSimulation(c *Configuration, opts SimulationOptions) (*Simulation, error) {
	s := &Simulation{wall: opts.Wall, start: simulationStart}
	if opts.Past != nil {
		s.start = opts.Past.Now
	}
	nowhere := "/nonexistent"
	a := &Agent{
		opts: Options{
			Log: opts.Log, Version: "simulation", Observe: opts.Observe, Wall: s.Wall, act: opts.Act,
			Dev: nowhere, Sys: nowhere, Proc: nowhere, simulated: true,
		},
		loop: loop.NewVirtual(s.start),
	}
	s.agent = a
	if err := a.open(c); err != nil {
		return nil, err
	}
	a.runner.Observe = func(rule string, e *sources.Event, o rule.Outcome, why string) {
		if s.outcomes++; s.outcomes == mostOutcomes {
			a.loop.Stop()
		}
		if opts.Outcome != nil {
			opts.Outcome(rule, e, o, why)
		}
	}
	if opts.Given != nil {
		if err := opts.Given(s); err != nil {
			s.Close()
			return nil, err
		}
	}
	if opts.Past != nil {
		s.goOn(c, opts.Past)
		return s, nil
	}
	a.apply(c)
	a.emit(a.lifeEvent("started"))
	a.awaitStart(a.ready)
	s.Advance(0)
	return s, nil
}

// goOn has the agent be as it is after some time with c: what is found has been there
// since then, and what that would have fired was before.
func (s *Simulation) goOn(c *Configuration, past *Past) {
	a := s.agent
	a.started = past.Started
	a.states.Begin(past.Started)
	a.backdate = func(e *sources.Event) {
		since, ok := past.Since[e.Topic.Kind+" "+e.Topic.Name]
		if !ok {
			since = past.Started
		}
		e.Time = min(max(1, since), past.Now)
	}
	a.apply(c)
	a.emit(a.lifeEvent("started"))
	s.Advance(0)
	for _, w := range past.Switches {
		_ = a.input.SimulateSwitch(w.From, w.Name, w.On) // of a device that is gone, nothing is known
	}
	s.Advance(0)
	a.backdate = nil
}

// LoadForSimulation is Load for a simulation, which needs to know how actions
// were written.
func LoadForSimulation(paths []string) (*Configuration, error) {
	c := newConfiguration()
	c.keepsText = true
	ps := &config.Problems{}
	if err := c.load(paths, ps); err != nil {
		return nil, err
	}
	if ps.Failed() {
		return nil, ps
	}
	return c, nil
}

// Close ends it. Actions under way are dropped.
func (s *Simulation) Close() {
	s.agent.close()
}

// Now is how long it has gone on.
func (s *Simulation) Now() time.Duration { return s.agent.loop.Now() - s.start }

// Wall is the time of the wall clock.
func (s *Simulation) Wall() time.Time { return s.wall.Add(s.Now()) }

// SetWall sets the wall clock, now.
func (s *Simulation) SetWall(to time.Time) {
	s.wall = to.Add(-s.Now())
	s.agent.clock.ClockSet()
}

// Advance lets d pass.
func (s *Simulation) Advance(d time.Duration) {
	if s.agent.index == nil {
		return // it has not begun
	}
	s.agent.loop.Advance(s.agent.loop.Now()+d, s.agent.turn)
}

// AdvanceToNext lets time pass until something is due, or up to the time to, as
// Now has it.
func (s *Simulation) AdvanceToNext(to time.Duration) {
	next := s.start + to
	if due, ok := s.agent.loop.Due(); ok {
		next = min(next, due)
	}
	s.agent.loop.Advance(next, s.agent.turn)
}

// Err returns why the simulation does no more, nil if it does or was stopped:
// there was no end to what happened in it.
func (s *Simulation) Err() error {
	err := s.agent.loop.Err()
	if s.outcomes >= mostOutcomes {
		err = fmt.Errorf("too much happens: %d outcomes of rules", mostOutcomes)
	}
	if err == nil {
		return nil
	}
	busiest := rule.Status{}
	for _, r := range s.Rules() {
		if r.Fired > busiest.Fired {
			busiest = r
		}
	}
	if busiest.Fired == 0 {
		return fmt.Errorf("stopped at %v: %w", s.Now(), err)
	}
	return fmt.Errorf("stopped at %v: %w; most firings: %d, of the rule %s (%s)", s.Now(), err, busiest.Fired, strconv.Quote(busiest.Name), busiest.At)
}

// Ended reports whether no time passes any more: the agent was stopped, or Err
// says why.
func (s *Simulation) Ended() bool { return s.agent.loop.Ended() }

// Reload swaps in another configuration, now.
func (s *Simulation) Reload(c *Configuration) {
	s.agent.apply(c)
	s.agent.reloads++
	s.agent.emit(s.agent.lifeEvent("reloaded"))
	s.Advance(0)
}

// Stop stops the agent as SIGTERM does. Nothing happens after it.
func (s *Simulation) Stop() {
	s.agent.stop("requested")
	s.Advance(stopLatest)
}

// Emit has the rules see an event, now.
func (s *Simulation) Emit(e *sources.Event) {
	e.Time = s.agent.loop.Now()
	s.agent.emit(e)
	s.Advance(0)
}

// Lose reports that events of a source were lost.
func (s *Simulation) Lose(kind, name string, count int) {
	host := sources.Host{Loop: s.agent.loop, Emit: s.agent.emit, Log: s.agent.log}
	host.Lost(kind, name, count, "simulated")
	s.Advance(0)
}

// GiveLine makes a line on or off when it is opened. It must be called from
// Given.
func (s *Simulation) GiveLine(name string, on bool) error {
	return s.agent.gpio.SimulateInitial(s.agent.config.gpio, name, on)
}

// GiveInput says whether a declared input is there. From Given, it is so at the
// start.
func (s *Simulation) GiveInput(name string, present bool) error {
	err := s.agent.input.SimulatePresence(s.agent.config.input, name, present)
	s.Advance(0)
	return err
}

// Key presses (1), repeats (2) or releases (0) a key, by its name, of the
// device declared as input, "" for one that nothing declares.
func (s *Simulation) Key(from, key string, value int32) error {
	k, err := input.ParseKey(key)
	if err == nil {
		err = s.agent.input.SimulateKey(from, k, value)
	}
	s.Advance(0)
	return err
}

// Type has the device declared as input type a text, and the key that ends it: a
// key every 10 ms, after a rest, so that it is a text of its own.
func (s *Simulation) Type(input, text string) error {
	strokes, err := s.agent.config.input.Strokes(input, text)
	if err == nil {
		s.Advance(s.agent.config.input.Inputs[input].Text.Pause + strokeTime)
	}
	for i := 0; i < len(strokes) && err == nil; i++ {
		err = s.Key(input, strokes[i].Key, strokes[i].Value)
		s.Advance(strokeTime)
	}
	return err
}

// strokeTime is how long a simulated device takes for a key to go down, or up.
const strokeTime = 5 * time.Millisecond

// GiveSensor says what a sensor reads at the start: a number in its unit, a word,
// or absent. It must be called from Given.
func (s *Simulation) GiveSensor(name, value string) error {
	return s.agent.sensor.SimulateInitial(s.agent.config.sensor, name, value)
}

// Sensor has a sensor read something else, now. One that is filtered was through
// the sensor's filter already.
func (s *Simulation) Sensor(name, value string, filtered bool) error {
	err := s.agent.sensor.SimulateSensor(name, value, filtered)
	s.Advance(0)
	return err
}

// GiveCounter says what the total of a counter is at the start. It must be called
// from Given.
func (s *Simulation) GiveCounter(name, total string) error {
	return s.agent.counter.SimulateInitial(s.agent.config.counter, name, total)
}

// GivePWM says at which level a PWM output is at the start, in percent. It must be
// called from Given.
func (s *Simulation) GivePWM(name, level string) error {
	return s.agent.pwm.SimulateInitial(s.agent.config.pwm, name, level)
}

// Pulse sends pulses of the line of a counter, and lets every pass after each.
func (s *Simulation) Pulse(counter string, pulses int64, every time.Duration) error {
	line, err := s.agent.config.counter.Line(counter)
	for ; err == nil && pulses > 0 && !s.Ended(); pulses-- {
		for _, on := range []bool{false, true, false} {
			if err == nil {
				err = s.Line(line, on)
			}
		}
		s.Advance(every)
	}
	return err
}

// mostPulses is how many pulses Total sends at most.
const mostPulses = 100_000

// Total sends as many pulses as a counter needs for that total.
func (s *Simulation) Total(counter string, to sources.Number, every time.Duration) error {
	pulses, err := s.agent.counter.Until(counter, to)
	switch {
	case err != nil:
		return err
	case pulses > mostPulses:
		return fmt.Errorf("counter %s needs %d pulses for that, and a step sends at most %d: begin with another total", counter, pulses, mostPulses)
	}
	return s.Pulse(counter, pulses, every)
}

// Counter returns the total of a counter, and its rate, nil if that is not known.
func (s *Simulation) Counter(name string) (total sources.Number, rate *sources.Number, err error) {
	return s.agent.counter.Now(name)
}

// Switch sets a switch of such a device, Axis an axis or wheel.
func (s *Simulation) Switch(from, name string, on bool) error {
	err := s.agent.input.SimulateSwitch(from, name, on)
	s.Advance(0)
	return err
}

// Axis moves an axis or wheel of such a device.
func (s *Simulation) Axis(from, name string, value int32) error {
	err := s.agent.input.SimulateAxis(from, name, value)
	s.Advance(0)
	return err
}

// Link makes a network link up, down, removed or what else happens to links, with
// further fields. From Given, it is so at the start.
func (s *Simulation) Link(name, is string, more ...sources.Field) error {
	err := s.agent.link.SimulateLink(name, is, more)
	s.Advance(0)
	return err
}

// Signal sends a signal to the agent.
func (s *Simulation) Signal(name string, value int32) error {
	return s.emitted(signal.Simulated(name, value))
}

// File makes something happen to a declared file; text is what is read of it.
func (s *Simulation) File(name, is string, text *string, more []sources.Field) error {
	return s.emitted(s.agent.config.file.Simulated(name, is, text, more))
}

// Netlink sends a message to a declared socket, or with an is of error or done that.
func (s *Simulation) Netlink(name, is, text, data string, more []sources.Field) error {
	return s.emitted(s.agent.config.netlink.Simulated(name, is, text, data, more))
}

// Uevent announces a device as the kernel does, or with STAGE=udev as udevd.
func (s *Simulation) Uevent(properties map[string]string) error {
	err := s.agent.uevent.Simulate(properties)
	s.Advance(0)
	return err
}

// Message brings a message from the MQTT broker.
func (s *Simulation) Message(topic, text string, retained bool) error {
	return s.emitted(s.agent.config.bridge.Simulated(topic, text, retained))
}

// Broker has the MQTT broker connected, or not.
func (s *Simulation) Broker(connected bool) error {
	if !s.agent.config.bridge.Declared() {
		return errors.New("the configuration has no section mqtt")
	}
	s.agent.bridge.SetBroker(connected, "simulated")
	s.Advance(0)
	return nil
}

// GiveDevice has a device with these properties be there at the start. It must
// be called from Given.
func (s *Simulation) GiveDevice(properties map[string]string) error {
	if properties["SUBSYSTEM"] == "block" && properties["DEVNAME"] != "" {
		announced, err := s.agent.mount.SimulatePlug(properties)
		if err != nil {
			return err
		}
		properties = announced
	}
	return s.agent.uevent.SimulatePresent(properties)
}

// Plug plugs in a drive or a part of one: the kernel announces it, and
// automount does what its policies say.
func (s *Simulation) Plug(properties map[string]string) error {
	announced, err := s.agent.mount.SimulatePlug(properties)
	if err != nil {
		return err
	}
	return s.Uevent(announced)
}

// Pull pulls it, and of a drive its partitions with it.
func (s *Simulation) Pull(device string) error {
	gone, err := s.agent.mount.SimulatePull(device)
	for _, announced := range gone {
		if err == nil {
			err = s.Uevent(announced)
		}
	}
	return err
}

// Mounts reports whether a device or mount point is known to automount.
func (s *Simulation) Mounts(target string) bool { return s.agent.mount.Simulates(target) }

// Mount makes something happen to what is mounted at point.
func (s *Simulation) Mount(point, is string, fields map[string]string) error {
	return s.emitted(mount.Simulated(point, is, fields))
}

// GiveMount says that something is mounted at the start. It must be called from
// Given.
func (s *Simulation) GiveMount(point string, fields map[string]string) error {
	return s.agent.mount.SimulateMounted(point, fields)
}

// Event sends an event as emit does.
func (s *Simulation) Event(name string, fields []sources.Field) error {
	e := action.NewEvent(name, 0)
	e.Fields = fields
	return s.emitted(e, nil)
}

// SetVar sets a variable, as from outside.
func (s *Simulation) SetVar(name, value string) error {
	err := s.agent.vars.Set(name, value, nil)
	s.Advance(0)
	return err
}

func (s *Simulation) emitted(e *sources.Event, err error) error {
	if err == nil {
		s.Emit(e)
	}
	return err
}

// GiveVar makes a variable's value what it begins with. It must be called from
// Given.
func (s *Simulation) GiveVar(name, value string) error { return s.agent.config.vars.Begin(name, value) }

// Line makes an input on or off, now, if it is not.
func (s *Simulation) Line(name string, on bool) error {
	err := s.agent.gpio.SimulateEdge(name, on)
	s.Advance(0)
	return err
}

// Level makes an input high or low, now, if it is not.
func (s *Simulation) Level(name string, high bool) error {
	err := s.agent.gpio.SimulateLevel(name, high)
	s.Advance(0)
	return err
}

// LineOf returns the name under which the line called name is declared, if it is
// by that name or as that line; else name.
func (c *Configuration) LineOf(name string) string { return c.gpio.Declared(name) }

// LineOf is that of the configuration.
func (s *Simulation) LineOf(name string) string { return s.agent.config.LineOf(name) }

// InputsOf is that of the configuration.
func (s *Simulation) InputsOf(path, name string, names []string) []string {
	return s.agent.config.InputsOf(path, name, names)
}

// InputsOf returns the names of declared inputs that a device has: those of
// names that are declared or, for none, those by which a device with that path
// and name is known. What else it is, is not looked at.
func (c *Configuration) InputsOf(path, name string, names []string) []string {
	return c.input.Known(path, name, names)
}

// Turn turns an encoder by so many events, negative counter-clockwise.
func (s *Simulation) Turn(name string, events int) error {
	if err := s.agent.gpio.SimulateTurn(name, events); err != nil {
		return err
	}
	s.Advance(0)
	return nil
}

// Fill returns a string of the configuration with its fields filled in, as an
// action upon e has it now.
func (s *Simulation) Fill(text string, e *sources.Event) string {
	return s.agent.config.references.Fill(text, e)
}

// LineState returns whether a line is on, as rules know it, and whether that is
// known.
func (s *Simulation) LineState(name string) (on, known bool) { return s.agent.gpio.Level(name) }

// VarValue returns the value of a variable.
func (s *Simulation) VarValue(name string) (string, error) {
	value, err := s.agent.vars.Value(name)
	return value.String(), err
}

// PWMLevel returns the level of a PWM output, in percent, and whether there is one.
func (s *Simulation) PWMLevel(name string) (level string, ok bool) {
	n, ok := s.agent.pwm.Level(name)
	return sources.Percent(n), ok
}

// State returns the state of anything that has states, "" if it is not known.
func (s *Simulation) State(kind, name string) string {
	state, _ := s.agent.states.State(kind, name)
	return state
}

// Rule returns what happened to a rule so far.
func (s *Simulation) Rule(name string) (rule.Status, error) {
	for _, r := range s.Rules() {
		if r.Name == name {
			return r, nil
		}
	}
	return rule.Status{}, fmt.Errorf("no rule is called %q", name)
}

// Configured returns the rules as they are now.
func (s *Simulation) Configured() []*rule.Rule { return s.agent.config.Rules }

// Rules returns what happened to all rules so far.
func (s *Simulation) Rules() []rule.Status { return s.agent.runner.Status(s.agent.config.Rules) }

// absent is a source that a simulation does without: its events come from the
// test.
type absent struct{}

func (absent) Apply(sources.Plan)      {}
func (absent) Status() []sources.State { return nil }
func (absent) Close()                  {}
