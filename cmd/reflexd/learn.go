// SPDX-License-Identifier: MIT

// The verb learn: what was pressed, turned or plugged in, as configuration.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"reflexd/agent"
	"reflexd/config"
	"reflexd/learn"
	"reflexd/sources"
	"reflexd/sources/signal"
)

func learnVerb(c *command) func([]string) int {
	asJSON := c.flags.Bool("json", false, "print one JSON object per result")
	bias := c.flags.String("bias", "", "request the named lines with this `bias`: pull-up, pull-down, disabled")
	sensors := c.flags.Bool("sensors", false, "watch the sensors too, each of which is read every second")
	ask := c.flags.Bool("lines", false, "ask which of the free GPIO lines to watch")
	span := c.flags.Duration("for", 0, "stop after this `time`, such as 30s")
	count := c.flags.Int("count", 0, "stop after this `number` of results")
	return func(lines []string) int {
		if err := errors.Join(checkMonitor(nil, *bias), checkEnd(*span, *count)); err != nil {
			fmt.Fprintln(c.stderr, "reflexd learn:", err)
			return wrong
		}
		if err := signal.Inherit(); err != nil { // which may start the program again
			fmt.Fprintln(c.stderr, "reflexd learn:", err)
		}
		if *ask {
			more, err := askAtTerminal(os.Stdin, c.stderr)
			if err != nil {
				fmt.Fprintln(c.stderr, "reflexd learn:", err)
				return wrong
			}
			lines = append(lines, more...)
		}
		out := newLogWriter(c.stdout, logFormat{name: "text"})
		defer out.Close()
		t := &teacher{out: out, stderr: c.stderr, span: *span, count: *count, asJSON: *asJSON}
		return c.learn(t, agent.WatchSpec{Inputs: true, Uevents: true, Links: true, Sensors: *sensors, Lines: lines, Bias: *bias})
	}
}

func checkEnd(span time.Duration, count int) error {
	switch {
	case span < 0 || span > config.LongestDuration:
		return fmt.Errorf("--for: expected a time such as 30s, found %v", span)
	case count < 0:
		return fmt.Errorf("--count: expected a number of results, found %d", count)
	}
	return nil
}

// learn runs t until it ends, is asked to, or has learnt enough.
func (c *command) learn(t *teacher, spec agent.WatchSpec) int {
	configuration, err := agent.Watch(spec)
	if err != nil {
		fmt.Fprintln(c.stderr, "reflexd learn:", err)
		return wrong
	}
	t.world, err = learn.Look(sources.Machine{}, nil, nil)
	t.complain(err)
	for _, line := range spec.Lines {
		if _, _, err := t.world.Resolve(line); err != nil {
			return c.fail(err)
		}
	}
	t.world.Bias, t.world.Sensors, t.lines = spec.Bias, configuration.Sensors(), spec.Lines
	log := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	t.agent, err = agent.New(configuration, agent.Options{Log: log, Version: versionString(), Observe: t.observe, Ready: t.begin})
	if err == nil {
		err = t.agent.Run()
	}
	if err != nil {
		return c.fail(err)
	}
	t.finish()
	if t.told < t.count {
		return c.fail(fmt.Errorf("learnt %d of %d results", t.told, t.count))
	}
	return done
}

// teacher shows a Learner what happens, and prints what it learns. But for what
// runs in the background, all is done on the loop's thread.
type teacher struct {
	out, stderr io.Writer
	agent       *agent.Agent
	lines       []string
	span        time.Duration // 0 for ever
	count       int           // 0 for any number
	asJSON      bool

	learner learn.Learner
	world   *learn.World
	timer   sources.Timer  // nil if nothing happens
	asking  []*learn.Burst // what the world is looked at for
	told    int
}

func (t *teacher) observe(e *sources.Event) {
	if e.Topic.Kind == "loss" {
		fmt.Fprintf(t.out, "# %s: what happened in between was not seen\n", printable(e.Describe()))
		return
	}
	t.learner.Observe(e, t.agent.Loop().Now())
	t.wait()
}

// begin is called when all is being watched.
func (t *teacher) begin() {
	t.greet()
	t.learner.Began = t.agent.Loop().Now()
	if t.span > 0 {
		t.agent.Loop().After(t.span, t.agent.Stop)
	}
}

