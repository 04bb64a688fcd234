// SPDX-License-Identifier: MIT

// Package selftest measures what reflexd does on this board: it starts an agent
// with small configurations, drives one line, and reads another that a wire
// joins to it.
package selftest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/machine"
	"reflexd/sources"
)

// Setup is what the user named, and what is known of the machine.
type Setup struct {
	Program         string // the path of reflexd
	Version, Kernel string
	CPUs            int
	Machine         sources.Machine
	Lines           *machine.Lines

	// Output and Input are the lines that are joined, Button is one with a button
	// to ground; "" for none. LED is the name of an LED.
	Output, Input, Button, LED string
	Drive                      bool // have the user plug in a USB drive and pull it out

	// Prompt has the user do something, and returns the line that they type.
	Prompt func(what string) (string, error)
	// Progress is told which test begins.
	Progress func(test string)
}

func (s *Setup) joined() bool { return s.Output != "" }

// Check returns an error if a line that was named is not there or in use. It
// requests no line.
func (s *Setup) Check() error {
	if s.Output != "" && s.Output == s.Input {
		return errors.New("name two different lines")
	}
	seen := map[string]string{}
	for _, name := range []string{s.Output, s.Input, s.Button} {
		if name == "" {
			continue
		}
		chip, offset, err := s.Lines.Resolve(name)
		if err != nil {
			return err
		}
		c := &s.Lines.Chips[chip]
		place := fmt.Sprintf("%s:%d", c.Name, offset)
		if other, again := seen[place]; again {
			return fmt.Errorf("%s and %s are the same line, %s", other, name, place)
		}
		seen[place] = name
		if line := &c.Lines[offset]; line.Used {
			holder := "the kernel"
			if line.Consumer != "" {
				holder = fmt.Sprintf("%q", line.Consumer)
			}
			return fmt.Errorf("%s (%s) is in use: %s holds it; `reflexd board` shows lines that are free", name, place, holder)
		}
	}
	if s.LED == "" {
		return nil
	}
	leds, err := os.ReadDir(filepath.Dir(s.ledFolder()))
	if err != nil {
		return fmt.Errorf("find LED %s: %w", s.LED, err)
	}
	var names []string
	for _, led := range leds {
		names = append(names, led.Name())
	}
	if !slices.Contains(names, s.LED) {
		return fmt.Errorf("no LED %s: %s has %s", s.LED, filepath.Dir(s.ledFolder()), cmp.Or(strings.Join(names, ", "), "none"))
	}
	return nil
}

func (s *Setup) ledFolder() string { return filepath.Join(s.Machine.Host().Sys, "class/leds", s.LED) }

// test is one test, and what it needs.
type test struct {
	name string
	// lacks says what to name for this test to run, "" if it can.
	lacks func(*Setup) string
	run   func(*bench) (Result, error)
}

func needsWire(s *Setup) string {
	if s.joined() {
		return ""
	}
	return "it needs two joined lines"
}

var tests = []test{
	{"wire", needsWire, (*bench).wire},
	{"bias", needsWire, (*bench).bias},
	{"latency", needsWire, (*bench).latency},
	{"debounce", needsWire, (*bench).debounce},
	{"counting", needsWire, (*bench).counting},
	{"on_exit", needsWire, (*bench).onExit},
	{"button", func(s *Setup) string {
		if s.Button == "" {
			return "--button names one"
		}
		return ""
	}, (*bench).button},
	{"LED", func(s *Setup) string {
		if s.LED == "" {
			return "--led names one"
		}
		return ""
	}, (*bench).led},
	{"drive", func(s *Setup) string {
		if !s.Drive {
			return "--drive asks for a USB drive"
		}
		return ""
	}, (*bench).drive},
}

// Run does all tests that s allows. A test that fails is part of the report; the
// error is for what keeps all of them from running.
func Run(s *Setup) (*Report, error) {
	dir, err := os.MkdirTemp("", "reflexd-selftest-")
	if err != nil {
		return nil, err
	}
	b, report := &bench{Setup: s, dir: dir}, newReport(s)
	b.later(func() { os.RemoveAll(dir) })
	defer b.cleanUp()
	defer b.cleanUpIfInterrupted()()
	for _, t := range tests {
		if lacks := t.lacks(s); lacks != "" {
			report.Results = append(report.Results, Result{Test: t.name, Outcome: Skipped, Found: lacks})
			continue
		}
		s.Progress(t.name)
		result, err := t.run(b)
		if err != nil {
			result.Outcome, result.Found = Bad, err.Error()
		}
		result.Test = t.name
		report.Results = append(report.Results, result)
		if t.name == "wire" && result.Outcome == Bad {
			return report, nil // what follows would say the same in other words
		}
	}
	return report, nil
}

// bench is where the tests run.
type bench struct {
	*Setup
	dir    string // for the files of agents
	agents int    // that were started

	mu   sync.Mutex
	undo []func() // what gives back what the tests changed
}

// later has f called at the end, however it comes, or when the function is called
// that it returns. It is called once.
func (b *bench) later(f func()) (now func()) {
	now = sync.OnceFunc(f)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.undo = append(b.undo, now)
	return now
}

// cleanUp gives back what is not given back yet.
func (b *bench) cleanUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range slices.Backward(b.undo) {
		f()
	}
}

// cleanUpIfInterrupted ends the process upon a signal, after cleanUp, until the
// function is called that it returns. Agents end with the process.
func (b *bench) cleanUpIfInterrupted() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	ended := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			b.cleanUp()
			os.Exit(128 + int(s.(unix.Signal)))
		case <-ended:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(ended)
	}
}

// quantile returns the value below which a share of the sorted durations lies.
func quantile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// spread describes durations: "median 52µs, 99 % within 80µs, longest 130µs".
func spread(all []time.Duration) (string, map[string]any) {
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] }) // slices.Sort would be compiled once more, for durations
	values := map[string]any{"count": len(all)}
	for name, share := range map[string]float64{"shortest": 0, "median": 0.5, "p99": 0.99, "longest": 1} {
		values[name] = quantile(all, share).Microseconds()
	}
	return fmt.Sprintf("median %v µs, 99 %% within %v µs, longest %v µs", values["median"], values["p99"], values["longest"]), values
}
