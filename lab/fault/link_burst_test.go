// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

package fault

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	reflexd "reflexd/agent"
	"reflexd/sources/nl"
)

const linkBurstRules = `
rules:
  - {name: link, when: {link: lo, is: [up, down]}, mode: MODE, log_level: off, do: {wait: 1ms}}
  - {name: state, when: {event: state}, if: {link: lo, is: up}, do: {log: "is up"}}
`

// Of a burst of changes of a link each message of the kernel is received or reported lost; if none is, each change is
// handled or dropped, and in the end the state is right.
func TestLinkBursts(t *testing.T) {
	many := 20_000
	if everyFault {
		many = 200_000
	}
	for _, of := range []struct {
		name string
		wrap func(sender) sender
		n    int
	}{
		{"awake", func(s sender) sender { return s }, 20_000},
		{"asleep", asleep, many},
	} {
		t.Run(of.name, func(t *testing.T) {
			w := watchLinks(t)
			a := launchBurst(t, linkBurstRules, "queued")
			send := func(t *testing.T, _ *burstAgent, n int) int {
				for i := range n {
					if err := setLoopback(i%2 == 0); err != nil {
						t.Fatal(err)
					}
					w.drain(t)
				}
				return n
			}
			sent := of.wrap(send)(t, a, of.n)
			sent += send(t, a, 1) // it is up now
			a.awaitState(t, "is up")
			a.accountLinks(t, w, sent)
		})
	}
}

// accountLinks waits until what the kernel sent of links is accounted for.
func (a *burstAgent) accountLinks(t *testing.T, w *linkWatcher, sent int) {
	t.Helper()
	b := &burst{rule: "link", losses: "link"}
	var last string
	for end := time.Now().Add(patience); time.Now().Before(end); {
		w.drain(t)
		is, err := a.handled(b, "queued")
		received := a.linkMessages(t)
		text := fmt.Sprintf("changed %d times in %d messages, received %d, %v", sent, w.messages, received, is)
		switch handled := is.fired + is.dropped; {
		case err != nil:
			t.Fatal(err)
		case received+is.lost == w.messages && !is.runs && (handled == sent || is.losses > 0):
			t.Log(text)
			return
		case received+is.lost > w.messages, is.losses == 0 && handled > sent:
			t.Fatal(text)
		case text != last: // it is at work
			end = time.Now().Add(patience)
		}
		last = text
	}
	t.Error(last)
}

// linkMessages returns how many messages of the kernel's the agent has received.
func (a *burstAgent) linkMessages(t *testing.T) (messages int) {
	s, err := reflexd.AskStatus(a.socket(), patience)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range s.Sources {
		for _, st := range source.States {
			var links int
			if st.Name == "link" {
				_, _ = fmt.Sscanf(st.Detail, "%d links, %d messages", &links, &messages)
			}
		}
	}
	return messages
}

// linkWatcher receives what the agent does, and loses nothing.
type linkWatcher struct {
	socket   nl.Socket
	receiver nl.Receiver
	messages int
}

func watchLinks(t *testing.T) *linkWatcher {
	t.Helper()
	s, err := nl.Open(nl.Config{Protocol: unix.NETLINK_ROUTE, Buffer: 8 << 20})
	if err == nil {
		err = s.Join(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &linkWatcher{socket: s}
}

func (w *linkWatcher) drain(t *testing.T) {
	for {
		switch _, _, err := w.receiver.Receive(w.socket.FD); err {
		case nil:
			w.messages++
		case unix.EAGAIN:
			return
		case unix.EINTR:
		default:
			t.Fatal(err)
		}
	}
}
