// SPDX-License-Identifier: MIT

// What becomes of open lines when the plan changes: which of them goes on as
// which.

package gpio

import "slices"

// heirs pairs the lines of a new plan with the old ones that they go on from,
// nil for none, and returns what is left of the old. The same words are the
// same line; of what remains, an open line goes on under any words that lead to
// it now.
func (s *Source) heirs(plan []*Line, old []*line) (from, left []*line) {
	from, left = make([]*line, len(plan)), slices.Clone(old)
	take := func(i int, is func(*line) bool) {
		if j := slices.IndexFunc(left, is); j >= 0 {
			from[i] = left[j]
			left = slices.Delete(left, j, j+1)
		}
	}
	for i, decl := range plan {
		take(i, func(l *line) bool { return l.decl.Spec == decl.Spec })
	}
	open := func(l *line) bool { return l.fd >= 0 }
	if !slices.ContainsFunc(left, open) || !slices.Contains(from, nil) {
		return from, left
	}
	chips := s.kernel.survey(s.host.Dev, s.host.Sys)
	defer chips.close()
	chips.board = s.thisBoard
	for i, decl := range plan {
		if from[i] == nil {
			take(i, func(l *line) bool { return open(l) && l.isAlso(decl, chips) })
		}
	}
	return from, left
}

// isAlso reports whether the words of decl lead to where the open line l is. An
// encoder's second line is called as decl calls it from then on.
func (l *line) isAlso(decl *Line, chips *survey) bool {
	if (l.knob != nil) != (decl.Kind == Knob) || !chips.leads(decl.Spec, l.node, l.offset) {
		return false
	}
	if l.knob == nil {
		return true
	}
	if !chips.leads(decl.SpecB, l.node, l.knob.offset) {
		return false
	}
	l.specB = decl.SpecB
	return true
}
