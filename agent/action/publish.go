// SPDX-License-Identifier: MIT

// The action publish: a message for the MQTT broker.

package action

import (
	"time"

	"reflexd/agent/bridge"
	"reflexd/agent/expand"
	"reflexd/client/topic"
	"reflexd/config"
	"reflexd/sources"
)

// publishExpire is for how long a message waits for the broker if the
// configuration does not say.
const publishExpire = 30 * time.Second

var publishKind = Kind{
	Key:  "publish",
	Also: "mqtt",
	Doc:  "publish a message by way of reflexd-mqtt; the next action begins when the broker has it",
	New: func() (config.Value, func(*Check) Action) {
		a := &publish{}
		return config.At(&a.at, config.Object(
			config.Field{Name: "topic", Doc: "the topic, below the base topic", Required: true, Value: expand.Value(&a.topic)},
			config.Field{Name: "text", Doc: "the payload", Default: "empty", Value: expand.Value(&a.text)},
			config.Field{Name: "retain", Doc: "the broker keeps it for later subscribers", Default: "off", Value: config.Bool(&a.retain)},
			config.Field{Name: "expire", Doc: "for how long it waits for the broker, then the action fails; the broker drops it likewise", Default: "30s",
				Value: config.Duration(&a.expire)},
		)), a.check
	},
}

type publish struct {
	at          config.Pos
	topic, text expand.Text
	retain      bool
	expire      time.Duration // 0 if it was not given
}

func (a *publish) check(c *Check) Action {
	if c.Bridge != nil {
		c.Bridge.CheckDeclared("publish", a.at, c.Problems)
	}
	c.Text(a.topic)
	c.Text(a.text)
	if a.topic.HasFields() {
		return a
	}
	if err := topic.CheckOwn(a.topic.String()); err != nil && a.topic.Pos.Line != 0 {
		c.Problems.Errorf(a.topic.Pos, "%v", err)
	}
	return a
}

// Describe implements Action.
func (a *publish) Describe(e *sources.Event) string {
	return "publish " + a.topic.Expand(e) + ": " + a.text.Expand(e)
}

// Start implements Action.
func (a *publish) Start(r *Run) (Pending, error) {
	m := bridge.Message{Topic: a.topic.Expand(r.Event), Text: a.text.Expand(r.Event), Retain: a.retain, Expire: a.expire}
	m.Expires = a.expire > 0 || !a.retain
	if m.Expire == 0 {
		m.Expire = publishExpire
	}
	p, err := r.Env.Bridge.Publish(m, r.Finish)
	if err != nil {
		return nil, err
	}
	return publishing{p}, nil
}

// publishing is a message under way.
type publishing struct{ *bridge.Sending }

// Stop implements Pending.
func (p publishing) Stop() (gone bool) { return p.Cancel() }
