// SPDX-License-Identifier: MIT

// Package bridge connects a running agent to an MQTT broker: states and events
// of what the agent exposes go there, commands and the messages that rules wait
// for come back. It runs as a program of its own, which the agent gives no
// other rights.
package bridge

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"reflexd/client"
)

// Options say how a bridge runs.
type Options struct {
	Log     *slog.Logger
	Socket  string // of the agent; "" for the usual one
	Root    string // where /sys and /etc are; "" for /
	Version string
	// Connected is called whenever the broker is there; nil for nobody.
	Connected func()
}

// eventExpiry is how long an event is worth something.
const eventExpiry = 30 * time.Second

// Run serves until ctx ends, whatever is away: the agent, or the broker.
func Run(ctx context.Context, opts Options) error {
	last := ""
	for {
		err := serve(ctx, &opts)
		if ctx.Err() != nil {
			return nil
		}
		if text := err.Error(); text != last {
			opts.Log.Warn("not connected", "why", text)
			last = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// serve does what the agent's configuration says, until that changes or the
// agent is gone.
func serve(ctx context.Context, opts *Options) error {
	stream, err := client.Dial(opts.Socket)
	if err != nil {
		return err
	}
	defer stream.Close()
	settings, err := stream.Bridge()
	if err != nil {
		return err
	}
	s, err := newSession(opts, settings)
	if err != nil {
		return err
	}
	return s.run(ctx, stream)
}

// session is the time for which the settings are the same.
type session struct {
	opts     *Options
	log      *slog.Logger
	settings *client.Bridge
	device   Device
	// serialFrom is where the serial number of the board is from; "" if there is none.
	serialFrom string
	queue      *queue
	broker     *broker
	incoming   chan received

	connected atomic.Bool
	fresh     atomic.Bool   // the connection is new: nothing was published over it
	greet     atomic.Bool   // everything is to be published
	report    atomic.Bool   // the status is to be published
	stale     atomic.Bool   // everything is, when the status is
	changed   chan struct{} // has a token if the status may be another one than before

	refused map[string]bool // topics of which the log has that; of the goroutine that sends

	// Of the goroutine that receives messages.
	retained       map[string]string // payloads of retained messages that rules have seen, by topic
	drops, foreign sparse

	mu     sync.Mutex
	reason string // why there is no connection, as the log has it
	before []byte // the announcement that the broker has kept
}

func newSession(opts *Options, settings *client.Bridge) (*session, error) {
	s := &session{opts: opts, log: opts.Log, settings: settings, queue: newQueue(settings.Queue),
		incoming: make(chan received, 256), changed: make(chan struct{}, 1), refused: map[string]bool{}, retained: map[string]string{}}
	s.queue.lose = s.statusChanged
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	serial, from := Serial(root(opts), settings.Serials)
	s.serialFrom = from
	base := cmp.Or(settings.Topic, "reflexd/"+host)
	s.device = Device{ID: "reflexd-" + cmp.Or(serial, plain(host)), Base: base, Model: Model(root(opts)), Expose: settings.Expose}
	if settings.HomeAssistant != nil {
		s.device.HA = *settings.HomeAssistant
	}
	return s, nil
}

func root(opts *Options) string { return cmp.Or(opts.Root, "/") }

// warnOfClones warns of names that other boards may have, too.
func (s *session) warnOfClones() {
	if s.serialFrom == "" {
		s.log.Warn("no serial number is known: the client id is by the host name, which must differ from those of other boards", "id", s.device.ID)
	}
	if host, ok := strings.CutPrefix(s.device.Base, "reflexd/"); ok && s.settings.Topic == "" && isStockHost(host) {
		s.log.Warn("other boards have the same host name: set `topic` in the configuration, or another host name", "topic", s.device.Base)
	}
	s.log.Debug("identity", "id", s.device.ID, "from", s.serialFrom, "topic", s.device.Base)
}

// agent calls f with a connection to the agent.
func (s *session) agent(f func(*client.Conn) error) error {
	c, err := client.Dial(s.opts.Socket)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// run serves until outer ends or the agent ends the stream. It owns all goroutines
// of the session, and waits for them.
func (s *session) run(outer context.Context, stream *client.Conn) error {
	ctx, stop := context.WithCancelCause(outer)
	defer stop(nil)
	atBroker, hangUp := context.WithCancel(context.WithoutCancel(outer)) // longer than ctx: the end is published, too
	defer hangUp()
	b, err := connect(atBroker, &dialling{settings: s.settings, id: s.device.ID, will: s.availability(),
		up: s.up, down: s.down,
		message: func(r received) {
			select {
			case s.incoming <- r:
			case <-ctx.Done():
			}
		}})
	if err != nil {
		s.tellAgent(false, err.Error())
		return err
	}
	s.broker = b
	defer b.close()
	s.warnOfClones()
	var all sync.WaitGroup
	for _, part := range []func(context.Context){
		func(context.Context) { stop(s.read(stream)) },
		s.send, s.receive, s.tick,
	} {
		all.Go(func() { part(ctx) })
	}
	<-ctx.Done()
	stream.Close()
	all.Wait()
	s.leave()
	return context.Cause(ctx)
}

// leaveTime is how long the broker may take for the last message.
const leaveTime = 2 * time.Second

// leave publishes that the board is offline: a connection that is ended in order
// has no last will.
func (s *session) leave() {
	if !s.connected.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := s.broker.publish(ctx, &item{topic: s.availability(), payload: "offline", retain: true}); err != nil {
		s.log.Debug("the end is not published", "error", err)
	}
}

func (s *session) availability() string { return s.device.Base + "/availability" }

// tellAgent reports whether the broker is connected, or why not.
func (s *session) tellAgent(connected bool, why string) {
	if err := s.agent(func(c *client.Conn) error { return c.Broker(connected, why) }); err != nil {
		s.log.Debug("the agent does not know the state of the broker", "connected", connected, "error", err)
	}
}

// up notes that the broker is connected; the sender then publishes everything.
func (s *session) up() {
	s.connected.Store(true)
	s.fresh.Store(true)
	s.again()
}

// down notes that it is not. Each cause is one line in the log; that the connection
// is lost comes after what the broker says of it, and adds nothing.
func (s *session) down(why error) {
	was := s.connected.Swap(false)
	s.mu.Lock()
	news := s.reason != why.Error() && (was || s.reason == "" || why != errLost)
	if news {
		s.reason = why.Error()
	}
	s.mu.Unlock()
	if !news {
		return
	}
	s.log.Warn("broker disconnected", "broker", s.settings.Broker, "id", s.device.ID, "why", why)
	s.tellAgent(false, why.Error())
}

// read takes the notices of the agent, until it ends the stream.
func (s *session) read(stream *client.Conn) error {
	for {
		n, err := stream.Next()
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		switch n.Type {
		case "state":
			s.queue.put(s.stateItem(n.Kind, n.Name, n.State))
		case "event":
			s.queue.put(s.eventItem(&n))
		case "publish":
			s.queue.put(s.publishItem(&n))
		case "summary":
			s.statusChanged()
		case "lost":
			s.log.Warn("the agent's stream is too fast: all states are read again", "lost", n.Count)
			s.again()
		}
	}
}

// send publishes what is queued, one after the other: nothing else publishes while
// the session lasts.
func (s *session) send(ctx context.Context) {
	for ctx.Err() == nil {
		switch it, ok := s.next(ctx); {
		case ok:
			s.sendOne(ctx, it)
		default:
			select {
			case <-ctx.Done():
			case <-s.queue.more:
			}
		}
	}
}

// next returns what is to be published next: first everything, if the broker has just
// been connected.
func (s *session) next(ctx context.Context) (it item, ok bool) {
	if !s.connected.Load() {
		return item{}, false
	}
	if s.greet.Swap(false) {
		if err := s.welcome(ctx); err != nil {
			s.unwelcome(ctx, err)
			s.rest(ctx, time.Second)
			s.again()
			return item{}, false
		}
	}
	if s.report.Swap(false) {
		if it, err := s.statusItem(); err == nil {
			return it, true
		}
	}
	return s.queue.take()
}

func (s *session) rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *session) sendOne(ctx context.Context, it item) {
	err := s.broker.publish(ctx, &it)
	if s.unlessRefused("publish", it.topic, err) != nil {
		s.queue.back(it)
		s.rest(ctx, 100*time.Millisecond)
		return
	}
	if it.number == 0 {
		return
	}
	if failed := s.agent(func(c *client.Conn) error { return c.Published(it.number, err) }); failed != nil {
		s.log.Debug("the agent does not know of a message", "error", failed)
	}
}

// The status is published once a minute, and at a change at most this often.
const (
	statusPeriod = time.Minute
	statusPause  = 5 * time.Second
)

// statusChanged notes that the status may be another one than before.
func (s *session) statusChanged() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// tick has the status published, and everything if that is stale.
func (s *session) tick(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.changed:
		case <-time.After(statusPeriod):
		}
		if s.stale.Swap(false) {
			s.again() // the status is part of it
		} else {
			s.report.Store(true)
			s.queue.wake()
		}
		s.rest(ctx, statusPause)
	}
}
