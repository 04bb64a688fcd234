// SPDX-License-Identifier: MIT

// Journal: what the log gets of what a rule does again and again. Nobody who
// can fire a rule may fill a disk with it, nor hide in it what happens rarely.

package rule

import (
	"context"
	"log/slog"
	"time"

	"reflexd/agent/action"
	"reflexd/sources"
)

// LogOff is the level of firings that are not logged.
const LogOff slog.Level = -1000

// logLevels are the words for the level of a rule's firings.
var logLevels = map[string]slog.Level{"off": LogOff, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn}

// repeated is a kind of line that may repeat.
type repeated int

const (
	firings repeated = iota
	failures
	drops
	kindsOfLines
)

// lineEvery is the rate at which a rule may log a kind of line for ever: one in
// this time. It is also how often lines are missed at least for them to be
// reported in bulk.
const lineEvery = 30 * time.Second

// longestBulk is how long the longest report waits for.
const longestBulk = time.Hour

// inBulk says for each kind of line how many are logged before the rate counts,
// how long the first report after them waits, and what it says.
var inBulk = [kindsOfLines]struct {
	burst   int
	first   time.Duration
	message string
}{
	firings:  {50, time.Minute, "fired repeatedly"},
	failures: {50, time.Minute, "actions failed repeatedly"},
	drops:    {0, time.Second, "firings dropped: max is reached"},
}

// bulk counts lines of one kind.
type bulk struct {
	used  time.Duration // when the burst will be whole again
	timer sources.Timer // runs while lines are counted; else nil
	every time.Duration // until it ends
	since time.Duration // it was begun
	count int
}

// journal is the log of one rule.
type journal struct {
	env   *action.Env
	rule  string
	level slog.Level // of firings
	whole bool       // nothing is counted instead of logged
	bulks [kindsOfLines]bulk
	words []byte // scratch
}

// Fired implements action.Journal.
func (j *journal) Fired(e *sources.Event) {
	if j.env.Log.Enabled(context.Background(), j.level) && j.allows(firings) {
		j.words = e.AppendDescription(j.words[:0])
		j.env.Log.LogAttrs(context.Background(), j.level, "fired", slog.String("rule", j.rule), slog.String("event", sources.Borrow(j.words)))
	}
}

// Failed implements action.Journal.
func (j *journal) Failed(kind string, err error, at string) {
	if j.allows(failures) {
		j.env.Log.Warn("action failed", "rule", j.rule, "action", kind, "error", err, "at", at)
	}
}

// allows reports whether a line is to be logged now; otherwise it is counted.
func (j *journal) allows(k repeated) bool {
	b := &j.bulks[k]
	if j.whole || k != drops && j.env.Log.Enabled(context.Background(), slog.LevelDebug) {
		return true
	}
	if b.timer != nil {
		b.count++
		return false
	}
	now := j.env.Loop.Now()
	used := max(b.used, now) + lineEvery
	if used <= now+time.Duration(inBulk[k].burst)*lineEvery {
		b.used = used
		return true
	}
	b.count = 1
	j.await(k, inBulk[k].first)
	return false
}

// await has what is counted from now on reported after that time.
func (j *journal) await(k repeated, every time.Duration) {
	b := &j.bulks[k]
	b.every, b.since = every, j.env.Loop.Now()
	b.timer = j.env.Loop.After(every, func() {
		few := b.count == 0 || k != drops && time.Duration(b.count)*lineEvery <= b.every
		j.report(k)
		b.timer = nil
		if few {
			b.used = 0
			return
		}
		j.await(k, min(2*every, longestBulk))
	})
}

// report logs how many lines were counted, if any were.
func (j *journal) report(k repeated) {
	b := &j.bulks[k]
	if b.count == 0 {
		return
	}
	level := slog.LevelWarn
	if k == firings {
		level = j.level
	}
	in := (j.env.Loop.Now() - b.since).Round(time.Second)
	j.env.Log.Log(context.Background(), level, inBulk[k].message, "rule", j.rule, "count", b.count, "within", in)
	b.count = 0
}

// flush reports all that was counted so far.
func (j *journal) flush() {
	for k := range kindsOfLines {
		j.report(k)
	}
}
