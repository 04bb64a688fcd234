// SPDX-License-Identifier: MIT

// Package bridge connects a running agent to an MQTT broker: states and events
// of what the agent exposes go there, commands and the messages that rules wait
// for come back. It runs as a program of its own, which the agent gives no
// other rights.
package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
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
			opts.Log.Warn("waiting for the agent", "why", text)
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
	queue    *queue
	broker   *broker
	incoming chan received

	connected atomic.Bool
	greet     atomic.Bool // the broker is to be told everything
	dropped   atomic.Int64
	warned    atomic.Int64 // when the last warning of dropped messages was, in Unix seconds

	mu       sync.Mutex
	reason   string            // why there is no connection, as the log has it
	before   []byte            // the announcement that the broker has kept
	retained map[string]string // payloads of retained messages that rules have seen, by topic
}

func newSession(opts *Options, settings *client.Bridge) (*session, error) {
	s := &session{opts: opts, log: opts.Log, settings: settings, queue: newQueue(settings.Queue),
		incoming: make(chan received, 256), retained: map[string]string{}}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	serial, file := Serial(root(opts))
	if serial == "" {
		serial = plain(host)
		s.log.Warn("no serial number is known: the client id is by the host name, which must differ from those of other boards", "id", serial)
	}
	base := settings.Topic
	if base == "" {
		base = "reflexd/" + host
	}
	s.log.Debug("identity", "serial", serial, "from", file, "topic", base)
	s.device = Device{ID: "reflexd-" + serial, Base: base, Model: Model(root(opts)), Expose: settings.Expose}
	if settings.HomeAssistant != nil {
		s.device.HA = *settings.HomeAssistant
	}
	return s, nil
}

func root(opts *Options) string {
	if opts.Root == "" {
		return "/"
	}
	return opts.Root
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

func (s *session) run(outer context.Context, stream *client.Conn) error {
	ctx, stop := context.WithCancelCause(outer)
	defer stop(nil)
	atBroker, hangUp := context.WithCancel(context.WithoutCancel(outer)) // longer than ctx: the end is published, too
	defer hangUp()
	b, err := connect(atBroker, &dialling{settings: s.settings, id: s.device.ID, will: s.device.Base + "/availability",
		up: s.up, down: s.down,
		message: func(r received) {
			select {
			case s.incoming <- r:
			case <-ctx.Done():
			}
		}})
	if err != nil {
		return err
	}
	s.broker = b
	defer b.close()
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
	if s.connected.Load() {
		last := item{topic: s.device.Base + "/availability", payload: "offline", retain: true}
		if err := b.publish(context.Background(), &last); err != nil {
			s.log.Debug("the end is not published", "error", err)
		}
	}
	return context.Cause(ctx)
}

// up notes that the broker is connected; the sender then tells it everything.
func (s *session) up() {
	s.connected.Store(true)
	s.greet.Store(true)
	s.queue.wake()
}

// down notes that it is not. One line in the log tells each cause.
func (s *session) down(why error) {
	was := s.connected.Swap(false)
	s.mu.Lock()
	news := s.reason != why.Error() && (was || s.reason == "" || why.Error() != "the connection is lost")
	if news {
		s.reason = why.Error()
	}
	s.mu.Unlock()
	if !news {
		return
	}
	s.log.Warn("broker disconnected", "broker", s.settings.Broker, "why", why)
	if err := s.agent(func(c *client.Conn) error { return c.Broker(false, why.Error()) }); err != nil {
		s.log.Debug("the agent does not know that the broker is disconnected", "error", err)
	}
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
		case "lost":
			s.log.Warn("the agent's stream is too fast: all states are read again", "lost", n.Count)
			s.greet.Store(true)
			s.queue.wake()
		}
	}
}

// send publishes what is queued, one after the other.
func (s *session) send(ctx context.Context) {
	for ctx.Err() == nil {
		if s.connected.Load() && s.greet.Swap(false) {
			if err := s.welcome(ctx); err != nil {
				s.log.Debug("the broker was not told everything", "error", err)
				s.greet.Store(true)
				s.rest(ctx, time.Second)
				continue
			}
		}
		it, ok := item{}, false
		if s.connected.Load() {
			it, ok = s.queue.take()
		}
		if !ok {
			s.await(ctx)
			continue
		}
		s.sendOne(ctx, it)
	}
}

func (s *session) await(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.queue.more:
	}
}

func (s *session) rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *session) sendOne(ctx context.Context, it item) {
	err := s.broker.publish(ctx, &it)
	var refused refusal
	if err != nil && !errors.As(err, &refused) {
		s.queue.back(it)
		s.rest(ctx, 100*time.Millisecond)
		return
	}
	if err != nil {
		s.log.Warn("the broker refuses a message", "topic", it.topic, "why", err)
	}
	if it.number == 0 {
		return
	}
	if failed := s.agent(func(c *client.Conn) error { return c.Published(it.number, err) }); failed != nil {
		s.log.Debug("the agent does not know of a message", "error", failed)
	}
}

// tick publishes the status, once a minute.
func (s *session) tick(ctx context.Context) {
	for {
		s.rest(ctx, time.Minute)
		if ctx.Err() != nil {
			return
		}
		if it, err := s.statusItem(); err == nil {
			s.queue.put(it)
		}
	}
}
