// SPDX-License-Identifier: MIT

// Counters: how many pulses a second are counted, and what a pulse costs, beside a C program that does nothing but count.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"reflexd/lab"
)

// A pulseTrial is what is tried: a rate in hertz, and whether a contact bounces.
type pulseTrial struct {
	rate     int
	debounce bool
}

// debouncing is what the configuration says then.
const debouncing = ", debounce: 1ms"

// pulseTrials are a meter, a fan, flow meters, and what is too much.
var pulseTrials = []pulseTrial{{5, false}, {5, true}, {25, true}, {60, false}, {60, true}, {1000, false}, {2000, false}, {5000, false}, {10000, false}, {20000, false}}

// pulsesPerRate is how many pulses there are of each rate, at most pulseSeconds of them.
const (
	pulsesPerRate = 2000
	pulseSeconds  = 20
)

// A pulseCount is what one program made of the pulses of one trial.
type pulseCount struct {
	program       string
	sent, counted int
	real          float64 // the rate that it was, in hertz
	cpu           float64 // in nanoseconds a pulse
}

// onCounters measures counters on an emulated board.
func onCounters(ctx context.Context, build, dir string, progress io.Writer) (p printer, err error) {
	b, err := bootBench(ctx, build, dir, lab.Config{}, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	pull, err := b.narrow(ctx)
	if err != nil {
		return nil, err
	}
	r := &counterReport{title: b.title()}
	for _, trial := range pulseTrials {
		programs := map[string][]string{"reflexd": b.run("counters.yaml")}
		if trial.debounce {
			programs = map[string][]string{"reflexd" + debouncing: b.run("counters.yaml")}
		} else {
			programs["C loop"] = []string{b.file("pulses"), "count", b.chip, strconv.Itoa(inputLine)}
		}
		if err := b.WriteFile(ctx, b.file("counters.yaml"), []byte(b.counterRules(trial)), 0o644); err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(programs)) {
			fmt.Fprintf(progress, "bench: %d pulses a second, %s\n", trial.rate, name)
			one, err := b.countPulses(ctx, trial.rate, pull, programs[name])
			if err != nil {
				return nil, fmt.Errorf("%s at %d Hz: %w", name, trial.rate, err)
			}
			one.program = name
			r.counts = append(r.counts, one)
		}
	}
	return r, nil
}

// counterRules is reflexd's configuration for what pulses.c does.
func (b *boardBench) counterRules(trial pulseTrial) string {
	edges := ", edges: rising"
	if trial.debounce {
		edges = debouncing
	}
	return fmt.Sprintf("lines: {tacho: {input: \"%s:%d\", bias: pull-down%s}}\ncounters: {fan: {line: tacho}}\n"+
		"rules: [{when: {counter: fan, every: 1000000}, do: {log: x}}]\n", path.Base(b.chip), inputLine, edges)
}

// countPulses has a program count pulses.
func (b *boardBench) countPulses(ctx context.Context, rate int, pull string, program []string) (c pulseCount, err error) {
	c.sent = min(pulsesPerRate, rate*pulseSeconds)
	process, err := b.Start(ctx, lab.Command{Args: program}, b.file("counters.log"))
	if err != nil {
		return c, err
	}
	if _, err := process.Log.Await(ctx, "started"); err != nil {
		return c, err
	}
	before, err := b.cpuTime(ctx, process.PID)
	if err != nil {
		return c, err
	}
	took, err := b.Output(ctx, b.file("pulses"), "send", pull, strconv.Itoa(rate), strconv.Itoa(c.sent))
	if err != nil {
		return c, err
	}
	nanoseconds, err := strconv.ParseFloat(strings.TrimSpace(took), 64)
	if err != nil {
		return c, err
	}
	c.real = float64(c.sent) / nanoseconds * 1e9
	after, err := b.cpuTime(ctx, process.PID)
	if err != nil {
		return c, err
	}
	c.cpu = float64(after-before) / float64(c.sent)
	told := "" // what status says
	if program[0] == b.reflexd {
		if told, err = b.Output(ctx, b.reflexd, "status", "--socket", b.file("counters.yaml.sock")); err != nil {
			return c, err
		}
	}
	if err := process.Signal(ctx, syscall.SIGTERM); err != nil {
		return c, err
	}
	if _, err := process.Wait(ctx); err != nil {
		return c, err
	}
	log, err := process.Log.Text(ctx)
	if err != nil {
		return c, err
	}
	m := regexp.MustCompile(`counted (\d+)|line tacho, (\d+)`).FindStringSubmatch(told + log)
	if m == nil {
		return c, fmt.Errorf("no count in %q", told+log)
	}
	c.counted, err = strconv.Atoi(m[1] + m[2])
	return c, err
}

// cpuTime returns for how many nanoseconds all threads of a process have run (Documentation/scheduler/sched-stats.rst).
func (b *boardBench) cpuTime(ctx context.Context, pid int) (total int64, err error) {
	text, err := b.Shell(ctx, fmt.Sprintf("sleep 0.2; cat /proc/%d/task/*/schedstat", pid))
	for line := range strings.Lines(text) {
		n, parseErr := strconv.ParseInt(strings.Fields(line)[0], 10, 64)
		total, err = total+n, errors.Join(err, parseErr)
	}
	return total, err
}

// A counterReport has the counts of all trials.
type counterReport struct {
	title  string
	counts []pulseCount
}

func (r *counterReport) print(out io.Writer) {
	fmt.Fprintf(out, "\n## Counters: %s\n\n", r.title)
	fmt.Fprintln(out, "| pulses a second | sent | | counted | CPU time a pulse, µs |")
	fmt.Fprintln(out, "| ---: | ---: | --- | ---: | ---: |")
	for _, c := range r.counts {
		fmt.Fprintf(out, "| %.0f | %d | %s | %d | %.1f |\n", c.real, c.sent, c.program, c.counted, c.cpu/1e3)
	}
}
