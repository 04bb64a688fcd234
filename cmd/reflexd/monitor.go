// SPDX-License-Identifier: MIT

// The verb monitor: every event as it happens.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"reflexd/agent"
	"reflexd/config"
	"reflexd/learn"
	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/gpio"
	"reflexd/sources/signal"
)

// monitored are the sources that monitor shows unless told otherwise.
var monitored = []string{"inputs", "uevents", "links", "signals"}

// nameable are those that it shows: sensors only if they are named, since each is
// read every second.
var nameable = append(slices.Clone(monitored), "sensors")

func monitorVerb(c *command) func([]string) int {
	asJSON := c.flags.Bool("json", false, "print one JSON object per event")
	asYAML := c.flags.Bool("yaml", false, "print a trigger that matches each event, to paste into a rule")
	bias := c.flags.String("bias", "", "request the named lines with this `bias`: pull-up, pull-down, disabled")
	return func(args []string) int {
		if err := checkMonitor(args, *bias); err != nil {
			fmt.Fprintln(c.stderr, "reflexd monitor:", err)
			return wrong
		}
		spec, wanted := watchSpec(args, *bias)
		if err := signal.Inherit(); err != nil { // which may start the program again
			fmt.Fprintln(c.stderr, "reflexd monitor:", err)
		}
		if err := c.lookFor(spec.Lines); err != nil {
			return c.fail(err)
		}
		configuration, err := agent.Watch(spec)
		if err != nil {
			fmt.Fprintln(c.stderr, "reflexd monitor:", err)
			return wrong
		}
		out := newLogWriter(c.stdout, logFormat{name: "text"})
		defer out.Close()
		printer := &printer{out: out, wanted: wanted, write: writeHuman}
		switch {
		case *asJSON:
			printer.write = writeJSON
		case *asYAML:
			printer.write = writeYAML
		}
		log := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		a, err := agent.New(configuration, agent.Options{Log: log, Version: versionString(), Observe: printer.show, Ready: func() {
			fmt.Fprintf(c.stderr, "watching %s; pid %d; Ctrl-C stops\n", strings.Join(append(wantedNames(wanted), spec.Lines...), ", "), os.Getpid())
		}})
		if err == nil {
			err = a.Run()
		}
		if err != nil {
			return c.fail(err)
		}
		return done
	}
}

// checkMonitor refuses what would wait for ever for a line that nobody meant.
func checkMonitor(args []string, bias string) error {
	words := []string{"", "pull-up", "pull-down", "disabled"}
	if !slices.Contains(words, bias) {
		return fmt.Errorf("--bias: expected pull-up, pull-down or disabled, found %q%s", bias, config.Suggest(bias, words[1:]))
	}
	for _, arg := range args {
		name := strings.TrimSuffix(arg, "s") + "s"
		if hint := meant(name); hint != "" {
			return fmt.Errorf("no source is called %q: %s", arg, hint)
		}
		if hint := config.Suggest(name, nameable); hint != "" && !slices.Contains(nameable, name) {
			return fmt.Errorf("no source is called %q%s", arg, hint)
		}
	}
	return nil
}

// meant says what is written for events that rules call by name.
func meant(name string) string {
	switch {
	case slices.Contains([]string{"lines", "buttons", "gpios"}, name):
		return "name the line itself, such as GPIO17; `reflexd lines` lists them"
	case slices.Contains([]string{"keys", "switches", "axis", "axes"}, name), strings.HasPrefix(name, "KEY_"), strings.HasPrefix(name, "BTN_"):
		return "`inputs` shows the keys of all input devices"
	case slices.Contains([]string{"files", "mounts", "netlinks", "vars", "timers", "events"}, name):
		return "only a configuration declares it; the agent logs its events with --log-level debug"
	}
	return ""
}

