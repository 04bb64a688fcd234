// SPDX-License-Identifier: MIT

// Outgoing: what is published, and under which topics.

package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"reflexd/client"
	"reflexd/client/topic"
)

// stateItem is a state of something that is exposed. One that is not known is empty:
// the broker then keeps none.
func (s *session) stateItem(kind, name, state string) item {
	switch kind {
	case "line":
		state = strings.ToUpper(state)
	case "pwm":
		state = strings.TrimSuffix(state, "%")
	}
	return item{topic: s.device.Base + "/" + kind + "/" + name, payload: state, retain: true, state: true}
}

// eventItem is something that happened to a button.
func (s *session) eventItem(n *client.Notice) item {
	fields := object{"event_type": n.State}
	for name, v := range n.Fields {
		fields[name] = v
	}
	payload, _ := json.Marshal(fields)
	return item{topic: s.device.Base + "/event/" + n.Name, payload: string(payload), expire: eventExpiry, until: time.Now().Add(eventExpiry)}
}

// publishItem is what a rule publishes.
func (s *session) publishItem(n *client.Notice) item {
	seconds := func(name string) time.Duration {
		f, _ := n.Fields[name].(float64)
		return time.Duration(f * float64(time.Second))
	}
	text, _ := n.Fields["text"].(string)
	retain, _ := n.Fields["retain"].(bool)
	return item{topic: s.device.Base + "/" + n.Name, payload: text, retain: retain, number: n.Count,
		expire: seconds("expire"), until: time.Now().Add(seconds("within"))}
}

// statusItem is the state of the agent and of the bridge. It is for the goroutine
// that sends.
func (s *session) statusItem() (item, error) {
	var sum client.Summary
	err := s.agent(func(c *client.Conn) (err error) {
		sum, err = c.Summary()
		return err
	})
	if err != nil {
		return item{}, err
	}
	s.device.Version = sum.Version
	payload, err := json.Marshal(object{"version": sum.Version, "bridge": s.opts.Version, "board": s.device.Model, "uptime": int(sum.Uptime),
		"events": sum.Events, "reloads": sum.Reloads, "rules": sum.Rules, "disabled": sum.Disabled, "losses": sum.Losses,
		"unsent": s.queue.losses(), "dropped": s.drops.count.Load()})
	return item{topic: s.device.Base + "/status", payload: string(payload), retain: true, state: true}, err
}

// subscriptions returns the filters of what rules wait for, of commands and of what
// concerns the bridge itself, and whether retained messages are wanted. No topic
// matches two of them: nothing is to be set twice.
func (s *session) subscriptions() map[string]bool {
	base := s.device.Base
	wanted := map[string]bool{s.availability(): false, s.device.ha() + "/device/" + s.device.ID + "/config": true}
	for _, rule := range s.settings.Subscribe {
		wanted[base+"/"+rule.Filter] = rule.Retained
	}
	for _, x := range s.device.Expose {
		if x.Settable {
			wanted[base+"/"+x.Kind+"/"+x.Name+"/set"] = false
		}
	}
	if s.settings.HomeAssistant != nil {
		wanted[s.device.HA.Prefix+"/status"] = false
	}
	all := map[string]bool{}
	for _, filter := range topic.Disjoint(slices.Sorted(maps.Keys(wanted)), base+"/#") {
		for other, retained := range wanted {
			all[filter] = all[filter] || retained && topic.Covers(filter, other)
		}
	}
	return all
}

// ha is where Home Assistant looks for devices, or would by default.
func (d *Device) ha() string {
	if d.HA.Prefix == "" {
		return "homeassistant"
	}
	return d.HA.Prefix
}

