// SPDX-License-Identifier: MIT

// The table of the links that there are, and what is different in another one.

package link

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"golang.org/x/sys/unix"

	"reflexd/sources/nl"
)

// table keeps no strings: an event of the kernel's then takes no memory.
type table struct {
	links     map[int]link      // by index
	addresses map[address]uint8 // and their scopes
	scratch   byText
}

func newTable() table {
	return table{links: map[int]link{}, addresses: map[address]uint8{}}
}

// Links returns whether each link is up, by their names.
func (s *Source) Links() map[string]bool {
	all := map[string]bool{}
	for _, l := range s.table.links {
		all[unix.ByteSliceToString(l.name[:])] = l.up
	}
	return all
}

// event is one thing that happened.
type event struct {
	state    string
	link     link
	previous name // the name before, if renamed
	address  address
	scope    uint8
}

// take takes down what m says and appends what is new about it to events.
func (t *table) take(events []event, m *nl.Message) ([]event, error) {
	switch m.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		l, ok, err := parseLink(m.Body)
		if err != nil || !ok {
			return events, err
		}
		if m.Type == unix.RTM_DELLINK {
			return t.remove(events, l.index), nil
		}
		return t.set(events, l), nil
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		a, scope, usable, ok, err := parseAddress(m.Body)
		if err != nil || !ok {
			return events, err
		}
		if m.Type == unix.RTM_DELADDR || !usable {
			return t.removeAddress(events, a), nil
		}
		return t.addAddress(events, a, scope), nil
	}
	return events, nil
}

// set takes l down.
func (t *table) set(events []event, l link) []event {
	old, known := t.links[l.index]
	t.links[l.index] = l
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
func (t *table) remove(events []event, index int) []event {
	l, known := t.links[index]
	if !known {
		return events
	}
	for _, a := range t.sortedAddresses() {
		if a.index == index {
			events = t.removeAddress(events, a)
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
func (t *table) addAddress(events []event, a address, scope uint8) []event {
	if _, ok := t.links[a.index]; !ok {
		return events
	}
	_, known := t.addresses[a]
	t.addresses[a] = scope
	if known {
		return events
	}
	return append(events, event{state: addressAdded, link: t.links[a.index], address: a, scope: scope})
}

func (t *table) removeAddress(events []event, a address) []event {
	scope, known := t.addresses[a]
	if !known {
		return events
	}
	delete(t.addresses, a)
	return append(events, event{state: addressRemoved, link: t.links[a.index], address: a, scope: scope})
}

// become makes t what other is, and returns the differences.
func (t *table) become(other table) []event {
	var events []event
	for _, index := range t.sortedIndices() {
		if _, ok := other.links[index]; !ok {
			events = t.remove(events, index)
		}
	}
	for _, a := range t.sortedAddresses() {
		if _, ok := other.addresses[a]; !ok {
			events = t.removeAddress(events, a)
		}
	}
	for _, index := range other.sortedIndices() {
		events = t.set(events, other.links[index])
	}
	for _, a := range other.sortedAddresses() {
		events = t.addAddress(events, a, other.addresses[a])
	}
	return events
}

// sortedAddresses returns the addresses in an order that does not change. They
// are valid until the next call.
func (t *table) sortedAddresses() []address {
	t.scratch = t.scratch[:0]
	for a := range t.addresses {
		t.scratch = append(t.scratch, a)
	}
	sort.Sort(&t.scratch)
	return t.scratch
}

// byText sorts addresses: slices.SortFunc would be compiled again for them.
type byText []address

func (all *byText) Len() int      { return len(*all) }
func (all *byText) Swap(i, j int) { (*all)[i], (*all)[j] = (*all)[j], (*all)[i] }
func (all *byText) Less(i, j int) bool {
	a, b := &(*all)[i], &(*all)[j]
	return cmp.Or(a.index-b.index, int(a.family)-int(b.family), a.compareText(b), int(a.prefix)-int(b.prefix)) < 0
}

// compareText compares the addresses as they are written.
func (a *address) compareText(b *address) int {
	const most = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	var x, y [most]byte
	return bytes.Compare(a.appendText(x[:0]), b.appendText(y[:0]))
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
