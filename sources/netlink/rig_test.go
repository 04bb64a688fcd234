// SPDX-License-Identifier: MIT

// The rig: the source on a real loop, on a goroutine of its own, with sockets
// read from YAML; and raw sockets of the test's own, which play the driver.

package netlink

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/loop"
	"reflexd/agent/loop/looptest"
	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/nl"
)

// order is the byte order of netlink.
var order = binary.NativeEndian

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// rig runs one source. All but its methods belong to the loop's thread.
type rig struct {
	*looptest.Stand
	t      *testing.T
	loop   *loop.Loop
	source *Source
	events []*sources.Event
}

func newRig(t *testing.T, yaml string) *rig {
	t.Helper()
	stand, l := looptest.New(t)
	r := &rig{Stand: stand, t: t, loop: l}
	r.Missed = func() string { return fmt.Sprintf("events %v, status %+v", r.texts(), r.source.Status()) }
	r.source = Open(sources.Host{Loop: l, Log: slog.New(slog.DiscardHandler), Proc: "/proc",
		Emit: func(e *sources.Event) { r.events = append(r.events, e.Clone()) }})
	r.Run(nil, r.source.Close)
	r.apply(yaml)
	return r
}

// read returns the plan of a configuration.
func read(yaml string) (*Plan, *config.Problems) {
	plan, ps := &Plan{}, &config.Problems{}
	if n, ok := config.Parse("test.yaml", []byte(yaml), ps); ok {
		config.Object(plan.Sections()...).Read(n, ps)
	}
	plan.Resolve(ps)
	return plan, ps
}

// apply makes yaml what is asked for, and waits until nothing is being opened
// or closed.
func (r *rig) apply(yaml string) {
	r.t.Helper()
	plan, ps := read(yaml)
	if ps.Failed() {
		r.t.Fatal(ps)
	}
	r.Do(func() { r.source.Apply(plan) })
	r.settle()
}

func (r *rig) settle() {
	r.t.Helper()
	r.Await("rest", func() bool {
		return !slices.ContainsFunc(r.source.sockets, func(k *socket) bool { return k.busy || k.opener.Opening() }) && r.loop.Pending() == 0
	})
}

func (r *rig) status() (states []sources.State) {
	r.Do(func() { states = r.source.Status() })
	return states
}

// lines returns the events as `name state FIELD=value …`.
func (r *rig) lines() (lines []string) {
	r.Do(func() { lines = r.texts() })
	return lines
}

// texts is lines on the loop's thread.
func (r *rig) texts() (lines []string) {
	for _, e := range r.events {
		line := e.Topic.Name + " " + e.Topic.State
		for _, f := range e.Fields {
			line += " " + f.Name + "=" + f.Value.String()
		}
		lines = append(lines, line)
	}
	return lines
}

// expect waits for as many events as there are lines, and for their having
// the words of each.
func (r *rig) expect(lines ...string) {
	r.t.Helper()
	r.Await("events", func() bool { return len(r.events) >= len(lines) })
	got := r.lines()
	if len(got) != len(lines) {
		r.t.Fatalf("events %q, want %q", got, lines)
	}
	for i, want := range lines {
		for word := range strings.SplitSeq(want, " ") {
			if !slices.Contains(strings.Split(got[i], " "), word) {
				r.t.Errorf("event %q is without %q", got[i], word)
			}
		}
	}
	r.Do(func() { r.events = nil })
}

// port returns the port of an open socket.
func (r *rig) port(name string) (port uint32) {
	r.Do(func() { port = r.source.find(name).Port })
	return port
}

// send begins a sending, and returns where its end comes out.
func (r *rig) send(name string, m Message) (p *Sending, ended chan error) {
	r.t.Helper()
	ended = make(chan error, 1)
	if m.Timeout == 0 {
		m.Timeout = patience
	}
	r.Do(func() {
		var err error
		if p, err = r.source.Send(name, m, func(err error) { ended <- err }); err != nil {
			ended <- err
		}
	})
	return p, ended
}

func payload(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

// peer is a socket of the test's own.
type peer struct {
	t *testing.T
	nl.Socket
	nl.Receiver
}

func newPeer(t *testing.T, protocol int) *peer {
	t.Helper()
	o, err := nl.Open(nl.Config{Protocol: protocol, Buffer: defaultBuffer})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, Socket: o}
	p.Fit(defaultLongest)
	t.Cleanup(p.Close)
	return p
}

func (p *peer) say(to uint32, b []byte) {
	p.t.Helper()
	if err := p.Send(b, to, 0); err != nil {
		p.t.Fatal(err)
	}
}

// flood sends n messages to group 21.
func (p *peer) flood(n int) {
	for range n {
		if err := p.Send(message(16, "x"), 0, 21); err != nil {
			p.t.Error(err)
		}
	}
}

// hear returns the next message, which must be there.
func (p *peer) hear() (m nl.Message, from uint32) {
	p.t.Helper()
	b, who, err := p.Receive(p.FD)
	if err != nil {
		p.t.Fatal(err)
	}
	for m = range nl.Datagram(b).Each {
	}
	return m, who.Port
}

// message returns a message with its header.
func message(kind uint16, text string) []byte {
	return nl.Message{Type: kind, Seq: 7, Body: []byte(text)}.Append(nil)
}

func needRoot(t *testing.T) {
	t.Helper()
	if unix.Geteuid() != 0 {
		t.Skip("joining groups takes CAP_NET_ADMIN")
	}
}

func usersock(name, more string) string {
	return fmt.Sprintf("netlink: {%s: {protocol: usersock%s}}", name, more)
}