// welcome publishes everything: the board's announcement, all states, and at last that
// it is there.
func (s *session) welcome(ctx context.Context) error {
	filters := s.subscriptions()
	for _, filter := range slices.Sorted(maps.Keys(filters)) {
		if err := s.unlessRefused("subscribe", filter, s.broker.subscribe(ctx, filter, filters[filter])); err != nil {
			return err
		}
	}
	status, err := s.statusItem()
	if err != nil {
		return err
	}
	if err := s.announce(ctx); err != nil {
		return err
	}
	states, err := s.states()
	if err != nil {
		return err
	}
	for _, it := range append(states, status, item{topic: s.availability(), payload: "online", retain: true}) {
		if err := s.unlessRefused("publish", it.topic, s.broker.publish(ctx, &it)); err != nil {
			return fmt.Errorf("publish %s: %w", it.topic, err)
		}
	}
	s.mu.Lock()
	s.reason = ""
	s.mu.Unlock()
	if !s.fresh.Swap(false) {
		return nil
	}
	s.log.Info("broker connected", "broker", s.settings.Broker, "topic", s.device.Base, "id", s.device.ID)
	s.tellAgent(true, "")
	if s.opts.Connected != nil {
		s.opts.Connected()
	}
	return nil
}

// unwelcome has the log say why not everything could be published, once for each cause.
func (s *session) unwelcome(ctx context.Context, why error) {
	if ctx.Err() != nil || !s.connected.Load() {
		return // the end of the connection has a line of its own
	}
	s.mu.Lock()
	news := s.reason != why.Error()
	s.reason = why.Error()
	s.mu.Unlock()
	if news {
		s.log.Warn("cannot publish the states", "broker", s.settings.Broker, "why", why)
	}
}

// mostRefused is how many topics are remembered that the broker refuses.
const mostRefused = 1000

// unlessRefused returns err, but nil for a refusal: the rest can be published
// nevertheless. Each topic that is refused is one line in the log. It is for the
// goroutine that sends.
func (s *session) unlessRefused(what, topic string, err error) error {
	var refused refusal
	if !errors.As(err, &refused) {
		return err
	}
	level := slog.LevelWarn
	switch unimportant := s.settings.HomeAssistant == nil && !strings.HasPrefix(topic, s.device.Base+"/"); {
	case s.refused[topic]:
		return nil
	case unimportant: // what an earlier configuration announced cannot be taken back
		level = slog.LevelDebug
	}
	if len(s.refused) >= mostRefused {
		clear(s.refused)
	}
	s.refused[topic] = true
	s.log.Log(context.Background(), level, "the broker refuses it: see the access list of this user there", "what", what, "topic", topic, "user", s.settings.User, "why", err)
	return nil
}

// states reads the states of all that is exposed.
func (s *session) states() (all []item, err error) {
	err = s.agent(func(c *client.Conn) error {
		for _, x := range s.device.Expose {
			if len(x.Events) > 0 {
				continue
			}
			st, err := c.Get(x.Kind + "/" + x.Name)
			if err != nil && !errors.Is(err, client.ErrAbsent) {
				return fmt.Errorf("read the state of %s: %w", x.Name, err)
			}
			all = append(all, s.stateItem(x.Kind, x.Name, st.State))
		}
		return nil
	})
	return all, err
}

// announce tells Home Assistant of the board, and to forget what it had before.
func (s *session) announce(ctx context.Context) error {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	topic := s.device.ha() + "/device/" + s.device.ID + "/config"
	if s.settings.HomeAssistant == nil {
		if before == nil {
			return nil
		}
		return s.unlessRefused("publish", topic, s.broker.publish(ctx, &item{topic: topic, retain: true}))
	}
	payload, err := s.device.Payload()
	if err != nil {
		return err
	}
	gone, stale := removed(before, payload)
	items := []item{{topic: topic, payload: string(payload), retain: true}}
	if gone != nil {
		items = append([]item{{topic: topic, payload: string(gone), retain: true}}, items...)
	}
	for _, old := range stale {
		if strings.HasPrefix(old, s.device.Base+"/") {
			items = append(items, item{topic: old, retain: true})
		}
	}
	for i := range items {
		if err := s.unlessRefused("publish", items[i].topic, s.broker.publish(ctx, &items[i])); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.before = payload
	s.mu.Unlock()
	return nil
}
