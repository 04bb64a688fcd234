// SPDX-License-Identifier: MIT

// The verbs replay and convert: what can be made of a recording.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"reflexd/agent"
	"reflexd/agent/recording"
	"reflexd/agent/rule"
	"reflexd/config"
)

func replayVerb(c *command) func([]string) int {
	paths := c.configOf()
	speed := c.flags.Float64("speed", 0, "take time, `N` times as fast as it was: 1 for real time; default: none")
	return func(args []string) int {
		if len(args) != 1 || *speed < 0 {
			return c.usage("name one recording, and a speed of more than 0")
		}
		r, err := recording.Load(args[0])
		if err != nil {
			return c.fail(err)
		}
		return c.replay(r, *paths, *speed)
	}
}

// configOf is the flag -c of verbs that read a recording.
func (c *command) configOf() *pathsFlag {
	p := &pathsFlag{}
	c.flags.Var(p, "c", "the configuration, a `FILE` or folder; default: the files that the recording names; may be repeated")
	return p
}

// rulesFor reads the configuration for r.
func (c *command) rulesFor(r *recording.Recording, paths []string) (*agent.Configuration, int) {
	if len(paths) == 0 {
		if paths = r.Head.Files; len(paths) == 0 {
			return nil, c.usage("the recording was made without rules: name a configuration with -c")
		}
		if agent.HashOf(paths) != r.Head.Hash {
			fmt.Fprintf(c.stderr, "%s: not as it was when the recording was made\n", strings.Join(paths, " "))
		}
	}
	configuration, err := agent.LoadForSimulation(paths)
	if ps := new(config.Problems); errors.As(err, &ps) {
		fmt.Fprintln(c.stderr, ps)
		return nil, wrong
	}
	if err != nil {
		return nil, c.fail(err)
	}
	return configuration, done
}

func (c *command) replay(r *recording.Recording, paths []string, speed float64) int {
	configuration, code := c.rulesFor(r, paths)
	if configuration == nil {
		return code
	}
	p := &recording.Replay{}
	if speed > 0 {
		p.Pace = func(d time.Duration) { time.Sleep(time.Duration(float64(d) / speed)) }
		p.Each = func(f recording.Firing) { fmt.Fprintln(c.stdout, printable(f.String())) }
	}
	if err := r.Replay(configuration, p); err != nil {
		return c.fail(err)
	}
	c.noteGaps(r, p.Notes)
	before, compared := r.Recorded()
	if !compared {
		if speed == 0 {
			for _, f := range p.Now {
				fmt.Fprintln(c.stdout, printable(f.String()))
			}
		}
		return done
	}
	return c.compare(before, p.Now)
}

// noteGaps says what the recording lacks, and what of it was not replayed.
func (c *command) noteGaps(r *recording.Recording, notes []string) {
	if r.Cut {
		fmt.Fprintln(c.stderr, "the last line of the recording ends early and was left out")
	}
	if r.Lost > 0 {
		fmt.Fprintf(c.stderr, "%s missing from the recording: the recorder was too slow\n", counted(r.Lost, "line"))
	}
	for _, note := range notes {
		fmt.Fprintf(c.stderr, "not replayed: %s\n", printable(note))
	}
}

// compare prints the differences between what rules did and what they do.
func (c *command) compare(before, now []recording.Firing) int {
	changes := recording.Diff(before, now)
	fired := 0
	names := map[string]bool{}
	for _, f := range slices.Concat(before, now) {
		names[f.Rule] = true
	}
	for _, f := range now {
		if f.What == rule.Fired {
			fired++
		}
	}
	if len(changes) == 0 {
		fmt.Fprintf(c.stdout, "as recorded: %s of %s\n", counted(fired, "firing"), counted(len(names), "rule"))
		return done
	}
	var text bytes.Buffer
	recording.Write(&text, changes, now)
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(c.stdout, printable(strings.TrimSuffix(line, "\n")))
	}
	return failed
}

func convertVerb(c *command) func([]string) int {
	paths := c.configOf()
	to := c.flags.String("to", "", "what to make, a `FORM`: vcd, for PulseView and GTKWave, or test")
	out := c.flags.String("o", "", "write to `FILE`; default: standard output")
	return func(args []string) int {
		if len(args) != 1 || *to != "vcd" && *to != "test" {
			return c.usage("name one recording, and --to vcd or --to test")
		}
		r, err := recording.Load(args[0])
		if err != nil {
			return c.fail(err)
		}
		c.noteGaps(r, nil)
		var text bytes.Buffer
		if *to == "vcd" {
			err = r.WriteVCD(&text)
		} else {
			configuration, code := c.rulesFor(r, *paths)
			if configuration == nil {
				return code
			}
			var test string
			test, err = r.TestFile(configuration.Paths, args[0])
			text.WriteString(test)
		}
		switch {
		case err != nil:
		case *out != "":
			err = os.WriteFile(*out, text.Bytes(), 0o644)
		default:
			_, err = c.stdout.Write(text.Bytes())
		}
		if err != nil {
			return c.fail(err)
		}
		return done
	}
}
