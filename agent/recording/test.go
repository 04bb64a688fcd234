// SPDX-License-Identifier: MIT

// A test file made of a recording: its events as steps, and what the rules do
// now as what is expected.

package recording

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"reflexd/agent/scenario"
	"reflexd/client"
	"reflexd/config"
	"reflexd/sources"
)

// TestFile returns r as a file of tests of the configuration at paths, which
// passes: it was played.
func (r *Recording) TestFile(paths []string, title string) (string, error) {
	steps, left := r.steps()
	var expects []string
	bare := r.testText(paths, title, steps, left, nil)
	o, err := play(bare, func(step int, done []string) {
		for len(expects) <= step {
			expects = append(expects, "")
		}
		expects[step] = strings.Join(done, ", ")
	})
	if err != nil {
		return "", err
	}
	if o.Failure != "" {
		return "", fmt.Errorf("the recording cannot be played with this configuration: %s", o.Failure)
	}
	whole := r.testText(paths, title, steps, left, expects)
	if o, err = play(whole, nil); err == nil && o.Failure != "" {
		err = errors.New(o.Failure)
	}
	return whole, err
}

// play plays the only test of a file with this text.
func play(text string, each func(step int, done []string)) (*scenario.Outcome, error) {
	ps := &config.Problems{}
	f := scenario.Parse("recording"+scenario.Suffix, []byte(text), nil, ps)
	if ps.Failed() {
		return nil, ps
	}
	f.Each = each
	return f.Play(f.Tests[0], scenario.NewCoverage())
}

func (r *Recording) testText(paths []string, title string, steps []testStep, left []string, expects []string) string {
	var b strings.Builder
	b.WriteString("# Made of a recording by `reflexd convert`. Remove what does not matter. Actions succeed at once: add\n# `results` where something depends on how long one takes, or fails.\n")
	for _, what := range left {
		fmt.Fprintf(&b, "# left out: %s\n", what)
	}
	fmt.Fprintf(&b, "config: %s\ntests:\n  - name: %s\n", flow(absolute(paths)), scalar(title))
	fmt.Fprintf(&b, "    given:\n      time: %s\n", scalar(r.wall().Format("2006-01-02T15:04:05")))
	if zone := r.Head.Zone; zone != "" && zone != "Local" {
		fmt.Fprintf(&b, "      zone: %s\n", zone)
	}
	for _, given := range []struct {
		key    string
		states map[string]string
	}{{"vars", r.Head.Vars}, {"lines", r.Head.Lines}, {"inputs", r.Head.Inputs}, {"links", r.Head.Links},
		{"sensors", r.Head.Sensors}, {"counters", r.Head.Counters}, {"pwm", r.Head.PWM}} {
		if len(given.states) > 0 {
			fmt.Fprintf(&b, "      %s: %s\n", given.key, mapping(given.states))
		}
	}
	b.WriteString("    steps:\n")
	for i, s := range steps {
		fmt.Fprintf(&b, "      - %s\n", s)
		if i < len(expects) && expects[i] != "" {
			fmt.Fprintf(&b, "      - expect: [%s]\n", expects[i])
		}
	}
	if len(steps) == 0 {
		b.WriteString("      - expect: nothing\n")
	}
	return b.String()
}

// testStep is one step, in flow style.
type testStep string

// steps returns the events of r as steps, with the times between them, and what
// cannot be one.
func (r *Recording) steps() (steps []testStep, left []string) {
	// An edge that the board read late is a step after what it had come to before.
	now, latest := time.Duration(0), time.Duration(0)
	high := map[string]bool{} // whether a line is on when it is high
	for i := range r.Notices {
		n := &r.Notices[i]
		if n.Type != "event" || r.at(n) < 0 {
			continue
		}
		latest = max(latest, r.at(n))
		s, why := stepOf(n)
		if edge := n.State == "rising" || n.State == "falling"; n.Kind == "line" && edge {
			rising := n.State == "rising"
			if _, known := high[n.Name]; !known {
				high[n.Name] = rising == (r.Head.Lines[n.Name] != sources.On)
			}
			s = stateOf(n.Name, rising == high[n.Name])
		}
		switch {
		case why != "" && !slices.Contains(left, why):
			left = append(left, why)
		case s == "":
			continue
		}
		if why != "" {
			continue
		}
		if d := latest - now; d > 0 {
			steps = append(steps, testStep("wait: "+d.String()))
			now = latest
		}
		steps = append(steps, s)
	}
	return append(steps, "wait: 5s"), left
}

