// SPDX-License-Identifier: MIT

// VCD: the value change dump of IEEE 1364, which PulseView and GTKWave show.

package recording

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"reflexd/client"
	"reflexd/sources"
)

// blip is how long a signal stays 1 that stands for a moment, so that one sees
// it.
const blip = time.Millisecond

// signal is one wire of a dump.
type signal struct {
	scope, name string
	id          string
	value       byte // at the beginning
}

// change is a new value of a wire.
type change struct {
	at    time.Duration
	of    *signal
	value byte
}

// dump is what becomes a VCD file.
type dump struct {
	signals []*signal
	byName  map[string]*signal
	changes []change
}

// WriteVCD writes r as a dump with a time scale of 1 ns: lines by their levels,
// keys, switches, links and inputs as far as they have two states, all other
// events as blips, and each rule as 1 from its firing to the end of what it does.
func (r *Recording) WriteVCD(to io.Writer) error {
	d := &dump{byName: map[string]*signal{}}
	for _, name := range slices.Sorted(slices.Values(r.Head.Rules)) {
		d.signal("rule", name, '0')
	}
	for i := range r.Notices {
		if n := &r.Notices[i]; r.at(n) >= 0 {
			d.take(n, r.at(n))
		}
	}
	sort.SliceStable(d.changes, func(i, j int) bool { return d.changes[i].at < d.changes[j].at })
	b := bufio.NewWriter(to)
	d.write(b, &r.Head)
	return b.Flush()
}

// signal returns the wire, which was value before the change that is at hand.
func (d *dump) signal(scope, name string, value byte) *signal {
	key := scope + "\n" + name
	s := d.byName[key]
	if s == nil {
		s = &signal{scope, identifier(name), code(len(d.signals)), value}
		d.signals, d.byName[key] = append(d.signals, s), s
	}
	return s
}

func (d *dump) set(s *signal, at time.Duration, value byte) {
	d.changes = append(d.changes, change{at, s, value})
}

// take adds what n reports.
func (d *dump) take(n *client.Notice, at time.Duration) {
	switch n.Type {
	case "rule":
		d.takeRule(n, at)
	case "event":
		if value, ok := binary(n); ok {
			d.set(d.signal(n.Kind, nameOf(n), '0'+'1'-value), at, value)
		} else if n.Kind != "line" && n.Kind != "key" {
			d.pulse(d.signal(n.Kind, nameOf(n)+"_"+n.State, '0'), at)
		}
	}
}

func nameOf(n *client.Notice) string {
	if n.Name == "" {
		return n.Kind
	}
	return n.Name
}

func (d *dump) takeRule(n *client.Notice, at time.Duration) {
	s := d.signal("rule", n.Rule, '0')
	switch n.Outcome {
	case "fired":
		d.set(s, at, '1')
	case "done", "failed":
		d.set(s, at+blip, '0')
	case "dropped":
		d.pulse(d.signal("dropped", n.Rule, '0'), at)
	}
}

func (d *dump) pulse(s *signal, at time.Duration) {
	d.set(s, at, '1')
	d.set(s, at+blip, '0')
}

// binary returns the value of what has two states.
func binary(n *client.Notice) (value byte, ok bool) {
	switch n.State {
	case "rising":
		return '1', n.Kind == "line"
	case "falling":
		return '0', n.Kind == "line"
	case sources.Pressed:
		return '1', n.Kind == "key"
	case sources.Released:
		return '0', n.Kind == "key"
	case sources.On, "up", "present", "mounted":
		return '1', n.Kind != "line"
	case sources.Off, "down", "absent", "unmounted", "yanked":
		return '0', n.Kind != "line"
	}
	return 0, false
}

// code returns the nth identifier of a wire: the printable characters are its
// digits.
func code(n int) string {
	const first, count = '!', '~' - '!' + 1
	var b []byte
	for {
		b = append(b, byte(first+n%count))
		if n /= count; n == 0 {
			return string(b)
		}
		n--
	}
}

// identifier makes of a name one without white space, which VCD has between
// words.
func identifier(name string) string {
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '$' {
			return '_'
		}
		return r
	}, name)
	if name == "" {
		return "_"
	}
	return name
}

func (d *dump) write(b *bufio.Writer, h *client.Snapshot) {
	if h.Wall != "" {
		fmt.Fprintf(b, "$date %s $end\n", identifier(h.Wall))
	}
	fmt.Fprintf(b, "$version reflexd %s $end\n$timescale 1 ns $end\n", identifier(h.Reflexd))
	scopes := map[string][]*signal{}
	var order []string
	for _, s := range d.signals {
		if scopes[s.scope] == nil {
			order = append(order, s.scope)
		}
		scopes[s.scope] = append(scopes[s.scope], s)
	}
	for _, scope := range order {
		fmt.Fprintf(b, "$scope module %s $end\n", identifier(scope))
		for _, s := range scopes[scope] {
			fmt.Fprintf(b, "$var wire 1 %s %s $end\n", s.id, s.name)
		}
		fmt.Fprintln(b, "$upscope $end")
	}
	fmt.Fprint(b, "$enddefinitions $end\n#0\n$dumpvars\n")
	for _, s := range d.signals {
		fmt.Fprintf(b, "%c%s\n", s.value, s.id)
	}
	fmt.Fprintln(b, "$end")
	d.writeChanges(b)
}

func (d *dump) writeChanges(b *bufio.Writer) {
	now := time.Duration(0)
	is := map[*signal]byte{}
	for _, c := range d.changes {
		last, known := is[c.of]
		if !known {
			last = c.of.value
		}
		if last == c.value {
			continue
		}
		is[c.of] = c.value
		if c.at > now {
			now = c.at
			fmt.Fprintf(b, "#%d\n", now.Nanoseconds())
		}
		fmt.Fprintf(b, "%c%s\n", c.value, c.of.id)
	}
}