// greet says what is watched.
func (t *teacher) greet() {
	lines := "no GPIO line"
	if len(t.lines) > 0 {
		lines = "the lines " + strings.Join(t.lines, ", ")
	}
	inputs := 0
	for i := range t.world.Inputs {
		if d := &t.world.Inputs[i]; d.Error != "" {
			fmt.Fprintf(t.stderr, "%s is not watched: %s\n", d.Path, printable(d.Error))
		} else {
			inputs++
		}
	}
	if n := len(t.world.Sensors); n > 0 {
		lines = counted(n, "sensor") + ", and " + lines
	} else {
		lines = "and " + lines
	}
	fmt.Fprintf(t.stderr, "watching input devices (%d now), uevents, links, signals to pid %d, %s\n", inputs, os.Getpid(), lines)
	if len(t.lines) == 0 {
		fmt.Fprintln(t.stderr, "GPIO lines are watched if you name them (reflexd learn GPIO17 LABEL:3) or choose them (--lines):")
		fmt.Fprintln(t.stderr, "watching a line requests it, which can take the pin away from a peripheral")
	}
	if len(t.world.Sensors) > 0 {
		fmt.Fprintln(t.stderr, "leave the sensors alone for five seconds, then warm, shade or load one")
	}
	fmt.Fprintln(t.stderr, "press a button, turn a knob, plug in a USB drive; Ctrl-C stops")
}

// wait sets the timer to when something is over. Any event may have moved that:
// a key that is released is over sooner than one that is held.
func (t *teacher) wait() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	at, any := t.learner.Next()
	if !any {
		return
	}
	loop := t.agent.Loop()
	t.timer = loop.After(max(at-loop.Now(), 0), func() {
		t.timer = nil
		t.look(t.learner.Over(loop.Now()))
		t.wait()
	})
}

// look looks at the board for what is over, and prints what that means.
func (t *teacher) look(over []*learn.Burst) {
	if len(over) == 0 {
		return
	}
	ahead := len(t.asking) > 0
	t.asking = append(t.asking, over...)
	if !ahead {
		t.lookBeside()
	}
}

func (t *teacher) lookBeside() {
	asked, before := t.asking, t.world
	var now *learn.World
	var err error
	t.agent.Loop().Beside(func() { now, err = learn.Look(sources.Machine{}, before, asked) }, func() {
		t.asking = t.asking[len(asked):]
		t.conclude(asked, now, err)
		if len(t.asking) > 0 {
			t.lookBeside()
		}
	})
}

// finish prints what was not over when the loop ended.
func (t *teacher) finish() {
	rest := append(t.asking, t.learner.Rest()...)
	if len(rest) == 0 || t.enough() {
		return
	}
	now, err := learn.Look(sources.Machine{}, t.world, rest)
	t.conclude(rest, now, err)
}

func (t *teacher) enough() bool { return t.count > 0 && t.told >= t.count }

func (t *teacher) conclude(over []*learn.Burst, now *learn.World, err error) {
	t.complain(err)
	t.world = now
	for _, b := range over {
		for _, f := range t.learner.Conclude(b, now) {
			if t.enough() {
				return
			}
			t.told++
			t.print(f)
		}
	}
	if t.enough() {
		t.agent.Stop()
	}
}

func (t *teacher) print(f learn.Finding) {
	if !t.asJSON {
		if t.told > 1 {
			f.YAML = "\n" + f.YAML
		}
		_, _ = io.WriteString(t.out, f.YAML)
		return
	}
	line, err := json.Marshal(f)
	if err != nil {
		line = fmt.Appendf(nil, "{\"error\": %q}", err)
	}
	fmt.Fprintf(t.out, "%s\n", line)
}

func (t *teacher) complain(err error) {
	if err != nil {
		fmt.Fprintln(t.stderr, "reflexd learn:", err)
	}
}

// askAtTerminal asks whoever sits there which lines to watch.
func askAtTerminal(in *os.File, out io.Writer) ([]string, error) {
	if !isTerminal(in) {
		return nil, errors.New("--lines needs a terminal on standard input: name the lines to watch instead")
	}
	world, err := learn.Look(sources.Machine{}, nil, nil)
	if err != nil {
		fmt.Fprintln(out, "reflexd learn:", err)
	}
	return learn.Ask(in, out, world.Lines)
}
