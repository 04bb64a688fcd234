// SPDX-License-Identifier: MIT

// The reference page of run modes: its diagrams are made by the runner.

package rule

import (
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/action"
	"reflexd/agent/diagram"
	"reflexd/agent/loop"
	"reflexd/config"
	"reflexd/sources"
)

var update = flag.Bool("update", false, "draw the diagrams of the reference page anew")

// A diagram begins with a rule, without its trigger. The row "event" has the
// events that the rule matches, each with a letter, or "knob" the turns of an
// encoder: + clockwise and - counter-clockwise. The rows below are the runs,
// each beginning with the event or the STEPS that it is for, and the moments at
// which a firing was dropped.
func TestPageShowsWhatTheRunnerDoes(t *testing.T) {
	diagram.Check(t, "../../docs/reference/run-modes.md", 8, *update, func(block string) string {
		header, rows := diagram.Read(block)
		return diagram.Format(header, append(rows[:1], newStage(t, header).play(rows[0])...))
	})
}

// stage is a runner with one rule and a clock.
type stage struct {
	t      *testing.T
	loop   *loop.Loop
	runner *Runner
	rule   *Rule
	begun  []*run // so far, also those that are over
}

// run is one run as it is drawn.
type run struct {
	*action.Run
	label string
	from  int // the column in which it began
	row   int
}

func newStage(t *testing.T, text string) *stage {
	t.Helper()
	s := &stage{t: t, loop: loop.NewVirtual(0)}
	ps := &config.Problems{}
	n, ok := config.Parse("diagram", []byte("{when: {event: it}, "+text+"}"), ps)
	spec := &Spec{}
	if ok {
		NewSpecs(NewKinds([]sources.TriggerKind{{Key: "event", New: newTrigger}}, nil))(&spec).Read(n, ps)
	}
	c := Compiler{Problems: ps}
	s.rule = c.Rule(spec, c.Triggers(spec))
	if ps.Failed() {
		t.Fatal(text, ps)
	}
	s.rule.Do = append(action.List{{Action: s, Kind: "log"}}, s.rule.Do...)
	s.runner = NewRunner(&action.Env{Loop: s.loop, Log: slog.New(slog.DiscardHandler)}, nil, false)
	s.runner.Adopt(NewIndex([]*Rule{s.rule}))
	return s
}

// newTrigger returns a trigger on the events of all diagrams.
func newTrigger() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	var name string
	fields := []config.Field{{Name: "event", Required: true, Value: config.Word(&name, "a name")}}
	return fields, func(t *sources.Trigger, _ *config.Problems) {
		t.Topics = []sources.Topic{{Kind: "event", Name: name, State: "sent"},
			{Kind: encoder, Name: "knob", State: sources.Clockwise}, {Kind: encoder, Name: "knob", State: sources.CounterClockwise}}
	}
}

// play plays a row of events and returns those of what happened.
func (s *stage) play(events diagram.Row) []diagram.Row {
	var rows []diagram.Row
	dropped := diagram.Row{Name: "dropped"}
	index := NewIndex([]*Rule{s.rule})
	for i := range events.Marks {
		before := s.status().Dropped
		s.loop.Advance(time.Duration(i)*diagram.Column, func() {})
		if e := eventOf(events, i); e != nil {
			index.Find(e, func(r *Rule) { s.runner.Fire([]*Rule{r}, e) })
		}
		if s.status().Dropped > before {
			dropped.Mark(i, "^")
		}
		rows = s.draw(rows, i)
	}
	if s.runner.Running() > 0 {
		s.t.Errorf("the row %q is too short: something still runs", events.Marks)
	}
	for i := range rows {
		rows[i].Name = "run"
		if len(rows) > 1 {
			rows[i].Name = fmt.Sprintf("run-%d", i+1)
		}
	}
	if dropped.Marks != "" {
		rows = append(rows, dropped)
	}
	return rows
}

func (s *stage) status() Status { return s.runner.Status([]*Rule{s.rule})[0] }

// eventOf returns what happens at the beginning of column i.
func eventOf(row diagram.Row, i int) *sources.Event {
	mark := row.Marks[i : i+1]
	e := &sources.Event{Time: time.Duration(i) * diagram.Column, Topic: sources.Topic{Kind: encoder, Name: "knob", State: sources.Clockwise},
		Fields: []sources.Field{{Name: sources.Steps, Value: sources.Int(1)}}}
	switch {
	case mark == "_":
		return nil
	case row.Name == "event":
		e.Topic = sources.Topic{Kind: "event", Name: "it", State: "sent"}
		e.Fields = []sources.Field{{Name: "MARK", Value: sources.Text(mark)}}
	case mark == "-":
		e.Topic.State = sources.CounterClockwise
	}
	return e
}

// Start is the first action of the rule: it notes the run.
func (s *stage) Start(r *action.Run) (action.Pending, error) {
	mark, _ := r.Event.Lookup("MARK")
	label := mark.String()
	if n := stepsField(r.Event); n != 0 {
		label = fmt.Sprintf("%+d", n)
	}
	s.begun = append(s.begun, &run{Run: r, label: label, from: int(s.loop.Now() / diagram.Column), row: -1})
	return nil, nil
}

func (*stage) Describe(*sources.Event) string { return "" }

// draw adds column i to the rows of runs.
func (s *stage) draw(rows []diagram.Row, i int) []diagram.Row {
	var here []*run
	for _, r := range s.begun {
		if r.from == i || slices.Contains(s.runner.of(s.rule).runs, r.Run) {
			here = append(here, r)
		}
	}
	for _, r := range here {
		for r.row < 0 || r.from == i && slices.ContainsFunc(here, func(o *run) bool { return o != r && o.row == r.row }) {
			r.row++
		}
		if r.row == len(rows) {
			rows = append(rows, diagram.Row{Marks: strings.Repeat("_", i)})
		}
		mark := "#"
		if at := i - r.from; at < len(r.label) {
			mark = r.label[at : at+1]
		}
		rows[r.row].Marks += mark
	}
	for j := range rows {
		if len(rows[j].Marks) == i {
			rows[j].Marks += "_"
		}
	}
	return rows
}
