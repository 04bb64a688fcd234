// SPDX-License-Identifier: MIT

// Sensors: which one was warmed, shaded, plugged in, and past what value.

package learn

import (
	"math"
	"strconv"
	"strings"
	"time"

	"reflexd/sources"
)

// restTime is how long it is learnt what a sensor shows while nothing is done to it.
const restTime = 5 * time.Second

// rest is what a sensor showed while nothing was done to it.
type rest struct {
	since     time.Duration
	low, high float64
}

// noise is how much more than it did a sensor must move, as a part of its value: less
// is nobody's doing.
const noise = 0.05

// placeSensor says which burst a value of a sensor belongs to: none as long as it rests.
func (l *Learner) placeSensor(e *sources.Event) (kind, of string, ok bool) {
	name := e.Topic.Name
	value, isNumber := numberOf(e, "VALUE")
	r := l.rests[name]
	if r == nil {
		if r = l.restBefore(e); r == nil {
			return "", "", false
		}
	}
	moves := l.burst(sensorBurst, name) != nil || !isNumber || isSwitch(e)
	if isNumber {
		margin := 2*(r.high-r.low) + noise*math.Max(math.Abs(r.low), math.Abs(r.high))
		moves = moves || e.Time-r.since >= restTime && (value > r.high+margin || value < r.low-margin)
		r.low, r.high = math.Min(r.low, value), math.Max(r.high, value)
	}
	return sensorBurst, name, moves
}

// restBefore returns what a sensor showed before the first event of it that is
// observed, nil if that says what it was found with.
func (l *Learner) restBefore(e *sources.Event) *rest {
	r, found := &rest{since: l.Began}, text(e, "PREVIOUS") == ""
	r.low, _ = numberOf(e, "PREVIOUS")
	if found {
		r.since = e.Time
		r.low, _ = numberOf(e, "VALUE")
	}
	r.high = r.low
	if l.rests == nil {
		l.rests = map[string]*rest{}
	}
	l.rests[e.Topic.Name] = r
	if found {
		return nil
	}
	return r
}

func numberOf(e *sources.Event, field string) (float64, bool) {
	n, ok := sources.ParseNumber(text(e, field))
	return n.Float(), ok
}

// isSwitch reports whether a sensor is only on or off, as alarms are.
func isSwitch(e *sources.Event) bool {
	bit := func(s string) bool { return s == "0" || s == "1" }
	return bit(text(e, "VALUE")) && bit(text(e, "PREVIOUS")) && text(e, "UNIT") == ""
}

// sensor concludes what was done to a sensor.
func (b *Burst) sensor(w *World) []*fragment {
	last, name := b.events[len(b.events)-1], Word(b.of)
	f := newFragment("sensor", "% %.", called(b.of), b.moved())
	other := name + ", is: changed\teach time that it changes"
	if last.Topic.State == "absent" {
		f.note("%", Printable(text(last, "REASON")))
		other = name + ", is: present\twhen it can be read again"
	}
	f.section("sensors", name, w.Sensors[b.of])
	f.rule("sensor: %", fill(b.crossing(), name)+"\n"+other)
	f.log("${SENSOR} is ${VALUE:-absent}")
	return []*fragment{f}
}

// extreme returns what the sensor showed before, and the value that was farthest from
// it; ok is false if these are no numbers.
func (b *Burst) extreme() (from, to float64, ok bool) {
	from, ok = numberOf(b.events[0], "PREVIOUS")
	to = from
	for _, e := range b.events {
		if v, isNumber := numberOf(e, "VALUE"); isNumber && math.Abs(v-from) > math.Abs(to-from) {
			to = v
		}
	}
	return from, to, ok && to != from
}

// moved says what the sensor did.
func (b *Burst) moved() string {
	first, last := b.events[0], b.events[len(b.events)-1]
	unit := ""
	if u := text(last, "UNIT"); u != "" {
		unit = " " + Printable(u)
	}
	from, to, ok := b.extreme()
	switch {
	case last.Topic.State == "absent":
		return "cannot be read any more"
	case text(first, "PREVIOUS") == "":
		return "can be read"
	case !ok || isSwitch(first):
		return fill("changed from % to %", Printable(text(first, "PREVIOUS")), Printable(text(last, "VALUE"))+unit)
	case to > from:
		return fill("rose from % to %", decimalOf(from, to-from), decimalOf(to, to-from)+unit)
	}
	return fill("fell from % to %", decimalOf(from, to-from), decimalOf(to, to-from)+unit)
}

// crossing returns the trigger that fires once the sensor is half of the way to where it
// was, with % for its name.
func (b *Burst) crossing() string {
	last := b.events[len(b.events)-1]
	from, to, ok := b.extreme()
	switch {
	case last.Topic.State == "absent":
		return "%, is: absent"
	case isSwitch(b.events[0]) && text(last, "VALUE") == "1":
		return "%, is: on"
	case isSwitch(b.events[0]):
		return "%, is: off"
	case text(b.events[0], "PREVIOUS") == "":
		return "%, is: present"
	case !ok:
		return "%, is: changed, where: {VALUE: " + Pattern(text(last, "VALUE")) + "}"
	}
	way := "above"
	if to < from {
		way = "below"
	}
	return "%, " + way + ": " + decimalOf((from+to)/2, to-from) + ", hysteresis: " + decimalOf(math.Abs(to-from)/4, to-from)
}

// decimalOf writes v as precisely as a hundredth of the span needs.
func decimalOf(v, span float64) string {
	places := min(max(0, 2-int(math.Ceil(math.Log10(math.Abs(span))))), 9)
	s := strconv.FormatFloat(v, 'f', places, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
