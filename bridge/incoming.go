// SPDX-License-Identifier: MIT

// Incoming: messages from the broker. Whoever sends them is not to be trusted:
// what is neither exposed nor awaited by a rule is dropped, here and by the
// agent.

package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"reflexd/client"
	"reflexd/client/topic"
)

// receive takes what the broker sends.
func (s *session) receive(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-s.incoming:
			if err := s.take(r); err != nil {
				s.drop(r.topic, err)
			}
		}
	}
}

// drop counts a message that is not taken, and logs one a minute.
func (s *session) drop(name string, why error) {
	n := s.dropped.Add(1)
	now, last := time.Now().Unix(), s.warned.Load()
	if now-last >= 60 && s.warned.CompareAndSwap(last, now) {
		s.log.Warn("a message is dropped", "topic", fmt.Sprintf("%.100q", name), "why", why, "dropped", n)
	}
}

func (s *session) take(r received) error {
	switch rest, below := strings.CutPrefix(r.topic, s.device.Base+"/"); {
	case r.topic == s.device.ha()+"/device/"+s.device.ID+"/config":
		s.seen(r.payload)
		return nil
	case s.settings.HomeAssistant != nil && r.topic == s.device.HA.Prefix+"/status":
		if string(r.payload) == "online" {
			s.again()
		}
		return nil
	case !below:
		return fmt.Errorf("the topic is not below %s", s.device.Base)
	case rest == "availability":
		s.owned(string(r.payload))
		return nil
	case strings.HasSuffix(rest, "/set") && s.settable(strings.TrimSuffix(rest, "/set")) != nil:
		return s.set(s.settable(strings.TrimSuffix(rest, "/set")), r)
	default:
		return s.deliver(rest, r)
	}
}

// again has the broker told everything again.
func (s *session) again() {
	s.greet.Store(true)
	s.queue.wake()
}

// seen notes the announcement that the broker has kept from before. If it is of
// another configuration, it is replaced, and what it had too many is removed.
func (s *session) seen(payload []byte) {
	s.mu.Lock()
	news := s.before == nil || !bytes.Equal(s.before, payload)
	s.before = slices.Clone(payload)
	s.mu.Unlock()
	if news && (len(payload) > 0 || s.settings.HomeAssistant != nil) {
		s.again()
	}
}

// owned notes what somebody else publishes as our availability: the last will of
// our own connection before, or another board with the same topic.
func (s *session) owned(payload string) {
	if payload == "online" {
		s.log.Error("another client publishes under the same topic: set `topic` in one of the two configurations", "topic", s.device.Base)
		return
	}
	if payload == "offline" {
		s.queue.put(item{topic: s.device.Base + "/availability", payload: "online", retain: true, state: true})
	}
}

// settable returns what is exposed as KIND/NAME and can be set, nil for nothing.
func (s *session) settable(name string) *client.Exposed {
	for i := range s.device.Expose {
		if x := &s.device.Expose[i]; x.Settable && x.Kind+"/"+x.Name == name {
			return x
		}
	}
	return nil
}

// longestValue is the length in bytes of the longest value of a command.
const longestValue = 1024

func (s *session) set(x *client.Exposed, r received) error {
	to := string(r.payload)
	if x.Kind == "line" {
		to = strings.ToLower(to)
	}
	switch {
	case r.retained:
		return fmt.Errorf("a retained command is ignored: it may be old")
	case len(to) > longestValue || !utf8.ValidString(to) || strings.Contains(to, "\x00"):
		return fmt.Errorf("the value is longer than %d bytes, holds a NUL, or is not UTF-8", longestValue)
	case x.Kind == "line" && to != "on" && to != "off" && to != "toggle":
		return fmt.Errorf("expected ON, OFF or TOGGLE, found %.20q", to)
	}
	return s.agent(func(c *client.Conn) error {
		_, err := c.Set(x.Kind+"/"+x.Name, to)
		return err
	})
}

// deliver brings a message to the agent's rules, once: a broker sends it for
// each subscription that matches.
func (s *session) deliver(rest string, r received) error {
	first := slices.IndexFunc(s.settings.Subscribe, func(f client.Subscription) bool { return topic.Match(f.Filter, rest) })
	m := client.Message{Topic: rest, Payload: string(r.payload), Retained: r.retained}
	if _, own := topic.Reserved(rest); own {
		return fmt.Errorf("the topic is one of the bridge's own")
	}
	switch whole, err := json.Marshal(m); {
	case first < 0:
		return fmt.Errorf("no rule matches")
	case r.by > 0 && r.by != first+1 && !r.retained:
		return nil // it comes again, by the first one that matches
	case err != nil || len(whole) > client.MaxRequest-200:
		return fmt.Errorf("the message is too long for a rule: about %d bytes are allowed", client.MaxRequest-200)
	case r.retained && !s.freshlyRetained(&m):
		return nil
	}
	return s.agent(func(c *client.Conn) error { return c.Deliver(m) })
}

// mostRetained is how many retained messages are told apart.
const mostRetained = 1000

// freshlyRetained reports whether rules have not seen a retained message yet: it
// comes again with each connection.
func (s *session) freshlyRetained(m *client.Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.retained[m.Topic]; ok && old == m.Payload {
		return false
	}
	if len(s.retained) >= mostRetained {
		clear(s.retained)
	}
	s.retained[m.Topic] = m.Payload
	return true
}
