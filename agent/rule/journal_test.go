// SPDX-License-Identifier: MIT

package rule

import (
	"bytes"
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"reflexd/agent/action"
	"reflexd/sources"
)

// logged is a stage whose log can be read.
func logged(t *testing.T, rule string, level slog.Level) (*stage, *bytes.Buffer) {
	s, text := newStage(t, rule), &bytes.Buffer{}
	s.runner.env.Log = slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: level}))
	return s, text
}

func (s *stage) fireAt(at time.Duration) {
	s.loop.Advance(at, func() {})
	s.runner.Fire([]*Rule{s.rule}, &sources.Event{Time: at, Topic: sources.Topic{Kind: "event", Name: "it", State: "sent"}})
}

// sum returns how many lines of text have message, and the sum of their counts.
func sum(text, message string) (lines, count int) {
	for _, m := range regexp.MustCompile(`msg="?`+message+`"? .*count=(\d+)`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		lines, count = lines+1, count+n
	}
	return lines, count
}

func TestManyFiringsAreLoggedInBulk(t *testing.T) {
	for _, c := range []struct {
		name   string
		every  time.Duration
		n      int
		single bool // each is a line
	}{
		{"a timer of five seconds, for a day", 5 * time.Second, 17_280, false},
		{"a sender without rest", 100 * time.Microsecond, 100_000, false},
		{"a button that is pressed at times", 40 * time.Second, 500, true},
		{"a short trial of a button", time.Second, 40, true},
	} {
		s, text := logged(t, "do: {log: x}", slog.LevelInfo)
		for i := range c.n {
			s.fireAt(time.Duration(i) * c.every)
		}
		s.runner.Stop()
		lines := strings.Count(text.String(), "msg=fired ")
		reports, count := sum(text.String(), "fired repeatedly")
		if lines+count != c.n || c.single != (reports == 0) || !c.single && lines+reports > 200 {
			t.Errorf("%s: %d lines, %d reports of %d more: want %d firings in all", c.name, lines, reports, count, c.n)
		}
	}
}

// After a storm a rule logs each firing again.
func TestBulkEndsWithTheStorm(t *testing.T) {
	s, text := logged(t, "do: {log: x}", slog.LevelInfo)
	for i := range 100_000 {
		s.fireAt(time.Duration(i) * 100 * time.Millisecond)
	}
	for i := range 3 {
		s.fireAt(time.Duration(4+i) * time.Hour)
	}
	text.Reset()
	s.fireAt(8 * time.Hour)
	if !strings.Contains(text.String(), "msg=fired ") {
		t.Errorf("a firing hours after the storm is not logged: %q", text)
	}
}

func TestLevelOfFirings(t *testing.T) {
	for word, want := range map[string]string{"off": "", "debug": "DEBUG", "info": "INFO", "warn": "WARN"} {
		s, text := logged(t, "do: {log: x}, log_level: "+word, slog.LevelDebug)
		for i := range 200 { // in bulk, if the log were not at the level debug
			s.fireAt(time.Duration(i))
		}
		n := strings.Count(text.String(), "level="+want+" msg=fired ")
		if want == "" && strings.Contains(text.String(), "msg=fired") || want != "" && n != 200 {
			t.Errorf("%s: %d lines of level %q:\n%.400s", word, n, want, text)
		}
	}
}

// failing is an action that fails.
type failing struct{}

func (failing) Start(*action.Run) (action.Pending, error) { return nil, errors.New("no such thing") }
func (failing) Describe(*sources.Event) string            { return "fail" }

func TestFailuresAreLoggedInBulk(t *testing.T) {
	s, text := logged(t, "do: {log: x}, log_level: off", slog.LevelInfo)
	s.rule.Do = action.List{{Action: failing{}, Kind: "run"}}
	for i := range 100_000 {
		s.fireAt(time.Duration(i) * time.Millisecond)
	}
	s.runner.Stop()
	lines := strings.Count(text.String(), "action failed")
	reports, count := sum(text.String(), "actions failed repeatedly")
	if lines+count != 100_000 || lines+reports > 100 {
		t.Errorf("%d lines, %d reports of %d more", lines, reports, count)
	}
}

// What a full queue drops is a warning once a burst.
func TestDropsOfAFullQueueAreReported(t *testing.T) {
	for mode, want := range map[string]int{"queued, max: 3": 32, "parallel, max: 4": 32, "single": 0, "restart": 0, "coalesce": 0} {
		s, text := logged(t, "do: [{wait: 5s}], mode: "+mode, slog.LevelInfo)
		for i := range 40 { // two bursts
			s.fireAt(time.Duration(i%20)*time.Millisecond + time.Duration(i/20)*time.Hour)
			if i == 19 {
				s.loop.Advance(s.loop.Now()+time.Minute, func() {})
			}
		}
		s.loop.Advance(s.loop.Now()+time.Minute, func() {})
		reports, count := sum(text.String(), "firings dropped: max is reached")
		if dropped := s.status().Dropped; count != want || want > 0 && (reports != 2 || count != dropped) {
			t.Errorf("%s: %d reports of %d drops, want 2 of %d; status has %d:\n%s", mode, reports, count, want, dropped, text)
		}
	}
}
