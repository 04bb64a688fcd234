// SPDX-License-Identifier: MIT

// The action wait: for a time, or until something has come to a state.

package action

import (
	"fmt"
	"slices"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

var waitKind = Kind{
	Key:   "wait",
	Also:  "sleep delay pause",
	Doc:   "wait before the next action of the list: for a time, or until a state, as in `if`: {line: door, is: off}",
	Plain: true,
	NewAsking: func(questions []sources.ConditionKind) (config.Value, func(*Check) Action) {
		a := &wait{}
		return config.Either(config.Duration(&a.span), a.stateValue(questions)), a.check
	},
}

type wait struct {
	span time.Duration

	// Instead of a time:
	at       config.Pos
	text     string // as it was written
	compile  func(*config.Problems) sources.Question
	question *sources.Question // nil for a time
	timeout  time.Duration     // 0 for none
}

// stateValue returns the Value that reads the state that a waits for.
func (a *wait) stateValue(questions []sources.ConditionKind) config.Value {
	var variants []config.Variant
	for _, q := range questions {
		variants = append(variants, config.Variant{Key: q.Key, Doc: q.Doc, Fields: func() []config.Field {
			fields, _ := q.New()
			return fields
		}})
	}
	timeout := config.Field{Name: "timeout", Doc: "after how long the action fails", Value: config.Duration(&a.timeout)}
	choice := config.Choice("state", variants, []config.Field{timeout}, func(key string, at config.Pos) []config.Field {
		i := slices.IndexFunc(questions, func(q sources.ConditionKind) bool { return q.Key == key })
		fields, compile := questions[i].New()
		a.at, a.compile = at, compile
		return fields
	})
	return config.Func(choice.Shape(), func(n config.Node, ps *config.Problems) {
		a.text = n.String()
		choice.Read(n, ps)
	})
}

func (a *wait) check(c *Check) Action {
	if a.compile == nil {
		return a
	}
	q := a.compile(c.Problems)
	q.Text = a.text
	if q.Is == nil {
		c.Problems.Errorf(a.at, "wait cannot wait for that: no event says when it is so")
	}
	a.question = &q
	return a
}

// Describe implements Action.
func (a *wait) Describe(*sources.Event) string {
	if a.question == nil {
		return "wait " + a.span.String()
	}
	return "wait for " + a.text
}

// Start implements Action.
func (a *wait) Start(r *Run) (Pending, error) {
	if a.question == nil {
		return waiting{r.Env.Loop.After(a.span, func() { r.Finish(nil) })}, nil
	}
	w := &waitingFor{}
	stop, waits := r.Env.Until(a.question, func() {
		sources.StopTimer(&w.timer)
		r.Finish(nil)
	})
	if !waits {
		return nil, nil
	}
	w.stop = stop
	if a.timeout > 0 {
		w.timer = r.Env.Loop.After(a.timeout, func() {
			w.timer = nil
			stop()
			r.Finish(fmt.Errorf("%s did not come within %v", a.text, a.timeout))
		})
	}
	return w, nil
}

type waiting struct{ timer sources.Timer }

// Stop implements Pending.
func (w waiting) Stop() (gone bool) { return w.timer.Stop() }

// waitingFor is a wait for a state.
type waitingFor struct {
	stop  func()
	timer sources.Timer // nil without a timeout
}

// Stop implements Pending.
func (w *waitingFor) Stop() (gone bool) {
	sources.StopTimer(&w.timer)
	w.stop()
	return true
}
