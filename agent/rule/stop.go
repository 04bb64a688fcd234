// SPDX-License-Identifier: MIT

// Stopping the runs whose reason has gone.

package rule

import (
	"slices"

	"reflexd/sources"
)

// StopWhere stops the runs of all rules whose event match holds for, and
// drops the firings that wait with such an event.
func (r *Runner) StopWhere(match func(*sources.Event) bool) {
	for _, p := range r.perRule {
		before := len(p.waiting)
		p.waiting = slices.DeleteFunc(p.waiting, match)
		p.Dropped += before - len(p.waiting)
		for _, run := range slices.Clone(p.runs) {
			if match(run.Event) {
				r.env.Log.Info("stopped", "rule", run.Rule, "event", run.Event.Describe())
				run.Stop()
			}
		}
	}
}
