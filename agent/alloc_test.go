// SPDX-License-Identifier: MIT

// What an event costs that starts no program: nothing is allocated, on any way
// from the source to the action.

package agent

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

const everyWay = `
lines:
  door: {input: "gpiochip0:1"}
  lamp: {output: "gpiochip0:2"}
vars: {mode: {values: [a, b]}, n: {initial: 0}}
inputs: {kb: {name: kb}}
rules:
  - {when: {line: door, is: rising}, do: {set: {line: lamp, to: on}}}
  - {when: {line: door, is: falling}, do: {set: {line: lamp, to: off}}}
  - {when: {line: door, is: on, for: 5m}, do: {set: {line: lamp, to: toggle}}}
  - {when: {key: KEY_A, is: pressed}, do: {set: {line: lamp, to: toggle}}}
  - {when: {signal: SIGRTMIN+2}, do: {var: {mode: a}}}
  - {when: {signal: SIGRTMIN+3}, do: {var: {mode: b}}}
  - {when: {uevent: {SUBSYSTEM: block}}, do: {set: {line: lamp, to: toggle}}}
  - {when: {link: eth0, is: up}, do: {set: {line: lamp, to: on}}}
  - {when: {link: eth0, is: down, for: 1m}, do: {set: {line: lamp, to: off}}}
  - {when: {timer: 10s}, do: {set: {line: lamp, to: toggle}}}
`

// onOneTopic returns rules that differ in what else they ask for.
func onOneTopic() string {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "  - {when: {signal: SIGRTMIN+4, where: {VALUE: %d}}, do: {var: {n: %[1]d}}}\n", 1000+i)
		fmt.Fprintf(&b, "  - {when: {uevent: {SUBSYSTEM: net, INTERFACE: eth%d}}, do: {var: {n: %[1]d}}}\n", i)
	}
	return b.String()
}

// ways are events by what they do; each is one of two that take turns.
var ways = []struct {
	name   string
	events [2]sources.Event
}{
	{"line edge, set, state for", [2]sources.Event{
		{Topic: sources.Topic{Kind: "line", Name: "door", State: "rising"}, Source: "gpio:door", Press: sources.Down, Standing: sources.Begins},
		{Topic: sources.Topic{Kind: "line", Name: "door", State: "falling"}, Source: "gpio:door", Press: sources.Up, Standing: sources.Begins}}},
	{"key, set", [2]sources.Event{
		{Topic: sources.Topic{Kind: "key", Name: "KEY_A", State: "pressed"}, Source: "kb", Press: sources.Down, Standing: sources.Begins},
		{Topic: sources.Topic{Kind: "key", Name: "KEY_A", State: "released"}, Source: "kb", Press: sources.Up, Standing: sources.Begins}}},
	{"signal, var", [2]sources.Event{
		{Topic: sources.Topic{Kind: "signal", Name: "SIGRTMIN+2", State: "received"}, Source: "signal"},
		{Topic: sources.Topic{Kind: "signal", Name: "SIGRTMIN+3", State: "received"}, Source: "signal"}}},
	{"uevent that no rule matches", [2]sources.Event{
		{Topic: sources.Topic{Kind: "uevent", Name: "usb", State: "add"}, Source: "uevent"},
		{Topic: sources.Topic{Kind: "uevent", Name: "usb", State: "remove"}, Source: "uevent"}}},
	{"link, state for", [2]sources.Event{
		{Topic: sources.Topic{Kind: "link", Name: "eth0", State: "up"}, Source: "link:eth0", Standing: sources.Begins},
		{Topic: sources.Topic{Kind: "link", Name: "eth0", State: "down"}, Source: "link:eth0", Standing: sources.Begins}}},
	{"netlink that no rule matches", [2]sources.Event{
		{Topic: sources.Topic{Kind: "netlink", Name: "s", State: "received"}, Source: "netlink:s"},
		{Topic: sources.Topic{Kind: "netlink", Name: "s", State: "received"}, Source: "netlink:s"}}},
	{"file that no rule matches", [2]sources.Event{
		{Topic: sources.Topic{Kind: "file", Name: "f", State: "read"}, Source: "file:f"},
		{Topic: sources.Topic{Kind: "file", Name: "f", State: "read"}, Source: "file:f"}}},
	{"signal among rules by its value", [2]sources.Event{
		{Topic: sources.Topic{Kind: "signal", Name: "SIGRTMIN+4", State: "received"}, Source: "signal", Fields: []sources.Field{{Name: "VALUE", Value: sources.Int(1001)}}},
		{Topic: sources.Topic{Kind: "signal", Name: "SIGRTMIN+4", State: "received"}, Source: "signal", Fields: []sources.Field{{Name: "VALUE", Value: sources.Int(1002)}}}}},
	{"uevent among rules by its device", [2]sources.Event{
		{Topic: sources.Topic{Kind: "uevent", Name: "net", State: "add"}, Source: "uevent", Fields: []sources.Field{{Name: "SUBSYSTEM", Value: sources.Text("net")}, {Name: "INTERFACE", Value: sources.Text(`"eth1"`)}}},
		{Topic: sources.Topic{Kind: "uevent", Name: "net", State: "add"}, Source: "uevent", Fields: []sources.Field{{Name: "SUBSYSTEM", Value: sources.Text("net")}, {Name: "INTERFACE", Value: sources.Text("eth2")}}}}},
	{"timer, set", [2]sources.Event{
		{Topic: sources.Topic{Kind: "timer", Name: "10s", State: "tick"}, Source: "timer:10s"},
		{Topic: sources.Topic{Kind: "timer", Name: "10s", State: "tick"}, Source: "timer:10s"}}},
}

// onEveryWay returns what sends the next event of a way and has it dealt with.
func onEveryWay(t testing.TB, way int, log slog.Handler) (next func(), fired func() int) {
	s, err := NewSimulation(loadText(t, everyWay+onOneTopic()), SimulationOptions{
		Log: slog.New(log), Wall: time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	a, events, n := s.agent, ways[way].events, 0
	next = func() {
		e := &events[n%2]
		e.Time, e.Borrowed = a.loop.Now()+time.Duration(n), true
		a.emit(e)
		a.turn()
		a.turn() // for what that sent
		n++
	}
	return next, func() int {
		total := 0
		for _, r := range s.Rules() {
			total += r.Fired
		}
		return total
	}
}

func TestEveryWayAllocatesNothing(t *testing.T) {
	for name, log := range map[string]slog.Handler{"not logged": slog.DiscardHandler, "logged": slog.NewTextHandler(io.Discard, nil)} {
		for i, way := range ways {
			next, fired := onEveryWay(t, i, log)
			for range 8 {
				next() // takes what is kept
			}
			before := fired()
			allocs := testing.AllocsPerRun(100, func() { next(); next() })
			switch matches := fired() > before; {
			case allocs != 0 && !(raced && name == "logged"):
				t.Errorf("%s, %s: %v allocations for two events", way.name, name, allocs)
			case matches != !(i == 3 || i == 5 || i == 6):
				t.Errorf("%s: rules fired: %v", way.name, matches)
			}
		}
	}
}

func BenchmarkEveryWay(b *testing.B) {
	for i, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			next, _ := onEveryWay(b, i, slog.DiscardHandler)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}
