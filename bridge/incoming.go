// SPDX-License-Identifier: MIT

// Incoming: messages from the broker. Whoever sends them is not to be trusted:
// what is neither exposed nor awaited by a rule is dropped, here and by the
// agent.

package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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

// sparse counts what others can make happen as often as they like, and has the
// log get one line a minute of it. Its owner is one goroutine; others may only read
// the count.
type sparse struct {
	count  atomic.Int64
	logged time.Time
}

// tell counts one more. It reports whether the log is to have it.
func (s *sparse) tell(now time.Time) bool {
	s.count.Add(1)
	if !s.logged.IsZero() && now.Sub(s.logged) < time.Minute {
		return false
	}
	s.logged = now
	return true
}

// drop counts a message that is not taken.
func (s *session) drop(name string, why error) {
	if s.drops.tell(time.Now()) {
		s.log.Warn("a message is dropped", "topic", fmt.Sprintf("%.100q", name), "why", why, "dropped", s.drops.count.Load())
	}
	s.statusChanged()
}

func (s *session) take(r received) error {
	switch rest, below := strings.CutPrefix(r.topic, s.device.Base+"/"); {
	case r.topic == s.device.ha()+"/device/"+s.device.ID+"/config":
		s.seen(r.payload)
		return nil
	case s.settings.HomeAssistant != nil && r.topic == s.device.HA.Prefix+"/status":
		if string(r.payload) == "online" {
			s.outdated()
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

// outdated has everything published again soon: whoever may write to the broker can
// ask for it as often as they like.
func (s *session) outdated() {
	s.stale.Store(true)
	s.statusChanged()
}

// seen notes the announcement that the broker has kept from before. If it is of
// another configuration, it is replaced, and what it had too many is removed.
func (s *session) seen(payload []byte) {
	s.mu.Lock()
	news := s.before == nil || !bytes.Equal(s.before, payload)
	s.before = slices.Clone(payload)
	s.mu.Unlock()
	if news && (len(payload) > 0 || s.settings.HomeAssistant != nil) {
		s.outdated()
	}
}

// owned notes what somebody else publishes as our availability: the last will of
// our own connection before, or another board with the same topic.
func (s *session) owned(payload string) {
	switch payload {
	case "online":
		if s.foreign.tell(time.Now()) {
			s.log.Error("another client publishes under the same topic: set `topic` in one of the two configurations", "topic", s.device.Base)
		}
	case "offline":
		s.queue.put(item{topic: s.availability(), payload: "online", retain: true, state: true})
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
	switch {
	case r.retained:
		return errors.New("a retained command is ignored: it may be old")
	case len(to) > longestValue || !utf8.ValidString(to) || strings.Contains(to, "\x00"):
		return fmt.Errorf("the value is longer than %d bytes, holds a NUL, or is not UTF-8", longestValue)
	}
	to, err := order(x.Kind, to)
	if err != nil {
		return err
	}
	return s.agent(func(c *client.Conn) error {
		_, err := c.Set(x.Kind+"/"+x.Name, to)
		return err
	})
}

// order returns what the agent calls the value of a command.
func order(kind, value string) (string, error) {
	if kind == "var" {
		return value, nil
	}
	word := strings.ToLower(value)
	switch {
	case word == "on" || word == "off" || word == "toggle":
		return word, nil
	case kind != "pwm":
		return "", fmt.Errorf("expected ON, OFF or TOGGLE, found %.20q", value)
	}
	level := strings.TrimSuffix(word, "%")
	if n, err := strconv.ParseFloat(level, 64); err != nil || !(n >= 0 && n <= 100) {
		return "", fmt.Errorf("expected ON, OFF, TOGGLE or a number from 0 to 100, found %.20q", value)
	}
	return level + "%", nil
}

// deliver brings a message to the agent's rules.
func (s *session) deliver(rest string, r received) error {
	m := client.Message{Topic: rest, Payload: string(r.payload), Retained: r.retained}
	if _, own := topic.Reserved(rest); own && r.retained && !strings.HasSuffix(rest, "/set") {
		return nil // what we publish, which the broker has kept: the filter of a rule covers it
	} else if own {
		return errors.New("the topic is one of the bridge's own, and nothing that can be set is exposed there")
	}
	switch whole, err := json.Marshal(m); {
	case !slices.ContainsFunc(s.settings.Subscribe, func(f client.Subscription) bool { return topic.Match(f.Filter, rest) }):
		return errors.New("no rule matches")
	case err != nil || len(whole) > client.MaxRequest-200:
		return fmt.Errorf("the message is too long for a rule: about %d bytes are allowed", client.MaxRequest-200)
	case r.retained && s.hasSeen(&m):
		return nil
	}
	err := s.agent(func(c *client.Conn) error { return c.Deliver(m) })
	if err == nil && r.retained {
		s.saw(&m)
	}
	return err
}

// mostRetained is how many retained messages are told apart.
const mostRetained = 1000

// hasSeen reports whether rules have seen a retained message already: it comes again
// with each connection.
func (s *session) hasSeen(m *client.Message) bool {
	old, ok := s.retained[m.Topic]
	return ok && old == m.Payload
}

func (s *session) saw(m *client.Message) {
	if len(s.retained) >= mostRetained {
		clear(s.retained)
	}
	s.retained[m.Topic] = m.Payload
}