// stepOf returns the step that does what n reports, unless that is an edge: "" if that follows from
// something else; why says why there is none.
func stepOf(n *client.Notice) (s testStep, why string) {
	name := scalar(n.Name)
	switch n.Kind {
	case "timer", "time", "sun", "line", "lines", "keys", "counter":
		return "", ""
	case "agent":
		if n.State == "stopping" {
			return "{agent: stopping}", ""
		}
		return "", ""
	case "key":
		return keyStep(n)
	case "switch", "input":
		return stateStep(n)
	case "link":
		if slices.Contains([]string{"up", "down", "added", "removed"}, n.State) {
			return testStep(fmt.Sprintf("{link: %s, is: %s}", name, n.State)), ""
		}
		return testStep(fmt.Sprintf("{link: %s, is: %s, fields: %s}", name, n.State, fieldsOf(n, "IFNAME", "STATE", "INDEX"))), ""
	case "sensor":
		if n.State == "absent" {
			return testStep(fmt.Sprintf("{sensor: %s, is: absent}", name)), ""
		}
		return testStep(fmt.Sprintf("{sensor: %s, value: %s}", name, scalar(text(n, "VALUE")))), ""
	case "axis":
		return testStep(fmt.Sprintf("{axis: %s, value: %s%s}", name, or(text(n, "VALUE"), "0"), fromOf(n))), ""
	case "mqtt":
		return testStep(fmt.Sprintf("{mqtt: %s, text: %s, retained: %s}", name, scalar(text(n, "PAYLOAD")), or(map[string]string{"1": sources.On}[text(n, "RETAINED")], sources.Off))), ""
	case "broker":
		return testStep(fmt.Sprintf("{broker: %s}", n.State)), ""
	case "loss":
		return testStep(fmt.Sprintf("{loss: %s, count: %s}", scalar(n.Source), or(text(n, "COUNT"), "0"))), ""
	case "signal":
		return testStep(fmt.Sprintf("{signal: %s, value: %s}", name, or(text(n, "VALUE"), "0"))), ""
	case "encoder":
		steps := or(text(n, sources.Steps), "1")
		if n.State == sources.CounterClockwise {
			steps = "-" + strings.TrimPrefix(steps, "-")
		}
		return testStep(fmt.Sprintf("{encoder: %s, steps: %s}", name, steps)), ""
	case "uevent":
		return testStep(fmt.Sprintf("{uevent: %s}", fieldsOf(n))), ""
	case "mount":
		return testStep(fmt.Sprintf("{mount: %s, is: %s, fields: %s}", name, n.State, fieldsOf(n, "MOUNTPOINT"))), ""
	case "file":
		return testStep(fmt.Sprintf("{file: %s, is: %s, text: %s}", name, n.State, scalar(text(n, "TEXT")))), ""
	case "netlink":
		return testStep(fmt.Sprintf("{netlink: %s, text: %s, fields: %s}", name, scalar(text(n, "TEXT")), fieldsOf(n, "TEXT", "DATA"))), ""
	case "event":
		if n.Caused {
			return "", ""
		}
		return testStep(fmt.Sprintf("{event: %s, fields: %s}", name, fieldsOf(n))), ""
	case "var":
		if n.Caused {
			return "", ""
		}
		return testStep(fmt.Sprintf("{var: %s, is: %s}", name, scalar(text(n, "VALUE")))), ""
	}
	return "", "events of the kind " + n.Kind
}

// stateOf is the step for an edge of a line.
func stateOf(line string, on bool) testStep {
	is := sources.Off
	if on {
		is = sources.On
	}
	return testStep(fmt.Sprintf("{line: %s, is: %s}", scalar(line), is))
}

func keyStep(n *client.Notice) (testStep, string) {
	verb := map[string]string{sources.Pressed: "press", sources.Released: "release"}[n.State]
	switch {
	case n.Masked:
		return "", "keys that no rule named, which were masked"
	case n.State == sources.Repeated:
		return testStep(fmt.Sprintf("{key: %s, is: repeated%s}", scalar(n.Name), fromOf(n))), ""
	case verb == "":
		return "", ""
	}
	return testStep(fmt.Sprintf("%s: {key: %s%s}", verb, scalar(n.Name), fromOf(n))), ""
}

// fromOf is the key `from` for the input that an event is of.
func fromOf(n *client.Notice) string {
	if len(n.Names) == 0 {
		return ""
	}
	return ", from: " + scalar(n.Names[0])
}

func stateStep(n *client.Notice) (testStep, string) {
	states := map[string][]string{"switch": {"on", "off"}, "input": {"present", "absent"}}
	if !slices.Contains(states[n.Kind], n.State) {
		return "", ""
	}
	from := ""
	if n.Kind == "switch" {
		from = fromOf(n)
	}
	return testStep(fmt.Sprintf("{%s: %s, is: %s%s}", n.Kind, scalar(n.Name), n.State, from)), ""
}

func fieldsOf(n *client.Notice, without ...string) string {
	fields := map[string]string{}
	for name := range n.Fields {
		if !slices.Contains(without, name) {
			fields[name] = text(n, name)
		}
	}
	return mapping(fields)
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func absolute(paths []string) []string {
	var all []string
	for _, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		all = append(all, p)
	}
	return all
}

// scalar, flow and mapping write YAML.
func scalar(s string) string { return config.Node{Kind: config.Scalar, Text: s}.String() }

func flow(list []string) string {
	n := config.Node{Kind: config.List}
	for _, s := range list {
		n.Items = append(n.Items, config.Node{Kind: config.Scalar, Text: s})
	}
	return n.String()
}

func mapping(m map[string]string) string {
	n := config.Node{Kind: config.Map}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		n.Entries = append(n.Entries, config.Entry{Key: key, Value: config.Node{Kind: config.Scalar, Text: m[key]}})
	}
	return n.String()
}
