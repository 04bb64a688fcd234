// SPDX-License-Identifier: MIT

// The table of the links that there are, and what is different in another one.

package link

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

type table struct {
	links     map[int]link      // by index
	addresses map[address]uint8 // and their scopes
}

func newTable() table {
	return table{links: map[int]link{}, addresses: map[address]uint8{}}
}

// event is one thing that happened.
type event struct {
	state    string
	link     link
	previous string // the name before, if renamed
	address  address
	scope    uint8
}

// take takes down what m says and returns what is new about it.
func (t *table) take(m *message) ([]event, error) {
	switch m.kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		l, ok, err := parseLink(m.body)
		if err != nil || !ok {
			return nil, err
		}
		if m.kind == unix.RTM_DELLINK {
			return t.remove(l.index), nil
		}
		return t.set(l), nil
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		a, scope, usable, ok, err := parseAddress(m.body)
		if err != nil || !ok {
			return nil, err
		}
		if m.kind == unix.RTM_DELADDR || !usable {
			return t.removeAddress(a), nil
		}
		return t.addAddress(a, scope), nil
	}
	return nil, nil
}

// set takes l down.
func (t *table) set(l link) []event {
	old, known := t.links[l.index]
	t.links[l.index] = l
	var events []event
	tell := func(state string) { events = append(events, event{state: state, link: l}) }
	if !known {
		tell(added)
	} else if old.name != l.name {
		events = append(events, event{state: renamed, link: l, previous: old.name})
	}
	if known && (old.mac != l.mac || old.mtu != l.mtu || old.master != l.master) {
		tell(changed)
	}
	switch {
	case l.up && !old.up:
		tell(up)
	case !l.up && old.up:
		tell(down)
	}
	return events
}

// remove forgets a link, which first loses its addresses and goes down.
func (t *table) remove(index int) []event {
	l, known := t.links[index]
	if !known {
		return nil
	}
	var events []event
	for _, a := range t.sortedAddresses() {
		if a.index == index {
			events = append(events, t.removeAddress(*a)...)
		}
	}
	delete(t.links, index)
	if l.up {
		l.up = false
		events = append(events, event{state: down, link: l})
	}
	return append(events, event{state: removed, link: l})
}

// addAddress takes a down unless its link is not known: then it is announced
// after the link.
func (t *table) addAddress(a address, scope uint8) []event {
	if _, ok := t.links[a.index]; !ok {
		return nil
	}
	_, known := t.addresses[a]
	t.addresses[a] = scope
	if known {
		return nil
	}
	return []event{{state: addressAdded, link: t.links[a.index], address: a, scope: scope}}
}

func (t *table) removeAddress(a address) []event {
	scope, known := t.addresses[a]
	if !known {
		return nil
	}
	delete(t.addresses, a)
	return []event{{state: addressRemoved, link: t.links[a.index], address: a, scope: scope}}
}

// become makes t what other is, and returns the differences.
func (t *table) become(other table) []event {
	var events []event
	for _, index := range t.sortedIndices() {
		if _, ok := other.links[index]; !ok {
			events = append(events, t.remove(index)...)
		}
	}
	for _, a := range t.sortedAddresses() {
		if _, ok := other.addresses[*a]; !ok {
			events = append(events, t.removeAddress(*a)...)
		}
	}
	for _, index := range other.sortedIndices() {
		events = append(events, t.set(other.links[index])...)
	}
	for _, a := range other.sortedAddresses() {
		events = append(events, t.addAddress(*a, other.addresses[*a])...)
	}
	return events
}

// sortedAddresses returns the addresses in an order that does not change.
func (t *table) sortedAddresses() []*address {
	var all []*address
	for a := range t.addresses {
		all = append(all, &a)
	}
	slices.SortFunc(all, func(a, b *address) int {
		return cmp.Or(a.index-b.index, int(a.family)-int(b.family), strings.Compare(a.ip, b.ip), int(a.prefix)-int(b.prefix))
	})
	return all
}

// sortedIndices returns the indices of the links.
func (t *table) sortedIndices() []int {
	var all []int
	for index := range t.links {
		all = append(all, index)
	}
	slices.Sort(all)
	return all
}

// fill returns the event's fields, in what buf has.
func (e *event) fill(buf []sources.Field) []sources.Field {
	state := down
	if e.link.up {
		state = up
	}
	buf = append(buf[:0],
		sources.Field{Name: "IFNAME", Value: sources.Text(e.link.name)},
		sources.Field{Name: "INDEX", Value: sources.Int(int64(e.link.index))},
		sources.Field{Name: "STATE", Value: sources.Text(state)},
		sources.Field{Name: "MTU", Value: sources.Int(int64(e.link.mtu))})
	if e.link.mac != "" {
		buf = append(buf, sources.Field{Name: "MAC", Value: sources.Text(e.link.mac)})
	}
	if e.previous != "" {
		buf = append(buf, sources.Field{Name: "PREVIOUS", Value: sources.Text(e.previous)})
	}
	if e.address.ip != "" {
		buf = append(buf,
			sources.Field{Name: "ADDRESS", Value: sources.Text(e.address.ip)},
			sources.Field{Name: "PREFIX", Value: sources.Int(int64(e.address.prefix))},
			sources.Field{Name: "FAMILY", Value: sources.Text(familyText(e.address.family))},
			sources.Field{Name: "SCOPE", Value: sources.Text(scopeText(e.scope))})
	}
	return buf
}
