// SPDX-License-Identifier: MIT

// queue: the events of one wake-up.

package agent

import (
	"sort"

	"reflexd/sources"
)

// queue holds events until their turn comes. It copies what it is given into
// memory that it uses again and again.
type queue struct {
	events []sources.Event
	fields []sources.Field
	text   []byte // the strings of borrowed events
}

// push adds a copy of e, which is borrowed if e is. The names of a device are
// not copied: they change only when a configuration is swapped, between two
// turns.
func (q *queue) push(e *sources.Event) {
	from := len(q.fields)
	q.fields = append(q.fields, e.Fields...)
	q.events = append(q.events, *e)
	own := &q.events[len(q.events)-1]
	own.Fields = q.fields[from:len(q.fields):len(q.fields)]
	if own.Borrowed {
		q.text = own.CopyStrings(q.text)
	}
}

// sort puts the events in order of their time stamps; those with the same one
// stay as they came.
func (q *queue) sort() {
	if len(q.events) > 1 {
		sort.Stable(q)
	}
}

// Len, Less and Swap are for sort.

func (q *queue) Len() int           { return len(q.events) }
func (q *queue) Less(i, j int) bool { return q.events[i].Time < q.events[j].Time }
func (q *queue) Swap(i, j int)      { q.events[i], q.events[j] = q.events[j], q.events[i] }

// clear empties the queue and keeps its memory, unless a storm made that
// large.
func (q *queue) clear() {
	const keep, keepText = 1024, 256 << 10
	if cap(q.events) > keep || cap(q.text) > keepText {
		*q = queue{}
		return
	}
	clear(q.events) // let go of the strings
	clear(q.fields)
	clear(q.text) // who wrongly keeps one finds NULs, not the text of another event
	q.events, q.fields, q.text = q.events[:0], q.fields[:0], q.text[:0]
}
