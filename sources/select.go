// SPDX-License-Identifier: MIT

// Selecting: what a trigger asks of events beyond their topic, and what of it are
// literals: plain values of a field, by which the trigger can be looked up. A value that
// passes has the key of one of them; whether one with the key passes, only the trigger's
// own comparison says.

package sources

import (
	"strconv"
	"strings"
)

// selection is what a trigger asks for by Match.
type selection struct {
	where Where // before it asks for anything else
	// remembers says that Match looks at more than the event: it must be asked of each
	// that where lets pass, in their order.
	remembers bool
}

// Restrict adds a condition to t that looks at more than the event, or remembers
// something of it.
func (t *Trigger) Restrict(more func(*Event) bool) {
	t.Select(more)
	s := selection{remembers: true}
	if t.selection != nil {
		s.where = t.selection.where
	}
	t.selection = &s
}

// SelectWhere adds a condition to t that lets nothing pass that w does not, and looks at
// nothing but the event. It comes before all others.
func (t *Trigger) SelectWhere(w Where, match func(*Event) bool) {
	t.Match, t.selection = match, &selection{where: w}
}

// Select adds a condition to t that looks at nothing but the event.
func (t *Trigger) Select(more func(*Event) bool) {
	if before := t.Match; before != nil {
		t.Match = func(e *Event) bool { return before(e) && more(e) }
		return
	}
	t.Match = more
}

// Asked returns the fields that t asks for by a Where, of its own or of Match.
func (t *Trigger) Asked() []string {
	fields := t.Where.Fields()
	if t.selection != nil {
		fields = append(fields, t.selection.where.Fields()...)
	}
	return fields
}

// Literals are the values one of which a field must have.
type Literals struct {
	test test
	// Refused says that they are asked for by the trigger's Where, and rules
	// take down what that refuses.
	Refused bool
}

// mostTopics is how many topics a trigger may have that is looked up by its Where: to
// find out what it has refused, one goes through all of them.
const mostTopics = 16

// Literals returns what t asks of the field, if it asks for literals and need not
// be shown the events that have none of them.
func (t *Trigger) Literals(field string) (l Literals, ok bool) {
	if t.selection != nil {
		l.test = t.selection.where.test(field)
	}
	if l.test == nil && (t.selection == nil || !t.selection.remembers) && len(t.Topics) <= mostTopics {
		l = Literals{t.Where.test(field), true}
	}
	return l, areLiterals(l.test)
}

// areLiterals reports whether t asks for nothing else. What has a quote does not count,
// since that decides what of a value it is compared with: see asked.
func areLiterals(t test) bool {
	switch t := t.(type) {
	case equal:
		return strings.IndexByte(t.text, '"') < 0
	case anyOf:
		for _, inner := range t {
			if !areLiterals(inner) {
				return false
			}
		}
		return len(t) > 0
	}
	return false
}

// Keys calls found with the keys of l.
func (l Literals) Keys(found func(key string)) {
	switch t := l.test.(type) {
	case equal:
		if found(t.text); t.isNumber && !isDecimal(t.text, t.number) {
			found(strconv.FormatInt(t.number, 10))
		}
	case anyOf:
		for _, inner := range t {
			Literals{test: inner}.Keys(found)
		}
	}
}

// Has reports whether key is one of those of l. It allocates nothing.
func (l Literals) Has(key string) bool {
	switch t := l.test.(type) {
	case equal:
		return t.text == key || t.isNumber && isDecimal(key, t.number)
	case anyOf:
		for _, inner := range t {
			if (Literals{test: inner}).Has(key) {
				return true
			}
		}
	}
	return false
}

// isDecimal reports whether text is n as an event's number is written.
func isDecimal(text string, n int64) bool {
	var room [MostDigits]byte
	return text == string(strconv.AppendInt(room[:0], n, 10))
}

// MostDigits is how many bytes an int64 takes, with its sign.
const MostDigits = 20

// Key returns the key of the value that e has of the field, if it has one. That of a
// number is in room, which has MostDigits.
func (e *Event) Key(field string, room []byte) (key string, ok bool) {
	v, ok := e.Lookup(field)
	switch {
	case !ok:
		return "", false
	case !v.isText:
		return Borrow(strconv.AppendInt(room[:0], v.number, 10)), true
	}
	v.quoted = e.quotes(v.text)
	return v.asked(""), true
}
