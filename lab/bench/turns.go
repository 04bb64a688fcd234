// SPDX-License-Identifier: MIT

// The turns that the rivals take.

package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// In each of the rounds, each rival is measured with as many events of a kind, after a warm-up that does not count.
const (
	rounds  = 6
	events  = 150
	warmup  = 20
	idleFor = 60 * time.Second
)

// turnPatience is how long a turn may take; measure.c bounds each of its own waits.
const turnPatience = 2 * time.Minute

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
}

var conditions = []condition{{"close", []string{"-t", "2000"}}, {"busy", []string{"-B"}}}

// underConditions measures edges under each of the conditions; pull is the attribute by which the line is pulled.
func (b *boardBench) underConditions(ctx context.Context, pull string, all figures) error {
	const rounds = 3
	for _, c := range conditions {
		fmt.Fprintf(b.progress, "bench: board, edges, %s\n", c.name)
		for range rounds {
			for _, r := range rivals[:2] {
				args := append([]string{"-w", strconv.Itoa(warmup), "-n", strconv.Itoa(events), "-l", b.file("condition.log"), "-o", pull}, c.options...)
				f := figures{}
				if err := f.measure(ctx, b.place, b.Output, r.name, append(args, r.args(b.place)...)); err != nil {
					return err
				}
				all.merge(figures{c.name: f["output"]})
			}
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
