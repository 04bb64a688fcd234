// SPDX-License-Identifier: MIT

// tally: one counter, its total and its rate.

package counter

import (
	"math"
	"slices"
	"time"

	"reflexd/sources"
)

// The states of events, as Topic.State. A rate is a state of its own.
const (
	counted = "counted"
	rate    = "rate"
)

// tally is one counter at work. Its total is base + count * scale.
type tally struct {
	source *Source
	name   string
	settings

	base  sources.Number
	count int64

	places  uint8 // with which base, scale and steps are integers
	fixed   struct{ base, scale int64 }
	steps   []int64
	each    bool
	next    int64 // the count at which rules want to know
	last    time.Duration
	gap     time.Duration // between the last two pulses; 0 for not known
	unsaved bool

	backMadeUp bool // the last edge back was made up
	doubtful   bool // and so was one of the last pulse

	rate   window
	fields [8]sources.Field
}

// buckets is how many parts a window has: its rate is renewed that often.
const buckets = 10

// window is what was counted lately.
type window struct {
	asked  bool // rules want it
	known  bool // a whole window is over
	counts [buckets]int64
	at     int // the bucket that is being filled
	filled int
	timer  sources.Timer // nil while nothing changes
	value  sources.Number
}

// declare has t go by c.
func (t *tally) declare(c *Counter) {
	total, before := t.base, t.settings
	if before.scale != (sources.Number{}) && before.scale != c.scale {
		total, t.count = t.total(), 0
	}
	t.settings, t.base, t.each = c.settings, total, c.each
	t.places = max(t.base.Places(), t.scale.Places())
	for _, s := range c.steps {
		t.places = max(t.places, s.Places())
	}
	t.fixed.base, _ = t.base.Fixed(t.places)
	t.fixed.scale, _ = t.scale.Fixed(t.places)
	t.steps = t.steps[:0]
	for _, s := range c.steps {
		if n, ok := s.Fixed(t.places); ok {
			t.steps = append(t.steps, n)
		}
	}
	t.plan()
	if t.rate.asked != c.rated || before.window != c.window {
		sources.StopTimer(&t.rate.timer)
		t.rate = window{asked: c.rated}
		t.roll()
	}
}

// plan computes the count at which rules want to know of the total.
func (t *tally) plan() {
	t.next = math.MaxInt64
	if t.each {
		t.next = t.count + 1
	}
	if t.fixed.scale <= 0 {
		return
	}
	total := t.fixed.base + t.count*t.fixed.scale
	for _, step := range t.steps {
		left := step - ((total%step)+step)%step
		t.next = min(t.next, t.count+(left+t.fixed.scale-1)/t.fixed.scale)
	}
}

// total returns the total in units.
func (t *tally) total() sources.Number { return t.at(t.count) }

// at returns the total at a count.
func (t *tally) at(count int64) sources.Number {
	n, err := sources.Integer(count).Mul(t.scale)
	if err == nil {
		n, err = n.Add(t.base)
	}
	if err != nil {
		return t.base
	}
	return n
}

// add counts pulses, the last of which came at a time.
func (t *tally) add(n int64, at time.Duration) {
	before := t.count
	t.count += n
	t.gap = 0
	if t.last > 0 && n == 1 {
		t.gap = at - t.last
	}
	t.last = at
	if t.rate.asked {
		t.rate.counts[t.rate.at] += n
		if t.rate.timer == nil {
			t.roll()
		}
	}
	if !t.unsaved {
		t.source.saveSoon(t)
	}
	if t.count >= t.next {
		t.emit(counted, sources.Begins, t.at(before))
		t.plan()
	}
	t.changed()
}

func (t *tally) changed() {
	if t.source.Changed != nil {
		t.source.Changed(t.name)
	}
}

// roll has the window go on as long as its rate can change.
func (t *tally) roll() {
	if !t.rate.asked {
		return
	}
	t.rate.timer = t.source.host.Loop.After(t.window/buckets, func() {
		r := &t.rate
		r.timer = nil
		r.filled = min(r.filled+1, buckets)
		t.measure()
		r.at = (r.at + 1) % buckets
		r.counts[r.at] = 0
		if !r.known || slices.Max(r.counts[:]) > 0 {
			t.roll()
		}
	})
}

// measure emits the rate if it is another one than before.
func (t *tally) measure() {
	r := &t.rate
	var sum int64
	for _, n := range r.counts {
		sum += n
	}
	value, err := sources.Integer(sum).Mul(t.scale)
	if err != nil || r.filled < buckets || r.known && value == r.value {
		return
	}
	before, standing := r.value, sources.Begins
	if !r.known {
		standing = sources.Found
	}
	r.value, r.known = value, true
	t.emit(rate, standing, before)
}

// rated returns the rate as text, "" while it is not known.
func (t *tally) rated() string {
	if !t.rate.known {
		return ""
	}
	return t.rate.value.String()
}

// emit emits the total, or the rate. before is what VALUE was.
func (t *tally) emit(state string, standing sources.Standing, before sources.Number) {
	total := t.total().String()
	value, source, previous := total, "counter:"+t.name, before.String()
	if state == rate {
		value, source = t.rated(), source+":rate"
	}
	if standing == sources.Found {
		previous = ""
	}
	fields := append(t.fields[:0],
		sources.Field{Name: "COUNTER", Value: sources.Text(t.name)},
		sources.Field{Name: "VALUE", Value: sources.Text(value)},
		sources.Field{Name: "PREVIOUS", Value: sources.Text(previous)},
		sources.Field{Name: "TOTAL", Value: sources.Text(total)},
		sources.Field{Name: "UNIT", Value: sources.Text(t.unit)},
		sources.Field{Name: "RATE", Value: sources.Text(t.rated())})
	if t.gap > 0 {
		fields = append(fields, sources.Field{Name: "INTERVAL_MS", Value: sources.Int(t.gap.Milliseconds())})
	}
	at := t.source.host.Loop.Now()
	if state == counted && t.last > 0 {
		at = t.last
	}
	t.source.host.Emit(&sources.Event{Time: at, Topic: sources.Topic{Kind: "counter", Name: t.name, State: state},
		Source: source, Standing: standing, Fields: fields})
}

// close ends t, which the configuration does not have any more.
func (t *tally) close() {
	sources.StopTimer(&t.rate.timer)
	for _, source := range []string{"counter:" + t.name, "counter:" + t.name + ":rate"} {
		t.source.host.Emit(&sources.Event{Time: t.source.host.Loop.Now(), Topic: sources.Topic{Kind: "counter", Name: t.name},
			Source: source, Standing: sources.Vanishes})
	}
}
