// SPDX-License-Identifier: MIT

package agent

import (
	"regexp"
	"testing"
	"time"
)

// Rules fire as the clock is moved, which strings and programs show as it was
// at the event.
func TestTimesOfTheDayFire(t *testing.T) {
	clock := &wallClock{}
	clock.set("1970-01-01 06:59:00")
	r := start(t, `
location: {latitude: 52.52, longitude: 13.405}
rules:
  - {name: morning, when: {time: "07:00", days: [mon, fri]}, if: {sun: up}, do: [{wait: 100ms}, {log: "${TIME} ${DAY} at ${REFLEXD_WALL}, ${REFLEXD_EVENT}"}]}
  - {name: saturday, when: {time: "07:00", days: sat}, do: {log: wrong}}
  - {name: evening, when: {sun: set, offset: -30m}, do: {log: "${SUN} ${TIME}, ${REFLEXD_EVENT}"}}
  - {name: program, when: {event: ask}, do: {run: {command: [sh, -c, 'echo "it is <$REFLEXD_WALL>"'], output: log}}}`+barrier,
		func(o *Options) { o.Wall = func() time.Time { return *clock.at.Load() } })
	set := func(text string) {
		clock.set(text)
		r.do(r.agent.clock.ClockSet)
	}
	r.send("ask")
	r.expect("it is <>")
	set("2026-05-01 06:59:59")
	set("2026-05-01 07:00:00")
	r.expect(`msg="07:00 fri at 2026-05-01T0`, `0Z, time 07:00 fri"`)
	set("2026-05-01 18:02:30")
	set("2026-05-01 18:03:10")
	r.expect(`msg="set 18:32, sun set -30m fri"`)
	r.send("ask")
	r.expect("it is <2026-05-01T18:03:")
	if n := r.count("rule=saturday"); n > 0 {
		t.Errorf("fired on the wrong day:\n%s", r.log)
	}
}

// The machine's own clock rings, in the zone that TZ says.
func TestClockOfTheMachine(t *testing.T) {
	t.Setenv("TZ", "XST-5:45")
	at := time.Now().UTC().Add(5*time.Hour + 45*time.Minute + 1500*time.Millisecond)
	r := start(t, "rules: [{when: {time: \""+at.Format(time.TimeOnly)+"\"}, do: {log: \"it is ${REFLEXD_WALL}\"}}]")
	line := r.expect(`msg="it is`)
	if !regexp.MustCompile(at.Format("2006-01-02T15:04:05") + `\+05:45`).MatchString(line) {
		t.Errorf("%s, want %v", line, at)
	}
}
