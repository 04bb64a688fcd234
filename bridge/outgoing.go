// SPDX-License-Identifier: MIT

// Outgoing: what is published, and under which topics.

package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"reflexd/client"
)

// stateItem is a state of something that is exposed.
func (s *session) stateItem(kind, name, state string) item {
	if kind == "line" {
		state = strings.ToUpper(state)
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

// statusItem is the agent's state.
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
		"events": sum.Events, "reloads": sum.Reloads, "rules": sum.Rules, "lost": s.queue.losses(), "dropped": s.dropped.Load()})
	return item{topic: s.device.Base + "/status", payload: string(payload), retain: true, state: true}, err
}

// subscriptions are all topic filters, those of rules first: their numbers begin
// with 1.
func (s *session) subscriptions() []subscription {
	var all []subscription
	base := s.device.Base
	for _, rule := range s.settings.Subscribe {
		all = append(all, subscription{base + "/" + rule.Filter, rule.Retained})
	}
	for _, x := range s.device.Expose {
		if x.Settable {
			all = append(all, subscription{base + "/" + x.Kind + "/" + x.Name + "/set", false})
		}
	}
	all = append(all, subscription{base + "/availability", false}, subscription{s.device.ha() + "/device/" + s.device.ID + "/config", true})
	if s.settings.HomeAssistant != nil {
		all = append(all, subscription{s.device.HA.Prefix + "/status", false})
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

// welcome tells a broker that has just been connected everything: the board's
// announcement, all states, and at last that it is there.
func (s *session) welcome(ctx context.Context) error {
	for i, sub := range s.subscriptions() {
		if err := s.broker.subscribe(ctx, i+1, sub); err != nil {
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
	for _, it := range append(s.states(), status, item{topic: s.device.Base + "/availability", payload: "online", retain: true}) {
		if err := s.broker.publish(ctx, &it); err != nil {
			return fmt.Errorf("publish %s: %w", it.topic, err)
		}
	}
	s.mu.Lock()
	s.reason = ""
	s.mu.Unlock()
	s.log.Info("broker connected", "broker", s.settings.Broker, "topic", s.device.Base, "id", s.device.ID)
	err = s.agent(func(c *client.Conn) error { return c.Broker(true, "") })
	if err == nil && s.opts.Connected != nil {
		s.opts.Connected()
	}
	return err
}

// states reads the states of all that is exposed. One that is not known is left
// out.
func (s *session) states() []item {
	var all []item
	err := s.agent(func(c *client.Conn) error {
		for _, x := range s.device.Expose {
			if len(x.Events) > 0 {
				continue
			}
			st, err := c.Get(x.Kind + "/" + x.Name)
			if err != nil {
				s.log.Debug("no state", "of", x.Name, "why", err)
				continue
			}
			all = append(all, s.stateItem(x.Kind, x.Name, st.State))
		}
		return nil
	})
	if err != nil {
		s.log.Warn("states are not known", "error", err)
	}
	return all
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
		return s.broker.publish(ctx, &item{topic: topic, retain: true})
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
		if err := s.broker.publish(ctx, &items[i]); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.before = payload
	s.mu.Unlock()
	return nil
}
