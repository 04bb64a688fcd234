// SPDX-License-Identifier: MIT

// Source: whether the bridge and the broker are there, and the messages that
// rules publish.

package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"reflexd/client"
	"reflexd/client/topic"
	"reflexd/sources"
)

// window is how many messages the bridge has at a time that the broker has not
// acknowledged: the stream to it holds them all.
const window = 64

// Source implements sources.Source. All its methods are for the loop's thread.
type Source struct {
	host   sources.Host
	plan   *Plan
	send   Send   // to the bridge; nil while there is none
	state  string // of the broker; "" without the section
	reason string
	queue  []*Sending
	last   uint64 // number of the last message
	sent   int    // how many of queue the bridge has
	value  func(kind, name string) string
	told   map[subject]*settling // what was sent to the bridge lately
}

func open(host sources.Host) *Source {
	return &Source{host: host, plan: newPlan(), told: map[subject]*settling{}}
}

// Apply implements sources.Source.
func (s *Source) Apply(plan sources.Plan) {
	s.plan = plan.(*Plan)
	switch declared := s.plan.Declared(); {
	case declared && s.state == "":
		s.become(disconnected, noBridge, sources.Found)
	case !declared && s.state != "":
		s.become("", "", sources.Vanishes)
		for len(s.queue) > 0 {
			s.finish(s.queue[0], errors.New("the configuration has no section mqtt any more"))
		}
	}
}

const noBridge = "reflexd-mqtt is not connected to the agent"

// become makes state that of the broker.
func (s *Source) become(state, reason string, standing sources.Standing) {
	if s.state == state && standing == sources.Begins {
		s.reason = reason
		return
	}
	s.state, s.reason = state, reason
	s.host.Emit(&sources.Event{
		Time: s.host.Loop.Now(), Topic: sources.Topic{Kind: "broker", State: state}, Source: "mqtt", Standing: standing,
		Fields: []sources.Field{{Name: "BROKER", Value: sources.Text(s.plan.settings.Broker)}, {Name: "REASON", Value: sources.Text(reason)}},
	})
}

// SetBroker notes that the bridge is connected to the broker, or why not.
func (s *Source) SetBroker(isConnected bool, reason string) {
	switch {
	case s.state == "":
	case isConnected:
		s.become(connected, "", sources.Begins)
	default:
		s.become(disconnected, reason, sources.Begins)
	}
}

// Broker returns the state of the connection to the broker, connected or
// disconnected, and why it is not connected; "" without the section mqtt.
func (s *Source) Broker() (state, reason string) { return s.state, s.reason }

// Attached reports whether the bridge is there.
func (s *Source) Attached() bool { return s.send != nil }

// Send sends the bridge a notice. dropped is called, later, if the bridge has not read
// it in time; nil for nobody.
type Send func(n *client.Notice, dropped func()) error

// Attach gives the source the bridge; value returns what something is now, "" if
// nobody knows.
func (s *Source) Attach(send Send, value func(kind, name string) string) {
	s.send, s.value = send, value
	s.pump()
}

// Detach notes that the bridge is gone.
func (s *Source) Detach() {
	s.send, s.sent = nil, 0
	s.settle()
	if s.state != "" {
		s.become(disconnected, noBridge, sources.Begins)
	}
}

// Message is what a rule publishes, below the base topic.
type Message struct {
	Topic, Text string
	Retain      bool
	Expire      time.Duration // for how long it waits for the broker
	Expires     bool          // at the broker, too
}

// Sending is a message that the broker does not have yet.
type Sending struct {
	source *Source
	number uint64
	text   Message
	until  time.Duration
	timer  sources.Timer
	done   func(error)
}

// Publish has the bridge publish m. done is called, later and once, when the
// broker has it, or when its time is over; not after Cancel.
func (s *Source) Publish(m Message, done func(error)) (*Sending, error) {
	if err := topic.CheckOwn(m.Topic); err != nil {
		return nil, err
	}
	if len(s.queue) >= s.plan.settings.Queue {
		return nil, fmt.Errorf("publish %s: %d messages wait for the broker already", m.Topic, len(s.queue))
	}
	s.last++
	p := &Sending{source: s, number: s.last, text: m, until: s.host.Loop.Now() + m.Expire, done: done}
	p.timer = s.host.Loop.After(m.Expire, p.expire)
	s.queue = append(s.queue, p)
	s.pump()
	return p, nil
}

// pump sends the bridge what it has room for.
func (s *Source) pump() {
	for s.send != nil && s.sent < min(window, len(s.queue)) {
		p := s.queue[s.sent]
		s.sent++
		if err := s.send(p.notice(s.host.Loop.Now()), func() { p.later(errStream) }); err != nil {
			p.later(err)
		}
	}
}

// errStream is why a message does not reach the bridge. It is not sent again: it would
// come after those that followed it.
var errStream = errors.New("reflexd-mqtt reads its messages too slowly")

// later fails p in the loop's next turn: whoever publishes does not know p yet.
func (p *Sending) later(err error) {
	sources.StopTimer(&p.timer)
	p.timer = p.source.host.Loop.After(0, func() { p.source.finish(p, fmt.Errorf("publish %s: %w", p.text.Topic, err)) })
}

func (p *Sending) notice(now time.Duration) *client.Notice {
	n := &client.Notice{Type: "publish", Time: client.Seconds(now), Name: p.text.Topic, Count: p.number,
		Fields: map[string]any{"text": p.text.Text, "within": client.Seconds(p.until - now)}}
	if p.text.Retain {
		n.Fields["retain"] = true
	}
	if p.text.Expires {
		n.Fields["expire"] = client.Seconds(p.text.Expire)
	}
	return n
}

func (p *Sending) expire() {
	p.timer = nil
	s := p.source
	why := "the broker did not acknowledge it"
	if s.state == disconnected {
		why = strings.TrimSuffix("the broker is disconnected: "+s.reason, ": ")
	}
	s.finish(p, fmt.Errorf("publish %s: not within %v: %s", p.text.Topic, p.text.Expire, why))
}

// Published notes what became of a message.
func (s *Source) Published(number uint64, failure error) {
	i := slices.IndexFunc(s.queue, func(p *Sending) bool { return p.number == number })
	if i >= 0 && i < s.sent {
		p := s.queue[i]
		if failure != nil {
			failure = fmt.Errorf("publish %s: %w", p.text.Topic, failure)
		}
		s.finish(p, failure)
	}
}

// finish ends p, if it has not ended.
func (s *Source) finish(p *Sending, err error) {
	if p.Cancel() {
		p.done(err)
	}
}

// Cancel forgets the message. It reports whether it was waiting still; the
// bridge may send it nevertheless.
func (p *Sending) Cancel() bool {
	s := p.source
	i := slices.Index(s.queue, p)
	if i < 0 {
		return false
	}
	sources.StopTimer(&p.timer)
	s.queue = slices.Delete(s.queue, i, i+1)
	if i < s.sent {
		s.sent--
	}
	s.pump()
	return true
}

// Status implements sources.Source.
func (s *Source) Status() []sources.State {
	if s.state == "" {
		return nil
	}
	st := sources.State{Name: "broker", Detail: s.plan.settings.Broker, OK: s.state == connected, Error: s.reason}
	if n := len(s.queue); n > 0 {
		st.Detail += fmt.Sprintf(", %d waiting", n)
	}
	return []sources.State{st}
}

// Close implements sources.Source.
func (s *Source) Close() {
	for _, p := range s.queue {
		sources.StopTimer(&p.timer)
	}
	s.queue, s.send = nil, nil
	s.settle()
}
