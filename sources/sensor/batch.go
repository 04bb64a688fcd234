// SPDX-License-Identifier: MIT

// batch: sensors that are read one after the other, in one piece of work, and what
// becomes of the others if the driver of one does not answer.

package sensor

import (
	"errors"
	"sync"
	"time"

	"reflexd/sources"
)

// patience is how long a reading may take, at least, before the others go on
// without it. A thermometer on the 1-wire bus takes 0.75 s, and is asked again if
// its CRC is wrong.
const patience = 5 * time.Second

var errHangs = errors.New("the driver does not answer")

// batch is read in the background, and taken on the loop's thread.
type batch struct {
	source *Source
	turns  []turn
	late   sources.Timer

	mu    sync.Mutex
	begun int // so many of turns, in their order
}

// turn is one sensor's.
type turn struct {
	node *node
	reading
	ended   bool // under batch.mu
	taken   bool
	suspect bool // it was under way when that was last looked at
	hangs   bool // it was twice
}

// carryOn reads what nobody has begun to read.
func (b *batch) carryOn() {
	b.source.host.Loop.Beside(b.work, b.deliver)
	b.watch()
}

func (b *batch) watch() {
	if b.late == nil {
		b.late = b.source.host.Loop.After(patience, b.look)
	}
}

// work runs in the background: once, or more often if readings hang.
func (b *batch) work() {
	for t := b.next(); t != nil; t = b.next() {
		b.source.do(&t.reading)
		b.mu.Lock()
		t.ended = true
		b.mu.Unlock()
	}
}

func (b *batch) next() *turn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.begun == len(b.turns) {
		return nil
	}
	b.begun++
	return &b.turns[b.begun-1]
}

// underWay returns what has begun and not ended, and what has ended.
func (b *batch) underWay() (begun, ended []*turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.turns[:b.begun] {
		if t := &b.turns[i]; t.ended {
			ended = append(ended, t)
		} else {
			begun = append(begun, t)
		}
	}
	return begun, ended
}

// deliver gives the nodes what was read for them, however late.
func (b *batch) deliver() {
	_, ended := b.underWay()
	if len(ended) == len(b.turns) {
		sources.StopTimer(&b.late)
	}
	for _, t := range ended {
		if !t.taken {
			t.taken = true
			t.node.take(&t.reading)
		}
	}
	b.source.schedule()
}

// look finds out whether a reading hangs, and has the others go on without it.
func (b *batch) look() {
	b.late = nil
	b.deliver()
	begun, ended := b.underWay()
	waiting := len(b.turns) - len(begun) - len(ended)
	again := waiting > 0
	for _, t := range begun {
		switch {
		case !t.suspect:
			t.suspect, again = true, true
		case !t.hangs:
			t.hangs = true
			t.node.hang()
			if waiting > 0 {
				b.carryOn()
			}
		}
	}
	if again {
		b.watch()
	}
	b.source.schedule()
}
