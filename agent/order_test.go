// SPDX-License-Identifier: MIT

package agent

import (
	"testing"
	"time"

	"reflexd/sources"
)

// subscriber is shown what a source is that subscribes.
type subscriber struct {
	sources.Source
	hear func(*sources.Event)
}

func (h subscriber) Notify(e *sources.Event) { h.hear(e) }

// A hold that was complete before the release was read finds the world as it
// was before the release: its rule's conditions ask the sources that subscribe.
func TestGesturesComeBeforeTheEdgeThatEndsThem(t *testing.T) {
	r := start(t, bellRules)
	early := 0
	r.do(func() {
		r.agent.subscribers = append(r.agent.subscribers, subscription{"line", subscriber{hear: func(e *sources.Event) {
			if e.Press == sources.Up {
				early = r.count(`msg="held 30"`)
			}
		}}})
		now := r.agent.loop.Now()
		for ago, p := range []sources.Press{sources.Up, sources.Down, sources.StartsUp} {
			r.agent.emit(&sources.Event{
				Time: now - time.Second - time.Duration(ago)*50*time.Millisecond, Topic: sources.Topic{Kind: "line", Name: "bell"},
				Source: "gpio:bell", Press: p,
			})
		}
	})
	r.expect(`msg="mind 50"`)
	r.do(func() {
		if early != 1 {
			t.Errorf("the release was overheard before the hold was told:\n%s", r.log)
		}
	})
}
