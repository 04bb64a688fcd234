// SPDX-License-Identifier: MIT

// What becomes of requests when the plan changes: which of them goes on as
// which.

package gpio

import (
	"slices"

	"reflexd/board"
)

// goBy has lines be named as the board to has them, or this machine where to
// is nil. It returns the open requests whose lines are found elsewhere now, or
// nowhere.
func (s *Source) goBy(to *board.Board) (moved []*request) {
	from := s.named
	s.named = to
	if len(s.requests) == 0 || from == to || from != nil && to != nil && from.Name == to.Name {
		return nil
	}
	chips := s.survey()
	defer chips.close()
	for _, r := range s.requests {
		if r.fd >= 0 && !chips.lead(r.specs, r) {
			moved = append(moved, r)
		}
	}
	return moved
}

// heirs pairs what a new plan declares with the requests that go on for it, nil
// for none, and returns what is left of these. The same words are the same
// request; of what remains, an open one goes on under any words that lead to it
// now.
func (s *Source) heirs(plan []declared) (from, left []*request) {
	from, left = make([]*request, len(plan)), slices.Clone(s.requests)
	take := func(i int, is func(*request) bool) {
		if j := slices.IndexFunc(left, is); j >= 0 {
			from[i] = left[j]
			left = slices.Delete(left, j, j+1)
		}
	}
	for i, d := range plan {
		take(i, func(r *request) bool { return slices.Equal(r.specs, d.specs()) })
	}
	open := func(r *request) bool { return r.fd >= 0 }
	if !slices.ContainsFunc(left, open) || !slices.Contains(from, nil) {
		return from, left
	}
	chips := s.survey()
	defer chips.close()
	for i, d := range plan {
		if from[i] == nil {
			take(i, func(r *request) bool { return open(r) && chips.lead(d.specs(), r) })
		}
	}
	return from, left
}

// succeed returns the request that goes on for d after a reload: r itself where
// d asks for the same, else a new one, which takes over what it can. Lines that
// the words of r no longer lead to, and d has the same words, are left where
// they are.
func (r *request) succeed(d declared, moved bool) *request {
	moved = moved && slices.Equal(r.specs, d.specs())
	if !moved && r.settings == d.settings() {
		r.declare(d)
		return r
	}
	next := newRequest(r.source, d)
	both := r.output && next.output
	if both && r.settled {
		next.on, next.settled = r.on, true
	}
	if both && !moved {
		r.release() // on_exit is for the end, not for this
	} else {
		r.close()
	}
	return next
}
