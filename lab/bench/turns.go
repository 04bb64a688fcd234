// SPDX-License-Identifier: MIT

// The turns that the rivals take.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"syscall"
	"time"

	"reflexd/lab"
)

// In each of the rounds, each rival is measured with as many events of a kind, after a warm-up that does not count.
const (
	rounds = 6
	events = 150
	warmup = 20
	// idleFor is as long because the runtime collects garbage every two minutes, once it
	// has done so at all.
	idleFor = 10 * time.Minute
)

// turnPatience is how long a turn may take on a busy host; measure.c bounds each of its own waits.
const turnPatience = 5 * time.Minute

// triggers are measure's options for what is made to happen, in all of its turns.
type triggers []string

// A runner runs a program that must succeed and returns its output.
type runner func(ctx context.Context, args ...string) (string, error)

// takeTurns measures all rivals.
func takeTurns(ctx context.Context, p place, run runner, t triggers, progress io.Writer) (figures, error) {
	all := figures{}
	for round := range rounds {
		fmt.Fprintf(progress, "bench: %s, round %d of %d\n", p.what, round+1, rounds)
		for i, r := range rivals {
			log := p.file(fmt.Sprintf("%d.log", round))
			args := append([]string{"-w", strconv.Itoa(warmup), "-n", strconv.Itoa(events), "-l", log, "-f", p.file("fifo")}, t...)
			if i == 0 {
				args = append(args, "-b", p.file("stamp"))
			}
			if err := all.measure(ctx, p, run, r.name, append(args, r.args(p)...)); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// A condition is one under which edges are measured again.
type condition struct {
	name    string   // of what is measured, in the figures
	options []string // of measure
	env     string   // of the agent: one variable
	args    []string // of reflexd, added to its own
	beside  string   // a shell's script that runs meanwhile
}

// conditions returns them. What runs beside the agent has ordinary priority, and so must measure, or it would never run.
func (p place) conditions() []condition {
	return []condition{
		{name: "close", options: []string{"-t", "2000"}},
		{name: "busy", options: []string{"-B"}},
		{name: "neighbour", options: []string{"-B"}, beside: "while :; do :; done"},
		{name: "collecting", options: []string{"-B"}, env: "GOGC=1",
			beside: fmt.Sprintf("while :; do %s status --socket %s; sleep 0.1; done", p.reflexd, p.socket("rules.yaml"))},
		{name: "journal", options: []string{"-j"}, args: []string{"--log-target", "journal"}},
		{name: "console", options: []string{"-l", "/dev/ttyAMA0"}},
		// The interrupt has the name of who asked for the line.
		{name: "stamped", options: []string{"-x", `name == "loop" || name == "reflexd"`}},
	}
}

// underConditions measures edges under each of the conditions; pull is the attribute by which the line is pulled.
func (b *boardBench) underConditions(ctx context.Context, pull string, all figures) error {
	for _, c := range b.conditions() {
		fmt.Fprintf(b.progress, "bench: board, edges, %s\n", c.name)
		if err := b.underCondition(ctx, c, pull, all); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (b *boardBench) underCondition(ctx context.Context, c condition, pull string, all figures) (err error) {
	const rounds = 3
	if c.beside != "" {
		process, err := b.Start(ctx, lab.Command{Args: []string{"/bin/sh", "-c", c.beside}}, "/dev/null")
		if err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, process.Signal(ctx, syscall.SIGKILL))
			_, waitErr := process.Wait(ctx)
			err = errors.Join(err, waitErr)
		}()
	}
	for range rounds {
		for i, r := range rivals[:2] {
			args := append([]string{"-w", strconv.Itoa(warmup), "-n", strconv.Itoa(events), "-l", b.file("condition.log"), "-o", pull}, c.options...)
			if c.env != "" {
				args = append(args, "/usr/bin/env", c.env)
			}
			if args = append(args, r.args(b.place)...); i > 0 {
				args = append(args, c.args...)
			}
			f := figures{}
			if err := f.measure(ctx, b.place, b.Output, r.name, args); err != nil {
				return err
			}
			all.merge(figures{c.name: f["output"], "traced": f["traced"]})
		}
	}
	return nil
}

// measure runs one turn and adds what came out.
func (f figures) measure(ctx context.Context, p place, run runner, name string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	text, err := run(ctx, append([]string{p.file("measure")}, args...)...)
	if err != nil {
		return fmt.Errorf("measure %s: %w", name, err)
	}
	return f.add(name, text)
}

// An idler is a program whose memory and wake-ups are measured while nothing happens.
type idler struct {
	name string
	args []string // of measure
}

// watchIdlers measures programs that do nothing, all at once.
func watchIdlers(ctx context.Context, p place, run runner, idlers []idler, progress io.Writer) (figures, error) {
	fmt.Fprintf(progress, "bench: %s, %v of nothing\n", p.what, idleFor)
	all := make([]figures, len(idlers))
	errs := make([]error, len(idlers))
	var running sync.WaitGroup
	for i, idler := range idlers {
		all[i] = figures{}
		running.Go(func() {
			log := p.file(fmt.Sprintf("idle-%d.log", i))
			args := append([]string{"-l", log, "-i", strconv.Itoa(int(idleFor.Seconds()))}, idler.args...)
			errs[i] = all[i].measure(ctx, p, run, idler.name, args)
		})
	}
	running.Wait()
	merged := figures{}
	for i, f := range all {
		if errs[i] != nil {
			return nil, errs[i]
		}
		merged.merge(f)
	}
	return merged, nil
}
