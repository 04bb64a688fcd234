// SPDX-License-Identifier: MIT

// Knob: STEPS of an encoder as a rule sees it. A rule on one direction counts
// steps; for a rule on both, those counter-clockwise are negative, so that it
// can use their sum without asking for the direction.

package rule

import (
	"slices"

	"reflexd/sources"
)

// encoder is the kind of the events of a knob.
const encoder = "encoder"

// bothWays returns the encoders of which triggers match both directions.
func bothWays(triggers []sources.Trigger) []string {
	var names []string
	seen := map[sources.Topic]bool{}
	for i := range triggers {
		for _, topic := range triggers[i].Topics {
			if topic.Kind != encoder || seen[topic] {
				continue
			}
			seen[topic] = true
			other := topic
			other.State = sources.Clockwise
			if topic.State == sources.Clockwise {
				other.State = sources.CounterClockwise
			}
			if seen[other] {
				names = append(names, topic.Name)
			}
		}
	}
	return names
}

// view makes of events what a rule sees of them.
type view struct {
	event  sources.Event   // scratch
	fields []sources.Field // scratch
}

// of returns e as rule sees it: e, or a copy that is good until the next call.
// It allocates nothing once there was a turn of a knob.
func (v *view) of(rule *Rule, e *sources.Event) *sources.Event {
	if e.Topic.State != sources.CounterClockwise || e.Topic.Kind != encoder || !slices.Contains(rule.bothWays, e.Topic.Name) {
		return e
	}
	v.event = *e
	v.fields = append(v.fields[:0], e.Fields...)
	v.event.Fields = v.fields
	setSteps(&v.event, steps(e))
	return &v.event
}

// steps is how far e turned a knob or a wheel, counter-clockwise being negative;
// 0 if it is no event of one.
func steps(e *sources.Event) int64 {
	n := stepsField(e)
	if e.Topic.State == sources.CounterClockwise && n > 0 {
		return -n
	}
	return n
}

func stepsField(e *sources.Event) int64 {
	v, _ := e.Lookup(sources.Steps)
	n, _ := v.Int()
	return n
}

// setSteps makes n the STEPS of e, which has some.
func setSteps(e *sources.Event, n int64) {
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Name == sources.Steps {
			f.Value = sources.Int(n)
		}
	}
}

// gather returns the firing that stands for a waiting one and for the one that
// comes after it: the newest, or for a knob the one that turns it as far as both
// together, so that a knob that is turned while its rule runs loses no step. It
// is nil if the knob is where it was.
func gather(newest, waiting *sources.Event) *sources.Event {
	is, was := steps(newest), steps(waiting)
	if is == 0 || was == 0 || newest.Topic.Name != waiting.Topic.Name {
		return newest
	}
	sum, gathered := is+was, newest
	switch {
	case sum == 0:
		return nil
	case (sum < 0) != (is < 0):
		gathered = waiting
	}
	if stepsField(gathered) > 0 { // in a rule on one direction, whichever it is
		sum = max(sum, -sum)
	}
	setSteps(gathered, sum)
	return gathered
}
