// SPDX-License-Identifier: MIT

package clock

import (
	"os"
	"time"

	"reflexd/sources"
)

// plausible is a date that is past: a clock that shows an earlier one was
// never set, as on a board without a battery before it reaches a time server.
var plausible = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// late is how much later than a moment its event may be: a clock that is set
// forward, or a board that slept, by more passes over it.
const late = time.Minute

// Source implements sources.Source. It exists also without a plan that asks
// for the time: see Stamp.
type Source struct {
	host   sources.Host
	zone   *zone // nil if host.Wall has the zone
	alarm  alarm // nil while no rule waits for a moment
	plan   *Plan
	placed *time.Location // what zone says

	handled time.Time            // up to when events were emitted; zero while the clock is not set
	last    map[string]time.Time // the latest moments of which events were emitted, by due.key
	warned  bool                 // that the clock is not set
}

func open(host sources.Host) *Source {
	s := &Source{host: host, plan: &Plan{}, last: map[string]time.Time{}}
	if host.Wall == nil {
		tz, isSet := os.LookupEnv("TZ")
		s.zone, s.placed = follow(&s.host, tz, isSet, s.move)
	}
	return s
}

func (d *due) key() string { return d.kind() + " " + d.name() }

// wall returns what the clock shows, without the monotonic time, which does
// not notice that the clock is set.
func (s *Source) wall() time.Time {
	if s.host.Wall != nil {
		return s.host.Wall().Round(0)
	}
	return time.Now().Round(0).In(s.placed)
}

// now is wall, unless the clock was not set yet.
func (s *Source) now() (time.Time, bool) {
	now := s.wall()
	if !now.Before(plausible) {
		return now, true
	}
	if !s.warned {
		s.warned = true
		s.host.Log.Warn("the clock is not set: until it is, no `time` or `sun` trigger fires and no such condition holds", "clock", now.Format(time.DateTime))
	}
	return now, false
}

// Stamp returns what the clock showed at a time of CLOCK_MONOTONIC, in ISO
// 8601 with the offset of the zone, to the second; "" while the clock is not
// set.
func (s *Source) Stamp(at time.Duration) string {
	now := s.wall()
	if now.Before(plausible) {
		return ""
	}
	// Two clocks are read one after the other: what happened at 07:00 must not
	// be a microsecond before it.
	return now.Add(at - s.host.Loop.Now()).Round(10 * time.Millisecond).Format(time.RFC3339)
}

// Wall returns what the clock shows in the zone of the board, and whether it was
// set.
func (s *Source) Wall() (now time.Time, isSet bool) {
	now = s.wall()
	return now, !now.Before(plausible)
}

// Apply implements sources.Source.
func (s *Source) Apply(plan sources.Plan) {
	s.wake() // so that no moment that has passed is the new plan's
	s.plan = plan.(*Plan)
	s.plan.source = s
	s.wake()
}

// ClockSet has the source look at the clock of Host.Wall, which jumped. The
// machine's own it watches by itself.
func (s *Source) ClockSet() { s.wake() }

// move has the clock be in another zone. What the hands pass over fires
// nothing.
func (s *Source) move(to *time.Location) {
	s.wake()
	s.placed = to
	s.wake()
}

// wake emits the events of the moments that have come since it was called
// last, and sets the alarm to the next. A moment passes as the clock shows it,
// so the clock may also have been set past some, or back.
func (s *Source) wake() {
	if len(s.plan.dues) == 0 {
		s.closeAlarm()
		s.handled = time.Time{}
		return
	}
	now, ok := s.now()
	if !ok {
		s.handled = time.Time{}
		s.setAlarm(plausible)
		return
	}
	switch {
	case s.handled.IsZero():
		s.handled = now
	case s.handled.After(now): // set back, and perhaps to the very moment
		s.handled = now.Add(-1)
	}
	next := now.Add(horizon)
	for _, d := range s.plan.dues {
		s.fire(d, now)
		if at, _, ok := s.next(d, now); ok && at.Before(next) {
			next = at
		}
	}
	s.handled = now
	s.setAlarm(next)
}

// fire emits the event of d if it is due. One that is too late is only logged.
func (s *Source) fire(d *due, now time.Time) {
	at, day, ok := s.next(d, s.handled)
	if ok && now.Sub(at) > late {
		s.host.Log.Info("missed: the clock was set past it, or the board slept", "event", d.key(), "due", at.Format(time.RFC3339))
		at, day, ok = s.next(d, now.Add(-late))
	}
	if !ok || at.After(now) {
		return
	}
	s.last[d.key()] = at
	s.host.Emit(&sources.Event{
		Time:   s.host.Loop.Now() - now.Sub(at),
		Topic:  sources.Topic{Kind: d.kind(), Name: d.name(), State: dayNames[day]},
		Source: "clock",
		Fields: append(d.fields(at), sources.Field{Name: "DAY", Value: sources.Text(dayNames[day])}),
	})
}

// next returns when d comes next after a time. A moment that had its event
// before the clock was set back does not come again.
func (s *Source) next(d *due, after time.Time) (time.Time, time.Weekday, bool) {
	at, day, ok := d.next(after, d.days)
	if ok && at.Equal(s.last[d.key()]) {
		return d.next(at, d.days)
	}
	return at, day, ok
}

func (s *Source) setAlarm(at time.Time) {
	var err error
	switch {
	case s.alarm != nil:
	case s.host.Wall != nil:
		s.alarm = &loopTimer{host: &s.host, ring: s.wake}
	default:
		var t *timer
		if t, err = newTimer(s.host.Loop, s.wake); err == nil {
			s.alarm = t
		}
	}
	if err == nil {
		err = s.alarm.set(at)
	}
	if err != nil {
		s.host.Log.Error("no `time` or `sun` trigger fires", "error", err)
	}
}

func (s *Source) closeAlarm() {
	if s.alarm != nil {
		s.alarm.close()
		s.alarm = nil
	}
}

// Status implements sources.Source, in the order of the configuration.
func (s *Source) Status() []sources.State {
	now := s.wall()
	var all []sources.State
	for _, d := range s.plan.dues {
		state := sources.State{Name: d.key(), OK: !now.Before(plausible)}
		at, _, ok := s.next(d, now)
		switch {
		case !state.OK:
			state.Error = "the clock is not set"
		case ok:
			state.Detail = "next " + at.Format("Mon 2006-01-02 15:04:05 -07:00")
		default:
			state.Detail = "not in the next 8 days"
		}
		all = append(all, state)
	}
	return all
}

// Close implements sources.Source.
func (s *Source) Close() {
	s.closeAlarm()
	if s.zone != nil {
		s.zone.close()
	}
}
