// SPDX-License-Identifier: MIT

package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // for machines that have no zones

	"reflexd/sources"
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

// A simulation's clock is one of the clock's source too: it goes on in virtual
// time, is set, and has a zone whose offset changes.
func TestClockOfASimulation(t *testing.T) {
	file := filepath.Join(t.TempDir(), "reflexd.yaml")
	const yaml = `
location: {latitude: 52.52, longitude: 13.405}
rules: [{when: [{time: ["02:30", "07:00"]}, {sun: rise}], do: {log: x}}]`
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadForSimulation([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var s *Simulation
	var got []string
	observe := func(e *sources.Event) {
		if e.Topic.Kind != "agent" {
			got = append(got, e.Describe()+s.Wall().Format(" 2006-01-02 15:04"))
		}
	}
	s, err = NewSimulation(c, SimulationOptions{Log: slog.New(slog.DiscardHandler), Observe: observe,
		Wall: time.Date(2026, 3, 28, 23, 0, 0, 0, berlin)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Advance(24 * time.Hour)
	s.SetWall(time.Date(2026, 5, 1, 7, 0, 0, 0, berlin))
	s.Advance(time.Minute)
	s.SetWall(time.Date(2026, 4, 30, 7, 0, 0, 0, berlin)) // back, to the very moment
	s.Advance(time.Minute)
	want := []string{"time 02:30 sun 2026-03-29 03:00", "sun rise sun 2026-03-29 06:48", "time 07:00 sun 2026-03-29 07:00",
		"time 07:00 fri 2026-05-01 07:00", "time 07:00 thu 2026-04-30 07:00"}
	if !slices.Equal(got, want) {
		t.Errorf("fired %q, want %q", got, want)
	}
}
