// SPDX-License-Identifier: MIT

// Axes and wheels: which one was moved, and past what.

package learn

import (
	"slices"
	"strconv"
	"strings"
)

// motion is how one axis moved.
type motion struct {
	name        string
	relative    bool
	from        int64 // where an absolute one was before
	least, most int64 // where it was, or the sum of steps backwards and forwards
	count       int
}

func (m *motion) travel() int64 { return m.most - m.least }

// motions returns how each axis moved, the one that moved most first.
func (b *Burst) motions() []*motion {
	var all []*motion
	for _, e := range b.events {
		name, value := e.Topic.Name, number(e, "VALUE")
		i := slices.IndexFunc(all, func(m *motion) bool { return m.name == name })
		if i < 0 {
			i = len(all)
			m := &motion{name: name, relative: strings.HasPrefix(name, "REL_"), from: number(e, "PREVIOUS")}
			if !m.relative {
				m.least, m.most = m.from, m.from
			}
			all = append(all, m)
		}
		all[i].take(value)
	}
	for i, m := range all {
		if m.travel() > all[0].travel() {
			all[0], all[i] = m, all[0]
		}
	}
	return all
}

func (m *motion) take(value int64) {
	m.count++
	switch {
	case !m.relative:
		m.least, m.most = min(m.least, value), max(m.most, value)
	case value > 0:
		m.most += value
	default:
		m.least += value
	}
}

// bound returns the condition on the values that m had: half of the way to
// where it was moved, and for what moves by steps the direction.
func (m *motion) bound() string {
	switch up, down := m.most-m.from, m.from-m.least; {
	case m.relative && m.least == 0:
		return ", above: 0"
	case m.relative && m.most == 0:
		return ", below: 0"
	case m.relative || up == down:
		return ""
	case up > down && up > 1:
		return ", above: " + decimal(m.from+up/2)
	case down > up && down > 1:
		return ", below: " + decimal(m.from-down/2)
	}
	return ""
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func (m *motion) words() string {
	switch {
	case !m.relative:
		return "was moved between " + decimal(m.least) + " and " + decimal(m.most)
	case !isWheel(m.name):
		return "was moved"
	case m.least == 0:
		return "was turned forwards by " + decimal(m.most)
	case m.most == 0:
		return "was turned backwards by " + decimal(-m.least)
	}
	return "was turned forwards and backwards"
}

// axes concludes which axis of a device was meant: the one that moved most.
func (b *Burst) axes(w *World) []*fragment {
	motions := b.motions()
	m := motions[0]
	if m.travel() == 0 {
		return nil
	}
	d := w.device(text(b.events[0], "DEVICE"), text(b.events[0], "NAME"))
	f := newFragment("axis", "% of % %.", m.name, nameOf(d), m.words())
	whens := ""
	if bound := m.bound(); bound != "" {
		whens = m.name + bound + "\n"
	}
	whens += m.name + "\teach time that it moves"
	for _, other := range motions[1:min(len(motions), 4)] {
		whens += "\n" + other.name + other.bound() + "\t" + other.name + " moved too"
	}
	f.rule("axis: %, from: "+f.input(w, d, ""), whens)
	f.log("${AXIS} of ${NAME}: ${VALUE}")
	return []*fragment{f}
}
