// SPDX-License-Identifier: MIT

package netlink

import (
	"testing"

	"reflexd/agent/loop"
	"reflexd/sources"
	"reflexd/sources/nl"
)

func TestMessagesAllocateNothing(t *testing.T) {
	plan, ps := read("netlink: {s: {protocol: usersock, groups: [21], decode: [text, hex, attrs]}}")
	if ps.Failed() {
		t.Fatal(ps)
	}
	text := ""
	s := Open(sources.Host{Loop: loop.NewVirtual(0), Emit: func(e *sources.Event) {
		if v, _ := e.Lookup("ATTR_1"); !e.Borrowed || v.String() != "hot" {
			text = v.String()
		}
	}})
	k := newSocket(s, plan.Socket("s"))
	m := nl.Message{Type: 16, Body: nl.AppendAttr(nl.AppendAttr(nil, 1, []byte("hot\x00")), 2, []byte{1, 2, 3, 4})}
	if n := testing.AllocsPerRun(100, func() { k.emitMessage(m, nl.Sender{}) }); n != 0 || text != "" {
		t.Errorf("%v allocations a message, ATTR_1 is %q", n, text)
	}
}
