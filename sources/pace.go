// SPDX-License-Identifier: MIT

package sources

import "time"

// Pace is how fast a descriptor brings something.
type Pace struct{ last time.Duration }

// burstGap is how close two wake-ups for a descriptor are in a burst.
const burstGap = time.Millisecond

// Reads returns how often to read a descriptor for which the loop woke up at the time now:
// once, since a second read would mostly find nothing and only delay what the first brought,
// but most times in a burst, where it saves wake-ups. The loop wakes up again for what is left.
func (p *Pace) Reads(now time.Duration, most int) int {
	burst := now-p.last < burstGap
	p.last = now
	if burst {
		return most
	}
	return 1
}
