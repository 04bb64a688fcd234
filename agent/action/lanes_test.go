// SPDX-License-Identifier: MIT

package action

import (
	"slices"
	"testing"

	"reflexd/sources"
)

// heldLoop keeps what is done beside it until it is released, in any order.
type heldLoop struct {
	sources.Loop
	begun []call
}

func (l *heldLoop) Beside(work, done func()) { l.begun = append(l.begun, call{work, done}) }

func (l *heldLoop) release(i int) {
	c := l.begun[i]
	l.begun = slices.Delete(l.begun, i, i+1)
	c.work()
	c.done()
}

func TestLanesKeepTheOrderOfOneThing(t *testing.T) {
	l := &heldLoop{}
	e := &Env{Loop: l}
	var did []string
	do := func(thing, what string) {
		e.beside(thing, func() { did = append(did, what) }, func() {
			if did = append(did, what+" done"); what == "a2" { // whoever is done may begin anew
				e.beside("a", func() { did = append(did, "a4") }, func() {})
			}
		})
	}
	do("a", "a1")
	do("a", "a2")
	do("b", "b1")
	do("a", "a3")
	if len(l.begun) != 2 {
		t.Fatalf("%d calls have begun, want one for each thing", len(l.begun))
	}
	l.release(1)
	for len(l.begun) > 0 {
		l.release(len(l.begun) - 1)
	}
	want := []string{"b1", "b1 done", "a1", "a1 done", "a2", "a2 done", "a3", "a3 done", "a4"}
	if !slices.Equal(did, want) {
		t.Errorf("%q, want %q", did, want)
	}
	if len(e.lanes) > 0 {
		t.Errorf("%d things are still known", len(e.lanes))
	}
}
