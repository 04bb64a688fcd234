// SPDX-License-Identifier: MIT

// Package rule decides which rules an event fires, and when a rule that
// fires while it is still running runs again.
package rule

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

// Rule is one rule of the configuration, ready for use. What it asks does not change.
type Rule struct {
	Name     string
	Pos      config.Pos
	Triggers []sources.Trigger
	// If must hold for the rule to fire.
	If allOf
	// Questions are those of If that are asked of states.
	Questions []*sources.Question
	Do        action.List
	// OnFailure is done when an action of Do fails.
	OnFailure action.List
	Mode      Mode
	Max       int // runs waiting (Queued) or under way (Parallel)
	Cooldown  time.Duration
	Limit     Limit
	LogLevel  slog.Level // of its firings
	// Disabled is what the configuration says; a Runner may have been told
	// otherwise since.
	Disabled bool
	// asks is set if its actions look at the fields that every event has.
	asks bool
	// bothWays are the encoders that it matches in both directions.
	bothWays []string
	// misses is set if it may have missed events that nobody has told it of: see
	// sought.
	misses bool
	// progress is that of the Runner that has adopted it, which need not look for it then.
	progress *progress
}

// Mode says what happens when a rule fires while it is still running.
type Mode string

// The modes.
const (
	Queued   Mode = "queued"   // it runs again afterwards, Max firings waiting
	Single   Mode = "single"   // the firing is dropped
	Restart  Mode = "restart"  // what runs is stopped, then it runs again
	Parallel Mode = "parallel" // both run, Max at most
	Coalesce Mode = "coalesce" // one firing waits, the newest
)

// DefaultMax is Max where the configuration has none.
const DefaultMax = 16

// Limit allows Count firings in any span of Per; Count 0 allows all.
type Limit struct {
	Count int
	Per   time.Duration
}

// ParseLimit reads "10/1m".
func ParseLimit(s string) (Limit, error) {
	count, per, ok := strings.Cut(s, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if !ok || err != nil || n < 1 || n > 10_000 {
		return Limit{}, fmt.Errorf("expected a number up to 10000 and a time, such as 10/1m, found %q", s)
	}
	d, err := config.ParseDuration(strings.TrimSpace(per))
	if err == nil && d == 0 {
		err = fmt.Errorf("a limit's time must be more than 0")
	}
	return Limit{n, d}, err
}