// lookFor refuses lines of which others are meant, and says which are waited
// for.
func (c *command) lookFor(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	all, err := machine.Look(sources.Machine{})
	if err != nil {
		fmt.Fprintln(c.stderr, "reflexd monitor:", err)
	}
	for _, line := range lines {
		if _, _, err := all.Resolve(line); err == nil {
			continue
		} else if !gpio.MayCome(err) {
			return err
		}
		fmt.Fprintf(c.stderr, "waiting for %s: no GPIO chip has this line yet\n", line)
	}
	return nil
}

// watchSpec sorts arguments into sources and lines. wanted are the kinds of
// event to print; nil for all.
func watchSpec(args []string, bias string) (spec agent.WatchSpec, wanted []string) {
	spec.Bias = bias
	kindsOf := map[string][]string{
		"inputs": {"key", "switch", "axis"}, "uevents": {"uevent"}, "links": {"link"}, "signals": {"signal"}, "sensors": {"sensor"},
	}
	for _, arg := range args {
		name := arg
		if !strings.HasSuffix(name, "s") {
			name += "s"
		}
		if slices.Contains(nameable, name) {
			spec.Inputs = spec.Inputs || name == "inputs"
			spec.Uevents = spec.Uevents || name == "uevents"
			spec.Links = spec.Links || name == "links"
			spec.Sensors = spec.Sensors || name == "sensors"
			wanted = append(wanted, kindsOf[name]...)
		} else {
			spec.Lines = append(spec.Lines, arg)
			wanted = append(wanted, "line")
		}
	}
	if len(args) == 0 {
		spec.Inputs, spec.Uevents, spec.Links = true, true, true
		return spec, nil
	}
	return spec, append(wanted, "loss")
}

func wantedNames(wanted []string) []string {
	if wanted == nil {
		return slices.Clone(monitored)
	}
	var names []string
	for source, kind := range map[string]string{"inputs": "key", "uevents": "uevent", "links": "link", "signals": "signal", "sensors": "sensor"} {
		if slices.Contains(wanted, kind) {
			names = append(names, source)
		}
	}
	slices.Sort(names)
	return names
}

// printer prints the events of the wanted kinds.
type printer struct {
	out    io.Writer
	wanted []string
	write  func(w io.Writer, e *sources.Event)
}

func (p *printer) show(e *sources.Event) {
	if p.wants(e) {
		p.write(p.out, e)
	}
}

func (p *printer) wants(e *sources.Event) bool {
	return e.Topic.Kind != "agent" && (p.wanted == nil || slices.Contains(p.wanted, e.Topic.Kind))
}

// writeHuman writes an event as one line.
func writeHuman(w io.Writer, e *sources.Event) {
	var b strings.Builder
	fmt.Fprintf(&b, "%6d.%06d  %s ", e.Time/time.Second, e.Time%time.Second/time.Microsecond, printable(e.Describe()))
	for _, f := range e.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, printable(f.Value.Shown()))
	}
	fmt.Fprintln(w, b.String())
}

// writeJSON writes an event as one JSON object; the time is in seconds of
// CLOCK_MONOTONIC.
func writeJSON(w io.Writer, e *sources.Event) {
	fields := map[string]any{}
	for _, f := range e.Fields {
		if n, ok := f.Value.Int(); ok && f.Value == sources.Int(n) {
			fields[f.Name] = n
		} else {
			fields[f.Name] = f.Value.Shown()
		}
	}
	line, err := json.Marshal(map[string]any{
		"time": json.Number(fmt.Sprintf("%d.%09d", e.Time/time.Second, e.Time%time.Second)),
		"kind": e.Topic.Kind, "name": e.Topic.Name, "state": e.Topic.State, "source": e.Source, "fields": fields,
	})
	if err != nil {
		line = fmt.Appendf(nil, "{\"error\": %q}", err)
	}
	fmt.Fprintf(w, "%s\n", line)
}

// writeYAML writes the trigger that e fires.
func writeYAML(w io.Writer, e *sources.Event) {
	fmt.Fprintf(w, "- when: {%s}\n", learn.When(e))
}
