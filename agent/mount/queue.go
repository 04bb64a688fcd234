// SPDX-License-Identifier: MIT

// The queue of a device: one thing is done to it at a time, in the order in
// which it was asked for.

package mount

// queue is the work of one device. It is for the loop's thread.
type queue struct {
	waiting []job
	doing   string // what is under way, in words; "" for nothing
}

// job is one piece of work.
type job struct {
	what string // "mount", in words for the log
	// do begins it. It calls done, at once or later, when it is over.
	do func(done func())
	// cancelled is called instead, where it was taken back before it began.
	cancelled func()
}

// add has j done when what was added before is over.
func (q *queue) add(j job) {
	q.waiting = append(q.waiting, j)
	q.next()
}

func (q *queue) next() {
	if q.doing != "" || len(q.waiting) == 0 {
		return
	}
	j := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.doing = j.what
	j.do(func() {
		q.doing = ""
		q.next()
	})
}

// cancel takes back what has not begun.
func (q *queue) cancel() {
	waiting := q.waiting
	q.waiting = nil
	for _, j := range waiting {
		if j.cancelled != nil {
			j.cancelled()
		}
	}
}
